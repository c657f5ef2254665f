// What a program on Android finds behind dlopen("libandroid.so"): ASharedMemory_create, over the device that the environment
// names, or over a memfd as newer releases have it.
#include <fcntl.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

extern "C" __attribute__((visibility("default"))) int ASharedMemory_create(const char*, size_t size) {
  const char* device = getenv("TEST_ASHMEM_NODE");
  if (!device) {
    const int fd = static_cast<int>(syscall(SYS_memfd_create, "from-libandroid", 3));
    if (fd >= 0 && ftruncate(fd, static_cast<off_t>(size)) != 0) return -1;
    return fd;
  }
  const int fd = open(device, O_RDWR);
  if (fd >= 0 && ioctl(fd, _IOW(0x77, 3, size_t), size) != 0) return -1;
  return fd;
}
