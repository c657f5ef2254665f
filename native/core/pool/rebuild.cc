#include "core/pool/rebuild.h"

#include <string.h>

#include "core/platform/atomics.h"
#include "core/platform/stage.h"
#include "core/platform/zeroed_array.h"

namespace ashmem_compat {
namespace {

class Rebuild {
 public:
  Rebuild(PoolMemory& memory, const Tables& tables, Slabs& slabs, Extents& extents, Records& records)
      : memory_(memory), t_(tables), slabs_(slabs), extents_(extents), records_(records), owners_(memory) {}

  Status run() {
    cover_ = make_zeroed<Cover>(t_.unit_count);
    if (!cover_) {
      errno = ENOMEM;
      return Status::System("mmap", Code::kSystem, "no memory to put the pool's tables in order");
    }
    PoolHead& head = *t_.head;
    if (head.units_end > t_.unit_count) head.units_end = t_.unit_count;
    head.blocks = head.live = head.used_units = head.unmerged = 0;
    head.free = head.owned = head.doomed = RecordList{kNil, kNil, 0};
    memset(head.bin_map, 0, sizeof head.bin_map);
    memset(head.bins, 0, sizeof head.bins);
    memset(head.slabs, 0, sizeof head.slabs);
    stage(Stage::kRebuilding);
    const uint32_t end = records_.end();
    for (uint32_t id = 0; id < end; ++id) look_at_record(id);
    stage(Stage::kRebuilding);
    look_at_units();
    return Status::Ok();
  }

 private:
  enum class Cover : uint8_t { kNothing, kBlock, kSlab, kFollower };

  void look_at_record(uint32_t id) {
    BlockRecord& record = records_.at(id);
    const uint64_t state = records_.state(id);
    const BlockStatus status = status_of(state);
    if (status != BlockStatus::kFree && !stands(record, status)) {
      records_.set_state(id, block_state(record_generation(state) + 1, BlockStatus::kFree));
      records_.push_front(t_.head->free, id);
      return;
    }
    switch (status) {
      case BlockStatus::kFree: records_.push_front(t_.head->free, id); return;
      case BlockStatus::kOwned: records_.push_back(t_.head->owned, id); break;
      case BlockStatus::kDoomed: records_.push_back(t_.head->doomed, id); break;
      case BlockStatus::kShared: break;
    }
    ++t_.head->blocks;
    t_.head->live += load_relaxed(&record.size);
  }

  // Whether the record describes a block that is to stay. Its room is taken then.
  bool stands(const BlockRecord& record, BlockStatus status) {
    if (status > BlockStatus::kDoomed) return false;
    if (status == BlockStatus::kOwned && owners_.dead(load_relaxed(&record.owner))) return false;
    const uint64_t place = load_relaxed(&record.place);
    const uint64_t size = load_relaxed(&record.size);
    const uint32_t u = place_unit(place);
    if (size == 0 || u >= t_.unit_count) return false;
    if (place_class(place) == 0) {
      if (size > (t_.unit_count - u) * t_.unit) return false;
      return cover(u, t_.classes.units_of(size), Cover::kBlock, unit_tag(Use::kBlock), Priority::kNormal);
    }
    const uint32_t c = place_class(place) - 1;
    if (!t_.classes.valid(c) || size > t_.classes.size_of(c)) return false;
    if (cover_[u] != Cover::kSlab) {
      if (place_index(place) >= t_.classes.slab_blocks(c)) return false;
      const Priority priority = priority_of(load_relaxed(&record.priority));
      if (!cover(u, t_.classes.slab_units(c), Cover::kSlab, slab_tag(c, priority, 0), priority)) return false;
      slabs_.begin(u, c, priority);
    }
    return tag_class(load_relaxed(&t_.units[u].tag)) == c && slabs_.add(u, c, place_index(place));
  }

