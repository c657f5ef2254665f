// Names: ASHMEM_SET_NAME and ASHMEM_GET_NAME.

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "table.h"

namespace {

using table::map;
using table::open_area;
using table::page;

std::string name_of(int fd) {
  char name[ASHMEM_NAME_LEN + 1] = "";
  EXPECT(ioctl(fd, ASHMEM_GET_NAME, name), 0);
  return name;
}

// The last `bytes` bytes before memory that cannot be touched.
char* before_the_end(size_t bytes) {
  char* two = static_cast<char*>(
      mmap(nullptr, 2 * page(), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  mprotect(two + page(), page(), PROT_NONE);
  return two + page() - bytes;
}

}  // namespace

ROW(name_default, "a new area is called dev/ashmem") { EXPECT_TEXT(name_of(open_area()), "dev/ashmem"); }

ROW(name_kept, "GET_NAME tells what SET_NAME set, the last time") {
  const int fd = open_area();
  EXPECT(ioctl(fd, ASHMEM_SET_NAME, "a rather long first name"), 0);
  EXPECT(ioctl(fd, ASHMEM_SET_NAME, "hello"), 0);
  EXPECT_TEXT(name_of(fd), "hello");
}

ROW(name_empty, "an empty name is the default one") {
  const int fd = open_area();
  EXPECT(ioctl(fd, ASHMEM_SET_NAME, "hello"), 0);
  EXPECT(ioctl(fd, ASHMEM_SET_NAME, ""), 0);
  EXPECT_TEXT(name_of(fd), "dev/ashmem");
}

ROW(name_255, "255 bytes are kept") {
  const int fd = open_area();
  const std::string name(255, 'n');
  EXPECT(ioctl(fd, ASHMEM_SET_NAME, name.c_str()), 0);
  EXPECT_TEXT(name_of(fd), name);
}

ROW(name_truncated, "more than 255 bytes are cut off without an error") {
  const int fd = open_area();
  EXPECT(ioctl(fd, ASHMEM_SET_NAME, std::string(256, 'n').c_str()), 0);
  EXPECT_TEXT(name_of(fd), std::string(255, 'n'));
  EXPECT(ioctl(fd, ASHMEM_SET_NAME, std::string(4000, 'm').c_str()), 0);
  EXPECT_TEXT(name_of(fd), std::string(255, 'm'));
}

ROW(name_only_its_bytes, "GET_NAME writes the name and its NUL, and nothing behind") {
  const int fd = open_area();
  EXPECT(ioctl(fd, ASHMEM_SET_NAME, "abc"), 0);
  char name[ASHMEM_NAME_LEN];
  memset(name, 'U', sizeof name);
  EXPECT(ioctl(fd, ASHMEM_GET_NAME, name), 0);
  EXPECT(memcmp(name, "abc\0UUUU", 8), 0);
}

ROW(name_after_mmap, "once mapped, an area keeps its name: SET_NAME is EINVAL") {
  const int fd = table::sized(page());
  EXPECT(ioctl(fd, ASHMEM_SET_NAME, "before"), 0);
  map(fd, page());
  EXPECT_ERROR(ioctl(fd, ASHMEM_SET_NAME, "after"), EINVAL);
  EXPECT_TEXT(name_of(fd), "before");
}

ROW(name_fault, "a bad pointer is EFAULT, also where the call would be EINVAL") {
  const int fd = table::sized(page());
  EXPECT_ERROR(ioctl(fd, ASHMEM_SET_NAME, nullptr), EFAULT);
  EXPECT_ERROR(ioctl(fd, ASHMEM_GET_NAME, nullptr), EFAULT);
  map(fd, page());
  EXPECT_ERROR(ioctl(fd, ASHMEM_SET_NAME, nullptr), EFAULT);
  EXPECT_TEXT(name_of(fd), "dev/ashmem");
}

ROW(name_fault_edge, "a name is read as far as its NUL, and a fault before that is EFAULT") {
  const int fd = open_area();
  char* end = before_the_end(5);
  memcpy(end, "edge", 5);
  EXPECT(ioctl(fd, ASHMEM_SET_NAME, end), 0);
  EXPECT_TEXT(name_of(fd), "edge");
  memset(end, 'q', 5);
  EXPECT_ERROR(ioctl(fd, ASHMEM_SET_NAME, end), EFAULT);
  EXPECT_TEXT(name_of(fd), "edge");
  EXPECT(ioctl(fd, ASHMEM_GET_NAME, end), 0);
  EXPECT_ERROR(ioctl(fd, ASHMEM_GET_NAME, end + 1), EFAULT);
}

ROW(name_fault_read_only, "GET_NAME into memory that cannot be written is EFAULT") {
  void* memory = mmap(nullptr, page(), PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  EXPECT_ERROR(ioctl(open_area(), ASHMEM_GET_NAME, memory), EFAULT);
}

ROW_DIFFERS(
    name_in_maps, "/proc/PID/maps shows the area by its name",
    "the device: /dev/ashmem/NAME; the library: a memfd, whose name is fixed when the area is opened") {
  const int fd = table::sized(page());
  EXPECT(ioctl(fd, ASHMEM_SET_NAME, "shown"), 0);
  char* base = map(fd, page());
  char wanted[32];
  snprintf(wanted, sizeof wanted, "%lx-", reinterpret_cast<unsigned long>(base));
  FILE* maps = fopen("/proc/self/maps", "r");
  char line[512] = "";
  while (fgets(line, sizeof line, maps) && strncmp(line, wanted, strlen(wanted)) != 0) {
  }
  fclose(maps);
  EXPECT(strstr(line, "/dev/ashmem/shown") != nullptr, table::on_device());
  EXPECT(strstr(line, "/memfd:ashmem") != nullptr, !table::on_device());
}
