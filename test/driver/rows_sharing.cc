// The state belongs to the open file: whoever has the fd, by dup, fork, exec or SCM_RIGHTS, has the same area.

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "table.h"

using table::Area;
using table::in_child;
using table::map;
using table::page;
using table::pin_call;

ROW(share_dup, "dup shares name, size, mask, bytes and pins") {
  const int fd = table::open_area();
  const int copy = dup(fd);
  EXPECT(ioctl(fd, ASHMEM_SET_NAME, "shared"), 0);
  EXPECT(ioctl(copy, ASHMEM_SET_SIZE, page()), 0);
  EXPECT(ioctl(fd, ASHMEM_GET_SIZE), page());
  char name[ASHMEM_NAME_LEN] = "";
  EXPECT(ioctl(copy, ASHMEM_GET_NAME, name), 0);
  EXPECT_TEXT(name, "shared");
  map(fd, page())[0] = 'd';
  EXPECT(map(copy, page())[0], 'd');
  EXPECT(pin_call(copy, ASHMEM_UNPIN, 0, 0), 0);
  EXPECT(pin_call(fd, ASHMEM_GET_PIN_STATUS, 0, 0), ASHMEM_IS_UNPINNED);
  EXPECT(ioctl(copy, ASHMEM_SET_PROT_MASK, PROT_READ), 0);
  EXPECT(ioctl(fd, ASHMEM_GET_PROT_MASK), PROT_READ);
  close(fd);
  EXPECT(pin_call(copy, ASHMEM_PIN, 0, 0), ASHMEM_NOT_PURGED);
}

ROW(share_opens, "two opens are two areas") {
  const int one = table::sized(page());
  const int two = table::sized(2 * page());
  EXPECT(ioctl(one, ASHMEM_GET_SIZE), page());
  map(one, page())[0] = '1';
  EXPECT(map(two, page())[0], 0);
}

ROW(share_reopen, "opening /proc/self/fd/N, by any of its names, gives a new and empty area") {
  const Area area(1);
  area.fill();
  const char* formats[] = {"/proc/self/fd/%d", "/dev/fd/%d", "/proc/thread-self/fd/%d"};
  for (const char* format : formats) {
    char path[64];
    snprintf(path, sizeof path, format, area.fd);
    const int again = open(path, O_RDWR);
    EXPECT(again >= 0, 1);
    EXPECT(ioctl(again, ASHMEM_GET_SIZE), 0);
    EXPECT(ioctl(again, ASHMEM_SET_SIZE, page()), 0);
    EXPECT(map(again, page())[0], 0);
    close(again);
  }
  EXPECT_TEXT(area.pages_now(), "x");
}

ROW(share_fork, "a child has the same area: each sees the other's unpins and bytes") {
  const Area area(3);
  area.fill();
  const int status = in_child([&] {
    EXPECT(area.status(0, 0), ASHMEM_IS_PINNED);
    EXPECT(area.unpin(1, 1), 0);
    area.at(0) = 'c';
    return 0;
  });
  EXPECT(status, 0);
  EXPECT(area.status(1, 1), ASHMEM_IS_UNPINNED);
  EXPECT_TEXT(area.pages_now(), "cxx");
}

ROW(share_no_owner, "pins have no owner: anybody's UNPIN ends them, a death does not") {
  const Area area(2);
  area.fill();
  area.unpin(0, 0);
  EXPECT(in_child([&] {
           area.pin(0, 1);
           return 0;
         }),
         0);
  EXPECT(area.status(0, 1), ASHMEM_IS_PINNED);
  EXPECT(area.status(1, 1), ASHMEM_IS_UNPINNED);
  area.pin(0, 0);
  EXPECT(in_child([&] {
           area.unpin(0, 0);
           return 0;
         }),
         0);
  EXPECT(area.status(0, 1), ASHMEM_IS_UNPINNED);
}

