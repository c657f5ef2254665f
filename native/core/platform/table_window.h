// Looks at a table in a file, element by element, through a buffer: as a mapping would show it, but holes of the file are given no
// memory for being looked at.
#pragma once

#include <string.h>
#include <unistd.h>

#include <cstdint>

namespace ashmem_compat {

// Elements are as of when their stretch was read.
template <typename T>
class TableWindow {
 public:
  TableWindow(int fd, uint64_t offset, uint64_t count) : fd_(fd), offset_(offset), count_(count) {}

  // 0 also for what cannot be read.
  T at(uint64_t i) {
    if (i < first_ || i >= first_ + kStretch) load(i);
    return some_[i - first_];
  }
  bool readable() const { return readable_; }

 private:
  static constexpr uint64_t kStretch = 512;  // elements

  void load(uint64_t i) {
    first_ = i / kStretch * kStretch;
    const uint64_t want = (count_ - first_ < kStretch ? count_ - first_ : kStretch) * sizeof(T);
    const ssize_t got =
        pread(fd_, some_, static_cast<size_t>(want), static_cast<off_t>(offset_ + first_ * sizeof(T)));
    const size_t have = got > 0 ? static_cast<size_t>(got) : 0;
    readable_ = have == want;
    memset(reinterpret_cast<char*>(some_) + have, 0, sizeof some_ - have);
  }

  const int fd_;
  const uint64_t offset_, count_;
  uint64_t first_ = ~uint64_t{0} - kStretch;  // nothing yet
  bool readable_ = true;
  T some_[kStretch];
};

}  // namespace ashmem_compat
