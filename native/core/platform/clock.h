// The clock that all time limits are measured by.
#pragma once

#include <time.h>

#include <cstdint>

namespace ashmem_compat {

// CLOCK_MONOTONIC in milliseconds.
inline uint64_t now_ms() {
  timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return static_cast<uint64_t>(t.tv_sec) * 1000 + static_cast<uint64_t>(t.tv_nsec) / 1'000'000;
}

}  // namespace ashmem_compat
