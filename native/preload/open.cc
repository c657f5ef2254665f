// The ways to open the device, or to open an area again through /proc: the driver then gives a new, empty area.

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <unistd.h>

#include "preload/area.h"
#include "preload/next.h"
#include "preload/paths.h"

namespace ashmem_preload {
namespace {

int emulate(int flags) {
  if ((flags & (O_CREAT | O_EXCL)) == (O_CREAT | O_EXCL)) {
    errno = EEXIST;
    return -1;
  }
  if ((flags & O_DIRECTORY) != 0) {
    errno = ENOTDIR;
    return -1;
  }
  return make_area(flags);
}

// `real` opens the file as the program asked.
template <typename Real>
int open_file(const char* path, int flags, Real real) {
  // The path is the program's: only what begins like one of ours is looked at any further.
  if (path && path[0] == '/') {
    if (is_device_path(path) && (flags & O_PATH) == 0 && (always_emulate() || !real_device_works())) {
      return emulate(flags);
    }
    if (may_be_fd_path(path)) {
      const int fd = real();
      if (fd < 0 || !is_area(fd)) return fd;
      close(fd);
      return emulate(flags);
    }
  }
  return real();
}

}  // namespace
}  // namespace ashmem_preload

using ashmem_preload::next;
using ashmem_preload::open_file;

namespace {
// Only these take the third or fourth argument.
bool takes_mode(int flags) { return (flags & O_CREAT) != 0 || (flags & O_TMPFILE) == O_TMPFILE; }
}  // namespace

#define MODE_ARGUMENT(last)      \
  mode_t mode = 0;               \
  if (takes_mode(flags)) {       \
    va_list list;                \
    va_start(list, last);        \
    mode = va_arg(list, mode_t); \
    va_end(list);                \
  }

#pragma GCC visibility push(default)
extern "C" {

int open(const char* path, int flags, ...) {
  MODE_ARGUMENT(flags)
  return open_file(path, flags, [=] { return next().open_(path, flags, mode); });
}

int open64(const char* path, int flags, ...) {
  MODE_ARGUMENT(flags)
  return open_file(path, flags, [=] { return next().open64_(path, flags, mode); });
}

int openat(int folder, const char* path, int flags, ...) {
  MODE_ARGUMENT(flags)
  return open_file(path, flags, [=] { return next().openat_(folder, path, flags, mode); });
}

int openat64(int folder, const char* path, int flags, ...) {
  MODE_ARGUMENT(flags)
  return open_file(path, flags, [=] { return next().openat64_(folder, path, flags, mode); });
}

// What the headers make of the above when a program is compiled with _FORTIFY_SOURCE.
int __open_2(const char* path, int flags) {
  return open_file(path, flags, [=] { return next().__open_2_(path, flags); });
}
int __open64_2(const char* path, int flags) {
  return open_file(path, flags, [=] { return next().__open64_2_(path, flags); });
}
int __openat_2(int folder, const char* path, int flags) {
  return open_file(path, flags, [=] { return next().__openat_2_(folder, path, flags); });
}
int __openat64_2(int folder, const char* path, int flags) {
  return open_file(path, flags, [=] { return next().__openat64_2_(folder, path, flags); });
}

}  // extern "C"
#pragma GCC visibility pop
