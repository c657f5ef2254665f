// What a backend for shared regions must be able to do with its file descriptor. Everything else (layout, pins, recovery)
// is the same for all of them.
#pragma once

#include <cstdint>

#include "core/status.h"

namespace ashmem_compat {

// Of a file whose kernel discards by itself what is left unpinned. Uncounted: one pin ends everybody's unpin.
struct KernelPins {
  // Not to be discarded from here on; nor is a discard under way on return. *purged: some of it was, since its unpin.
  Status (*pin)(int fd, uint64_t offset, uint64_t length, bool* purged);
  Status (*unpin)(int fd, uint64_t offset, uint64_t length);
};

struct SharedFileOps {
  const char* name;
  const KernelPins* kernel;  // null: only whoever calls discard() discards
  // Whether st_dev and st_ino tell two files apart.
  bool inode_identifies;
  // What a mapping must be for a read-only region: MAP_PRIVATE if that shows the file's bytes, else MAP_SHARED.
  int read_only_mapping;
  // Throws the bytes away and gives the memory back; they read as zeros afterwards, in every process. Whole units,
  // never the control area. `data`: offset 0, mapped shared and writable, where `kernel` is set; else null.
  Status (*discard)(int fd, char* data, uint64_t offset, uint64_t length);
  // From here on `fd` (the same number) can only be mapped for reading by whoever gets it.
  Status (*protect)(int fd);
  // False once discard() can never work again on this file.
  bool (*purgeable)(int fd);
};

}  // namespace ashmem_compat
