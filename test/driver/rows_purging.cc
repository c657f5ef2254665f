// What is discarded, and what a PIN says of it.

#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "ashmem_compat/preload.h"
#include "table.h"

using table::Area;
using table::page;
using table::purge;

ROW(purge_told_once, "a PIN tells of a loss, once, and the bytes are zeros") {
  const Area area(2);
  area.fill();
  area.unpin(0, 0);
  purge(area.fd);
  EXPECT(area.pin(0, 0), ASHMEM_WAS_PURGED);
  EXPECT_TEXT(area.pages_now(), "..");
  EXPECT(area.pin(0, 0), ASHMEM_NOT_PURGED);
}

ROW(purge_only_unpinned, "pinned pages are never taken") {
  const Area area(5);
  area.fill();
  area.unpin(0, 5);
  area.pin(2, 1);
  purge(area.fd);
  EXPECT_TEXT(area.pages_now(), "..x..");
  EXPECT(area.pin(2, 1), ASHMEM_NOT_PURGED);
  EXPECT(area.pin(0, 2), ASHMEM_WAS_PURGED);
  EXPECT(area.pin(3, 2), ASHMEM_WAS_PURGED);
}

ROW(purge_status, "a purged range is still unpinned") {
  const Area area(2);
  area.unpin(0, 1);
  purge(area.fd);
  EXPECT(area.status(0, 1), ASHMEM_IS_UNPINNED);
  EXPECT(area.status(1, 1), ASHMEM_IS_PINNED);
}

ROW(purge_part, "a PIN of a part of a purged range tells of it, and the rest goes on being purged") {
  const Area area(5);
  area.fill();
  area.unpin(0, 5);
  purge(area.fd);
  EXPECT(area.pin(1, 1), ASHMEM_WAS_PURGED);
  EXPECT(area.pin(1, 1), ASHMEM_NOT_PURGED);
  EXPECT(area.pin(0, 1), ASHMEM_WAS_PURGED);
  EXPECT(area.pin(4, 1), ASHMEM_WAS_PURGED);
  EXPECT(area.pin(0, 0), ASHMEM_WAS_PURGED);
  EXPECT(area.status(0, 0), ASHMEM_IS_PINNED);
}

ROW(purge_overlap, "a PIN that overlaps a purged range and pinned pages tells of the loss") {
  const Area area(4);
  area.unpin(0, 2);
  purge(area.fd);
  EXPECT(area.pin(2, 2), ASHMEM_NOT_PURGED);
  EXPECT(area.pin(1, 3), ASHMEM_WAS_PURGED);
}

ROW(purge_neighbours, "ranges that only touch stay apart") {
  const Area area(3);
  area.fill();
  area.unpin(0, 1);
  purge(area.fd);
  area.unpin(1, 1);
  EXPECT(area.pin(1, 1), ASHMEM_NOT_PURGED);
  EXPECT(area.pin(0, 1), ASHMEM_WAS_PURGED);
  EXPECT_TEXT(area.pages_now(), ".xx");
}

ROW(purge_spreads,
    "an UNPIN that overlaps a purged range makes one purged range of both, with bytes that were not lost") {
  const Area area(4);
  area.fill();
  area.unpin(0, 2);
  purge(area.fd);
  area.unpin(1, 2);
  purge(area.fd);
  EXPECT_TEXT(area.pages_now(), "..xx");
  EXPECT(area.pin(2, 1), ASHMEM_WAS_PURGED);
  EXPECT_TEXT(area.pages_now(), "..xx");
}

ROW(purge_merge, "an UNPIN that overlaps an unpinned range makes one range of both") {
  const Area area(4);
  area.fill();
  area.unpin(0, 2);
  area.unpin(1, 2);
  purge(area.fd);
  EXPECT_TEXT(area.pages_now(), "...x");
  EXPECT(area.pin(0, 0), ASHMEM_WAS_PURGED);
}

