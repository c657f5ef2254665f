// The protection mask, and what an fd was opened for.

#include <fcntl.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "table.h"

using table::map;
using table::page;
using table::sized;

ROW(mask_new, "a new area may be read, written and executed") {
  EXPECT(ioctl(table::open_area(), ASHMEM_GET_PROT_MASK), PROT_READ | PROT_WRITE | PROT_EXEC);
}

ROW(mask_shrinks, "the mask can lose bits, in any order of calls, and never regain them: EINVAL") {
  const int fd = sized(page());
  EXPECT(ioctl(fd, ASHMEM_SET_PROT_MASK, PROT_READ | PROT_WRITE), 0);
  EXPECT_ERROR(ioctl(fd, ASHMEM_SET_PROT_MASK, PROT_READ | PROT_EXEC), EINVAL);
  EXPECT(ioctl(fd, ASHMEM_GET_PROT_MASK), PROT_READ | PROT_WRITE);
  map(fd, page());
  EXPECT(ioctl(fd, ASHMEM_SET_PROT_MASK, PROT_READ), 0);
  EXPECT(ioctl(fd, ASHMEM_SET_PROT_MASK, PROT_READ), 0);
  EXPECT_ERROR(ioctl(fd, ASHMEM_SET_PROT_MASK, PROT_READ | PROT_WRITE), EINVAL);
  EXPECT(ioctl(fd, ASHMEM_GET_PROT_MASK), PROT_READ);
}

ROW(mask_other_bits, "bits that are no protection are EINVAL") {
  const int fd = sized(page());
  EXPECT_ERROR(ioctl(fd, ASHMEM_SET_PROT_MASK, 8ul), EINVAL);
  EXPECT_ERROR(ioctl(fd, ASHMEM_SET_PROT_MASK, ~0ul), EINVAL);
  EXPECT(ioctl(fd, ASHMEM_GET_PROT_MASK), 7);
}

ROW(mask_mmap, "an mmap that asks for more than the mask is EPERM") {
  const int fd = sized(page());
  EXPECT(ioctl(fd, ASHMEM_SET_PROT_MASK, PROT_READ), 0);
  EXPECT_MAP_ERROR(map(fd, page(), PROT_READ | PROT_WRITE), EPERM);
  EXPECT_MAP_ERROR(map(fd, page(), PROT_WRITE), EPERM);
  EXPECT_MAP_ERROR(map(fd, page(), PROT_READ | PROT_EXEC), EPERM);
  EXPECT(map(fd, page(), PROT_READ) != MAP_FAILED, 1);
  EXPECT(map(fd, page(), PROT_NONE) != MAP_FAILED, 1);
}

ROW(mask_none, "a mask of nothing leaves PROT_NONE") {
  const int fd = sized(page());
  EXPECT(ioctl(fd, ASHMEM_SET_PROT_MASK, 0ul), 0);
  EXPECT(ioctl(fd, ASHMEM_GET_PROT_MASK), 0);
  EXPECT_MAP_ERROR(map(fd, page(), PROT_READ), EPERM);
  EXPECT(map(fd, page(), PROT_NONE) != MAP_FAILED, 1);
}

ROW(mask_old_maps, "mappings that exist keep their rights") {
  const table::Area area(1);
  EXPECT(ioctl(area.fd, ASHMEM_SET_PROT_MASK, PROT_READ), 0);
  area.fill();
  EXPECT(mprotect(area.base, page(), PROT_READ), 0);
  EXPECT(mprotect(area.base, page(), PROT_READ | PROT_WRITE), 0);
  area.fill('y');
  EXPECT(map(area.fd, page(), PROT_READ)[0], 'y');
}

ROW(mask_mprotect_write, "a mapping made under a mask without writing cannot be given it: EACCES") {
  const int fd = sized(page());
  EXPECT(ioctl(fd, ASHMEM_SET_PROT_MASK, PROT_READ), 0);
  char* base = map(fd, page(), PROT_READ);
  EXPECT_ERROR(mprotect(base, page(), PROT_READ | PROT_WRITE), EACCES);
}

ROW_DIFFERS(mask_mprotect_rest, "a mapping cannot be given more than the mask: EACCES",
            "the device: for reading and executing too; the library: nothing on a memfd forbids those") {
  int fd = sized(page());
  EXPECT(ioctl(fd, ASHMEM_SET_PROT_MASK, PROT_READ), 0);
  char* base = map(fd, page(), PROT_READ);
  const int executed = mprotect(base, page(), PROT_READ | PROT_EXEC);
  EXPECT(executed, table::on_device() ? -1 : 0);
  fd = sized(page());
  EXPECT(ioctl(fd, ASHMEM_SET_PROT_MASK, 0ul), 0);
  base = map(fd, page(), PROT_NONE);
  const int read = mprotect(base, page(), PROT_READ);
  EXPECT(read, table::on_device() ? -1 : 0);
}

ROW(mode_read_only,
    "an area opened for reading can be mapped for nothing else: EACCES; its ioctls all work") {
  const int fd = table::open_area(O_RDONLY);
  EXPECT(ioctl(fd, ASHMEM_SET_NAME, "reader"), 0);
  EXPECT(ioctl(fd, ASHMEM_SET_SIZE, page()), 0);
  EXPECT_MAP_ERROR(map(fd, page(), PROT_READ | PROT_WRITE), EACCES);
  EXPECT(ioctl(fd, ASHMEM_SET_SIZE, page()), 0);
  char* base = map(fd, page(), PROT_READ);
  EXPECT(base != MAP_FAILED, 1);
  EXPECT(base[0], 0);
  EXPECT_ERROR(mprotect(base, page(), PROT_READ | PROT_WRITE), EACCES);
  EXPECT(table::pin_call(fd, ASHMEM_UNPIN, 0, 0), ASHMEM_IS_UNPINNED);
  table::purge(fd);
  EXPECT(table::pin_call(fd, ASHMEM_PIN, 0, 0), ASHMEM_WAS_PURGED);
}

ROW(mode_write_only, "an area opened for writing cannot be mapped: EACCES; its ioctls all work") {
  const int fd = table::open_area(O_WRONLY);
  EXPECT(ioctl(fd, ASHMEM_SET_SIZE, page()), 0);
  EXPECT(ioctl(fd, ASHMEM_GET_SIZE), page());
  EXPECT_MAP_ERROR(map(fd, page(), PROT_WRITE), EACCES);
  EXPECT_MAP_ERROR(map(fd, page(), PROT_READ), EACCES);
}

ROW(mode_before_mask, "what the fd forbids is found before what the mask forbids") {
  const int fd = table::open_area(O_RDONLY);
  EXPECT_MAP_ERROR(map(fd, page(), PROT_READ | PROT_WRITE), EACCES);
  EXPECT(ioctl(fd, ASHMEM_SET_SIZE, page()), 0);
  EXPECT(ioctl(fd, ASHMEM_SET_PROT_MASK, PROT_READ), 0);
  EXPECT_MAP_ERROR(map(fd, page(), PROT_READ | PROT_WRITE), EACCES);
}
