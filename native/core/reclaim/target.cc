#include "core/reclaim/target.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "core/platform/process_identity.h"
#include "core/platform/stage.h"
#include "core/platform/system_calls.h"
#include "core/reclaim/line_reader.h"

namespace ashmem_compat::reclaim {
namespace {

constexpr unsigned kKernelThread = 0x00200000;  // PF_KTHREAD of the flags in /proc/PID/stat

Status none() { return Status::Of(Code::kNoSuchProcess, "no process has this pid"); }

}  // namespace

Result<Target> Target::find(pid_t pid) {
  Target target;
  target.pid_ = pid;
  target.own_ = pid == getpid();
  if (!target.own_ && own_identity().start_time == 0) {
    return Status::Of(Code::kNotSupported, "/proc is missing, or is that of another PID namespace");
  }
  char path[32];
  snprintf(path, sizeof path, "/proc/%d", static_cast<int>(pid));
  target.proc_ = Fd(open(target.own_ ? "/proc/self" : path, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!target.proc_.valid()) {
    if (errno != ENOENT && errno != ESRCH && errno != EACCES && errno != EPERM) return Status::System("open");
    if (kill(pid, 0) != 0 && errno == ESRCH) return none();
    return Status::Of(Code::kNotPermitted,
                      "/proc hides this process from us (hidepid, or Android's rules between apps)");
  }
  const Status status = target.alive();
  if (!status.ok()) return status;
  return Result<Target>(std::move(target));
}

Status Target::hold() {
  stage(Stage::kTargetFound);
  pidfd_ = Fd(raw_pidfd_open(pid_, 0));
  if (!pidfd_.valid()) {
    // EINVAL, in newer kernels ENOENT: the number of a thread that is not its process's first.
    if (errno == ESRCH || errno == EINVAL || errno == ENOENT) {
      return Status::System("pidfd_open", Code::kNoSuchProcess, "no process has this pid");
    }
    return Status::System("pidfd_open");
  }
  // A number has one owner until that one is gone. Ours is not gone now, so the pidfd was made of ours too.
  return alive();
}

Status Target::alive() const {
  const Fd file(openat(proc_.get(), "stat", O_RDONLY | O_CLOEXEC));
  if (!file.valid()) return errno == ENOENT || errno == ESRCH ? none() : Status::System("openat");
  char text[1024];
  ssize_t got = 0;
  do {
    got = read(file.get(), text, sizeof text - 1);
  } while (got < 0 && errno == EINTR);
  if (got <= 0) return got == 0 || errno == ESRCH ? none() : Status::System("read");
  text[got] = 0;
  // proc(5): the command name may hold anything, so fields are counted from the last ')'.
  const char* fields = strrchr(text, ')');
  char state = 0;
  unsigned flags = 0;
  if (!fields ||
      sscanf(fields, ") %c %*d %*d %*d %*d %*d %u", &state, &flags) != 2) {  // NOLINT(cert-err34-c)
    return Status::Of(Code::kNotSupported, "/proc/PID/stat is not as proc(5) says");
  }
  if (flags & kKernelThread) {
    return Status::Of(Code::kNoSuchProcess, "this is a thread of the kernel, which has no memory of its own");
  }
  if (state == 'Z' || state == 'X') {
    return Status::Of(Code::kNoSuchProcess, "the process has ended, only its exit status is still there");
  }
  return Status::Ok();
}

}  // namespace ashmem_compat::reclaim
