// What a backend for shared regions must be able to do with its file descriptor. Everything else (layout, pins, recovery)
// is the same for all of them.
#pragma once

#include <cstdint>

#include "core/status.h"

namespace ashmem_compat {

struct SharedFileOps {
  const char* name;
  // Throws the bytes away and gives the memory back; they read as zeros afterwards, in every process. Whole units,
  // never the control area.
  Status (*discard)(int fd, uint64_t offset, uint64_t length);
  // From here on `fd` (the same number) can only be mapped for reading by whoever gets it.
  Status (*protect)(int fd);
  // False once discard() can never work again on this file.
  bool (*purgeable)(int fd);
};

}  // namespace ashmem_compat
