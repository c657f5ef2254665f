// The units of a pool, cut into extents: who wants room takes one, who is done gives it back. Everything under the pool's lock.
//
// Free extents are kept by size, eight sizes to a power of two, with a bit for each size that there is: taking and giving look at a bounded
// number of them. Neighbours that are free become one. A unit that a purger has at this moment is passed over.
#pragma once

#include "core/platform/atomics.h"
#include "core/pool/pool_memory.h"
#include "core/pool/tables.h"

namespace ashmem_compat {

// What became of an operation on tables in which anything may stand.
enum class Fit {
  kOk,
  kNone,     // there is no room
  kBusy,     // there may be, but a purger has it
  kCorrupt,  // the tables contradict each other: rebuild them
};

class Extents {
 public:
  Extents(PoolMemory& memory, const Tables& tables) : memory_(memory), t_(tables) {}

  // *unit: leads an extent of `units`, held once by this call, tagged and valued. kBusy: *unit is what stood in the way.
  Fit take(uint32_t units, Priority priority, uint32_t tag, uint32_t* unit);
  // Frees the extent that `u` leads. The caller holds it once, or `held` is false where a purger has it; that hold is given up.
  // `empty`: there is nothing in it, most likely, and so nothing to purge.
  Fit give(uint32_t u, bool held, bool empty);
  // A free extent of whom nobody knows yet, `u` being held by the caller or by a purger.
  void insert(uint32_t u, uint32_t units);

  static uint32_t bin_of(uint32_t units) {
    if (units < 8) return units;
    const uint32_t e = 31 - static_cast<uint32_t>(__builtin_clz(units));
    return (e - 3) * 8 + (units >> (e - 3));
  }

 private:
  UnitInfo& at(uint32_t u) const { return t_.units[u]; }
  void mark_led(uint32_t u) const {
    if (t_.head->units_end <= u) store_relaxed(&t_.head->units_end, uint64_t{u} + 1);
  }
  bool unlink(uint32_t u, uint32_t units);
  Fit take_from(uint32_t bin, uint32_t units, uint32_t most, uint32_t* unit, bool* lost);
  Fit split(uint32_t u, uint32_t whole, uint32_t units, bool lost);

  PoolMemory& memory_;
  const Tables& t_;
};

}  // namespace ashmem_compat
