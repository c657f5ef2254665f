#include "core/pool/slabs.h"

#include "core/platform/atomics.h"
#include "core/platform/stage.h"

namespace ashmem_compat {
namespace {

constexpr uint32_t kLooks = 4;

constexpr uint32_t with_used(uint32_t tag, uint32_t used) { return (tag & 0xfff) | used << 12; }

}  // namespace

void Slabs::link(uint32_t u, uint32_t c, Priority priority) {
  uint32_t& first = list_of(c, priority);
  uint32_t next = load_relaxed(&first);
  if (next > t_.unit_count) next = kNil;
  at(u).next = next;
  at(u).prev = kNil;
  if (next != kNil) at(next - 1).prev = u + 1;
  first = u + 1;
}

// False if the list contradicts itself.
bool Slabs::unlink(uint32_t u, uint32_t c, Priority priority) {
  uint32_t& first = list_of(c, priority);
  const uint32_t next = load_relaxed(&at(u).next);
  const uint32_t prev = load_relaxed(&at(u).prev);
  if (next > t_.unit_count || prev > t_.unit_count) return false;
  if (prev == kNil ? load_relaxed(&first) != u + 1 : load_relaxed(&at(prev - 1).next) != u + 1) return false;
  if (next != kNil && load_relaxed(&at(next - 1).prev) != u + 1) return false;
  if (next != kNil) at(next - 1).prev = prev;
  (prev != kNil ? at(prev - 1).next : first) = next;
  return true;
}

bool Slabs::find_free(uint32_t u, uint32_t c, uint32_t* index) const {
  const uint32_t blocks = t_.classes.slab_blocks(c);
  for (uint32_t w = 0; w < t_.classes.slab_words(c); ++w) {
    const uint64_t free = ~load_relaxed(&at(u + w).bitmap);
    if (free == 0) continue;
    *index = w * 64 + static_cast<uint32_t>(__builtin_ctzll(free));
    return *index < blocks;
  }
  return false;
}

void Slabs::begin(uint32_t u, uint32_t c, Priority priority) {
  for (uint32_t w = 0; w < t_.classes.slab_words(c); ++w) at(u + w).bitmap = 0;
  at(u).tag = slab_tag(c, priority, 0);
}

// Takes the block; false if it is taken already. *used: how many are now.
bool Slabs::mark(uint32_t u, uint32_t c, uint32_t index, uint32_t* used) {
  if (index >= t_.classes.slab_blocks(c) || !has_units(u, c)) return false;
  uint64_t& word = at(u + index / 64).bitmap;
  const uint64_t bit = uint64_t{1} << index % 64;
  const uint64_t before = load_relaxed(&word);
  const uint32_t tag = load_relaxed(&at(u).tag);
  *used = tag_used(tag) + 1;
  if ((before & bit) != 0 || *used > t_.classes.slab_blocks(c)) return false;
  word = before | bit;
  at(u).tag = with_used(tag, *used);
  return true;
}

bool Slabs::add(uint32_t u, uint32_t c, uint32_t index) {
  uint32_t used = 0;
  return mark(u, c, index, &used);
}

void Slabs::finish(uint32_t u) {
  const uint32_t tag = load_relaxed(&at(u).tag);
  const uint32_t c = tag_class(tag);
  if (!t_.classes.valid(c) || !is_slab(u, tag, c)) return;
  if (tag_used(tag) < t_.classes.slab_blocks(c)) link(u, c, priority_of(tag_priority(tag)));
}

Fit Slabs::take(uint32_t c, Priority priority, uint32_t* unit, uint32_t* index) {
  bool busy = false;
  uint32_t busy_unit = 0;
  bool lost = false;
  uint32_t next = load_relaxed(&list_of(c, priority));
  for (uint32_t looks = 0; next != kNil && looks < kLooks; ++looks) {
    if (next > t_.unit_count) return Fit::kCorrupt;
    const uint32_t u = next - 1;
    next = load_relaxed(&at(u).next);
    if (!is_slab(u, load_relaxed(&at(u).tag), c) || memory_.span(u) != t_.classes.slab_units(c))
      return Fit::kCorrupt;
    if (!memory_.try_hold(u, &lost).ok()) {
      busy = true;
      busy_unit = u;
      continue;
    }
    uint32_t used = 0;
    if (find_free(u, c, index) && mark(u, c, *index, &used)) {
      stage(Stage::kSlabTaken);
      *unit = u;
      if (used < t_.classes.slab_blocks(c) || unlink(u, c, priority)) return Fit::kOk;
    }
    memory_.drop(u);
    return Fit::kCorrupt;
  }
  const Fit made = extents_.take(t_.classes.slab_units(c), priority, slab_tag(c, priority, 0), unit);
  if (made == Fit::kNone && busy) {
    *unit = busy_unit;
    return Fit::kBusy;
  }
  if (made != Fit::kOk) return made;
  stage(Stage::kSlabTaken);
  begin(*unit, c, priority);
  *index = 0;
  add(*unit, c, 0);
  finish(*unit);
  return Fit::kOk;
}

Fit Slabs::give(uint32_t u, uint32_t c, uint32_t index) {
  const uint32_t tag = load_relaxed(&at(u).tag);
  const uint32_t blocks = t_.classes.slab_blocks(c);
  if (!is_slab(u, tag, c) || index >= blocks) return Fit::kCorrupt;
  uint64_t& word = at(u + index / 64).bitmap;
  const uint64_t bit = uint64_t{1} << index % 64;
  const uint64_t before = load_relaxed(&word);
  const uint32_t used = tag_used(tag);
  const Priority priority = priority_of(tag_priority(tag));
  if (!(before & bit) || used == 0 || used > blocks) return Fit::kCorrupt;
  word = before & ~bit;
  at(u).tag = with_used(tag, used - 1);
  if (used == blocks) link(u, c, priority);
  if (used > 1) return Fit::kOk;
  bool lost = false;
  // Where a purger has it, it stays a slab, to be used as one.
  if (!memory_.try_hold(u, &lost).ok()) {
    ++t_.head->unmerged;
    return Fit::kOk;
  }
  if (unlink(u, c, priority)) return extents_.give(u, true, lost);
  memory_.drop(u);
  return Fit::kCorrupt;
}

}  // namespace ashmem_compat
