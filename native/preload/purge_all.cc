#include "preload/purge_all.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "preload/area.h"
#include "preload/next.h"

namespace ashmem_preload {
namespace {

bool may_purge() {
  __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct data[2] = {};
  if (syscall(SYS_capget, &header, data) != 0) return false;
  return (data[0].effective & (1u << CAP_SYS_ADMIN)) != 0;
}

long purge_one(int fd) {
  Area area(fd);
  if (!area.valid()) return 0;
  return static_cast<long>(
      area.ranges().purge_all([&area](uint64_t first, uint64_t pages) { area.discard(first, pages); }));
}

struct Entry {  // of getdents64(2)
  uint64_t inode;
  int64_t offset;
  unsigned short length;
  unsigned char type;
  char name[1];
};

// Calls use(name) for each entry that is a number. Without opendir(3), which allocates.
template <typename Use>
void for_each_number(const char* folder, Use use) {
  const int fd =
      static_cast<int>(syscall(SYS_openat, AT_FDCWD, folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0));
  if (fd < 0) return;
  alignas(Entry) char buffer[4096];
  for (;;) {
    const long bytes = syscall(SYS_getdents64, fd, buffer, sizeof buffer);
    if (bytes <= 0) break;
    for (long at = 0; at < bytes;) {
      const auto* entry = reinterpret_cast<const Entry*>(buffer + at);
      at += entry->length;
      if (entry->name[0] >= '0' && entry->name[0] <= '9') use(entry->name);
    }
  }
  close(fd);
}

// Discards what the process `pid` holds, through an fd of our own that is opened for the moment.
long purge_process(const char* pid) {
  char folder[64];
  snprintf(folder, sizeof folder, "/proc/%.20s/fd", pid);
  long total = 0;
  for_each_number(folder, [&](const char* number) {
    char path[96];
    snprintf(path, sizeof path, "%s/%.20s", folder, number);
    // By its name first: opening a tape drive, say, would do something.
    char target[32] = "";
    if (syscall(SYS_readlinkat, AT_FDCWD, path, target, sizeof target - 1) < 0) return;
    if (strncmp(target, "/memfd:ashmem ", 14) != 0) return;
    const int fd = static_cast<int>(syscall(SYS_openat, AT_FDCWD, path, O_RDWR | O_CLOEXEC | O_LARGEFILE, 0));
    if (fd < 0) return;
    if (is_area(fd)) total += purge_one(fd);
    close(fd);
  });
  return total;
}

}  // namespace

long purge_all_caches() {
  if (!may_purge()) return -EPERM;
  const int error = errno;
  long total = 0;
  // Our own are among them. An area that several have is empty the second time.
  for_each_number("/proc", [&](const char* pid) { total += purge_process(pid); });
  errno = error;
  return total;
}

}  // namespace ashmem_preload
