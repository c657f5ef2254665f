// A clock that is read in a few cycles and changes some thousand times a second: to ask something that costs microseconds at
// most that often.
#pragma once

#include <time.h>

#include <cstdint>

namespace ashmem_compat {

#if defined(__aarch64__)
// So that a tick is 2^-12 to 2^-11 s, whatever the frequency.
inline const int tick_shift = [] {
  uint64_t frequency;
  __asm__("mrs %0, cntfrq_el0" : "=r"(frequency));
  const int bits = 63 - __builtin_clzll(frequency | 1);
  return bits > 11 ? bits - 11 : 0;
}();
#endif

// Comparable on one processor core only for equality; two threads may be a tick apart.
inline uint64_t coarse_tick() {
#if defined(__x86_64__) || defined(__i386__)
  return __builtin_ia32_rdtsc() >> 20;  // a million cycles: 0.2 to 1 ms
#elif defined(__aarch64__)
  uint64_t count;
  __asm__ __volatile__("mrs %0, cntvct_el0" : "=r"(count));
  return count >> tick_shift;
#else
  timespec now;
  clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
  // It changes with a tick of the scheduler, every 1 to 10 ms.
  return (static_cast<uint64_t>(now.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(now.tv_nsec)) >> 20;
#endif
}

// The same for a word of shared memory that says when something was: 0 is never. Comes round after days.
inline uint32_t coarse_stamp() { return static_cast<uint32_t>(coarse_tick()) | 1; }

}  // namespace ashmem_compat
