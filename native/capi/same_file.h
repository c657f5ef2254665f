// Which fds of this process are one and the same region.
#pragma once

#include <cstdint>

namespace ashmem_compat::capi {

// What fstat says of a file. Enough to tell memfds apart; every ashmem area has the inode of the device.
struct FileId {
  uint64_t device = 0;
  uint64_t inode = 0;
  bool is_device = false;
  bool operator==(const FileId& other) const {
    return device == other.device && inode == other.inode && is_device == other.is_device;
  }
};

// False with errno.
bool identify(int fd, FileId* id);

// Whether `fd`, whose file is `id`, is the file of `own`, an fd that stays open meanwhile.
bool is_same_file(int fd, const FileId& id, int own, const FileId& own_id);

// How many fds of this process are the file of `own`, itself included; -1 if that cannot be found out.
int count_fds_of(int own, const FileId& own_id);

}  // namespace ashmem_compat::capi
