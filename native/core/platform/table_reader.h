// Reads a table in a file without giving its holes memory, as reading through a mapping would, and without spending time on
// them: a hostile file may be terabytes of nothing.
#pragma once

#include <unistd.h>

#include <cstdint>

#include "core/status.h"

namespace ashmem_compat {

#ifndef SEEK_DATA
#define SEEK_DATA 3
#define SEEK_HOLE 4
#endif

// Calls visit(first, elements, count), which returns a Status, for stretches of the `count` elements of type T at `offset`.
// Elements in holes are 0 and may be left out. Stops at the first Status that is not Ok.
template <typename T, typename Visit>
Status read_table(int fd, uint64_t offset, uint64_t count, Visit visit) {
  constexpr uint64_t kStretch = 4096;
  constexpr uint64_t kSmall = uint64_t{1} << 18;  // elements; below it looking for holes is not worth it
  T some[kStretch];
  // lseek moves the offset of the open file description, which others may use to read(2): it is put back.
  const bool sparse = count > kSmall;
  const off_t before = sparse ? lseek(fd, 0, SEEK_CUR) : 0;
  Status status;
  for (uint64_t i = 0; i < count && status.ok();) {
    if (sparse && i % kStretch == 0) {
      const off_t data = lseek(fd, static_cast<off_t>(offset + i * sizeof(T)), SEEK_DATA);
      if (data < 0 && errno == ENXIO) break;  // holes to the end
      if (data >= 0) {
        const uint64_t at = (static_cast<uint64_t>(data) - offset) / sizeof(T);
        if (at > i) i = at / kStretch * kStretch;
        if (i >= count) break;
      }
    }
    const uint64_t want = count - i < kStretch ? count - i : kStretch;
    const ssize_t got =
        pread(fd, some, static_cast<size_t>(want * sizeof(T)), static_cast<off_t>(offset + i * sizeof(T)));
    if (got < 0 && errno == EINTR) continue;
    if (got < static_cast<ssize_t>(sizeof(T))) {
      status = Status::System("pread");
      break;
    }
    const uint64_t read = static_cast<uint64_t>(got) / sizeof(T);
    status = visit(i, some, read);
    i += read;
  }
  if (sparse && before >= 0) lseek(fd, before, SEEK_SET);
  return status;
}

}  // namespace ashmem_compat
