// All the headers in one C++ file, the device's own among them, and every function by its type.
#include <android/sharedmem.h>
#include <cutils/ashmem.h>
#include <linux/ashmem.h>
#include <stdint.h>

namespace {

struct Api {
  int (*valid)(int) = ashmem_valid;
  int (*size)(int) = ashmem_get_size_region;
  int (*create)(const char*, size_t) = ashmem_create_region;
  int (*protect)(int, int) = ashmem_set_prot_region;
  int (*pin)(int, size_t, size_t) = ashmem_pin_region;
  int (*unpin)(int, size_t, size_t) = ashmem_unpin_region;
  int64_t (*purge)(int, size_t, size_t) = ashmem_compat_purge_region;
  int (*ndk_create)(const char*, size_t) = ASharedMemory_create;
  size_t (*ndk_size)(int) = ASharedMemory_getSize;
  int (*ndk_protect)(int, int) = ASharedMemory_setProt;
};
static_assert(ASHMEM_WAS_PURGED == 1 && ASHMEM_NAME_LEN == 256, "as on Android");

}  // namespace

int main() {
  const Api api;
  const int fd = api.ndk_create("headers", 10);
  const bool works = api.valid(fd) == 1 && api.size(fd) == 10 && api.ndk_size(fd) == 10 &&
                     api.unpin(fd, 0, 0) == 0 && api.purge(fd, 0, 0) == 10 &&
                     api.pin(fd, 0, 0) == ASHMEM_WAS_PURGED && api.ndk_protect(fd, 1) == 0 &&
                     api.protect(fd, 3) == -1 && api.create("", 0) == -1;
  return works ? 0 : 1;
}
