// Files of the memfd kind, for the backends whose regions they are: made, sealed, judged, protected.
//
// Sources: memfd_create(2), fcntl(2) "File Sealing", fallocate(2), mm/shmem.c.
#pragma once

#include <string>

#include "core/pins/layout.h"
#include "core/platform/fd.h"
#include "core/status.h"

namespace ashmem_compat::memfd {

// Whether `fd` is a memfd at all, good or bad.
bool is_memfd(int fd);

// A new file of that size, which nobody can change.
Result<Fd> create(const std::string& name, uint64_t size);

struct Found {
  Header header{};
  Layout layout;
  bool writable = false;
};
// What is in a file that came from anywhere. kUntrustedFd unless it is a region of that version whose size nobody can change.
Result<Found> open_region(int fd, uint32_t version);
// The version that the header of a region claims; 0 for what has none.
uint32_t version_of(int fd);

// As SharedFileOps has them.
Status discard(int fd, char* data, uint64_t offset, uint64_t length);
bool purgeable(int fd);
Status protect(int fd);

// The whole life of a region's file in small: made, sealed, punched. For try_call().
int try_file(void*);

}  // namespace ashmem_compat::memfd
