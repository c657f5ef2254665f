// A lock for short critical sections between the threads of one process: one atomic operation to take it, a store to drop it.
//
// Unlike a pthread mutex it costs one atomic read-modify-write per lock/unlock pair, and makes no system call unless
// another thread holds it for long. Not fair, not recursive.
#pragma once

#include <sched.h>
#include <time.h>

#include <atomic>

#include "core/platform/atomics.h"

namespace ashmem_compat {

class SpinLock {
 public:
  void lock() {
    if (!taken_.exchange(true, std::memory_order_acquire)) return;
    lock_contended();
  }
  void unlock() { taken_.store(false, std::memory_order_release); }

 private:
  // Out of line, so that callers keep their registers.
  __attribute__((noinline, cold)) void lock_contended() {
    for (unsigned round = 0;; ++round) {
      for (int spin = 0; spin < 64; ++spin) {
        if (!taken_.load(std::memory_order_relaxed) && !taken_.exchange(true, std::memory_order_acquire))
          return;
        cpu_relax();
      }
      if (round < 16) {
        sched_yield();
      } else {
        // The owner may be of lower priority on this very core: yielding would not let it run.
        timespec nap{0, 50'000};
        nanosleep(&nap, nullptr);
      }
    }
  }

  std::atomic<bool> taken_{false};
};

}  // namespace ashmem_compat
