// Reads a text file of the kernel's line by line, in memory that does not grow with it.
#pragma once

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include <cstddef>

#include "core/status.h"

namespace ashmem_compat::reclaim {

class LineReader {
 public:
  // `fd` stays the caller's.
  explicit LineReader(int fd) : fd_(fd) {}

  // The next line, NUL-terminated, without its newline, valid until the next call; null at the end, and after an error,
  // which status() has. Of a line that is longer than the buffer there is the beginning: where a path may be long, what
  // matters stands before it.
  const char* next() {
    bool rest_of_long = false;
    for (;;) {
      char* const line = buffer_ + at_;
      char* const newline = static_cast<char*>(memchr(line, '\n', have_ - at_));
      if (newline) {
        at_ = static_cast<size_t>(newline + 1 - buffer_);
        *newline = 0;
        if (!rest_of_long) return line;
        return long_;
      }
      if (at_ == 0 && have_ == kSize) {  // no newline in a full buffer
        if (!rest_of_long) memcpy(long_, buffer_, sizeof long_ - 1);
        rest_of_long = true;
        have_ = 0;
      }
      memmove(buffer_, buffer_ + at_, have_ - at_);
      have_ -= at_;
      at_ = 0;
      if (ended_ || !fill()) {
        if (rest_of_long) {
          have_ = 0;
          return long_;
        }
        if (have_ == 0) return nullptr;
        buffer_[have_] = 0;  // a last line without a newline
        have_ = 0;
        return buffer_;
      }
    }
  }

  // Ok, or why reading ended before the end.
  const Status& status() const { return status_; }

 private:
  static constexpr size_t kSize = 16384;

  bool fill() {
    ssize_t got = 0;
    do {
      got = read(fd_, buffer_ + have_, kSize - have_);
    } while (got < 0 && errno == EINTR);
    if (got < 0) status_ = Status::System("read");
    ended_ = got <= 0;
    if (got > 0) have_ += static_cast<size_t>(got);
    return got > 0;
  }

  int fd_;
  bool ended_ = false;
  Status status_;
  size_t at_ = 0, have_ = 0;  // the unread bytes are buffer_[at_ .. have_)
  char long_[256] = {};
  char buffer_[kSize + 1];
};

}  // namespace ashmem_compat::reclaim
