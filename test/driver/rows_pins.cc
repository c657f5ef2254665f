// PIN, UNPIN and GET_PIN_STATUS while nothing is discarded.

#include <sys/ioctl.h>
#include <unistd.h>

#include "table.h"

using table::Area;
using table::page;
using table::pin_call;

namespace {

void expect_all(int fd, unsigned offset, unsigned len, int error) {
  EXPECT_ERROR(pin_call(fd, ASHMEM_PIN, offset, len), error);
  EXPECT_ERROR(pin_call(fd, ASHMEM_UNPIN, offset, len), error);
  EXPECT_ERROR(pin_call(fd, ASHMEM_GET_PIN_STATUS, offset, len), error);
}

}  // namespace

ROW(pin_before_mmap, "before the first mmap there is nothing to pin: EINVAL") {
  expect_all(table::open_area(), 0, 0, EINVAL);
  expect_all(table::sized(page()), 0, 0, EINVAL);
  expect_all(table::sized(page()), 0, static_cast<unsigned>(page()), EINVAL);
}

ROW(pin_fault, "a bad pointer is EFAULT, also before the first mmap") {
  const int fd = table::sized(page());
  EXPECT_ERROR(ioctl(fd, ASHMEM_PIN, nullptr), EFAULT);
  EXPECT_ERROR(ioctl(fd, ASHMEM_UNPIN, nullptr), EFAULT);
  EXPECT_ERROR(ioctl(fd, ASHMEM_GET_PIN_STATUS, nullptr), EFAULT);
  table::map(fd, page());
  EXPECT_ERROR(ioctl(fd, ASHMEM_PIN, nullptr), EFAULT);
}

ROW(pin_aligned, "offset and length must be whole pages: EINVAL") {
  const Area area(4);
  const unsigned p = static_cast<unsigned>(page());
  expect_all(area.fd, 1, p, EINVAL);
  expect_all(area.fd, p, 1, EINVAL);
  expect_all(area.fd, p, p + 1, EINVAL);
  expect_all(area.fd, p / 2, 0, EINVAL);
}

ROW(pin_inside, "a range must end inside the whole pages of the area: EINVAL") {
  const Area area(4);
  const unsigned p = static_cast<unsigned>(page());
  expect_all(area.fd, 0, 5 * p, EINVAL);
  expect_all(area.fd, 4 * p, p, EINVAL);
  expect_all(area.fd, 5 * p, 0, EINVAL);
  EXPECT(area.unpin(0, 4), ASHMEM_IS_UNPINNED);
}

ROW(pin_unaligned_size, "the last page of an unaligned area is whole") {
  const int fd = table::sized(page() + 1);
  const unsigned p = static_cast<unsigned>(page());
  table::map(fd, page());
  EXPECT(pin_call(fd, ASHMEM_UNPIN, p, p), ASHMEM_IS_UNPINNED);
  EXPECT(pin_call(fd, ASHMEM_GET_PIN_STATUS, 0, p), ASHMEM_IS_PINNED);
  EXPECT(pin_call(fd, ASHMEM_PIN, 0, 0), ASHMEM_NOT_PURGED);
  expect_all(fd, p, 2 * p, EINVAL);
}

ROW(pin_overflow, "offset + length does not wrap around at 4 GiB: EINVAL") {
  const Area area(4);
  const unsigned p = static_cast<unsigned>(page());
  expect_all(area.fd, p, 0u - p, EINVAL);
  expect_all(area.fd, 0u - p, p, EINVAL);
  expect_all(area.fd, 0u - p, 0u - p, EINVAL);
  expect_all(area.fd, 0, 0u - p, EINVAL);
}

ROW(pin_at_first, "everything is pinned at first, and pinning it again is no loss") {
  const Area area(4);
  EXPECT(area.status(0, 0), ASHMEM_IS_PINNED);
  EXPECT(area.pin(0, 0), ASHMEM_NOT_PURGED);
}

