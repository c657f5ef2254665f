// The process that is to be reclaimed, held in a way that no other process that gets its number can be taken for it.
#pragma once

#include <sys/types.h>

#include "core/platform/fd.h"
#include "core/status.h"

namespace ashmem_compat::reclaim {

class Target {
 public:
  Target() = default;

  // kNoSuchProcess: nobody has this pid, or a thread, a thread of the kernel or a process that has ended has it;
  // kNotPermitted: /proc does not show it to us; kNotSupported: there is no /proc that speaks of our pids; kSystem.
  static Result<Target> find(pid_t pid);

  bool own() const { return own_; }
  // /proc/PID. The kernel ties an open one to the process: after its end, files in it do not open, whoever has the number.
  int proc() const { return proc_.get(); }
  // Makes pidfd() valid: the same process as proc(), or kNoSuchProcess. Not for the own process, nor where try_call has
  // not shown that pidfd_open works.
  Status hold();
  int pidfd() const { return pidfd_.get(); }

 private:
  // Ok while the process that proc() stands for has memory of its own.
  Status alive() const;

  pid_t pid_ = 0;
  bool own_ = false;
  Fd proc_, pidfd_;
};

}  // namespace ashmem_compat::reclaim
