#include <fcntl.h>
#include <linux/memfd.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "floors.h"

namespace floors {

int sealed_file(uint64_t bytes) {
  const int fd = static_cast<int>(syscall(SYS_memfd_create, "floor", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  must(fd >= 0, "memfd_create");
  must(ftruncate(fd, static_cast<off_t>(bytes)) == 0, "ftruncate");
  must(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW) == 0, "F_ADD_SEALS");
  return fd;
}

Samples create_file(const Arguments& arguments) {
  const uint64_t bytes = arguments[0];
  const uint64_t rounds = arguments[1];
  Samples samples;
  for (uint64_t batch = 0; batch <= arguments[2]; ++batch) {
    const double start = now_ns();
    for (uint64_t round = 0; round < rounds; ++round) {
      const int fd = sealed_file(bytes);
      void* data = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
      must(data != MAP_FAILED, "mmap");
      must(munmap(data, bytes) == 0, "munmap");
      must(close(fd) == 0, "close");
    }
    const double took = now_ns() - start;
    if (batch > 0) samples.push_back(took / static_cast<double>(rounds));
  }
  return samples;
}

}  // namespace floors
