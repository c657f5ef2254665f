// What the driver does not do, and a memfd would: writing, resizing, syncing, seals. Errors that concern the fd itself (it is
// closed, or not open for writing) come from the call on the real fd, which is made with arguments that change nothing.

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <unistd.h>

#include "preload/area.h"
#include "preload/next.h"

namespace ashmem_preload {
namespace {

int refuse(int error) {
  errno = error;
  return -1;
}

bool can_write(int fd) { return (next().fcntl_(fd, F_GETFL) & O_ACCMODE) != O_RDONLY; }

int refuse_write(int fd, int error) { return refuse(can_write(fd) ? error : EBADF); }

bool is_about_seals(int command) { return command == F_GET_SEALS || command == F_ADD_SEALS; }

}  // namespace
}  // namespace ashmem_preload

#pragma GCC visibility push(default)
extern "C" {

using namespace ashmem_preload;

ssize_t write(int fd, const void* from, size_t count) {
  return is_area(fd) ? refuse_write(fd, EINVAL) : next().write_(fd, from, count);
}
ssize_t pwrite(int fd, const void* from, size_t count, off_t offset) {
  return is_area(fd) ? refuse_write(fd, EINVAL) : next().pwrite_(fd, from, count, offset);
}
ssize_t pwrite64(int fd, const void* from, size_t count, int64_t offset) {
  return is_area(fd) ? refuse_write(fd, EINVAL) : next().pwrite64_(fd, from, count, offset);
}

int ftruncate(int fd, off_t size) { return is_area(fd) ? refuse(EINVAL) : next().ftruncate_(fd, size); }
int ftruncate64(int fd, int64_t size) { return is_area(fd) ? refuse(EINVAL) : next().ftruncate64_(fd, size); }

int fallocate(int fd, int mode, off_t offset, off_t length) {
  return is_area(fd) ? refuse_write(fd, ENODEV) : next().fallocate_(fd, mode, offset, length);
}
int fallocate64(int fd, int mode, int64_t offset, int64_t length) {
  return is_area(fd) ? refuse_write(fd, ENODEV) : next().fallocate64_(fd, mode, offset, length);
}
int posix_fallocate(int fd, off_t offset, off_t length) {
  if (!is_area(fd)) return next().posix_fallocate_(fd, offset, length);
  return can_write(fd) ? ENODEV : EBADF;
}
int posix_fallocate64(int fd, int64_t offset, int64_t length) {
  if (!is_area(fd)) return next().posix_fallocate64_(fd, offset, length);
  return can_write(fd) ? ENODEV : EBADF;
}

int fsync(int fd) { return is_area(fd) ? refuse(EINVAL) : next().fsync_(fd); }
int fdatasync(int fd) { return is_area(fd) ? refuse(EINVAL) : next().fdatasync_(fd); }

int fcntl(int fd, int command, ...) {
  va_list list;
  va_start(list, command);
  void* argument = va_arg(list, void*);
  va_end(list);
  if (is_about_seals(command) && is_area(fd)) return refuse(EINVAL);
  return next().fcntl_(fd, command, argument);
}
int fcntl64(int fd, int command, ...) {
  va_list list;
  va_start(list, command);
  void* argument = va_arg(list, void*);
  va_end(list);
  if (is_about_seals(command) && is_area(fd)) return refuse(EINVAL);
  return next().fcntl64_(fd, command, argument);
}

}  // extern "C"
#pragma GCC visibility pop
