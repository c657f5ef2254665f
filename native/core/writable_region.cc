#include "core/writable_region.h"

#include <sys/mman.h>

#include "core/pins/patience.h"
#include "core/platform/table_reader.h"

namespace ashmem_compat {

namespace {

// A touch of what the kernel has discarded, while it is left to the kernel: the loss goes into the table, where every look and
// pin finds it, and the bytes read as zeros.
bool mend_touch(const Fault& fault, bool own, void* context) {
  // A child that inherited the mapping by fork() has no place in the region, and no right to an answer of the kernel's.
  if (!own || !static_cast<Attachment*>(context)->settle_touched(fault.offset)) {
    return replace_page_with_zeros(fault.address);
  }
  return true;
}

}  // namespace

Status WritableRegion::open(bool creator) {
  Result<std::shared_ptr<Mapping>> mapping = Mapping::map(fd_.get(), size_, MAP_SHARED);
  if (!mapping.ok()) return mapping.status();
  mapping_ = std::move(mapping.value());
  if (ops_.kernel && ops_.kernel->faults) {
    mapping_->guard_discards(mend_touch, attachment_.get());
  } else if (discards_expected()) {
    // Not as long as everybody plays by the rules; a peer that does not may lose us the bytes, and no more.
    mapping_->guard_discards(
        [](const Fault& fault, bool, void*) { return replace_page_with_zeros(fault.address); }, nullptr);
  }
  if (!creator) return snapshot_generations();
  base_ = control().layout().has_extents() ? 0 : 2;
  return Status::Ok();
}

// Tables are made at the first pin or unpin: many a region is only made, or received, to be passed on.
Status WritableRegion::prepare_slowly() {
  ZeroedArray<Unit> units = make_zeroed<Unit>(unit_count_);
  if (!units) {
    errno = ENOMEM;
    return Status::System("mmap", Code::kSystem, "no memory for the table of pins");
  }
  if (Status s = attachment_->prepare(); !s.ok()) return s;
  units_ = std::move(units);
  return Status::Ok();
}

Status WritableRegion::snapshot_generations() {
  const auto remember = [&](uint64_t first, const uint32_t* some, uint64_t count) {
    for (uint64_t i = 0; i < count; ++i) {
      const uint32_t generation = load_relaxed(some + i);
      if (generation == 0) continue;
      if (Status s = prepare(); !s.ok()) return s;
      units_[first + i].generation = generation;
    }
    return Status::Ok();
  };
  const Status read =
      read_table<uint32_t>(attachment_->fd(), control().layout().generations_offset, unit_count_, remember);
  // A device that cannot be read is no bigger than its mapping: there is no terabyte of nothing to skip.
  if (ops_.kernel && !read.ok()) return remember(0, control().generation(0), unit_count_);
  return read;
}

// ---- one unit, and nothing in the way: what nearly every call is

// False: nothing was done.
bool WritableRegion::pin_at_once(uint64_t u, bool* purged) {
  Attachment& process = *attachment_;
  Unit& unit = units_[u];
  bool done = true;
  *purged = false;
  process.lock().lock();
  if (holds(unit)) {
    done = !full(unit);
    if (done) unit.pins += 2;
  } else if (process.add_holder_at_once(u)) {
    unit.pins += 2;
    const uint32_t generation = load_relaxed(control().generation(u));
    *purged = generation != unit.generation;
    unit.generation = generation;
    note_held(u, u + 1);
  } else {
    done = false;
  }
  process.lock().unlock();
  return done;
}

bool WritableRegion::unpin_at_once(uint64_t u) {
  Attachment& process = *attachment_;
  Unit& unit = units_[u];
  process.lock().lock();
  const bool held = holds(unit);
  if (held) unit.pins -= 2;
  const bool last = held && !holds(unit);
  if (last) let_go(u, true);
  process.lock().unlock();
  if (last) process.table().relinquish_own(u, 1);
  return held;
}

Status WritableRegion::pin(uint64_t offset, uint64_t length, bool* purged, std::vector<ByteRange>* lost) {
  if (!one_usable_unit(offset, length) || !pin_at_once(offset >> unit_shift_, purged)) {
    return pin_slowly(offset, length, purged, lost);
  }
  if (*purged && lost) lost->push_back({offset, length});
  return Status::Ok();
}

Status WritableRegion::unpin(uint64_t offset, uint64_t length) {
  if (one_usable_unit(offset, length) && unpin_at_once(offset >> unit_shift_)) return Status::Ok();
  return unpin_slowly(offset, length);
}

// ---- any range, whatever is in the way

Status WritableRegion::pin_slowly(uint64_t offset, uint64_t length, bool* purged,
                                  std::vector<ByteRange>* lost) {
  if (Status s = usable(); !s.ok()) return s;
  uint64_t first = 0;
  uint64_t count = 0;
  if (Status s = to_units(offset, length, &first, &count); !s.ok()) return s;
  if (Status s = prepare(); !s.ok()) return s;
  *purged = false;

  Status failed;
  Patience patience(busy_timeout_ms_);
  std::vector<Loss> losses;
  Attachment& process = *attachment_;
  Census census(process.slots());
  const uint32_t* generations = control().generation(0);
  uint64_t u = first;
  process.lock().lock();
  while (u < first + count) {
    Unit& unit = units_[u];
    if (holds(unit)) {
      if (full(unit)) {
        failed = Status::Of(Code::kTooManyPins, "a unit is pinned 2^31 times by one object");
        break;
      }
      unit.pins += 2;
      ++u;
      continue;
    }
    const PinTable::Take taken = process.add_holder(u, census);
    if (taken >= PinTable::Take::kWait) {
      const Status refused = process.table().failure();
      process.lock().unlock();
      failed = taken == PinTable::Take::kBusy
                   ? Status::Of(Code::kRegionBusy,
                                "the range changes too fast: another process overwrites the pin table")
               : taken == PinTable::Take::kFailed ? refused
                                                  : patience.wait_for_purger(process.table(), u);
      process.lock().lock();
      if (!failed.ok()) break;
      continue;
    }
    unit.pins += 2;
    const uint32_t generation = load_relaxed(generations + u);  // ordered by the CAS in take()
    if (taken == PinTable::Take::kLost || generation != unit.generation) {
      losses.push_back({u, unit.generation, taken == PinTable::Take::kLost});
      unit.generation = generation;
    }
    ++u;
  }
  if (failed.ok()) {
    note_held(first, first + count);
    // Only now, as nothing can fail any more: until then the units stay PURGED, and everybody else is told as well.
    for (const Loss& loss : losses) {
      if (loss.unfilled && process.begin_refill(loss.unit)) units_[loss.unit].pins |= 1;
      if (lost) append_range(lost, to_bytes(loss.unit, 1));
    }
    *purged = !losses.empty();
  } else {
    for (uint64_t v = first; v < u; ++v) {
      units_[v].pins -= 2;
      if (!holds(units_[v])) process.drop_holder(v, PinTable::Refill::kNone);
    }
    for (const Loss& loss : losses) units_[loss.unit].generation = loss.generation_before;
  }
  process.lock().unlock();
  // With the unit that was not to be had: whoever waits in a row is taken for a holder.
  if (!failed.ok()) process.table().relinquish(first, u - first + 1);
  return failed;
}

Status WritableRegion::unpin_slowly(uint64_t offset, uint64_t length) {
  if (Status s = usable(); !s.ok()) return s;
  uint64_t first = 0;
  uint64_t count = 0;
  if (Status s = to_units(offset, length, &first, &count); !s.ok()) return s;
  if (Status s = prepare(); !s.ok()) return s;
  for (uint64_t u = first; u < first + count; ++u) {
    if (!holds(units_[u]))
      return Status::Of(Code::kNotPinned, "a unit of the range is not pinned by this object");
  }
  Attachment& process = *attachment_;
  process.lock().lock();
  for (uint64_t u = first; u < first + count; ++u) {
    units_[u].pins -= 2;
    if (!holds(units_[u])) let_go(u, true);
  }
  process.lock().unlock();
  process.table().relinquish_own(first, count);
  return Status::Ok();
}

Status WritableRegion::purge(uint64_t offset, uint64_t length, uint64_t* bytes) {
  *bytes = 0;
  if (Status s = usable(); !s.ok()) return s;
  uint64_t first = 0;
  uint64_t count = 0;
  if (Status s = to_units(offset, length, &first, &count); !s.ok()) return s;
  if (!purgeable()) return Status::Ok();
  const std::shared_ptr<Attachment> process = attachment_;  // the slot must outlive the purge
  if (Status s = notice_kernel_purges(first, count); !s.ok()) return s;
  const PinTable::Purged result = process->table().purge(first, count, process->tally(false));
  *bytes = result.bytes;
  if (!result.status.ok() || result.already == 0) return result.status;
  return purge_strays(first, count);
}

// Units that were discarded before may have pages again, because somebody looked at them (tmpfs gives a hole a page on
// the first touch). They are found by mincore(2), so that a purge of what is long gone stays cheap.
Status WritableRegion::purge_strays(uint64_t first, uint64_t count) {
  PinTable& table = attachment_->table();
  uint64_t run = 0;
  for (uint64_t u = first; u <= first + count; ++u) {
    uint64_t bytes = 0;
    if (u < first + count && table.is_purged(u)) {
      if (Status s = resident(u, &bytes); !s.ok()) return s;
    }
    if (bytes != 0) {
      ++run;
    } else if (run > 0) {
      const PinTable::Purged again = table.purge_again(u - run, run);
      if (!again.status.ok()) return again.status;
      run = 0;
    }
  }
  residency_.forget();
  return Status::Ok();
}

Status WritableRegion::protect() {
  if (Status s = usable(); !s.ok()) return s;
  return ops_.protect(fd_.get());
}

// Of the region, not of the object: whichever process purges it has to know.
Priority WritableRegion::priority() const {
  if (!usable().ok()) return Priority::kNormal;
  return priority_of(load_relaxed(&control().header()->priority));
}

Status WritableRegion::set_priority(Priority priority) {
  if (Status s = usable(); !s.ok()) return s;
  store_relaxed(&control().header()->priority, static_cast<uint32_t>(priority));
  return Status::Ok();
}

Status WritableRegion::watch_purges(PurgeListener* listener) {
  if (Status s = usable(); !s.ok()) return s;
  const std::weak_ptr<Attachment> weak = attachment_;
  return purge_watch_.set(listener, [weak](DiscardTotals* totals) {
    const std::shared_ptr<Attachment> attachment = weak.lock();
    if (attachment) *totals = attachment->discards();
    return attachment != nullptr;
  });
}

void WritableRegion::leave(bool filled) {
  if (!attachment_) return;
  purge_watch_.end();
  if (served_) attachment_->unserve_reclaimer();
  served_ = false;
  Mapping::close(mapping_);
  // The last object of the process leaves its holds to the attachment, which knows a shorter way.
  const bool holds_some = units_ || base_ != 0;
  if (!Attachment::leave(attachment_, filled) && holds_some && prepare().ok()) {
    const uint64_t from = base_ != 0 ? 0 : held_from_;
    const uint64_t to = base_ != 0 ? unit_count_ : held_to_;
    attachment_->lock().lock();
    for (uint64_t u = from; u < to; ++u) {
      if (holds(units_[u])) let_go(u, filled);
    }
    attachment_->lock().unlock();
    if (from < to) attachment_->table().relinquish(from, to - from);
  }
  attachment_.reset();
  units_.reset();
  fd_.reset();
}

}  // namespace ashmem_compat
