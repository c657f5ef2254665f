// How much of a mapping is in memory right now, by mincore(2). For a mapping of a file: in the page cache, whoever brought
// it there.
#pragma once

#include <cstdint>

#include "core/status.h"

namespace ashmem_compat {

// Remembers the answer for the last stretch of pages that it asked about, so that a walk makes few system calls.
class Residency {
 public:
  // Bytes of offset .. offset + length in memory, of a mapping of `size` bytes at `base`, a page boundary.
  Status bytes(const char* base, uint64_t size, uint64_t offset, uint64_t length, uint64_t* resident);
  void forget() { pages_ = 0; }

 private:
  static constexpr uint64_t kStretch = 1024;
  unsigned char present_[kStretch];
  uint64_t first_ = 0, pages_ = 0;  // what present_ is about
};

// All of a mapping.
Status resident_bytes(const char* address, uint64_t length, uint64_t* bytes);

}  // namespace ashmem_compat
