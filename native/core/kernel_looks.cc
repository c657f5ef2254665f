// What a kernel that discards by itself tells only to a pin: how a region finds out without holding anything for long.
#include "core/pins/patience.h"
#include "core/writable_region.h"

namespace ashmem_compat {

bool WritableRegion::left_to_kernel(uint64_t first, uint64_t count) {
  for (uint64_t u = first; u < first + count; ++u) {
    if (table().left_to_kernel(u)) return true;
  }
  return false;
}

// Holds the units for this process, on nobody's behalf: no object counts it. `*held`: how many, from the first on. A patient
// one waits for other processes, and stops at the first unit that is lost (and held) or not to be had; an impatient one
// stops only where somebody is busy with a unit.
PinTable::Take WritableRegion::hold(uint64_t first, uint64_t count, bool patient, uint64_t* held) {
  Attachment& process = *attachment_;
  Census census(process.slots());
  PinTable::Take taken = PinTable::Take::kKept;
  Patience patience(busy_timeout_ms_);
  uint64_t u = first;
  process.lock().lock();
  while (u < first + count) {
    taken = process.add_holder(u, census);
    if (taken < PinTable::Take::kWait) ++u;
    if (taken == PinTable::Take::kWait && patient) {
      process.lock().unlock();
      if (patience.wait_for_purger(process.table(), u).ok()) taken = PinTable::Take::kKept;
      process.lock().lock();
    }
    if (taken >= (patient ? PinTable::Take::kLost : PinTable::Take::kWait)) break;
  }
  process.lock().unlock();
  *held = u - first;
  return taken;
}

void WritableRegion::drop_hold(uint64_t first, uint64_t count) {
  Attachment& process = *attachment_;
  process.lock().lock();
  for (uint64_t u = first; u < first + count; ++u) process.drop_holder(u, PinTable::Refill::kNone);
  process.lock().unlock();
  if (count > 0) process.table().relinquish_own(first, count);
}

// Of units that are left to the kernel each look is a pin for a moment: the second one learns what was discarded since the
// first, unless somebody else has learned it in between, and then the generation shows it.
Status WritableRegion::begin_read(uint64_t offset, uint64_t length, ReadTicket* ticket) {
  if (Status s = SharedRegionBase::begin_read(offset, length, ticket); !s.ok() || ticket->valid) return s;
  uint64_t first = 0;
  uint64_t count = 0;
  if (Status s = to_units(offset, length, &first, &count); !s.ok() || !left_to_kernel(first, count)) return s;
  if (Status s = prepare(); !s.ok()) return s;
  ticket->valid = whole_in_kernel(first, count, &ticket->generations);
  return Status::Ok();
}

bool WritableRegion::end_read(uint64_t offset, uint64_t length, const ReadTicket& ticket) {
  if (!ticket.valid || !usable().ok()) return false;
  uint64_t first = 0;
  uint64_t count = 0;
  if (!to_units(offset, length, &first, &count).ok()) return false;
  if (!left_to_kernel(first, count)) return SharedRegionBase::end_read(offset, length, ticket);
  uint64_t generations = 0;
  return prepare().ok() && whole_in_kernel(first, count, &generations) && generations == ticket.generations;
}

// Before the last look of an optimistic read the kernel tells what it has discarded since the units were left to it: by a pin for
// a moment, unless a touch of such bytes would have raised SIGBUS, and so has told already.
Status WritableRegion::look(uint64_t first, uint64_t count, bool last, std::vector<uint64_t>* units) {
  if (last && ops_.kernel && !touches_fault() && usable().ok()) {
    for (uint64_t u = first; u < first + count;) {
      if (!left_to_kernel(u, 1)) {
        ++u;
        continue;
      }
      if (Status s = prepare(); !s.ok()) return s;
      uint64_t run = 1;
      while (u + run < first + count && run < kLongestLook && left_to_kernel(u + run, 1)) ++run;
      uint64_t held = 0;
      const PinTable::Take taken = hold(u, run, false, &held);
      drop_hold(u, held);
      if (taken == PinTable::Take::kFailed) return table().failure();
      // What somebody is busy with is not whole, and the look says so.
      u += taken < PinTable::Take::kWait ? held : held + 1;
    }
  }
  return SharedRegionBase::look(first, count, last, units);
}

bool WritableRegion::whole_in_kernel(uint64_t first, uint64_t count, uint64_t* generations) {
  uint64_t held = 0;
  const bool whole = hold(first, count, true, &held) == PinTable::Take::kKept;
  *generations = 0;
  for (uint64_t u = first; whole && u < first + count; ++u) {
    *generations += load_relaxed(control().generation(u));
  }
  drop_hold(first, held);
  // Also the unit that was not to be had: a bit that was set in a row for a moment passes for a holder.
  if (held < count) table().relinquish(first + held, 1);
  return whole;
}

// Makes the kernel tell what it has discarded of the units that are left to it: those without pages may be, and are
// pinned for a moment. (One that was discarded and looked at since has pages; the next pin of it still learns the truth.)
// In runs, which are unpinned as they were: the driver walks a list of unpinned ranges in each call.
Status WritableRegion::notice_kernel_purges(uint64_t first, uint64_t count) {
  if (!ops_.kernel) return Status::Ok();
  uint64_t run = 0;
  for (uint64_t u = first; u <= first + count; ++u) {
    bool empty = false;
    if (u < first + count && table().left_to_kernel(u)) {
      uint64_t bytes = 0;
      if (Status s = resident(u, &bytes); !s.ok()) return s;
      empty = bytes == 0;
    }
    if (empty && ++run < kLongestLook) continue;
    const uint64_t end = empty ? u + 1 : u;
    for (uint64_t v = end - run; v < end;) {
      if (Status s = prepare(); !s.ok()) return s;
      uint64_t held = 0;
      // What somebody is busy with is not the kernel's to tell of now.
      const PinTable::Take taken = hold(v, end - v, false, &held);
      drop_hold(v, held);
      v += taken < PinTable::Take::kWait ? held : held + 1;
    }
    run = 0;
  }
  residency_.forget();
  return Status::Ok();
}

Status WritableRegion::stats(RegionStats* stats) {
  if (Status s = usable(); !s.ok()) return s;
  if (Status s = notice_kernel_purges(0, unit_count_); !s.ok()) return s;
  return SharedRegionBase::stats(stats);
}

}  // namespace ashmem_compat
