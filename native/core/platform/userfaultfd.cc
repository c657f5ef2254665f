#include "core/platform/userfaultfd.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/platform/atomics.h"
#include "core/platform/fd.h"
#include "core/platform/fork_guard.h"
#include "core/platform/page.h"
#include "core/platform/system_calls.h"

#ifndef SYS_userfaultfd
#if defined(__x86_64__)
#define SYS_userfaultfd 323
#elif defined(__i386__)
#define SYS_userfaultfd 374
#elif defined(__aarch64__)
#define SYS_userfaultfd 282
#elif defined(__arm__)
#define SYS_userfaultfd 388
#endif
#endif
#ifndef UFFD_USER_MODE_ONLY
#define UFFD_USER_MODE_ONLY 1
#endif
#ifndef UFFD_FEATURE_SIGBUS
#define UFFD_FEATURE_SIGBUS (1 << 7)
#endif

namespace ashmem_compat {
namespace {

// The process's, with its pid's cookie: a child that inherits the number must not use it, as it is about its parent's memory.
int shared_fd = -1;
uint64_t shared_process = 0;

int open_fd() {
  const int fd = static_cast<int>(syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK | UFFD_USER_MODE_ONLY));
  if (fd < 0) return -1;
  uffdio_api api;
  memset(&api, 0, sizeof api);
  api.api = UFFD_API;
  api.features = UFFD_FEATURE_SIGBUS | UFFD_FEATURE_MISSING_SHMEM;
  if (ioctl(fd, UFFDIO_API, &api) == 0) return fd;
  const int error = errno;
  close(fd);
  errno = error;
  return -1;
}

bool watch(int fd, char* base, size_t length) {
  uffdio_register range;
  memset(&range, 0, sizeof range);
  range.range.start = reinterpret_cast<uintptr_t>(base);
  range.range.len = length;
  range.mode = UFFDIO_REGISTER_MODE_MISSING;
  if (ioctl(fd, UFFDIO_REGISTER, &range) != 0) return false;
  if (range.ioctls & uint64_t{1} << _UFFDIO_ZEROPAGE) return true;
  errno = EOPNOTSUPP;
  return false;
}

bool fill(int fd, char* address) {
  const size_t page = kernel_page_size();
  uffdio_zeropage hole;
  memset(&hole, 0, sizeof hole);
  hole.range.start = reinterpret_cast<uintptr_t>(address) & ~static_cast<uintptr_t>(page - 1);
  hole.range.len = page;
  if (ioctl(fd, UFFDIO_ZEROPAGE, &hole) == 0) return true;
  // Somebody else has filled it, or the mappings are changing: the touch finds out.
  return errno == EEXIST || errno == EAGAIN;
}

int try_it(void*) {
  const Fd fd(open_fd());
  if (!fd.valid()) return errno;
  const size_t page = kernel_page_size();
  const Fd file(raw_memfd_create("ashmem-compat-probe", 1 /* MFD_CLOEXEC */));
  if (!file.valid() || ftruncate(file.get(), static_cast<off_t>(page)) != 0) return errno;
  void* mapped = mmap(nullptr, page, PROT_READ | PROT_WRITE, MAP_SHARED, file.get(), 0);
  if (mapped == MAP_FAILED) return errno;
  errno = 0;
  if (!watch(fd.get(), static_cast<char*>(mapped), page) || !fill(fd.get(), static_cast<char*>(mapped))) {
    if (errno == 0) errno = EOPNOTSUPP;
  } else {
    errno = 0;
  }
  const int error = errno;
  munmap(mapped, page);
  return error;
}

}  // namespace

bool userfaultfd_works(std::string* reason) {
  static const Trial* known = nullptr;
  const Trial* trial = load_acquire(&known);
  if (!trial) {
    trial = new Trial(try_call(try_it, nullptr));
    store_release(&known, trial);
  }
  if (trial->killed) {
    *reason = "userfaultfd: refused by a seccomp filter (SIGSYS)";
  } else if (trial->error != 0) {
    *reason = std::string("userfaultfd: ") + strerror(trial->error);
  }
  return !trial->killed && trial->error == 0;
}

Status watch_holes(char* base, size_t length) {
  const uint64_t process = current_process();
  int fd = load_acquire(&shared_fd);
  if (fd < 0 || load_relaxed(&shared_process) != process) {
    // Inherited: closed here, it goes on for the parent.
    const int mine = open_fd();
    if (mine < 0) return Status::System("userfaultfd");
    if (cas_acq_rel(&shared_fd, fd, mine)) {
      store_release(&shared_process, process);
      if (fd >= 0) close(fd);
      fd = mine;
    } else {
      close(mine);
    }
  }
  return watch(fd, base, length)
             ? Status::Ok()
             : Status::System("ioctl", Code::kSystem, "cannot watch for touches of holes");
}

bool fill_hole(char* address) { return fill(load_acquire(&shared_fd), address); }

}  // namespace ashmem_compat
