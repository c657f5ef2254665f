// The ioctls of the driver.

#include <errno.h>
#include <linux/ashmem.h>
#include <stdarg.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/personality.h>

#include "ashmem_compat/preload.h"
#include "preload/area.h"
#include "preload/next.h"
#include "preload/purge_all.h"
#include "preload/user_memory.h"

namespace ashmem_preload {
namespace {

// Results as the kernel gives them: minus an errno, or a value.

long set_name(Area& area, const void* argument) {
  char name[kNameLength];
  if (!string_from_user(name, static_cast<const char*>(argument), sizeof name)) return -EFAULT;
  if (area.backed()) return -EINVAL;
  // The other of the two, so that the name is the old one or the new one whenever we die.
  const uint32_t other = load(&area.state().name_at) == 0 ? 1 : 0;
  memcpy(area.state().names[other], name, strlen(name) + 1);
  store(&area.state().name_at, other);
  return 0;
}

long get_name(Area& area, void* argument) {
  char name[kNameLength];
  memcpy(name, area.state().names[load(&area.state().name_at) & 1], sizeof name);
  name[sizeof name - 1] = 0;
  if (name[0] == 0) memcpy(name, ASHMEM_NAME_DEF, sizeof ASHMEM_NAME_DEF);
  return copy_to_user(argument, name, strlen(name) + 1) ? 0 : -EFAULT;
}

long set_size(Area& area, unsigned long size) {
  if (area.backed()) return -EINVAL;
  store(&area.state().size, static_cast<uint64_t>(size));
  return 0;
}

long set_prot_mask(Area& area, unsigned long mask) {
  if ((load(&area.state().prot_mask) & mask) != mask) return -EINVAL;
  if ((mask & PROT_READ) != 0 && (personality(0xffffffff) & READ_IMPLIES_EXEC) != 0) mask |= PROT_EXEC;
  store(&area.state().prot_mask, static_cast<uint64_t>(mask));
  return 0;
}

long pin_unpin(Area& area, unsigned long request, const void* argument) {
  ashmem_pin range;
  if (!copy_from_user(&range, argument, sizeof range)) return -EFAULT;
  if (!area.backed()) return -EINVAL;
  const uint64_t end = area.rounded_size();
  // 32 bits wide, as in the driver: what lies beyond 4 GiB cannot be named.
  if (range.len == 0) range.len = static_cast<uint32_t>(end) - range.offset;
  if (((range.offset | range.len) & (page_bytes() - 1)) != 0) return -EINVAL;
  if (UINT32_MAX - range.offset < range.len) return -EINVAL;
  if (end < uint64_t{range.offset} + range.len) return -EINVAL;

  Ranges ranges = area.ranges();
  const uint64_t first = range.offset / page_bytes();
  uint64_t last = first + range.len / page_bytes() - 1;
  if (range.len == 0) {
    if (first != 0) {
      // Behind the last page: a range of nothing.
      if (request == ASHMEM_UNPIN && range.offset == end) ranges.unpin_empty();
      return request == ASHMEM_GET_PIN_STATUS ? ASHMEM_IS_PINNED : 0;
    }
    last = kPinnableBytes / page_bytes() - 1;  // all of a multiple of 4 GiB
  }
  switch (request) {
    case ASHMEM_PIN: return ranges.pin(first, last);
    case ASHMEM_UNPIN: return ranges.unpin(first, last);
    default: return ranges.status(first, last);
  }
}

long answer(int fd, unsigned long request, unsigned long value, void* argument) {
  // Before the lock, because it takes the locks of all areas one after another.
  if (request == ASHMEM_PURGE_ALL_CACHES) return purge_all_caches();
  Area area(fd);
  if (!area.valid()) return area.error() != 0 ? -area.error() : -ENOTTY;
  switch (request) {
    case ASHMEM_SET_NAME: return set_name(area, argument);
    case ASHMEM_GET_NAME: return get_name(area, argument);
    case ASHMEM_SET_SIZE: return set_size(area, value);
    case ASHMEM_GET_SIZE: return static_cast<long>(area.size());
    case ASHMEM_SET_PROT_MASK: return set_prot_mask(area, value);
    case ASHMEM_GET_PROT_MASK: return static_cast<long>(load(&area.state().prot_mask));
    case ASHMEM_PIN:
    case ASHMEM_UNPIN:
    case ASHMEM_GET_PIN_STATUS: return pin_unpin(area, request, argument);
    case ASHMEM_COMPAT_PURGE_OLDEST:
      return static_cast<long>(area.ranges().purge_oldest(
          value, [&area](uint64_t first, uint64_t pages) { area.discard(first, pages); }));
    default: return -ENOTTY;
  }
}

// What the kernel answers on every fd, before any driver is asked.
bool is_generic(unsigned long request) {
  return request == FIOCLEX || request == FIONCLEX || request == FIONBIO || request == FIOASYNC;
}

}  // namespace
}  // namespace ashmem_preload

#pragma GCC visibility push(default)
extern "C" int ioctl(int fd, unsigned long request, ...) {
  using namespace ashmem_preload;
  va_list list;
  va_start(list, request);
  void* argument = va_arg(list, void*);
  va_end(list);
  // A program may have passed the request as an int; its upper bits mean nothing to the kernel.
  request = static_cast<unsigned>(request);
  if (is_generic(request) || !is_area(fd)) return next().ioctl_(fd, request, argument);
  const long result = answer(fd, request, reinterpret_cast<unsigned long>(argument), argument);
  // What libc makes of a kernel's result, sizes close to the largest included.
  if (result < 0 && result >= -4095) {
    errno = static_cast<int>(-result);
    return -1;
  }
  return static_cast<int>(result);
}
#pragma GCC visibility pop