ROW(purge_merge_around,
    "an UNPIN around several ranges, one of them purged, makes one purged range of them all") {
  const Area area(7);
  area.fill();
  area.unpin(1, 1);
  purge(area.fd);
  area.unpin(3, 1);
  area.unpin(5, 1);
  area.unpin(0, 7);
  purge(area.fd);
  EXPECT_TEXT(area.pages_now(), "x.xxxxx");
  EXPECT(area.pin(6, 1), ASHMEM_WAS_PURGED);
  EXPECT(area.pin(3, 1), ASHMEM_WAS_PURGED);
}

ROW(purge_merge_whole,
    "an UNPIN that overlaps parts of ranges takes in the whole of each, and the loss with it") {
  const Area area(7);
  area.fill();
  area.unpin(3, 1);
  purge(area.fd);
  area.unpin(0, 3);
  area.unpin(4, 3);
  area.unpin(2, 3);
  purge(area.fd);
  EXPECT_TEXT(area.pages_now(), "xxx.xxx");
  EXPECT(area.pin(0, 1), ASHMEM_WAS_PURGED);
  EXPECT(area.pin(6, 1), ASHMEM_WAS_PURGED);
  EXPECT(area.pin(1, 1), ASHMEM_WAS_PURGED);
}

ROW(purge_once, "a purged range is not purged again before it is pinned, whatever is written and unpinned") {
  const Area area(2);
  area.fill();
  area.unpin(0, 0);
  purge(area.fd);
  area.fill('y');
  area.unpin(0, 1);
  purge(area.fd);
  EXPECT_TEXT(area.pages_now(), "yy");
  EXPECT(area.pin(0, 0), ASHMEM_WAS_PURGED);
  EXPECT_TEXT(area.pages_now(), "yy");
  area.unpin(0, 0);
  purge(area.fd);
  EXPECT_TEXT(area.pages_now(), "..");
}

ROW(purge_untouched, "pages that nobody ever wrote can be lost too") {
  const Area area(2);
  area.unpin(0, 0);
  purge(area.fd);
  EXPECT(area.pin(0, 0), ASHMEM_WAS_PURGED);
}

ROW(purge_locked, "mlock does not keep unpinned pages") {
  const Area area(1);
  area.fill();
  if (mlock(area.base, page()) != 0) table::skip("mlock is not allowed");
  area.unpin(0, 0);
  purge(area.fd);
  EXPECT_TEXT(area.pages_now(), ".");
}

ROW(purge_unaligned_end, "the last page of an unaligned area is taken whole") {
  const int fd = table::sized(page() + 1);
  char* base = table::map(fd, 2 * page());
  memset(base, 'x', 2 * page());
  EXPECT(table::pin_call(fd, ASHMEM_UNPIN, static_cast<unsigned>(page()), 0), 0);
  purge(fd);
  EXPECT(base[page() - 1], 'x');
  EXPECT(base[page()], 0);
  EXPECT(base[2 * page() - 1], 0);
}

ROW(purge_unmapped, "an area that nobody maps any more is discarded as well") {
  const Area area(1);
  area.fill();
  area.unpin(0, 0);
  munmap(area.base, page());
  purge(area.fd);
  EXPECT(table::map(area.fd, page())[0], 0);
}

ROW(purge_all_denied, "PURGE_ALL_CACHES without CAP_SYS_ADMIN is EPERM") {
  const Area area(1);
  area.fill();
  area.unpin(0, 0);
  table::drop_privileges();
  EXPECT_ERROR(ioctl(area.fd, ASHMEM_PURGE_ALL_CACHES), EPERM);
  EXPECT(area.pin(0, 0), ASHMEM_NOT_PURGED);
}

ROW(purge_all_count,
    "PURGE_ALL_CACHES returns how many pages there were to discard, and works on an empty area") {
  if (!table::is_root()) table::skip("needs root");
  const Area area(6);
  const int other = table::open_area();
  area.unpin(0, 2);
  area.unpin(3, 3);
  EXPECT(ioctl(other, ASHMEM_PURGE_ALL_CACHES), 5);
  EXPECT(ioctl(other, ASHMEM_PURGE_ALL_CACHES), 0);
  EXPECT(area.pin(0, 0), ASHMEM_WAS_PURGED);
}

