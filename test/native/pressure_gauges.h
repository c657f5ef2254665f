// For tests of pressure sources: their gauges by name, memory and files to fill a cgroup with, and stalls.
#pragma once

#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <time.h>
#include <unistd.h>

#include <memory>
#include <string>
#include <vector>

#include "core/platform/fd.h"
#include "core/platform/page.h"
#include "core/platform/system_calls.h"
#include "core/pressure/gauge.h"
#include "native/processes.h"

namespace ashmem_compat::testing {

using pressure::Gauge;
using pressure::Level;
using pressure::Marks;
using pressure::Reading;

inline uint64_t clock_ms() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1000 + static_cast<uint64_t>(now.tv_nsec) / 1'000'000;
}

inline const pressure::Source* source_named(const char* name) {
  for (const pressure::Source* source : pressure::all_sources()) {
    if (strcmp(source->name(), name) == 0) return source;
  }
  return nullptr;
}

using Gauges = std::vector<std::unique_ptr<Gauge>>;

// The gauge of `gauges` that watches `where`, or null.
inline Gauge* gauge_at(const Gauges& gauges, const std::string& where) {
  for (const std::unique_ptr<Gauge>& gauge : gauges) {
    if (gauge->where() == where) return gauge.get();
  }
  return nullptr;
}

// Waits for events of a gauge, and hands it those that came. How many.
inline int wait_and_wake(Gauge* gauge, int timeout_ms) {
  std::vector<pollfd> fds;
  gauge->wait_for(&fds);
  if (fds.empty()) return 0;
  if (poll(fds.data(), fds.size(), timeout_ms) <= 0) return 0;
  int events = 0;
  for (const pollfd& fd : fds) {
    if (fd.revents == 0) continue;
    gauge->woken(fd);
    ++events;
  }
  return events;
}

inline Reading look(Gauge* gauge, uint64_t now_ms = clock_ms()) {
  Reading reading;
  if (!gauge->read(now_ms, &reading)) {
    fprintf(stderr, "nothing to read at %s\n", gauge->where().c_str());
    ++check::failures;
  }
  return reading;
}

// Shared memory that grows.
class GrowingMemfd {
 public:
  GrowingMemfd() : fd_(raw_memfd_create("grows", 0)) {}
  // In pages that are written, not reserved: as a program would.
  void grow(uint64_t bytes) {
    if (ftruncate(fd_.get(), static_cast<off_t>(size_ + bytes)) != 0) abort();
    void* p = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd_.get(), static_cast<off_t>(size_));
    if (p == MAP_FAILED) abort();
    memset(p, 1, bytes);
    munmap(p, bytes);
    size_ += bytes;
  }
  uint64_t size() const { return size_; }

 private:
  Fd fd_;
  uint64_t size_ = 0;
};

// A file on a real file system, larger than `bytes`, with none of it in the page cache: one of our own where files are not kept in
// memory, else the largest program that is there.
class BigFile {
 public:
  explicit BigFile(uint64_t bytes) {
    char name[] = "pressure-test-XXXXXX";
    fd_.reset(mkstemp(name));
    struct statfs fs;
    if (fd_.valid()) {
      unlink(name);
      if (fstatfs(fd_.get(), &fs) != 0 || fs.f_type == 0x01021994 /* tmpfs */ ||
          fs.f_type == 0x794c7630 /* overlay */) {
        fd_.reset();
      }
    }
    if (fd_.valid()) {
      const std::vector<char> some(1 << 20, 'x');
      for (uint64_t done = 0; done < bytes; done += some.size()) {
        if (write(fd_.get(), some.data(), some.size()) != static_cast<ssize_t>(some.size())) abort();
      }
    } else {
      const char* path = getenv("PATH");
      const std::string folders = path ? path : "";
      for (size_t at = 0; at < folders.size();) {
        size_t end = folders.find(':', at);
        if (end == std::string::npos) end = folders.size();
        fd_.reset(open((folders.substr(at, end - at) + "/node").c_str(), O_RDONLY | O_CLOEXEC));
        if (fd_.valid()) break;
        at = end + 1;
      }
    }
    struct stat st;
    if (fd_.valid() && fstat(fd_.get(), &st) == 0 && static_cast<uint64_t>(st.st_size) >= bytes) {
      size_ = bytes;
      drop();
    }
  }
  bool valid() const { return size_ != 0; }
  void drop() const {
    fsync(fd_.get());
    posix_fadvise(fd_.get(), 0, 0, POSIX_FADV_DONTNEED);
  }
  void read_all() const {
    std::vector<char> some(1 << 20);
    for (uint64_t at = 0; at < size_; at += some.size()) {
      if (pread(fd_.get(), some.data(), some.size(), static_cast<off_t>(at)) <= 0) abort();
    }
  }
  // Reads one byte of each of `pages` pages through a mapping, without reading ahead.
  void touch(uint64_t first, uint64_t pages) const {
    const size_t page = kernel_page_size();
    void* p = mmap(nullptr, size_, PROT_READ, MAP_SHARED, fd_.get(), 0);
    if (p == MAP_FAILED) abort();
    madvise(p, size_, MADV_RANDOM);
    const uint64_t all = size_ / page;
    for (uint64_t i = 0; i < pages; ++i) {
      static_cast<void>(*(static_cast<volatile char*>(p) + (first + i) % all * page));
    }
    munmap(p, size_);
  }
  // Runs through a mapping of it again and again, for ever, with a pause of `pause_ms` after each `stretch` pages. As a program's own
  // code, which the kernel would rather keep: waiting for it to come back is what counts as a stall.
  [[noreturn]] void run_through(uint64_t stretch, long pause_ms) const {
    const size_t page = kernel_page_size();
    void* p = mmap(nullptr, size_, PROT_READ | PROT_EXEC, MAP_SHARED, fd_.get(), 0);
    if (p == MAP_FAILED) abort();
    madvise(p, size_, MADV_RANDOM);
    for (uint64_t at = 0;; at = (at + 1) % (size_ / page)) {
      static_cast<void>(*(static_cast<volatile char*>(p) + at * page));
      if (pause_ms != 0 && at % stretch == 0) nap_ms(pause_ms);
    }
  }
  uint64_t size() const { return size_; }

 private:
  Fd fd_;
  uint64_t size_ = 0;
};

}  // namespace ashmem_compat::testing