ROW(pin_to_the_end, "length 0 is everything from the offset on") {
  const Area area(4);
  EXPECT(area.unpin(1, 0), ASHMEM_IS_UNPINNED);
  EXPECT(area.status(0, 1), ASHMEM_IS_PINNED);
  EXPECT(area.status(1, 1), ASHMEM_IS_UNPINNED);
  EXPECT(area.status(3, 1), ASHMEM_IS_UNPINNED);
  EXPECT(area.pin(2, 0), ASHMEM_NOT_PURGED);
  EXPECT(area.status(1, 1), ASHMEM_IS_UNPINNED);
  EXPECT(area.status(2, 2), ASHMEM_IS_PINNED);
}

ROW(pin_status_any, "the status is unpinned if any page is") {
  const Area area(4);
  area.unpin(2, 1);
  EXPECT(area.status(0, 0), ASHMEM_IS_UNPINNED);
  EXPECT(area.status(0, 2), ASHMEM_IS_PINNED);
  EXPECT(area.status(0, 3), ASHMEM_IS_UNPINNED);
  EXPECT(area.status(3, 1), ASHMEM_IS_PINNED);
}

ROW(pin_uncounted,
    "pins are not counted: one UNPIN undoes any number of PINs, and one PIN any number of UNPINs") {
  const Area area(1);
  area.pin(0, 1);
  area.pin(0, 1);
  EXPECT(area.unpin(0, 1), ASHMEM_IS_UNPINNED);
  EXPECT(area.status(0, 1), ASHMEM_IS_UNPINNED);
  EXPECT(area.unpin(0, 1), ASHMEM_IS_UNPINNED);
  EXPECT(area.pin(0, 1), ASHMEM_NOT_PURGED);
  EXPECT(area.status(0, 1), ASHMEM_IS_PINNED);
}

ROW(pin_splits, "pinning the middle of an unpinned range leaves both its ends unpinned") {
  const Area area(5);
  area.unpin(0, 5);
  EXPECT(area.pin(2, 1), ASHMEM_NOT_PURGED);
  EXPECT(area.status(0, 2), ASHMEM_IS_UNPINNED);
  EXPECT(area.status(2, 1), ASHMEM_IS_PINNED);
  EXPECT(area.status(3, 2), ASHMEM_IS_UNPINNED);
  EXPECT(area.pin(1, 3), ASHMEM_NOT_PURGED);
  EXPECT(area.status(0, 1), ASHMEM_IS_UNPINNED);
  EXPECT(area.status(1, 3), ASHMEM_IS_PINNED);
  EXPECT(area.status(4, 1), ASHMEM_IS_UNPINNED);
}

ROW(pin_empty_range, "length 0 at the very end unpins no page, yet the area is not all pinned any more") {
  const Area area(4);
  area.fill();
  EXPECT(area.status(4, 0), ASHMEM_IS_PINNED);
  EXPECT(area.pin(4, 0), ASHMEM_NOT_PURGED);
  EXPECT(area.unpin(4, 0), ASHMEM_IS_UNPINNED);
  EXPECT(area.status(4, 0), ASHMEM_IS_PINNED);
  EXPECT(area.status(0, 4), ASHMEM_IS_UNPINNED);
  EXPECT(area.status(3, 1), ASHMEM_IS_UNPINNED);
  EXPECT(area.status(0, 3), ASHMEM_IS_PINNED);
  EXPECT(area.pin(4, 0), ASHMEM_NOT_PURGED);
  EXPECT(area.status(0, 4), ASHMEM_IS_UNPINNED);
  table::purge(area.fd);
  EXPECT_TEXT(area.pages_now(), "xxxx");
  EXPECT(area.pin(0, 3), ASHMEM_NOT_PURGED);
  EXPECT(area.pin(3, 1), ASHMEM_WAS_PURGED);
  EXPECT(area.status(0, 4), ASHMEM_IS_PINNED);
  area.unpin(4, 0);
  table::purge(area.fd);
  area.unpin(3, 1);
  table::purge(area.fd);
  EXPECT_TEXT(area.pages_now(),
              "xxxx");  // the loss of nothing has spread to the page, which is now not discarded
  EXPECT(area.pin(0, 0), ASHMEM_WAS_PURGED);
}
