// What the reclaimer is to reach, by who asks: a gauge of bytes, or anybody who names a number of bytes.
#pragma once

#include "core/platform/clock.h"
#include "core/pressure/marks.h"
#include "core/pressure/reclaimer.h"

namespace ashmem_compat::pressure {

// Until the gauge shows enough.
class GaugeDemand final : public Demand {
 public:
  // `ahead`: bytes that are as good as taken, because they will be before one can look again.
  GaugeDemand(Gauge& gauge, const Marks& marks, const Reading& reading, uint64_t ahead)
      : gauge_(gauge),
        marks_(marks),
        reading_(reading),
        order_(order_by(ahead)),
        enough_(enough(marks, reading.limit) + ahead) {}

  uint64_t missing(uint64_t) override {
    if (!gauge_.read(now_ms(), &reading_) || reading_.limit == 0) return 0;
    return reading_.available < enough_ ? enough_ - reading_.available : 0;
  }
  bool urgent() const override { return reading_.available < (marks_.medium + marks_.critical) / 2; }
  Order order() const override { return urgent() ? Order::kByPlace : order_; }
  Gauge* gauge() const override { return &gauge_; }

  static Order order_by(uint64_t ahead) { return ahead >= kMuch ? Order::kByRuns : Order::kByAge; }

 private:
  static constexpr uint64_t kMuch = uint64_t{1} << 20;  // bytes

  Gauge& gauge_;
  const Marks& marks_;
  Reading reading_;
  const Order order_;
  const uint64_t enough_;
};

// Until so many bytes are free, whatever they are charged to.
class ByteDemand final : public Demand {
 public:
  ByteDemand(uint64_t bytes, Gauge* gauge, bool urgent) : bytes_(bytes), gauge_(gauge), urgent_(urgent) {}

  uint64_t missing(uint64_t freed) override { return freed < bytes_ ? bytes_ - freed : 0; }
  bool urgent() const override { return urgent_; }
  Gauge* gauge() const override { return gauge_; }

 private:
  const uint64_t bytes_;
  Gauge* const gauge_;
  const bool urgent_;
};

}  // namespace ashmem_compat::pressure
