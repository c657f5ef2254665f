// Who is purging a region because memory is short, so that its other processes need not do the same work. A hint, not a lock: it
// lapses by itself when its holder does not go on, and whoever is in need does not ask.
#pragma once

#include <cstdint>

#include "core/platform/atomics.h"

namespace ashmem_compat {

// Whether anybody but `me` (any number of 1 to 2^24 - 1) has renewed the lease in `word` less than `patience_ms` before `now_ms` of
// CLOCK_MONOTONIC.
inline bool leased_to_another(const uint64_t* word, uint64_t now_ms, uint32_t me, uint64_t patience_ms) {
  constexpr uint64_t kTimeMask = (uint64_t{1} << 40) - 1;
  const uint64_t w = load_relaxed(word);
  const uint32_t holder = w & 0xffffff;
  // A time in the future, as a clock of another time namespace may give, is an age beyond all patience.
  const uint64_t age = (now_ms - (w >> 24)) & kTimeMask;
  return holder != 0 && holder != me && age < patience_ms;
}

// Renews or takes it. False: it is somebody else's, or was taken at this moment.
inline bool take_lease(uint64_t* word, uint64_t now_ms, uint32_t me, uint64_t patience_ms) {
  constexpr uint64_t kTimeMask = (uint64_t{1} << 40) - 1;
  uint64_t w = load_relaxed(word);
  if (leased_to_another(word, now_ms, me, patience_ms)) return false;
  return cas_acq_rel(word, w, (now_ms & kTimeMask) << 24 | me);
}

}  // namespace ashmem_compat
