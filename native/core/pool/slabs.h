// Extents that are shared by blocks of one size and priority. Everything under the pool's lock.
#pragma once

#include "core/pool/extents.h"

namespace ashmem_compat {

class Slabs {
 public:
  Slabs(PoolMemory& memory, const Tables& tables, Extents& extents)
      : memory_(memory), t_(tables), extents_(extents) {}

  // *unit: leads a slab, held once by this call, whose block `*index` is now taken. As Extents::take.
  Fit take(uint32_t c, Priority priority, uint32_t* unit, uint32_t* index);
  // Frees a block of the slab that `u` leads, and with its last one the slab. Without a hold.
  Fit give(uint32_t u, uint32_t c, uint32_t index);
  // For a rebuild: a slab without blocks, in no list; a block of it; and once all are known, in its list if it has room.
  void begin(uint32_t u, uint32_t c, Priority priority);
  bool add(uint32_t u, uint32_t c, uint32_t index);
  void finish(uint32_t u);

 private:
  UnitInfo& at(uint32_t u) const { return t_.units[u]; }
  uint32_t& list_of(uint32_t c, Priority priority) const {
    return t_.head->slabs[static_cast<uint32_t>(priority)][c];
  }
  void link(uint32_t u, uint32_t c, Priority priority);
  bool unlink(uint32_t u, uint32_t c, Priority priority);
  bool has_units(uint32_t u, uint32_t c) const { return t_.classes.slab_units(c) <= t_.unit_count - u; }
  // A tag was read once: what it says may be something else by the next time.
  bool is_slab(uint32_t u, uint32_t tag, uint32_t c) const {
    return use_of(tag) == Use::kSlab && tag_class(tag) == c && has_units(u, c);
  }
  bool mark(uint32_t u, uint32_t c, uint32_t index, uint32_t* used);
  bool find_free(uint32_t u, uint32_t c, uint32_t* index) const;

  PoolMemory& memory_;
  const Tables& t_;
  Extents& extents_;
};

}  // namespace ashmem_compat
