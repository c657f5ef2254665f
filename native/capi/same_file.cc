#include "capi/same_file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/backends/backend.h"
#include "core/platform/atomics.h"
#include "core/platform/system_calls.h"

namespace ashmem_compat::capi {
namespace {

constexpr int kKcmpFile = 0;  // linux/kcmp.h

// The inode of the memory behind an ashmem area, which the driver tells from Linux 5.1 on; 0 if it does not.
uint64_t backing_inode(int fd) {
  char path[48];
  snprintf(path, sizeof path, "/proc/self/fdinfo/%d", fd);
  const int file = open(path, O_RDONLY | O_CLOEXEC);
  if (file < 0) return 0;
  char text[1024];
  const ssize_t length = read(file, text, sizeof text - 1);
  close(file);
  if (length <= 0) return 0;
  text[length] = 0;
  const char* line = strstr(text, "inode:\t");
  return line ? strtoull(line + 7, nullptr, 10) : 0;
}

long compare(int fd, int own) {
  const long self = getpid();
  return syscall(SYS_kcmp, self, self, kKcmpFile, fd, own);
}

// No list of Android's has kcmp: there an app dies of it. Asked once per process.
bool may_compare() {
  enum { kUnknown, kYes, kNo };
  static int kept = kUnknown;
  const int known = load_relaxed(&kept);
  if (known != kUnknown) return known == kYes;
  const Trial trial =
      try_call([](void*) { return compare(-1, -1) < 0 && errno != EBADF ? errno : 0; }, nullptr);
  const bool may = !trial.killed && trial.error == 0;
  if (may || trial.killed || !will_pass(trial.error)) store_relaxed(&kept, may ? int{kYes} : int{kNo});
  return may;
}

}  // namespace

bool identify(int fd, FileId* id) {
  struct stat st;
  if (fstat(fd, &st) != 0) return false;
  id->device = static_cast<uint64_t>(st.st_dev);
  id->inode = static_cast<uint64_t>(st.st_ino);
  id->is_device = S_ISCHR(st.st_mode);
  return true;
}

bool is_same_file(int fd, const FileId& id, int own, const FileId& own_id) {
  if (!(id == own_id)) return false;
  if (!id.is_device) return true;
  // All fds of an area are one open file.
  const int error = errno;
  const long compared = may_compare() ? compare(fd, own) : -1;
  errno = error;
  if (compared >= 0) return compared == 0;
  // Where nothing tells, two areas are taken for two: attaching twice does no harm.
  const uint64_t inode = backing_inode(own);
  return inode != 0 && backing_inode(fd) == inode;
}

int count_fds_of(int own, const FileId& own_id) {
  DIR* folder = opendir("/proc/self/fd");
  if (!folder) return -1;
  int count = 0;
  while (const dirent* entry = readdir(folder)) {  // NOLINT(concurrency-mt-unsafe): the stream is ours
    if (entry->d_name[0] < '0' || entry->d_name[0] > '9') continue;
    const int fd = static_cast<int>(strtol(entry->d_name, nullptr, 10));
    FileId id;
    if (identify(fd, &id) && is_same_file(fd, id, own, own_id)) ++count;
  }
  closedir(folder);
  return count;
}

}  // namespace ashmem_compat::capi
