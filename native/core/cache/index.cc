#include "core/cache/index.h"

namespace ashmem_compat {

bool CacheIndex::insert(uint64_t hash, uint32_t entry) {
  const uint64_t word = word_of(hash, entry);
  const uint64_t limit = probe_limit();
  for (uint64_t i = 0, at = home_of(word); i < limit; ++i, at = (at + 1) & mask_) {
    if (load_relaxed(slots_ + at) != 0) continue;
    store_release(slots_ + at, word);  // with the entry that it names
    return true;
  }
  return false;
}

bool CacheIndex::remove(uint64_t hash, uint32_t entry) {
  const uint64_t word = word_of(hash, entry);
  const uint64_t limit = probe_limit();
  uint64_t hole = home_of(word);
  for (uint64_t i = 0;; ++i, hole = (hole + 1) & mask_) {
    const uint64_t found = load_relaxed(slots_ + hole);
    if (found == 0 || i == limit) return false;
    if (found == word) break;
  }
  // No probe may end at the hole before it has met those that lie behind it: they move up. A find() that is between the two places
  // misses one that moves.
  bool moved = false;
  uint64_t at = hole;
  for (uint64_t i = 0; i < limit; ++i) {
    at = (at + 1) & mask_;
    const uint64_t next = load_relaxed(slots_ + at);
    if (next == 0) break;
    if (((at - home_of(next)) & mask_) < ((at - hole) & mask_)) continue;
    if (!moved) {
      store_seq_cst(moves_, load_relaxed(moves_) | 1);
      moved = true;
    }
    store_release(slots_ + hole, next);
    hole = at;
  }
  store_release(slots_ + hole, uint64_t{0});
  if (moved) store_release(moves_, load_relaxed(moves_) + 1);
  return true;
}

void CacheIndex::clear() {
  store_seq_cst(moves_, load_relaxed(moves_) | 1);
  for (uint64_t at = 0; at <= mask_; ++at) {
    if (load_relaxed(slots_ + at) != 0) store_release(slots_ + at, uint64_t{0});
  }
}

void CacheIndex::filled() { store_release(moves_, (load_relaxed(moves_) | 1) + 1); }

}  // namespace ashmem_compat
