#include "preload/user_memory.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "preload/area.h"

namespace ashmem_preload {
namespace {

bool copy(long call, void* own, const void* theirs, size_t bytes) {
  const int error = errno;
  const iovec local = {own, bytes};
  const iovec remote = {const_cast<void*>(theirs), bytes};
  const long done = syscall(call, syscall(SYS_getpid), &local, 1, &remote, 1, 0);
  // Where a sandbox forbids the call, a bad pointer ends the program instead of giving EFAULT.
  const bool forbidden = done < 0 && (errno == EPERM || errno == ENOSYS);
  errno = error;
  if (!forbidden) return done == static_cast<long>(bytes);
  if (call == SYS_process_vm_readv) {
    memcpy(own, theirs, bytes);
  } else {
    memcpy(const_cast<void*>(theirs), own, bytes);
  }
  return true;
}

}  // namespace

bool copy_from_user(void* to, const void* from, size_t bytes) {
  return copy(SYS_process_vm_readv, to, from, bytes);
}

bool copy_to_user(void* to, const void* from, size_t bytes) {
  return copy(SYS_process_vm_writev, const_cast<void*>(from), to, bytes);
}

bool string_from_user(char* to, const char* from, size_t room) {
  for (size_t done = 0; done < room;) {
    // As far as the page goes, for the next one need not exist.
    const size_t in_page = page_bytes() - (reinterpret_cast<uintptr_t>(from + done) & (page_bytes() - 1));
    const size_t some = in_page < room - done ? in_page : room - done;
    if (!copy_from_user(to + done, from + done, some)) return false;
    if (memchr(to + done, 0, some)) return true;
    done += some;
  }
  to[room - 1] = 0;
  return true;
}

}  // namespace ashmem_preload
