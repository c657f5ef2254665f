// Whether it pays to look again for some microseconds before going to sleep.
//
// A peer that answers at once does so sooner than a sleeping thread can be woken: two thread hops and a turn
// of the event loop take several times as long as the answer. A peer that takes its time must not cost us
// processor time for that. So a channel looks again as long as that succeeds, and tries it once in a while
// when it did not.
#pragma once

#include <cstdint>

namespace ashmem_compat::channel {

class SpinBudget {
 public:
  // Nanoseconds to look again now that nothing was there; 0 most of the time with a slow peer.
  uint32_t grant() {
    if (credit_ > 0) return kLookAgain;
    return ++misses_ % kTrialEvery == 0 ? kTrial : 0;
  }
  void tell(bool found) {
    if (found) {
      if (credit_ < kMaxCredit) credit_ = static_cast<uint8_t>(credit_ + 2);
    } else if (credit_ > 0) {
      credit_--;
    }
  }

 private:
  static constexpr uint32_t kLookAgain = 20'000;
  static constexpr uint32_t kTrial = 50'000;
  static constexpr uint32_t kTrialEvery = 64;
  static constexpr uint8_t kMaxCredit = 8;

  uint32_t misses_ = 0;
  uint8_t credit_ = 4;
};

}  // namespace ashmem_compat::channel