ROW(purge_all_others,
    "PURGE_ALL_CACHES discards in every process (the library: in those whose fds it may open)") {
  if (!table::is_root()) table::skip("needs root");
  const int status = table::in_child([&] {
    const Area area(3);
    area.fill();
    area.unpin(0, 0);
    // A process that has no such fd asks.
    const int asker = table::in_child([&] {
      close(area.fd);
      const int own = table::open_area();
      return ioctl(own, ASHMEM_PURGE_ALL_CACHES) == 3 ? 0 : 1;
    });
    EXPECT(asker, 0);
    return area.pin(0, 0) == ASHMEM_WAS_PURGED ? 0 : 1;
  });
  EXPECT(status, 0);
}

ROW_DIFFERS(
    purge_drop_caches, "echo 2 > /proc/sys/vm/drop_caches discards everything unpinned",
    "the device: its shrinker does; the library: nobody tells it, as nobody tells it of memory pressure") {
  if (!table::is_root()) table::skip("needs root");
  const Area area(2);
  area.fill();
  area.unpin(0, 0);
  const int file = open("/proc/sys/vm/drop_caches", O_WRONLY);
  if (file < 0 || (table::on_device() && write(file, "2", 1) != 1)) table::skip("no drop_caches here");
  EXPECT_TEXT(area.pages_now(), table::on_device() ? ".." : "xx");
  EXPECT(area.pin(0, 0), table::on_device() ? ASHMEM_WAS_PURGED : ASHMEM_NOT_PURGED);
}

ROW(purge_closed, "with its last fd the unpinned ranges go: what is still mapped is never discarded") {
  const Area area(2);
  area.fill();
  area.unpin(0, 0);
  close(area.fd);
  purge(table::open_area());
  EXPECT_TEXT(area.pages_now(), "xx");
}

// Only the library can be told how much to discard: the device's own measure is the memory that is short.
ROW(purge_order,
    "what was unpinned longest ago goes first; an UNPIN inside a range, or a PIN beside it, does not change "
    "its age") {
  if (table::on_device()) table::skip("the driver cannot be told to discard a part");
  const Area area(8);
  area.fill();
  area.unpin(4, 1);
  area.unpin(0, 2);
  area.unpin(6, 2);
  area.unpin(4, 1);  // still the oldest
  area.pin(7, 1);    // the range of page 6 keeps its place
  EXPECT(ioctl(area.fd, ASHMEM_COMPAT_PURGE_OLDEST, 1ul), 1);
  EXPECT_TEXT(area.pages_now(), "xxxx.xxx");
  area.pin(0, 1);  // page 1 keeps the place of the two
  EXPECT(ioctl(area.fd, ASHMEM_COMPAT_PURGE_OLDEST, 1ul), 1);
  EXPECT_TEXT(area.pages_now(), "x.xx.xxx");
  area.unpin(5, 2);  // merged: the youngest, of two pages
  area.unpin(2, 1);
  EXPECT(ioctl(area.fd, ASHMEM_COMPAT_PURGE_OLDEST, 1ul), 2);
  EXPECT_TEXT(area.pages_now(), "x.xx...x");
  EXPECT(ioctl(area.fd, ASHMEM_COMPAT_PURGE_OLDEST, 9ul), 1);
  EXPECT_TEXT(area.pages_now(), "x..x...x");
}

ROW(purge_order_split, "of a range that a PIN splits, the rear counts as unpinned just now") {
  if (table::on_device()) table::skip("the driver cannot be told to discard a part");
  const Area area(6);
  area.fill();
  area.unpin(0, 3);
  area.unpin(5, 1);
  area.pin(1, 1);
  EXPECT(ioctl(area.fd, ASHMEM_COMPAT_PURGE_OLDEST, 2ul), 2);
  EXPECT_TEXT(area.pages_now(), ".xxxx.");
}
