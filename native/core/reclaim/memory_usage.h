// How much memory a process has, and what the system holds of files, read at one moment.
#pragma once

#include <cstdint>

#include "core/status.h"

namespace ashmem_compat::reclaim {

inline constexpr uint64_t kUnknown = ~uint64_t{0};

// Bytes; kUnknown where the kernel does not say.
struct MemoryUsage {
  uint64_t rss = kUnknown;        // mapped in the process and in memory
  uint64_t pss = kUnknown;        // the same, with shared pages divided by those who share them
  uint64_t anonymous = kUnknown;  // of rss: memory of no file
  uint64_t swap = kUnknown;       // in swap
};

// `proc`: an open /proc/PID. From smaps_rollup (Linux 4.14), which counts page by page; where there is none from status,
// whose counters may lag by some pages per thread. kNoSuchProcess: it has ended.
Result<MemoryUsage> process_usage(int proc);

// Page cache of the whole system without shared memory: Cached less Shmem of /proc/meminfo. kUnknown if unreadable.
uint64_t system_page_cache();

}  // namespace ashmem_compat::reclaim
