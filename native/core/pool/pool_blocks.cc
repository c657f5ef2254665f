// The life of a block: docs/pool.md, "Blocks".
#include "core/platform/coarse_tick.h"
#include "core/platform/stage.h"
#include "core/pool/pool.h"
#include "core/pool/rebuild.h"

namespace ashmem_compat {
namespace {

Status freed() { return Status::Of(Code::kBlockFreed, "the block has been freed"); }
Status scribbled() {
  return Status::Of(Code::kRegionBusy,
                    "the pool's tables do not stay in order: another process overwrites them");
}

// Of the doomed, looked at now and then without need.
constexpr uint64_t kFewDoomed = 4;
// Looked at where an allocation has found no room.
constexpr uint64_t kManyDoomed = 4000;

}  // namespace

// ---- finding and holding

Status Pool::find(BlockRef ref, Block* block) const {
  if (Status s = usable(false); !s.ok()) return s;
  if (ref.id >= tables_.max_blocks) return freed();
  bool shared = false;
  if (!block_at(ref.id, block, &shared) || block->ref.generation != ref.generation) return freed();
  return Status::Ok();
}

// Two looks at the state, around those at the rest: it does not change while a block lives, but for becoming shared.
bool Pool::block_at(uint32_t id, Block* block, bool* shared) const {
  const BlockRecord& record = records_.at(id);
  const uint64_t state = load_acquire(&record.state);
  const BlockStatus status = status_of(state);
  if (status != BlockStatus::kOwned && status != BlockStatus::kShared) return false;
  const uint64_t place = load_relaxed(&record.place);
  const uint64_t size = load_relaxed(&record.size);
  const uint32_t priority = load_relaxed(&record.priority);
  fence_acquire();
  if (record_generation(load_relaxed(&record.state)) != record_generation(state)) return false;

  const uint32_t u = place_unit(place);
  if (u >= tables_.unit_count || size == 0) return false;
  uint64_t offset = uint64_t{u} * tables_.unit;
  if (const uint32_t c = place_class(place); c != 0) {
    if (!tables_.classes.valid(c - 1) || size > tables_.classes.size_of(c - 1) ||
        place_index(place) >= tables_.classes.slab_blocks(c - 1)) {
      return false;
    }
    offset += place_index(place) * tables_.classes.size_of(c - 1);
  }
  if (offset > capacity() || size > capacity() - offset) return false;
  block->ref = {id, record_generation(state) & generation_mask_};
  block->unit = u;
  block->seen = memory_->generation(u);
  block->bytes = memory_->data() + offset;
  block->size = size;
  block->priority = priority_of(priority);
  *shared = status == BlockStatus::kShared;
  return true;
}

uint32_t Pool::records_end() const { return records_.end(); }

bool Pool::alive(const Block& block) const {
  const uint64_t state = records_.state(block.ref.id);
  const BlockStatus status = status_of(state);
  return (record_generation(state) & generation_mask_) == block.ref.generation &&
         (status == BlockStatus::kShared || status == BlockStatus::kOwned);
}

// The hold comes first and then the look at the block; who frees it marks it first and then looks for holds. One sees the other.
Status Pool::hold(Block* block, bool* lost, bool patient) {
  if (Status s = usable(); !s.ok()) return s;
  if (!alive(*block)) return freed();
  process_->add_hold(block->ref.id);
  bool purged = false;
  const Status held = patient ? memory_->hold(block->unit, &purged) : memory_->try_hold(block->unit, &purged);
  if (!held.ok()) {
    process_->drop_hold(block->ref.id);
    return held;
  }
  fence_seq_cst();
  if (!alive(*block)) {
    drop(*block);
    return freed();
  }
  const uint32_t generation = memory_->generation(block->unit);
  *lost = generation != block->seen || generation != load_acquire(&records_.at(block->ref.id).filled);
  block->seen = generation;
  block->empty = purged;
  return Status::Ok();
}

void Pool::drop(const Block& block) {
  if (!usable().ok()) return;
  memory_->drop(block.unit);
  process_->drop_hold(block.ref.id);
}

void Pool::drop_lost(const Block& block) {
  if (!usable().ok()) return;
  if (block.empty) {
    memory_->drop_empty(block.unit);
  } else {
    memory_->drop(block.unit);
  }
  process_->drop_hold(block.ref.id);
}

void Pool::refilled(const Block& block) {
  if (!usable().ok() || !alive(block)) return;
  store_release(&records_.at(block.ref.id).filled, memory_->generation(block.unit));
}

bool Pool::whole(const Block& block) const {
  return load_acquire(&records_.at(block.ref.id).filled) == memory_->generation(block.unit);
}

bool Pool::held(const Block& block) { return held_by_anybody(block.ref.id, block.unit); }

Status Pool::begin_read(const Block& block, ReadTicket* ticket) {
  if (Status s = usable(false); !s.ok()) return s;
  *ticket = ReadTicket{};
  if (!alive(block)) return freed();
  if (Status s = memory_->begin_read(block.unit, ticket); !s.ok()) return s;
  if (ticket->valid && !(whole(block) && alive(block))) {
    memory_->end_read(block.unit, *ticket);
    ticket->valid = false;
  }
  return Status::Ok();
}

bool Pool::end_read(const Block& block, const ReadTicket& ticket) {
  if (!usable(false).ok() || !ticket.valid) return false;
  fence_acquire();
  const bool same = alive(block) && whole(block);
  return memory_->end_read(block.unit, ticket) && same;
}

// ---- allocating

Status Pool::alloc(uint64_t size, Priority priority, Block* block) {
  memory_->before_filling(size);
  // A purger that has the only room is waited for, without the lock.
  for (int tries = 0;; ++tries) {
    Status status;
    {
      Lock lock(*this);
      if (!lock.ok()) return lock.status();
      status = alloc(lock, size, priority, block);
    }
    if (status.code != Code::kRegionBusy || block->bytes || block->size != 0 || tries == 8) return status;
    bool lost = false;
    if (!memory_->hold(block->unit, &lost).ok()) return status;
    memory_->drop(block->unit);
  }
}

// kRegionBusy with block->unit set and size 0: who waits for that unit may find room then.
Status Pool::alloc(const Lock& lock, uint64_t size, Priority priority, Block* block) {
  *block = Block{};
  if (size == 0 || size > capacity()) {
    return Status::Of(Code::kOutOfRange, "size must be 1 to the capacity of the pool");
  }
  if (load_relaxed(&tables_.head->doomed.count) != 0 && swept_tick_ != coarse_stamp()) {
    swept_tick_ = coarse_stamp();
    if (sweep_doomed(kFewDoomed) == Fit::kCorrupt) rebuild(lock);
  }
  uint32_t busy_unit = 0;
  Fit fit = place(size, priority, block, &busy_unit);
  if (fit == Fit::kNone) {
    Fit swept = sweep_doomed(kManyDoomed);
    if (swept != Fit::kCorrupt) swept = free_orphans();
    if (swept == Fit::kCorrupt || load_relaxed(&tables_.head->unmerged) != 0) rebuild(lock);
    fit = place(size, priority, block, &busy_unit);
  }
  if (fit == Fit::kCorrupt) {
    if (Status s = rebuild(lock); !s.ok()) return s;
    fit = place(size, priority, block, &busy_unit);
  }
  switch (fit) {
    case Fit::kOk: return Status::Ok();
    case Fit::kNone: return Status::Of(Code::kNoSpace, "no room in the pool for a block of this size");
    case Fit::kBusy:
      block->unit = busy_unit;
      return Status::Of(Code::kRegionBusy, "another process is purging the room that is left");
    case Fit::kCorrupt: break;
  }
  block->size = 1;  // nothing to wait for
  const Status status = scribbled();
  return status;
}

Fit Pool::place(uint64_t size, Priority priority, Block* block, uint32_t* busy_unit) {
  uint32_t id = 0;
  switch (records_.take(&id)) {
    case Records::Taken::kOk: break;
    case Records::Taken::kNone: return Fit::kNone;
    case Records::Taken::kCorrupt: return Fit::kCorrupt;
  }
  BlockRecord& record = records_.at(id);
  uint64_t place = 0;
  uint32_t u = 0;
  uint64_t offset = 0;
  Fit fit;
  if (tables_.classes.wants_slab(size)) {
    const uint32_t c = tables_.classes.class_of(size);
    uint32_t index = 0;
    fit = slabs_->take(c, priority, &u, &index);
    place = place_word(u, index, c + 1);
    offset = index * tables_.classes.size_of(c);
  } else {
    fit = extents_->take(static_cast<uint32_t>(tables_.classes.units_of(size)), priority,
                         unit_tag(Use::kBlock), &u);
    place = place_word(u, 0, 0);
  }
  if (fit != Fit::kOk) {
    *busy_unit = u;
    if (fit != Fit::kCorrupt) records_.push_front(tables_.head->free, id);
    return fit;
  }
  stage(Stage::kPlaced);
  const uint32_t generation = memory_->generation(u);
  record.owner = me_;
  record.place = place;
  record.size = size;
  record.priority = static_cast<uint32_t>(priority);
  store_relaxed(&record.filled, generation);
  stage(Stage::kDescribed);
  const uint64_t state = block_state(record_generation(records_.state(id)), BlockStatus::kOwned);
  records_.set_state(id, state);
  stage(Stage::kCommitted);
  records_.push_front(tables_.head->owned, id);
  ++tables_.head->blocks;
  tables_.head->live += size;
  own_[id] = state;
  ++own_count_;
  process_->add_hold(id);

  block->ref = {id, record_generation(state) & generation_mask_};
  block->unit = u;
  block->seen = generation;
  block->bytes = memory_->data() + uint64_t{u} * tables_.unit + offset;
  block->size = size;
  block->priority = priority;
  return Fit::kOk;
}

Status Pool::share(const Block& block) {
  Lock lock(*this);
  return lock.ok() ? share(lock, block) : lock.status();
}

Status Pool::share(const Lock& lock, const Block& block) {
  const uint32_t id = block.ref.id;
  if (!alive(block)) return freed();
  const uint64_t state = records_.state(id);
  if (status_of(state) == BlockStatus::kShared) return Status::Ok();
  const bool listed = records_.remove(tables_.head->owned, id);
  records_.set_state(id, block_state(record_generation(state), BlockStatus::kShared));
  if (own_[id] == state) {
    own_[id] = 0;
    --own_count_;
  }
  return listed ? Status::Ok() : rebuild(lock);
}

// ---- freeing

Status Pool::free(BlockRef ref) {
  Lock lock(*this);
  return lock.ok() ? free(lock, ref) : lock.status();
}

Status Pool::free(const Lock& lock, BlockRef ref) {
  Block block;
  bool shared = false;
  if (ref.id >= tables_.max_blocks || !block_at(ref.id, &block, &shared) ||
      block.ref.generation != ref.generation) {
    return freed();
  }
  if (doom(ref.id, block, shared) == Fit::kCorrupt) return rebuild(lock);
  return Status::Ok();
}

Fit Pool::doom(uint32_t id, const Block& block, bool shared) {
  const uint64_t state = records_.state(id);
  if (own_[id] == state) {
    own_[id] = 0;
    --own_count_;
  }
  bool listed = true;
  if (!shared) listed = records_.remove(tables_.head->owned, id);
  records_.set_state(id, block_state(record_generation(state), BlockStatus::kDoomed));
  stage(Stage::kDoomed);
  fence_seq_cst();
  // Nobody else can know of a block that was never shared: what others hold of its slab are other blocks.
  const bool held = process_->held(id) || (shared && memory_->held_by_others(block.unit));
  Fit fit = Fit::kOk;
  if (held) {
    records_.push_back(tables_.head->doomed, id);
  } else {
    fit = release_record(id);
  }
  return listed ? fit : Fit::kCorrupt;
}

// Of a block that nobody can hold any more, and that is in no list.
Fit Pool::release_record(uint32_t id) {
  BlockRecord& record = records_.at(id);
  const uint64_t place = load_relaxed(&record.place);
  --tables_.head->blocks;
  tables_.head->live -= load_relaxed(&record.size);
  records_.set_state(id, block_state(record_generation(records_.state(id)) + 1, BlockStatus::kFree));
  stage(Stage::kForgotten);
  records_.push_front(tables_.head->free, id);
  return give_room(place);
}

Fit Pool::give_room(uint64_t place) {
  const uint32_t u = place_unit(place);
  if (u >= tables_.unit_count) return Fit::kCorrupt;
  if (const uint32_t c = place_class(place); c != 0) {
    return tables_.classes.valid(c - 1) ? slabs_->give(u, c - 1, place_index(place)) : Fit::kCorrupt;
  }
  if (use_of(load_relaxed(&tables_.units[u].tag)) != Use::kBlock) return Fit::kCorrupt;
  bool lost = false;
  const bool held = memory_->try_hold(u, &lost).ok();
  return extents_->give(u, held, lost);
}

// Frees the room of doomed blocks that nobody holds any more. Those that are held go to the end of the list.
Fit Pool::sweep_doomed(uint64_t most) {
  RecordList& doomed = tables_.head->doomed;
  uint64_t looks = load_relaxed(&doomed.count);
  if (looks > most) looks = most;
  if (looks > tables_.max_blocks) looks = tables_.max_blocks;
  for (; looks > 0; --looks) {
    const uint32_t first = load_relaxed(&doomed.first);
    if (first == kNil) return Fit::kOk;
    const uint32_t id = first - 1;
    if (first > tables_.max_blocks || records_.status(id) != BlockStatus::kDoomed) return Fit::kCorrupt;
    const uint32_t unit = place_unit(load_relaxed(&records_.at(id).place));
    if (unit >= tables_.unit_count || !records_.remove(doomed, id)) return Fit::kCorrupt;
    if (held_by_anybody(id, unit)) {
      records_.push_back(doomed, id);
    } else if (release_record(id) == Fit::kCorrupt) {
      return Fit::kCorrupt;
    }
  }
  return Fit::kOk;
}

// Frees what processes allocated that died before they told anybody of it.
Fit Pool::free_orphans() {
  RecordList& owned = tables_.head->owned;
  OwnerVerdicts owners(*memory_);
  uint32_t next = load_relaxed(&owned.first);
  for (uint32_t looks = 0; next != kNil && looks < tables_.max_blocks; ++looks) {
    if (next > tables_.max_blocks) return Fit::kCorrupt;
    const uint32_t id = next - 1;
    BlockRecord& record = records_.at(id);
    next = load_relaxed(&record.next);
    if (records_.status(id) != BlockStatus::kOwned) return Fit::kCorrupt;
    if (!owners.dead(load_relaxed(&record.owner))) continue;
    if (!records_.remove(owned, id) || release_record(id) == Fit::kCorrupt) return Fit::kCorrupt;
  }
  return Fit::kOk;
}

}  // namespace ashmem_compat
