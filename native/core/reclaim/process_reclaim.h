// Reclaim of a process's memory, asked for from outside: its contents are kept, in swap or in the files that they are of.
//
// The means, in this order:
//   /proc/PID/reclaim   where the kernel has it, for kPageout (proc_reclaim.h)
//   madvise             for the calling process itself, Linux 5.4
//   process_madvise     over the mappings of /proc/PID/maps, Linux 5.10; needs CAP_SYS_NICE and the right to read the
//                       process's memory map
//
// None of them touches a page that several processes have mapped, a locked one, or a page of a file that was changed and is
// not written back; and on a file that we neither own nor may write, the kernel accepts process_madvise and does nothing.
#pragma once

#include <sys/types.h>

#include <cstdint>

#include "core/reclaim/advisor.h"
#include "core/reclaim/memory_usage.h"
#include "core/status.h"

namespace ashmem_compat::reclaim {

enum class Kind {
  kFile,  // mappings of files, with the private copies of their pages
  kAnon,  // what only swap can take: anonymous memory, memfd, ashmem, System V memory, files of a tmpfs
  kAll,
};

enum class Advice {
  kPageout,  // out of memory, now
  kCold,     // the first to go when memory is short
};

struct Request {
  pid_t pid = 0;
  Kind kind = Kind::kAll;
  Advice advice = Advice::kPageout;
  uint64_t start = 0, end = ~uint64_t{0};  // addresses of the process, on page boundaries
};

struct Outcome {
  const char* means = nullptr;  // "proc-reclaim", "process_madvise" or "madvise"
  // For proc-reclaim, which does not tell, what the order covered.
  Advised advised;
  const char* anon_left_out = nullptr;  // kAll only: why anonymous memory was not asked for, or null
  MemoryUsage before, after;
  uint64_t page_cache_before = kUnknown, page_cache_after = kUnknown;  // the whole system's
};

// Comes back when the kernel is done, which may take seconds. Takes a fixed amount of memory, however large the process. Any
// thread may call it. A process that gets the pid meanwhile is not touched.
//
// kNoSuchProcess: also if it ends meanwhile; kNotPermitted; kNoSwap: kAnon without free swap; kNotSupported: this kernel, or
// a seccomp filter, has none of the means; kSystem. After an error a part may have been reclaimed.
Result<Outcome> reclaim_process(const Request& request);

}  // namespace ashmem_compat::reclaim
