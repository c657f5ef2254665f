#include "core/platform/urgent_thread.h"

#include <stdint.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace ashmem_compat {
namespace {

// sched_setattr(2), of which libcs know nothing.
struct SchedulingAttributes {
  uint32_t size, policy;
  uint64_t flags;
  int32_t nice;
  uint32_t priority;
  uint64_t runtime, deadline, period;
};

}  // namespace

void make_thread_urgent() {
  const auto self = static_cast<id_t>(syscall(SYS_gettid));
  if (setpriority(PRIO_PROCESS, self, -20) == 0) return;
#ifdef SYS_sched_setattr
  // A filter may end the process for a call that it does not know, and this one is not worth a trial.
  if (prctl(PR_GET_SECCOMP, 0, 0, 0, 0) != 0) return;
  SchedulingAttributes attributes;
  memset(&attributes, 0, sizeof attributes);
  attributes.size = sizeof attributes;
  attributes.runtime = 100'000;  // nanoseconds in a slice
  (void)syscall(SYS_sched_setattr, 0, &attributes, 0);
#endif
}

}  // namespace ashmem_compat
