// Memory of three kinds with known contents, for reclaim to take and the owner to look at again: a file, anonymous, a memfd.
#pragma once

#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <unistd.h>

#include <string>
#include <vector>

#include "core/platform/page.h"
#include "core/platform/residency.h"
#include "core/platform/system_calls.h"

namespace ashmem_compat::testing {

constexpr uint64_t kEach = uint64_t{8} << 20;  // bytes of each kind
constexpr uint64_t kLargeFolio = uint64_t{2} << 20;

class FilledMemory {
 public:
  // `file_mapping`: bytes of address space for the file, which may be more than it has.
  explicit FilledMemory(uint64_t file_mapping = kEach) {
    file_ = map_file(file_mapping);
    anon_ =
        static_cast<char*>(mmap(nullptr, kEach, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    const int fd = raw_memfd_create("filled", 0);
    if (ftruncate(fd, kEach) != 0) abort();
    memfd_ = static_cast<char*>(mmap(nullptr, kEach, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
    if (anon_ == MAP_FAILED || memfd_ == MAP_FAILED) abort();
    fill(anon_, 3);
    fill(memfd_, 4);
    file_sum_ = sum(file_, file_bytes_);
  }

  // A real file, whose pages are clean and mapped by nobody else: one of our own; or a program of ours, where our own would be
  // in memory as well.
  char* map_file(uint64_t length) {
    char name[] = "reclaim-test-XXXXXX";
    int fd = mkstemp(name);
    struct statfs fs;
    if (fd >= 0) {
      unlink(name);
      if (fstatfs(fd, &fs) == 0 && fs.f_type != 0x01021994 /* tmpfs */ &&
          fs.f_type != 0x794c7630 /* overlay */) {
        const std::vector<char> noise = pattern(2);
        if (write(fd, noise.data(), noise.size()) != static_cast<ssize_t>(kEach) || fsync(fd) != 0) abort();
      } else {
        close(fd);
        fd = -1;
      }
    }
    if (fd < 0) {
      char self[PATH_MAX];
      const ssize_t got = readlink("/proc/self/exe", self, sizeof self - 1);
      if (got <= 0) abort();
      std::string path(self, static_cast<size_t>(got));
      fd = open((path.substr(0, path.rfind('/')) + "/chaos").c_str(), O_RDONLY);
    }
    struct stat st;
    if (fd < 0 || fstat(fd, &st) != 0) abort();
    file_bytes_ = static_cast<uint64_t>(st.st_size) / page() * page();
    if (file_bytes_ > kEach) file_bytes_ = kEach;
    // kEach means: as much as there is.
    length = length == kEach ? file_bytes_ : length;
    // Where a large folio of the file is also one in the page table, which in a 64-bit process the kernel sees to. To one that a table
    // cuts in two, newer kernels (seen on 6.18) give no advice: they split it, and on the way it leaves the mapping but not memory.
    void* room =
        mmap(nullptr, length + kLargeFolio, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (room == MAP_FAILED) abort();
    char* aligned = static_cast<char*>(room) + (-reinterpret_cast<uintptr_t>(room) & (kLargeFolio - 1));
    munmap(room, length + kLargeFolio);
    void* p = mmap(aligned, length, PROT_READ, MAP_SHARED, fd, 0);
    if (p == MAP_FAILED) abort();
    file_fd_ = fd;
    return static_cast<char*>(p);
  }

  char* file() const { return file_; }
  int file_fd() const { return file_fd_; }
  char* anon() const { return anon_; }
  char* memfd() const { return memfd_; }
  uint64_t file_bytes() const { return file_bytes_; }

  // Whether everything still has its contents; brings it all back.
  bool intact() const {
    const std::vector<char> anon = pattern(3);
    const std::vector<char> memfd = pattern(4);
    return sum(file_, file_bytes_) == file_sum_ && memcmp(anon_, anon.data(), kEach) == 0 &&
           memcmp(memfd_, memfd.data(), kEach) == 0;
  }

  // Bytes of the range in memory: of a file, in the page cache, so it also tells what was freed. Brings nothing back.
  static uint64_t resident(const char* from, uint64_t length) {
    uint64_t bytes = 0;
    if (!resident_bytes(from, length, &bytes).ok()) abort();
    return bytes;
  }

 private:
  static uint64_t page() { return kernel_page_size(); }
  // Noise, of which zram can make no less.
  static std::vector<char> pattern(uint64_t seed) {
    std::vector<char> bytes(kEach);
    uint64_t state = seed * 0x9e3779b97f4a7c15u;
    for (size_t i = 0; i < kEach; i += 8) {
      state = state * 6364136223846793005u + 1442695040888963407u;
      const uint64_t word = state ^ state >> 29;
      memcpy(bytes.data() + i, &word, 8);
    }
    return bytes;
  }
  static void fill(char* to, uint64_t seed) {
    const std::vector<char> bytes = pattern(seed);
    memcpy(to, bytes.data(), kEach);
  }
  static uint64_t sum(const char* from, uint64_t length) {
    uint64_t total = 0;
    for (uint64_t i = 0; i < length; ++i) total = total * 31 + static_cast<unsigned char>(from[i]);
    return total;
  }

  int file_fd_ = -1;
  char* file_ = nullptr;
  char* anon_ = nullptr;
  char* memfd_ = nullptr;
  uint64_t file_bytes_ = 0, file_sum_ = 0;
};

}  // namespace ashmem_compat::testing
