// The functions of ashmem_compat/ashmem.h.

#include "ashmem_compat/ashmem.h"

#include <errno.h>
#include <limits.h>

#include "capi/table.h"

using ashmem_compat::capi::Entry;
using ashmem_compat::capi::Guard;

namespace {

int64_t finish(int64_t result) {
  if (result >= 0) return result;
  errno = static_cast<int>(-result);
  return -1;
}

// What `use` says of the region of the fd. errno is left alone if all goes well.
template <typename Use>
int64_t with_region(int fd, Use use) {
  const int before = errno;
  int64_t result = 0;
  {
    const Guard guard;
    int error = 0;
    Entry* entry = ashmem_compat::capi::find(fd, &error);
    result = entry ? use(*entry) : -error;
  }
  errno = before;
  return finish(result);
}

}  // namespace

#pragma GCC visibility push(default)

int ashmem_create_region(const char* name, size_t size) {
  const int before = errno;
  int result = 0;
  {
    const Guard guard;
    result = ashmem_compat::capi::create(name, size);
  }
  errno = before;
  return static_cast<int>(finish(result));
}

int ashmem_valid(int fd) {
  return with_region(fd, [](Entry&) { return 0; }) == 0;
}

int ashmem_get_size_region(int fd) {
  return static_cast<int>(
      with_region(fd, [](Entry& entry) { return static_cast<int64_t>(entry.region().size()); }));
}

int ashmem_set_prot_region(int fd, int prot) {
  return static_cast<int>(with_region(fd, [=](Entry& entry) { return entry.protect(prot); }));
}

int ashmem_pin_region(int fd, size_t offset, size_t len) {
  return static_cast<int>(with_region(fd, [=](Entry& entry) { return entry.pin(offset, len); }));
}

int ashmem_unpin_region(int fd, size_t offset, size_t len) {
  return static_cast<int>(with_region(fd, [=](Entry& entry) { return entry.unpin(offset, len); }));
}

int64_t ashmem_compat_purge_region(int fd, size_t offset, size_t len) {
  return with_region(fd, [=](Entry& entry) { return entry.purge(offset, len); });
}

int ASharedMemory_create(const char* name, size_t size) {
  return size == 0 ? -EINVAL : ashmem_create_region(name, size);
}

size_t ASharedMemory_getSize(int fd) {
  const int64_t size =
      with_region(fd, [](Entry& entry) { return static_cast<int64_t>(entry.region().size()); });
  return size < 0 ? 0 : static_cast<size_t>(size);
}

int ASharedMemory_setProt(int fd, int prot) { return ashmem_set_prot_region(fd, prot); }

#pragma GCC visibility pop
