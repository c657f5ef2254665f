// A condition variable whose waits end at a time. std::condition_variable has such waits too, but built with a new Android SDK they
// call pthread_cond_clockwait(3), which Android has only since 11, and the library then loads on no older one.
#pragma once

#include <pthread.h>
#include <time.h>

#include <cstdint>
#include <mutex>

#include "core/platform/clock.h"

namespace ashmem_compat {

class Condition {
 public:
  Condition() {
    pthread_condattr_t by_our_clock;
    pthread_condattr_init(&by_our_clock);
    pthread_condattr_setclock(&by_our_clock, CLOCK_MONOTONIC);
    pthread_cond_init(&condition_, &by_our_clock);
    pthread_condattr_destroy(&by_our_clock);
  }
  ~Condition() { pthread_cond_destroy(&condition_); }
  Condition(const Condition&) = delete;
  Condition& operator=(const Condition&) = delete;

  void notify_all() { pthread_cond_broadcast(&condition_); }

  // Until `holds()`, asked with the mutex locked, or for `ms` at most. Whether it holds.
  template <typename Predicate>
  bool wait_for(std::unique_lock<std::mutex>& guard, uint64_t ms, Predicate holds) {
    const uint64_t end = now_ms() + ms;
    const timespec until{static_cast<time_t>(end / 1000), static_cast<long>(end % 1000) * 1'000'000};
    while (!holds()) {
      if (pthread_cond_timedwait(&condition_, guard.mutex()->native_handle(), &until) != 0) return holds();
    }
    return true;
  }

 private:
  pthread_cond_t condition_;
};

}  // namespace ashmem_compat
