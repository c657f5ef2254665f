// read, pread and lseek: the driver reads its backing file, which has the exact size and a position of its own.

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "preload/area.h"
#include "preload/next.h"

namespace ashmem_preload {
namespace {

int64_t failed(int error) {
  errno = error;
  return -1;
}

// read if `offset` is negative, else pread.
ssize_t read_area(int fd, void* to, size_t count, int64_t offset) {
  Area area(fd);
  if (!area.valid()) {
    if (area.error() != 0) return failed(area.error());
    return offset < 0 ? next().read_(fd, to, count) : next().pread64_(fd, to, count, offset);
  }
  const uint64_t size = area.size();
  if (size == 0) return 0;
  if (!area.backed()) return failed(EBADF);
  const int64_t at = offset < 0 ? next().lseek64_(fd, 0, SEEK_CUR) : offset;
  if (at < 0) return -1;
  const auto from = static_cast<uint64_t>(at);
  const uint64_t left = from < size ? size - from : 0;
  if (count > left) count = static_cast<size_t>(left);
  const ssize_t got = offset < 0 ? next().read_(fd, to, count) : next().pread64_(fd, to, count, offset);
  if (got > 0) store(&area.state().position, from + static_cast<uint64_t>(got));
  return got;
}

int64_t seek_area(int fd, int64_t offset, int whence) {
  Area area(fd);
  if (!area.valid()) {
    return area.error() != 0 ? failed(area.error()) : next().lseek64_(fd, offset, whence);
  }
  const auto size = static_cast<int64_t>(area.size());
  if (size == 0) return failed(EINVAL);
  if (!area.backed()) return failed(EBADF);
  int64_t to = 0;
  if (whence == SEEK_DATA || whence == SEEK_HOLE) {
    if (offset < 0 || offset >= size) return failed(ENXIO);
    to = next().lseek64_(area.file(), offset, whence);
    if (to < 0) return -1;
    if (to >= size && whence == SEEK_DATA) return failed(ENXIO);
    if (to > size) to = size;
  } else {
    int64_t from = 0;
    if (whence == SEEK_CUR) {
      from = static_cast<int64_t>(load(&area.state().position));
    } else if (whence == SEEK_END) {
      from = size;
    } else if (whence != SEEK_SET) {
      return failed(EINVAL);
    }
    if (__builtin_add_overflow(from, offset, &to) || to < 0) return failed(EINVAL);
  }
  store(&area.state().position, static_cast<uint64_t>(to));
  return next().lseek64_(fd, to, SEEK_SET);
}

}  // namespace
}  // namespace ashmem_preload

#pragma GCC visibility push(default)
extern "C" {

using namespace ashmem_preload;

ssize_t read(int fd, void* to, size_t count) {
  return is_area(fd) ? read_area(fd, to, count, -1) : next().read_(fd, to, count);
}

ssize_t pread64(int fd, void* to, size_t count, int64_t offset) {
  return offset >= 0 && is_area(fd) ? read_area(fd, to, count, offset)
                                    : next().pread64_(fd, to, count, offset);
}

ssize_t pread(int fd, void* to, size_t count, off_t offset) {
  return offset >= 0 && is_area(fd) ? read_area(fd, to, count, offset) : next().pread_(fd, to, count, offset);
}

// What _FORTIFY_SOURCE makes of them. libc ends the program where the buffer is too small; so does this.
ssize_t __read_chk(int fd, void* to, size_t count, size_t room) {
  if (count > room) __builtin_trap();
  return read(fd, to, count);
}
ssize_t __pread_chk(int fd, void* to, size_t count, off_t offset, size_t room) {
  if (count > room) __builtin_trap();
  return pread(fd, to, count, offset);
}
ssize_t __pread64_chk(int fd, void* to, size_t count, int64_t offset, size_t room) {
  if (count > room) __builtin_trap();
  return pread64(fd, to, count, offset);
}

int64_t lseek64(int fd, int64_t offset, int whence) {
  return is_area(fd) ? seek_area(fd, offset, whence) : next().lseek64_(fd, offset, whence);
}

off_t lseek(int fd, off_t offset, int whence) {
  return is_area(fd) ? static_cast<off_t>(seek_area(fd, offset, whence)) : next().lseek_(fd, offset, whence);
}

}  // extern "C"
#pragma GCC visibility pop
