// Sizes, and what mmap(2) makes of them.

#include <fcntl.h>
#include <limits.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "table.h"

namespace {

using table::map;
using table::open_area;
using table::page;
using table::sized;

sigjmp_buf after_bus_error;

bool touch_is_bus_error(const char* at) {
  struct sigaction action = {};
  action.sa_handler = [](int) { siglongjmp(after_bus_error, 1); };
  sigaction(SIGBUS, &action, nullptr);
  if (sigsetjmp(after_bus_error, 1) != 0) return true;
  return *static_cast<const volatile char*>(at) == 1;  // zeros, where it is no error
}

}  // namespace

// 2^n, where a size has so many bits.
static size_t wide(int n) { return static_cast<size_t>(uint64_t{1} << n); }

ROW(size_new, "a new area has the size 0") { EXPECT(ioctl(open_area(), ASHMEM_GET_SIZE), 0); }

ROW(size_any, "any size is taken and kept as it is: unaligned, 0, again") {
  const int fd = open_area();
  EXPECT(ioctl(fd, ASHMEM_SET_SIZE, 12345ul), 0);
  EXPECT(ioctl(fd, ASHMEM_GET_SIZE), 12345);
  EXPECT(ioctl(fd, ASHMEM_SET_SIZE, 0ul), 0);
  EXPECT(ioctl(fd, ASHMEM_GET_SIZE), 0);
  EXPECT(ioctl(fd, ASHMEM_SET_SIZE, 4096ul), 0);
  EXPECT(ioctl(fd, ASHMEM_GET_SIZE), 4096);
}

ROW(size_large, "GET_SIZE of 2 GiB and more comes as the low 32 bits, or as an errno") {
  if (sizeof(size_t) == 4) table::skip("sizes have 32 bits here");
  const int fd = open_area();
  EXPECT(ioctl(fd, ASHMEM_SET_SIZE, 3ul << 30), 0);
  EXPECT(ioctl(fd, ASHMEM_GET_SIZE), static_cast<int>(3u << 30));
  EXPECT(ioctl(fd, ASHMEM_SET_SIZE, wide(32) + 5), 0);
  EXPECT(ioctl(fd, ASHMEM_GET_SIZE), 5);
  EXPECT(ioctl(fd, ASHMEM_SET_SIZE, ~0ul), 0);
  EXPECT_ERROR(ioctl(fd, ASHMEM_GET_SIZE), 1);
  EXPECT(ioctl(fd, ASHMEM_SET_SIZE, ~0ul - 21), 0);
  EXPECT_ERROR(ioctl(fd, ASHMEM_GET_SIZE), 22);
}

ROW(size_after_mmap, "once mapped, an area keeps its size: SET_SIZE is EINVAL, also with the same") {
  const int fd = sized(page());
  map(fd, page());
  EXPECT_ERROR(ioctl(fd, ASHMEM_SET_SIZE, 2 * page()), EINVAL);
  EXPECT_ERROR(ioctl(fd, ASHMEM_SET_SIZE, page()), EINVAL);
  EXPECT(ioctl(fd, ASHMEM_GET_SIZE), page());
}

ROW(mmap_size_0, "an area of size 0 cannot be mapped: EINVAL") {
  EXPECT_MAP_ERROR(map(open_area(), page()), EINVAL);
}

ROW(mmap_longer, "a length beyond the whole pages of the area is EINVAL") {
  const int fd = sized(page() + 1);
  EXPECT_MAP_ERROR(map(fd, 2 * page() + 1), EINVAL);
  EXPECT_MAP_ERROR(map(fd, 3 * page()), EINVAL);
  char* base = map(fd, 2 * page());
  EXPECT(base != MAP_FAILED, 1);
  base[2 * page() - 1] = 'z';
  EXPECT(map(fd, 2 * page())[2 * page() - 1], 'z');
}

ROW(mmap_shorter, "a part can be mapped, at any offset of whole pages") {
  const table::Area area(4);
  area.fill();
  area.at(2) = 'c';
  EXPECT(map(area.fd, 2 * page(), PROT_READ, MAP_SHARED, static_cast<off_t>(2 * page()))[0], 'c');
  EXPECT_MAP_ERROR(map(area.fd, page(), PROT_READ, MAP_SHARED, 1), EINVAL);
}

ROW(mmap_offset_unchecked, "offset + length may go beyond the end; touching that is SIGBUS") {
  const table::Area area(2);
  area.fill();
  char* over = map(area.fd, 2 * page(), PROT_READ, MAP_SHARED, static_cast<off_t>(page()));
  EXPECT(over != MAP_FAILED, 1);
  EXPECT(over[0], 'x');
  EXPECT(touch_is_bus_error(over + page()), 1);
  char* beyond = map(area.fd, page(), PROT_READ, MAP_SHARED, static_cast<off_t>(1000 * page()));
  EXPECT(beyond != MAP_FAILED, 1);
  EXPECT(touch_is_bus_error(beyond), 1);
}

