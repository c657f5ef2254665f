// How fast a counter grows, over about the last `Window` milliseconds, however often it is looked at.
#pragma once

#include <cstddef>
#include <cstdint>

namespace ashmem_compat::pressure {

class RateWindow {
 public:
  // What lies further back than `window_ms` is forgotten.
  explicit RateWindow(uint64_t window_ms) : window_ms_(window_ms) {}

  void forget() { count_ = 0; }

  // Takes a sample and returns the growth per second. A stretch that is shorter than half of the window counts as half of it, so that
  // a few units in a millisecond are not taken for a rate.
  uint64_t add(uint64_t now_ms, uint64_t total) {
    // Of the samples that are too old the youngest stays: it is where the window begins.
    while (count_ > 1 && now_ms - at(1).ms >= window_ms_) {
      first_ = (first_ + 1) % kSamples;
      --count_;
    }
    if (count_ == 0) {
      push(now_ms, total);
      return 0;
    }
    const uint64_t elapsed = now_ms - at(0).ms;
    const uint64_t growth = total > at(0).total ? total - at(0).total : 0;
    if (now_ms - at(count_ - 1).ms >= window_ms_ / (kSamples - 2)) push(now_ms, total);
    const uint64_t stretch = elapsed > window_ms_ / 2 ? elapsed : window_ms_ / 2;
    return growth * 1000 / stretch;
  }

 private:
  static constexpr size_t kSamples = 16;
  struct Sample {
    uint64_t ms, total;
  };
  Sample& at(size_t i) { return samples_[(first_ + i) % kSamples]; }
  void push(uint64_t ms, uint64_t total) {
    if (count_ == kSamples) {
      first_ = (first_ + 1) % kSamples;
      --count_;
    }
    ++count_;
    at(count_ - 1) = {ms, total};
  }

  const uint64_t window_ms_;
  Sample samples_[kSamples] = {};
  size_t first_ = 0, count_ = 0;
};

}  // namespace ashmem_compat::pressure
