// Who a process is, and whether it is still alive, judged without locks: pid, start time and namespaces, from /proc.
//
// Nothing here may call a living process dead: what cannot be judged counts as alive (docs/protocol.md, "Slots and
// liveness").
#pragma once

#include <sys/types.h>

#include <cstdint>

namespace ashmem_compat {

struct ProcessIdentity {
  pid_t pid = 0;
  uint64_t start_time =
      0;               // clock ticks since boot, 0: not known (no /proc, or one of another PID namespace)
  uint64_t image = 0;  // where the initial stack starts, differs after exec, 0: not known
  uint64_t namespaces = 0;  // pid namespace inode << 32 | time namespace inode, 0: not known
};

// The calling process. Read from /proc once per process, also after a fork.
const ProcessIdentity& own_identity();

// True only if the process that `other` describes certainly runs no code any more. `start_time_bits` is how many low bits
// of other.start_time are known.
bool certainly_dead(const ProcessIdentity& other, int start_time_bits);

}  // namespace ashmem_compat