ROW(share_loss_once, "a loss is told to whoever pins first, and to nobody else") {
  const Area area(1);
  area.fill();
  area.unpin(0, 0);
  table::purge(area.fd);
  EXPECT(in_child([&] { return area.pin(0, 0) == ASHMEM_WAS_PURGED ? 0 : 1; }), 0);
  EXPECT(area.pin(0, 0), ASHMEM_NOT_PURGED);
}

ROW(share_before_mmap, "a size set before fork is the child's, and a child's mmap fixes it for all") {
  const int fd = table::sized(page());
  EXPECT(in_child([&] { return ioctl(fd, ASHMEM_GET_SIZE) == static_cast<int>(page()) ? 0 : 1; }), 0);
  EXPECT(ioctl(fd, ASHMEM_SET_SIZE, page()), 0);
  EXPECT(in_child([&] {
           map(fd, page())[0] = 'm';
           return 0;
         }),
         0);
  EXPECT_ERROR(ioctl(fd, ASHMEM_SET_SIZE, page()), EINVAL);
  EXPECT(map(fd, page())[0], 'm');
}

ROW(share_scm_rights, "SCM_RIGHTS passes the area itself") {
  int pair[2];
  EXPECT(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
  const Area area(2);
  area.fill();
  area.unpin(1, 1);
  EXPECT(table::send_fd(pair[0], area.fd), 1);  // it waits in the socket
  const int status = in_child([&] {
    close(area.fd);
    const int fd = table::receive_fd(pair[1]);
    const unsigned p = static_cast<unsigned>(page());
    EXPECT(ioctl(fd, ASHMEM_GET_SIZE), 2 * page());
    EXPECT(pin_call(fd, ASHMEM_GET_PIN_STATUS, 0, p), ASHMEM_IS_PINNED);
    EXPECT(pin_call(fd, ASHMEM_GET_PIN_STATUS, p, p), ASHMEM_IS_UNPINNED);
    char* base = map(fd, 2 * page());
    EXPECT(base[page()], 'x');
    base[page()] = 'r';
    return static_cast<int>(pin_call(fd, ASHMEM_UNPIN, 0, p));
  });
  EXPECT(status, 0);
  EXPECT(area.status(0, 1), ASHMEM_IS_UNPINNED);
  EXPECT(area.at(1), 'r');
}

ROW(share_exec, "exec keeps the area") {
  const Area area(2);
  area.fill();
  area.unpin(1, 1);
  EXPECT(in_child([&] {
           char number[16];
           snprintf(number, sizeof number, "%d", area.fd);
           execl("/proc/self/exe", "driver_table", "--after-exec", number, nullptr);
           return 9;
         }),
         0);
  EXPECT(area.status(0, 1), ASHMEM_IS_UNPINNED);
  EXPECT(area.status(1, 1), ASHMEM_IS_PINNED);
}

ROW(share_vfork, "a child of vfork can open, and what it closes was its own") {
  const Area area(1);
  area.fill();
  const pid_t pid = vfork();
  if (pid == 0) {
    const int fd = open("/dev/ashmem", O_RDWR);
    close(fd);
    close(area.fd);
    _exit(fd >= 0 ? 0 : 1);
  }
  EXPECT(pid > 0, 1);
  EXPECT(area.status(0, 0), ASHMEM_IS_PINNED);
  EXPECT(in_child([&] { return area.at(0) == 'x' ? 0 : 1; }), 0);
}

int table::after_exec(int fd) {
  const unsigned p = static_cast<unsigned>(page());
  if (ioctl(fd, ASHMEM_GET_SIZE) != static_cast<int>(2 * page())) return 1;
  if (pin_call(fd, ASHMEM_GET_PIN_STATUS, 0, p) != ASHMEM_IS_PINNED) return 2;
  if (pin_call(fd, ASHMEM_PIN, p, p) != ASHMEM_NOT_PURGED) return 3;
  if (map(fd, page(), PROT_READ)[0] != 'x') return 4;
  return pin_call(fd, ASHMEM_UNPIN, 0, p) == ASHMEM_IS_UNPINNED ? 0 : 5;
}