ROW(mmap_failed_makes_nothing, "an mmap that is refused does not fix the size") {
  const int fd = sized(page());
  EXPECT_MAP_ERROR(map(fd, 2 * page()), EINVAL);
  EXPECT(ioctl(fd, ASHMEM_SET_PROT_MASK, PROT_READ), 0);
  EXPECT_MAP_ERROR(map(fd, page()), EPERM);
  EXPECT_MAP_ERROR(map(fd, page(), PROT_READ, MAP_SHARED, 1), EINVAL);
  EXPECT_MAP_ERROR(map(fd, 0, PROT_READ), EINVAL);
  EXPECT(ioctl(fd, ASHMEM_SET_SIZE, 2 * page()), 0);
}

ROW(mmap_none_makes_it,
    "the first mmap fixes the size, even of PROT_NONE, even private, even unmapped again") {
  int fd = sized(page());
  munmap(map(fd, page(), PROT_NONE), page());
  EXPECT_ERROR(ioctl(fd, ASHMEM_SET_SIZE, page()), EINVAL);
  fd = sized(page());
  munmap(map(fd, page(), PROT_READ, MAP_PRIVATE), page());
  EXPECT_ERROR(ioctl(fd, ASHMEM_SET_SIZE, page()), EINVAL);
}

ROW(mmap_too_much, "an area larger than memory and swap is ENOMEM at its mmap, and EINVAL from 2^63 on") {
  if (sizeof(size_t) == 4) table::skip("sizes have 32 bits here");
  int fd = sized(wide(45));
  EXPECT_MAP_ERROR(map(fd, page()), ENOMEM);
  EXPECT(ioctl(fd, ASHMEM_SET_SIZE, wide(63)), 0);
  EXPECT_MAP_ERROR(map(fd, page()), EINVAL);
  EXPECT(ioctl(fd, ASHMEM_SET_SIZE, ~0ul), 0);  // no whole pages at all: they wrap to 0
  EXPECT_MAP_ERROR(map(fd, page()), EINVAL);
  EXPECT(ioctl(fd, ASHMEM_SET_SIZE, page()), 0);
  EXPECT(map(fd, page()) != MAP_FAILED, 1);
}

ROW(mmap_fixed_refused, "an mmap with MAP_FIXED that is refused has already removed what was there") {
  const int fd = sized(page());
  char* there =
      static_cast<char*>(mmap(nullptr, page(), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  EXPECT(ioctl(fd, ASHMEM_SET_PROT_MASK, PROT_READ), 0);
  EXPECT_MAP_ERROR(mmap(there, page(), PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0), EPERM);
  EXPECT_ERROR(msync(there, page(), MS_ASYNC), ENOMEM);
}

ROW(mmap_zeros, "an area begins as zeros, and its mappings share their bytes") {
  const table::Area area(2);
  EXPECT_TEXT(area.pages_now(), "..");
  area.fill();
  EXPECT(map(area.fd, 2 * page())[page() + 7], 'x');
}

ROW(mmap_private, "a private mapping does not show the area at all, but zeros of its own") {
  const table::Area area(2);
  area.fill();
  char* own = map(area.fd, 2 * page(), PROT_READ | PROT_WRITE, MAP_PRIVATE);
  EXPECT(own != MAP_FAILED, 1);
  EXPECT(own[0], 0);
  own[0] = 'p';
  EXPECT(area.at(0), 'x');
  EXPECT(map(area.fd, page(), PROT_READ, MAP_PRIVATE)[0], 0);
}

ROW(mmap_private_checks, "a private mapping is checked like a shared one") {
  EXPECT_MAP_ERROR(map(open_area(), page(), PROT_READ, MAP_PRIVATE), EINVAL);
  const int fd = sized(page());
  EXPECT_MAP_ERROR(map(fd, 2 * page(), PROT_READ, MAP_PRIVATE), EINVAL);
  EXPECT(ioctl(fd, ASHMEM_SET_PROT_MASK, PROT_READ), 0);
  EXPECT_MAP_ERROR(map(fd, page(), PROT_READ | PROT_WRITE, MAP_PRIVATE), EPERM);
}

ROW(mmap_outlives_fd, "the bytes live as long as a mapping") {
  const table::Area area(1);
  area.fill();
  close(area.fd);
  EXPECT(area.at(0), 'x');
}
