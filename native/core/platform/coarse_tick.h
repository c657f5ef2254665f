// A clock that is read in a few cycles and changes every few milliseconds: to ask something expensive at most that often.
#pragma once

#include <time.h>

#include <cstdint>

namespace ashmem_compat {

// Comparable on one processor core only for equality; two threads may be a tick apart.
inline uint64_t coarse_tick() {
#if defined(__x86_64__) || defined(__i386__)
  return __builtin_ia32_rdtsc() >> 23;  // 8 million cycles: 2 to 4 ms
#elif defined(__aarch64__)
  uint64_t count;
  __asm__ __volatile__("mrs %0, cntvct_el0" : "=r"(count));
  return count >> 16;  // 65 thousand counts of a clock of 19 MHz to 1 GHz: 0.07 to 3.4 ms
#else
  timespec now;
  clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(now.tv_nsec);
#endif
}

}  // namespace ashmem_compat
