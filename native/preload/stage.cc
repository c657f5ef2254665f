#include "preload/stage.h"

#ifdef ASHMEM_COMPAT_STAGES
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

extern "C" {
__attribute__((visibility("default"))) int ashmem_preload_stop_instead = 0;
// 0: never. What is left of it tells how many stages were passed.
__attribute__((visibility("default"))) long ashmem_preload_stages_left = 0;
}

namespace ashmem_preload {
void stage() {
  if (ashmem_preload_stages_left > 0 && --ashmem_preload_stages_left == 0) {
    syscall(SYS_kill, syscall(SYS_getpid), ashmem_preload_stop_instead ? SIGSTOP : SIGKILL);
  }
}
}  // namespace ashmem_preload
#endif
