// The state of an area: what the driver keeps for an open file. It lies at the end of the memfd, because it belongs to the
// open file and goes wherever the fd goes. It is changed under the area's lock (area.h), in steps of which each leaves a
// state that the driver could be in: who is killed half-way has made a part of its call, and nothing is lost in silence.
//
// Any process that has the fd can write here, so nothing that is read is trusted: a value is read once, and checked.
#pragma once

#include <stdint.h>

#include "preload/stage.h"

namespace ashmem_preload {

constexpr uint64_t kMagic = 0x31455250'4d485341;  // "ASHMPRE1"
constexpr uint32_t kNameLength = 256;             // with the NUL

struct State {
  uint64_t magic;
  uint64_t size;  // as set, in bytes
  uint64_t prot_mask;
  uint64_t position;    // of the driver's backing file: what lseek goes by
  uint64_t last_stamp;  // of the last range that was unpinned
  uint32_t backed;      // 1 from the first mmap on
  uint32_t
      empty_range;  // the range of no pages behind the last page (ranges.h): 1 unpinned, 3 unpinned and purged
  uint32_t name_at;  // which of the two names counts
  char names[2][kNameLength];
};

// One word per page, in the page behind State: 0 if the page is pinned; else the stamp of its unpinned range, shifted left
// by one, and in bit 0 whether that was purged. A range is a run of pages with the same word.
using PageWord = uint64_t;
constexpr PageWord kPurged = 1;

// Pins reach as far as 32 bits do, whatever the size.
constexpr uint64_t kPinnableBytes = uint64_t{1} << 32;

template <typename T>
T load(const T* at) {
  return __atomic_load_n(at, __ATOMIC_RELAXED);
}
// The lock orders all of it; release, so that a process that dies between two stores has made the first one.
template <typename T>
void store(T* at, T value) {
  stage();
  __atomic_store_n(at, value, __ATOMIC_RELEASE);
}

}  // namespace ashmem_preload
