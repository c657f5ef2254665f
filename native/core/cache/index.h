// The index of a cache: from the hash of a key to the number of its entry. Open addressing over words in shared memory; derived from
// the entries, so it may be wrong and can be made anew.
//
// A word is 0 or {upper 32 bits of the hash | entry + 1}, at or after the slot that those bits name. find() takes no lock; insert() and remove() are for who has the cache's lock. Slots and entries are checked against private copies of their numbers, and
// no probe is longer than the longest that can be.
#pragma once

#include <cstdint>

#include "core/platform/atomics.h"

namespace ashmem_compat {

class CacheIndex {
 public:
  static constexpr uint32_t kNone = ~0u;

  // Slots for so many entries: a power of two, at most half of them taken.
  static uint64_t slots_for(uint64_t entries) {
    uint64_t slots = 64;
    while (slots < 2 * entries) slots *= 2;
    return slots;
  }

  // `moves`: a word beside the slots that counts what may hide an entry from a find() under way. Odd: it is being done.
  CacheIndex(uint64_t* slots, uint64_t slot_count, uint32_t entries, uint64_t* moves)
      : slots_(slots), mask_(slot_count - 1), entries_(entries), moves_(moves) {}

  // Calls `matches(entry)` for the entries whose hash may be this one, until it is true. kNone: there is none, if settled(moves() of before).
  template <typename Matches>
  uint32_t find(uint64_t hash, Matches matches) const {
    const uint64_t limit = probe_limit();
    for (uint64_t i = 0, at = home_of(word_of(hash, 0)); i < limit; ++i, at = (at + 1) & mask_) {
      const uint64_t word = load_acquire(slots_ + at);
      if (word == 0) return kNone;
      if (word >> 32 != hash >> 32) continue;
      const uint32_t entry = static_cast<uint32_t>(word) - 1;
      if (entry < entries_ && matches(entry)) return entry;
    }
    return kNone;
  }

  uint64_t moves() const { return load_acquire(moves_); }
  bool settled(uint64_t moves_before) const { return (moves_before & 1) == 0 && moves() == moves_before; }

  // False: there is no room within reach, so the slots hold what they should not.
  bool insert(uint64_t hash, uint32_t entry);
  // False: it was not there.
  bool remove(uint64_t hash, uint32_t entry);
  // For making it anew: clear(), insert() of all, filled().
  void clear();
  void filled();

 private:
  static constexpr uint64_t kLongestProbe = uint64_t{1} << 12;
  uint64_t probe_limit() const { return mask_ < kLongestProbe ? mask_ + 1 : kLongestProbe; }
  uint64_t home_of(uint64_t word) const { return word >> 32 & mask_; }
  static uint64_t word_of(uint64_t hash, uint32_t entry) { return hash >> 32 << 32 | (entry + 1); }

  uint64_t* slots_;
  uint64_t mask_;
  uint32_t entries_;
  uint64_t* moves_;
};

}  // namespace ashmem_compat
