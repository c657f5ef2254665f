#include "core/pool/shared_pool_memory.h"

#include "core/pins/patience.h"
#include "core/platform/residency.h"

namespace ashmem_compat {

Result<std::unique_ptr<PoolMemory>> SharedPoolMemory::over(std::unique_ptr<Region> region,
                                                           uint32_t busy_timeout_ms) {
  const Control* tables = region->tables();
  if (!tables || !tables->layout().has_extents()) {
    return Status::Of(Code::kNotSupported, "a region without extents cannot be cut into blocks");
  }
  if (Attachment* attachment = region->attachment()) {
    if (Status s = attachment->prepare(); !s.ok()) return s;
  }
  return std::unique_ptr<PoolMemory>(new SharedPoolMemory(std::move(region), busy_timeout_ms));
}

Status SharedPoolMemory::hold(uint64_t u, bool* lost, bool patient) {
  *lost = false;
  if (!attachment_) return Status::Of(Code::kReadOnly, "the pool can only be read through this fd");
  if (!attachment_->ours()) {
    return Status::Of(Code::kForked, "a pool does not survive fork(): attach again with the fd");
  }
  attachment_->lock().lock();
  const bool at_once = attachment_->add_holder_at_once(u);
  attachment_->lock().unlock();
  if (at_once) return Status::Ok();

  PinTable& table = attachment_->table();
  Census census(attachment_->slots());
  Patience patience(busy_timeout_ms_);
  for (;;) {
    attachment_->lock().lock();
    const PinTable::Take taken = attachment_->add_holder(u, census);
    // What was lost is told by the generation, for each block that lies here. The unit is as good as any other.
    if (taken == PinTable::Take::kLost && table.begin_refill(u)) table.settle(u, PinTable::Refill::kFilled);
    const Status refused = taken == PinTable::Take::kFailed ? table.failure() : Status::Ok();
    attachment_->lock().unlock();
    switch (taken) {
      case PinTable::Take::kKept: return Status::Ok();
      case PinTable::Take::kLost: *lost = true; return Status::Ok();
      case PinTable::Take::kFailed: table.relinquish(u, 1); return refused;
      case PinTable::Take::kBusy:
        table.relinquish(u, 1);
        return Status::Of(Code::kRegionBusy,
                          "the unit changes too fast: another process overwrites the pin table");
      case PinTable::Take::kWait: break;
    }
    Status waited = Status::Of(Code::kRegionBusy, "another process is purging the unit");
    if (patient) waited = patience.wait_for_purger(table, u);
    if (!waited.ok()) {
      table.relinquish(u, 1);
      return waited;
    }
  }
}

void SharedPoolMemory::drop(uint64_t u, bool empty) {
  if (!attachment_ || !attachment_->ours()) return;
  attachment_->lock().lock();
  const bool held = attachment_->held(u);
  if (held) attachment_->drop_holder(u, empty);
  const bool last = held && !attachment_->held(u);
  attachment_->lock().unlock();
  if (last) attachment_->table().relinquish_own(u, 1);
}

void SharedPoolMemory::drop(uint64_t u) { drop(u, false); }
void SharedPoolMemory::drop_empty(uint64_t u) { drop(u, true); }

bool SharedPoolMemory::held_by_others(uint64_t u) {
  if (!attachment_) return false;
  Census census(attachment_->slots());
  return attachment_->table().held_by_others(u, census);
}

bool SharedPoolMemory::held_here(uint64_t u) {
  if (!attachment_) return false;
  attachment_->lock().lock();
  const bool held = attachment_->held(u);
  attachment_->lock().unlock();
  return held;
}

uint32_t SharedPoolMemory::span(uint64_t u) {
  const uint32_t units = load_acquire(tables().spans() + u) & kSpanUnits;
  const uint64_t left = unit_count() - u;
  return units < left ? units : static_cast<uint32_t>(left);
}

// Of the leader alone, which tells of all its extent.
Status SharedPoolMemory::begin_read(uint64_t u, ReadTicket* ticket) {
  return region_->begin_read(u * unit(), tables().layout().unit_bytes(u), ticket);
}

bool SharedPoolMemory::end_read(uint64_t u, const ReadTicket& ticket) {
  return region_->end_read(u * unit(), tables().layout().unit_bytes(u), ticket);
}

uint64_t SharedPoolMemory::purge(uint64_t u, uint64_t count) {
  if (!attachment_ || !attachment_->ours() || !region_->purgeable()) return 0;
  return attachment_->table().purge(u, count, attachment_->tally(false)).bytes;
}

uint64_t SharedPoolMemory::me() {
  if (!attachment_) return 0;
  return purging_word(attachment_->slots().own(), attachment_->slots().own_life());
}

bool SharedPoolMemory::is_dead(uint64_t owner) {
  const uint32_t slot = purger_slot(owner);
  if (slot >= tables().layout().slot_count || !attachment_) return attachment_ != nullptr;
  uint64_t life = 0;
  return attachment_->slots().is_void(slot, &life) ||
         purger_tag(load_acquire(&tables().slot(slot)->life)) != tag_of_purger(owner);
}

uint64_t SharedPoolMemory::discarded() {
  return load_relaxed(&tables().header()->discarded) + load_relaxed(&tables().header()->discarded_by_kernel);
}

uint64_t SharedPoolMemory::resident() {
  uint64_t bytes = 0;
  if (region_->closed() || !resident_bytes(data(), region_->size(), &bytes).ok()) return 0;
  return bytes;
}

}  // namespace ashmem_compat
