// The functions that this library stands in front of: the next definition of each, libc's or another library's.
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

namespace ashmem_preload {

#define ASHMEM_PRELOAD_FUNCTIONS(X)                           \
  X(open, int (*)(const char*, int, ...))                     \
  X(open64, int (*)(const char*, int, ...))                   \
  X(openat, int (*)(int, const char*, int, ...))              \
  X(openat64, int (*)(int, const char*, int, ...))            \
  X(__open_2, int (*)(const char*, int))                      \
  X(__open64_2, int (*)(const char*, int))                    \
  X(__openat_2, int (*)(int, const char*, int))               \
  X(__openat64_2, int (*)(int, const char*, int))             \
  X(ioctl, int (*)(int, unsigned long, ...))                  \
  X(fcntl, int (*)(int, int, ...))                            \
  X(fcntl64, int (*)(int, int, ...))                          \
  X(mmap, void* (*)(void*, size_t, int, int, int, off_t))     \
  X(mmap64, void* (*)(void*, size_t, int, int, int, int64_t)) \
  X(read, ssize_t (*)(int, void*, size_t))                    \
  X(pread, ssize_t (*)(int, void*, size_t, off_t))            \
  X(pread64, ssize_t (*)(int, void*, size_t, int64_t))        \
  X(write, ssize_t (*)(int, const void*, size_t))             \
  X(pwrite, ssize_t (*)(int, const void*, size_t, off_t))     \
  X(pwrite64, ssize_t (*)(int, const void*, size_t, int64_t)) \
  X(lseek, off_t (*)(int, off_t, int))                        \
  X(lseek64, int64_t (*)(int, int64_t, int))                  \
  X(ftruncate, int (*)(int, off_t))                           \
  X(ftruncate64, int (*)(int, int64_t))                       \
  X(fallocate, int (*)(int, int, off_t, off_t))               \
  X(fallocate64, int (*)(int, int, int64_t, int64_t))         \
  X(posix_fallocate, int (*)(int, off_t, off_t))              \
  X(posix_fallocate64, int (*)(int, int64_t, int64_t))        \
  X(fsync, int (*)(int))                                      \
  X(fdatasync, int (*)(int))                                  \
  X(access, int (*)(const char*, int))                        \
  X(fstat, int (*)(int, struct stat*))                        \
  X(fstat64, int (*)(int, struct stat64*))                    \
  X(stat, int (*)(const char*, struct stat*))                 \
  X(stat64, int (*)(const char*, struct stat64*))             \
  X(lstat, int (*)(const char*, struct stat*))                \
  X(lstat64, int (*)(const char*, struct stat64*))            \
  X(__fxstat, int (*)(int, int, struct stat*))                \
  X(__fxstat64, int (*)(int, int, struct stat64*))            \
  X(__xstat, int (*)(int, const char*, struct stat*))         \
  X(__xstat64, int (*)(int, const char*, struct stat64*))

struct Next {
#define X(name, type) decltype(static_cast<type>(nullptr)) name##_;
  // Named with an underscore, for some of them are macros here or there.
  ASHMEM_PRELOAD_FUNCTIONS(X)
#undef X
};

// Looked up once, when the library is loaded or when another library's constructor comes before that.
const Next& next();

}  // namespace ashmem_preload
