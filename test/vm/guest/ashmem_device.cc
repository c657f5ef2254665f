// Whether the guest's /dev/ashmem is the real driver: what is unpinned can be lost, and PIN says so. A device that only takes the calls
// (the memfd shim of newer Androids, a stub) fails here, and then nothing that the other suites say about ashmem is worth anything.
#include <fcntl.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "native/check.h"

namespace {

struct Range {
  uint32_t offset;
  uint32_t length;  // 0: to the end
};

constexpr unsigned long kSetSize = _IOW(0x77, 3, size_t);
constexpr unsigned long kGetSize = _IO(0x77, 4);
constexpr unsigned long kPin = _IOW(0x77, 7, Range);
constexpr unsigned long kUnpin = _IOW(0x77, 8, Range);
constexpr unsigned long kGetPinStatus = _IO(0x77, 9);

constexpr int kNotPurged = 0;
constexpr int kWasPurged = 1;
constexpr int kIsUnpinned = 0;
constexpr int kIsPinned = 1;

constexpr size_t kSize = 64 * 4096;
Range kAll = {0, 0};

struct Area {
  int fd = open("/dev/ashmem", O_RDWR | O_CLOEXEC);
  uint8_t* bytes = nullptr;

  Area() {
    if (ioctl(fd, kSetSize, kSize) != 0) return;
    void* mapped = mmap(nullptr, kSize, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (mapped != MAP_FAILED) bytes = static_cast<uint8_t*>(mapped);
  }
  ~Area() {
    if (bytes) munmap(bytes, kSize);
    close(fd);
  }
};

bool shrink() {
  const int fd = open("/proc/sys/vm/drop_caches", O_WRONLY | O_CLOEXEC);
  if (fd < 0) return false;
  const bool done = write(fd, "2", 1) == 1;
  close(fd);
  return done;
}

}  // namespace

TEST(a_new_area_is_pinned_and_as_large_as_asked_for) {
  Area area;
  REQUIRE(area.bytes);
  CHECK_EQ(ioctl(area.fd, kGetSize), static_cast<int>(kSize));
  CHECK_EQ(ioctl(area.fd, kGetPinStatus, &kAll), kIsPinned);
}

TEST(unpin_shows_in_the_status_and_pin_undoes_it) {
  Area area;
  REQUIRE(area.bytes);
  CHECK_EQ(ioctl(area.fd, kUnpin, &kAll), 0);
  CHECK_EQ(ioctl(area.fd, kGetPinStatus, &kAll), kIsUnpinned);
  CHECK_EQ(ioctl(area.fd, kPin, &kAll), kNotPurged);
  CHECK_EQ(ioctl(area.fd, kGetPinStatus, &kAll), kIsPinned);
}

TEST(the_shrinker_takes_what_is_unpinned_and_nothing_else) {
  if (geteuid() != 0) SKIP("only root may ask the kernel to shrink its caches");
  Area area;
  REQUIRE(area.bytes);
  memset(area.bytes, 0xa5, kSize);
  Range half = {kSize / 2, kSize / 2};
  CHECK_EQ(ioctl(area.fd, kUnpin, &half), 0);
  REQUIRE(shrink());
  CHECK_EQ(ioctl(area.fd, kPin, &half), kWasPurged);
  CHECK_EQ(static_cast<int>(area.bytes[kSize / 2 - 1]), 0xa5);
  CHECK_EQ(static_cast<int>(area.bytes[kSize / 2]), 0);
  CHECK_EQ(static_cast<int>(area.bytes[kSize - 1]), 0);
}
