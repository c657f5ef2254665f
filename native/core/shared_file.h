// What a backend for shared regions must be able to do with its file descriptor. Everything else (layout, pins, recovery)
// is the same for all of them.
#pragma once

#include <cstdint>

#include "core/status.h"

namespace ashmem_compat {

// Of a file whose kernel discards by itself what is left unpinned. Uncounted: one pin ends everybody's unpin.
struct KernelPins {
  // `data`: offset 0 of the file, mapped shared and writable.
  // Not to be discarded from here on; nor is a discard under way on return. *purged: some of it was, since its unpin. Where the
  // call fails, the range is as unpinned as it was, and *purged says that such an answer was taken, and is gone.
  Status (*pin)(int fd, char* data, uint64_t offset, uint64_t length, bool* purged);
  // Where it fails nothing of the range is unpinned that was not.
  Status (*unpin)(int fd, char* data, uint64_t offset, uint64_t length);
  // Whether a touch of what was discarded, and is still unpinned, may raise SIGBUS.
  bool faults;
  // Whether it discards under the limit of a cgroup too, so that no process need do it.
  bool in_cgroups;
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
