#include "preload/paths.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/ashmem.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "preload/area.h"
#include "preload/next.h"

namespace ashmem_preload {
namespace {

constexpr char kDevice[] = "/dev/ashmem";
constexpr size_t kDeviceLength = sizeof kDevice - 1;
constexpr size_t kBootIdLength = 36;

int raw_open(const char* path, int flags) {
  return static_cast<int>(syscall(SYS_openat, AT_FDCWD, path, flags, 0));
}

bool try_device() {
  const int fd = raw_open(kDevice, O_RDWR | O_CLOEXEC);
  if (fd < 0) return false;
  bool works = false;
  if (next().ioctl_(fd, ASHMEM_SET_SIZE, page_bytes()) == 0) {
    void* data = next().mmap64_(nullptr, page_bytes(), PROT_READ, MAP_SHARED, fd, 0);
    if (data != MAP_FAILED) {
      ashmem_pin all = {0, 0};
      // Some kernels accept pins and unpins, and do nothing.
      works = next().ioctl_(fd, ASHMEM_UNPIN, &all) == 0 &&
              next().ioctl_(fd, ASHMEM_GET_PIN_STATUS, &all) == ASHMEM_IS_UNPINNED;
      munmap(data, page_bytes());
    }
  }
  close(fd);
  return works;
}

}  // namespace

bool is_device_path(const char* path) {
  if (!path || strncmp(path, kDevice, kDeviceLength) != 0) return false;
  const char* rest = path + kDeviceLength;
  if (*rest == 0) return true;
  if (strlen(rest) != kBootIdLength) return false;
  const int error = errno;
  char boot_id[kBootIdLength] = "";
  const int fd = raw_open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
  const bool same = fd >= 0 && syscall(SYS_read, fd, boot_id, kBootIdLength) == long{kBootIdLength} &&
                    memcmp(rest, boot_id, kBootIdLength) == 0;
  if (fd >= 0) close(fd);
  errno = error;
  return same;
}

bool may_be_fd_path(const char* path) {
  return path && (strncmp(path, "/proc/", 6) == 0 || strncmp(path, "/dev/fd/", 8) == 0 ||
                  strncmp(path, "/dev/std", 8) == 0);
}

bool real_device_works() {
  static int known = 0;  // 1 yes, 2 no
  int answer = __atomic_load_n(&known, __ATOMIC_RELAXED);
  if (answer == 0) {
    const int error = errno;
    answer = try_device() ? 1 : 2;
    errno = error;
    __atomic_store_n(&known, answer, __ATOMIC_RELAXED);
  }
  return answer == 1;
}

bool always_emulate() {
  const char* value = getenv("ASHMEM_COMPAT_PRELOAD");
  return value && strcmp(value, "always") == 0;
}

}  // namespace ashmem_preload
