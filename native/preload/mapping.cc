// mmap of an area, with the driver's checks.

#include <errno.h>
#include <limits.h>
#include <sys/mman.h>
#include <unistd.h>

#include "preload/area.h"
#include "preload/next.h"

#ifndef MAP_FIXED_NOREPLACE
#define MAP_FIXED_NOREPLACE 0x100000
#endif

namespace ashmem_preload {
namespace {

struct Request {
  void* address;
  size_t length;
  int prot;
  int flags;
  int fd;
  int64_t offset;
};

void* map(const Request& r, void* address, size_t length, int more_flags, int fd, int64_t offset) {
  const int flags = more_flags != 0 ? (r.flags & ~MAP_FIXED_NOREPLACE) | more_flags : r.flags;
  return next().mmap64_(address, length, r.prot, flags, fd, offset);
}

bool is_private(const Request& r) { return (r.flags & 0xf /* MAP_TYPE */) == MAP_PRIVATE; }

// Memory is promised when the backing is made, for all of its size.
bool memory_is_refused(const Request& r, size_t bytes) {
  if ((r.flags & MAP_NORESERVE) != 0) return false;
  void* trial = next().mmap64_(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (trial == MAP_FAILED) return true;
  munmap(trial, bytes);
  return false;
}

// What the driver answers, once the kernel has found nothing wrong with the call itself.
int check(Area& area, const Request& r) {
  const uint64_t size = area.size();
  if (size == 0) return EINVAL;
  const uint64_t end = area.rounded_size();
  if (r.length > end) return EINVAL;
  constexpr uint64_t kAll = PROT_READ | PROT_WRITE | PROT_EXEC;
  if ((static_cast<unsigned>(r.prot) & ~load(&area.state().prot_mask) & kAll) != 0) return EPERM;
  if (!area.backed()) {
    if (size > static_cast<uint64_t>(INT64_MAX)) return EINVAL;
    if (end > area.capacity() || memory_is_refused(r, static_cast<size_t>(end))) return ENOMEM;
  }
  return 0;
}

// The area's bytes; what lies beyond its end is beyond the end of the memfd as well, where a touch is SIGBUS.
void* map_bytes(Area& area, const Request& r, int fd) {
  const auto end = static_cast<int64_t>(area.rounded_size());
  // Whole pages, for that is what a mapping covers.
  const size_t mask = page_bytes() - 1;
  const auto length = static_cast<int64_t>((r.length + mask) & ~mask);
  if (r.offset <= end - length) return map(r, r.address, r.length, 0, fd, r.offset);
  const auto nowhere = static_cast<int64_t>(area.capacity() * 2);
  void* base = map(r, r.address, r.length, 0, fd, nowhere);
  if (base == MAP_FAILED || r.offset >= end) return base;
  return map(r, base, static_cast<size_t>(end - r.offset), MAP_FIXED, fd, r.offset);
}

void* map_area(const Request& r) {
  // The program's own fd first: the kernel looks at the arguments, at what the fd was opened for and at the address,
  // and (with MAP_FIXED) removes what is there, before it would ask the driver.
  void* base = next().mmap64_(r.address, r.length, r.prot, r.flags, r.fd, r.offset);
  if (base == MAP_FAILED) return base;
  const int error = errno;
  int refused = 0;
  {
    Area area(r.fd);
    if (!area.valid()) {
      if (area.error() == 0) return base;  // some other memfd after all
      refused = area.error();
    } else {
      refused = check(area, r);
    }
    if (refused == 0) {
      if (is_private(r)) {
        // The driver makes these anonymous: nothing of the area shows in them.
        base = map(r, base, r.length, MAP_ANONYMOUS | MAP_FIXED, -1, 0);
      } else {
        // Mapped by an open file that cannot write, it can never be given that right by mprotect.
        const bool writable = (load(&area.state().prot_mask) & PROT_WRITE) != 0;
        const int reader = writable ? -1 : area.open_for_reading();
        Request there = r;
        there.address = base;
        there.flags = (r.flags & ~MAP_FIXED_NOREPLACE) | MAP_FIXED;
        base = map_bytes(area, there, reader >= 0 ? reader : r.fd);
        if (reader >= 0) close(reader);
      }
      if (base == MAP_FAILED) {
        refused = errno;
      } else if (!area.backed()) {
        store(&area.state().backed, 1u);
      }
    }
  }
  errno = error;
  if (refused == 0) return base;
  if (base != MAP_FAILED) munmap(base, r.length);
  errno = refused;
  return MAP_FAILED;
}

}  // namespace
}  // namespace ashmem_preload

#pragma GCC visibility push(default)
extern "C" {

void* mmap64(void* address, size_t length, int prot, int flags, int fd, int64_t offset) {
  using namespace ashmem_preload;
  if ((flags & MAP_ANONYMOUS) != 0 || !is_area(fd)) {
    return next().mmap64_(address, length, prot, flags, fd, offset);
  }
  return map_area({address, length, prot, flags, fd, offset});
}

void* mmap(void* address, size_t length, int prot, int flags, int fd, off_t offset) {
  using namespace ashmem_preload;
  if ((flags & MAP_ANONYMOUS) != 0 || !is_area(fd)) {
    return next().mmap_(address, length, prot, flags, fd, offset);
  }
  return map_area({address, length, prot, flags, fd, offset});
}

}  // extern "C"
#pragma GCC visibility pop
