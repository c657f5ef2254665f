#include "core/backends/ashmem_device.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "core/platform/atomics.h"

namespace ashmem_compat::ashmem {
namespace {

constexpr size_t kNameLength = 256;
struct Range {
  uint32_t offset;
  uint32_t length;
};
constexpr unsigned kMagic = 0x77;
constexpr unsigned long kSetName = _IOW(kMagic, 1, char[kNameLength]);
constexpr unsigned long kGetName = _IOR(kMagic, 2, char[kNameLength]);
constexpr unsigned long kSetSize = _IOW(kMagic, 3, size_t);
constexpr unsigned long kGetSize = _IO(kMagic, 4);
constexpr unsigned long kSetProtection = _IOW(kMagic, 5, unsigned long);
constexpr unsigned long kGetProtection = _IO(kMagic, 6);
constexpr unsigned long kPin = _IOW(kMagic, 7, Range);
constexpr unsigned long kUnpin = _IOW(kMagic, 8, Range);
constexpr unsigned long kGetPinStatus = _IO(kMagic, 9);

long call(int fd, unsigned long request, unsigned long argument) {
  long result = 0;
  do {
    result = syscall(SYS_ioctl, fd, request, argument);
  } while (result < 0 && errno == EINTR);
  return result;
}

int range_call(int fd, unsigned long request, uint64_t offset, uint64_t length) {
  if (offset > kPinLimit || length > kPinLimit - offset) {
    errno = EINVAL;
    return -1;
  }
  const Range range = {static_cast<uint32_t>(offset), static_cast<uint32_t>(length)};
  return static_cast<int>(call(fd, request, reinterpret_cast<unsigned long>(&range)));
}

// Android 11 and later have a second node, which applications may open that are not to use the first by name.
const char* second_node() {
  static char kept[96];
  static const char* known = nullptr;
  if (const char* path = load_acquire(&known)) return path;
  char id[64] = {0};
  const Fd file(open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC));
  const ssize_t got = file.valid() ? read(file.get(), id, sizeof id - 1) : -1;
  if (got <= 0) return nullptr;
  id[strcspn(id, "\n")] = 0;
  char path[sizeof kept];
  const int length = snprintf(path, sizeof path, "/dev/ashmem%s", id);
  memcpy(kept, path, static_cast<size_t>(length) + 1);  // by every thread alike
  store_release(&known, static_cast<const char*>(kept));
  return kept;
}

enum Source { kFirstNode, kSecondNode, kLibrary };

// ASharedMemory_create(3), in API 26 and later; in Termux the library may refuse to load.
using CreateCall = int (*)(const char* name, size_t size);
CreateCall library_create() {
  static CreateCall known = nullptr;
  static bool asked = false;
  if (load_acquire(&asked)) return known;
  if (void* library = dlopen("libandroid.so", RTLD_NOW | RTLD_LOCAL)) {
    known = reinterpret_cast<CreateCall>(dlsym(library, "ASharedMemory_create"));
  }
  store_release(&asked, true);
  return known;
}

}  // namespace

const char* source_name(int number) {
  switch (number) {
    case kFirstNode: return "/dev/ashmem";
    case kSecondNode: return second_node() ? second_node() : "/dev/ashmem<boot_id>";
    case kLibrary: return "ASharedMemory_create";
    default: return nullptr;
  }
}

bool is_library(int source) { return source == kLibrary; }

bool prepare(int source) {
  if (source == kLibrary) return library_create() != nullptr;
  return source == kFirstNode || second_node() != nullptr;
}

Fd open_area(int source, const char* name, uint64_t size) {
  if (size > SIZE_MAX) {
    errno = EINVAL;
    return Fd();
  }
  if (source == kLibrary) {
    const CreateCall create = library_create();
    if (!create) {
      errno = ENOENT;
      return Fd();
    }
    Fd fd(create(name, static_cast<size_t>(size)));
    if (fd.valid()) fcntl(fd.get(), F_SETFD, FD_CLOEXEC);
    return fd;
  }
  const char* path = source == kFirstNode ? "/dev/ashmem" : second_node();
  if (!path) {
    errno = ENOENT;
    return Fd();
  }
  // Not libc's open(), and not libc's ioctl(): a preloaded library may play the device there.
  Fd fd(static_cast<int>(syscall(SYS_openat, AT_FDCWD, path, O_RDWR | O_CLOEXEC, 0)));
  if (!fd.valid()) return fd;
  char padded[kNameLength] = {0};
  strncpy(padded, name, sizeof padded - 1);
  if ((name[0] != 0 && call(fd.get(), kSetName, reinterpret_cast<unsigned long>(padded)) != 0) ||
      call(fd.get(), kSetSize, static_cast<unsigned long>(size)) != 0) {
    const int error = errno;
    fd.reset();
    errno = error;
  }
  return fd;
}

bool is_area(int fd) {
  struct stat st;
  if (fstat(fd, &st) != 0 || !S_ISCHR(st.st_mode)) return false;
  char name[kNameLength];
  const int64_t protection = protection_of(fd);
  return size_of(fd) >= 0 && protection >= 0 && protection <= 7 &&
         call(fd, kGetName, reinterpret_cast<unsigned long>(name)) == 0;
}

int64_t size_of(int fd) { return call(fd, kGetSize, 0); }
int64_t protection_of(int fd) { return call(fd, kGetProtection, 0); }
bool set_protection(int fd, int protection) {
  return call(fd, kSetProtection, static_cast<unsigned long>(protection)) == 0;
}
std::string name_of(int fd) {
  char name[kNameLength] = {0};
  if (call(fd, kGetName, reinterpret_cast<unsigned long>(name)) != 0) return {};
  return std::string(name, strnlen(name, sizeof name));
}

int pin(int fd, uint64_t offset, uint64_t length) { return range_call(fd, kPin, offset, length); }
int unpin(int fd, uint64_t offset, uint64_t length) { return range_call(fd, kUnpin, offset, length); }
int is_pinned(int fd, uint64_t offset, uint64_t length) {
  return range_call(fd, kGetPinStatus, offset, length);
}

}  // namespace ashmem_compat::ashmem
