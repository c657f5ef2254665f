// Major faults of this process: pages that the kernel took away are read again. Works wherever nothing else does, and says least: a
// process that reads a mapped file for the first time has major faults as well. So never critical.
#include <sys/resource.h>

#include "core/pressure/sources/rate_window.h"
#include "core/pressure/sources/sources.h"

namespace ashmem_compat::pressure {
namespace {

// Faults a second. At 0.1 ms of waiting for each, 2 % and 10 % of the time of a thread.
constexpr uint64_t kLow = 200;
constexpr uint64_t kMedium = 1000;
constexpr uint64_t kWindowMs = 1000;

class MajorFaultsGauge final : public Gauge {
 public:
  const std::string& where() const override { return where_; }

  bool read(uint64_t now_ms, Reading* reading) override {
    *reading = Reading{};
    rusage usage;
    if (getrusage(RUSAGE_SELF, &usage) != 0) return false;
    // The first sample is the baseline: the faults of the program's own start are not counted.
    const uint64_t rate = rate_.add(now_ms, static_cast<uint64_t>(usage.ru_majflt));
    reading->level = rate >= kMedium ? Level::kMedium : rate >= kLow ? Level::kLow : Level::kNone;
    if (reading->level != Level::kNone) reading->again_ms = kWindowMs / 4;
    return true;
  }

 private:
  const std::string where_ = "getrusage";
  RateWindow rate_{kWindowMs};
};

class MajorFaults final : public Source {
 public:
  const char* name() const override { return "major-faults"; }

  SourceReport probe() const override {
    rusage usage;
    if (getrusage(RUSAGE_SELF, &usage) != 0) return {false, "getrusage fails"};
    return {true, "the kernel counts the major faults of this process"};
  }

  std::vector<std::unique_ptr<Gauge>> open() const override {
    std::vector<std::unique_ptr<Gauge>> gauges;
    if (probe().available) gauges.push_back(std::make_unique<MajorFaultsGauge>());
    return gauges;
  }
};

}  // namespace

const Source* major_faults_source() {
  static const MajorFaults source;
  return &source;
}

}  // namespace ashmem_compat::pressure
