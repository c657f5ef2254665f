// A descriptor that JavaScript has named, as one of our own.
#pragma once

#include <errno.h>
#include <fcntl.h>

#include "core/platform/fd.h"
#include "core/status.h"

namespace ashmem_compat::addon {

inline Result<Fd> own_fd(int fd) {
  Fd own(fcntl(fd, F_DUPFD_CLOEXEC, 0));
  if (own.valid()) return own;
  // A full table of descriptors says nothing about this one.
  return errno == EBADF ? Status::System("fcntl", Code::kUntrustedFd, "not an open fd")
                        : Status::System("fcntl");
}

}  // namespace ashmem_compat::addon
