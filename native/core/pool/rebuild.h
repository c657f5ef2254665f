// Makes everything that is derived from the block records anew: after a death under the pool's lock, or when tables contradict each other.
#pragma once

#include "core/pool/records.h"
#include "core/pool/slabs.h"

namespace ashmem_compat {

// Under the lock. Frees the blocks whose owner died before it shared them. Records that cannot be true are freed as well: only a peer that
// overwrites the annex makes such. kSystem: no memory for the map of units, and nothing was done.
Status rebuild_tables(PoolMemory& memory, const Tables& tables, Slabs& slabs, Extents& extents,
                      Records& records);

// Asks at most once about each of the owners that it meets.
class OwnerVerdicts {
 public:
  explicit OwnerVerdicts(PoolMemory& memory) : memory_(memory) {}
  bool dead(uint64_t owner) {
    for (uint32_t i = 0; i < known_; ++i) {
      if (owners_[i] == owner) return dead_[i];
    }
    const bool dead = memory_.is_dead(owner);
    const uint32_t at = known_ < kKept ? known_++ : static_cast<uint32_t>(owner % kKept);
    owners_[at] = owner;
    dead_[at] = dead;
    return dead;
  }

 private:
  static constexpr uint32_t kKept = 64;
  PoolMemory& memory_;
  uint32_t known_ = 0;
  uint64_t owners_[kKept] = {};
  bool dead_[kKept] = {};
};

}  // namespace ashmem_compat
