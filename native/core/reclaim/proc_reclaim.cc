#include "core/reclaim/proc_reclaim.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/platform/stage.h"

namespace ashmem_compat::reclaim {

Status write_reclaim(int fd, const char* what) {
  stage(Stage::kBeforeAdvice);
  // One write is one order. A reclaim that a signal interrupts is given again: it goes over what is left.
  ssize_t written = 0;
  do {
    written = write(fd, what, strlen(what));
  } while (written < 0 && errno == EINTR);
  if (written >= 0) return Status::Ok();
  if (errno == ESRCH) return Status::System("write", Code::kNoSuchProcess, "the process has ended");
  if (errno == EINVAL) {
    return Status::System("write", Code::kNotSupported,
                          "the /proc/PID/reclaim of this kernel does not take this");
  }
  return Status::System("write");
}

Status write_reclaim(int fd, uint64_t start, uint64_t end) {
  char order[64];
  snprintf(order, sizeof order, "0x%" PRIx64 " %" PRIu64, start, end - start);
  return write_reclaim(fd, order);
}

}  // namespace ashmem_compat::reclaim