  bool cover(uint32_t u, uint64_t units, Cover kind, uint32_t tag, Priority priority) {
    if (units > t_.unit_count - u) return false;
    for (uint64_t v = u; v < u + units; ++v) {
      if (cover_[v] != Cover::kNothing) return false;
    }
    cover_[u] = kind;
    for (uint64_t v = u + 1; v < u + units; ++v) cover_[v] = Cover::kFollower;
    t_.units[u].tag = tag;
    t_.units[u + units - 1].foot = static_cast<uint32_t>(units);
    t_.head->used_units += units;
    if (t_.head->units_end <= u) t_.head->units_end = uint64_t{u} + 1;
    if (memory_.span(u) != units)
      set_span(u, static_cast<uint32_t>(units), priority);  // somebody has scribbled there
    return true;
  }

  bool set_span(uint32_t u, uint32_t units, Priority priority) {
    bool lost = false;
    if (!memory_.try_hold(u, &lost).ok()) return false;
    memory_.set_span(u, units, priority);
    memory_.drop(u);
    return true;
  }

  // Gives every unit that no block needs to a free extent, as large as purgers that are at work let it be.
  void look_at_units() {
    const uint64_t led = load_relaxed(&t_.head->units_end);
    uint64_t free_from = t_.unit_count;  // where the free stretch began that is being looked at
    for (uint64_t u = 0; u < t_.unit_count; ++u) {
      if (cover_[u] != Cover::kNothing) {
        if (free_from < u) free_stretch(free_from, u);
        free_from = t_.unit_count;
        if (cover_[u] == Cover::kSlab) slabs_.finish(static_cast<uint32_t>(u));
        if (cover_[u] == Cover::kFollower && u < led && memory_.span(u) != 0) {
          set_span(static_cast<uint32_t>(u), 0, Priority::kNormal);
        }
        continue;
      }
      if (free_from == t_.unit_count) free_from = u;
      if (u < led) continue;
      while (u + 1 < t_.unit_count && cover_[u + 1] == Cover::kNothing) ++u;
    }
    if (free_from < t_.unit_count) free_stretch(free_from, t_.unit_count);
  }

  void free_stretch(uint64_t from, uint64_t to) {
    uint64_t led = load_relaxed(&t_.head->units_end);
    if (led > to) led = to;
    uint64_t start = from;
    for (uint64_t v = from + 1; v < led; ++v) {
      const uint32_t span = memory_.span(v);
      if (span == 0 || set_span(static_cast<uint32_t>(v), 0, Priority::kNormal)) continue;
      // Being purged: it stays as it is, and what lies before and behind it is apart.
      free_extent(start, v);
      start = v + span;
      if (start > to) return;
      extents_.insert(static_cast<uint32_t>(v), span);
      ++t_.head->unmerged;
      v = start;
      if (start >= to) return;
    }
    if (start < to) free_extent(start, to);
  }

  void free_extent(uint64_t from, uint64_t to) {
    const uint32_t u = static_cast<uint32_t>(from);
    const uint32_t units = static_cast<uint32_t>(to - from);
    const uint32_t before = memory_.span(u);
    bool lost = false;
    if (memory_.try_hold(u, &lost).ok()) {
      memory_.set_span(u, units, Priority::kCheap);
      extents_.insert(u, units);
      if (lost && before == units) {
        memory_.drop_empty(u);
      } else {
        memory_.drop(u);
      }
      return;
    }
    ++t_.head->unmerged;
    if (before != 0 && before <= units) extents_.insert(u, before);
    // The rest comes back with the next rebuild, which an allocation that finds no room will ask for.
  }

  PoolMemory& memory_;
  const Tables& t_;
  Slabs& slabs_;
  Extents& extents_;
  Records& records_;
  OwnerVerdicts owners_;
  ZeroedArray<Cover> cover_;
};

}  // namespace

Status rebuild_tables(PoolMemory& memory, const Tables& tables, Slabs& slabs, Extents& extents,
                      Records& records) {
  return Rebuild(memory, tables, slabs, extents, records).run();
}

}  // namespace ashmem_compat
