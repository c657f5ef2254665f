// A small text file of the kernel's that is kept open and read again and again, without allocating memory: there may be none.
#pragma once

#include <fcntl.h>

#include <cstddef>
#include <cstdint>
#include <string>

#include "core/platform/fd.h"
#include "core/pressure/gauge.h"

namespace ashmem_compat::pressure {

// Enough for memory.stat and /proc/meminfo of kernels to come.
constexpr size_t kTextSize = 8192;

class KernelFile {
 public:
  // False with errno.
  bool open(const std::string& path, int flags = O_RDONLY);
  bool valid() const { return fd_.valid(); }
  int fd() const { return fd_.get(); }
  void close() { fd_.reset(); }

  // All of it, from its start, NUL-terminated; false if it cannot be read, or not any more.
  bool read(char* text, size_t size) const;
  // A file that is one number. "max" is kUnknown, and so is what a kernel says in place of it.
  bool read_number(uint64_t* value) const;

 private:
  Fd fd_;
};

// The number behind `name`, which stands at the beginning of a line with all that is between it and the number.
bool find_number(const char* text, const char* name, uint64_t* value);

}  // namespace ashmem_compat::pressure
