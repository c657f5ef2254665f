// stat and its kin: an area looks like a character device, and the device's path like one that is there. libcutils compares
// the two.

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "preload/area.h"
#include "preload/next.h"
#include "preload/paths.h"

namespace ashmem_preload {
namespace {

template <typename Stat>
int describe(Stat* out) {
  memset(out, 0, sizeof *out);
  out->st_dev = makedev(0, 6);
  out->st_ino = 0x6173686d;
  out->st_mode = S_IFCHR | 0666;
  out->st_nlink = 1;
  out->st_rdev = makedev(10, 61);  // misc devices have 10, and dynamic numbers from the sixties down
  out->st_blksize = static_cast<decltype(out->st_blksize)>(page_bytes());
  return 0;
}

template <typename Stat, typename Real>
int stat_fd(int fd, Stat* out, Real real) {
  return is_area(fd) ? describe(out) : real();
}

bool is_emulated(const char* path) {
  return is_device_path(path) && (always_emulate() || !real_device_works());
}

template <typename Stat, typename Real>
int stat_path(const char* path, Stat* out, Real real) {
  return is_emulated(path) ? describe(out) : real();
}

}  // namespace
}  // namespace ashmem_preload

#pragma GCC visibility push(default)
extern "C" {

using namespace ashmem_preload;

int fstat(int fd, struct stat* out) {
  return stat_fd(fd, out, [=] { return next().fstat_(fd, out); });
}
int fstat64(int fd, struct stat64* out) {
  return stat_fd(fd, out, [=] { return next().fstat64_(fd, out); });
}
int stat(const char* path, struct stat* out) {
  return stat_path(path, out, [=] { return next().stat_(path, out); });
}
int stat64(const char* path, struct stat64* out) {
  return stat_path(path, out, [=] { return next().stat64_(path, out); });
}
int lstat(const char* path, struct stat* out) {
  return stat_path(path, out, [=] { return next().lstat_(path, out); });
}
int lstat64(const char* path, struct stat64* out) {
  return stat_path(path, out, [=] { return next().lstat64_(path, out); });
}

// What they are called in programs that were linked before glibc 2.33.
int __fxstat(int version, int fd, struct stat* out) {
  return stat_fd(fd, out, [=] { return next().__fxstat_(version, fd, out); });
}
int __fxstat64(int version, int fd, struct stat64* out) {
  return stat_fd(fd, out, [=] { return next().__fxstat64_(version, fd, out); });
}
int __xstat(int version, const char* path, struct stat* out) {
  return stat_path(path, out, [=] { return next().__xstat_(version, path, out); });
}
int __xstat64(int version, const char* path, struct stat64* out) {
  return stat_path(path, out, [=] { return next().__xstat64_(version, path, out); });
}

int access(const char* path, int mode) {
  if (!is_emulated(path)) return next().access_(path, mode);
  if ((mode & X_OK) == 0) return 0;
  errno = EACCES;
  return -1;
}

}  // extern "C"
#pragma GCC visibility pop
