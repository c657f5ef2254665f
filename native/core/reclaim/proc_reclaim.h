// /proc/PID/reclaim, which the kernels of some Android devices have (CONFIG_PROCESS_RECLAIM; never in Linux itself). What is
// written there comes from the patches, as posted to linux-mm in 2013 and 2016 ("mm: Per process reclaim"): "file", "anon",
// "all", or "ADDRESS LENGTH", a range of whole pages. The mode is 0200, the owner is that of the process.
#pragma once

#include <cstdint>

#include "core/status.h"

namespace ashmem_compat::reclaim {

// `fd`: an open /proc/PID/reclaim. `what`: "file", "anon" or "all". Comes back when the kernel has done it. kNoSuchProcess;
// kNotSupported: this kernel's file takes something else; kSystem.
Status write_reclaim(int fd, const char* what);
// The same about the addresses from `start` to before `end`, on page boundaries.
Status write_reclaim(int fd, uint64_t start, uint64_t end);

}  // namespace ashmem_compat::reclaim
