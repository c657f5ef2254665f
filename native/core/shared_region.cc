#include "core/shared_region.h"

#include <fcntl.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "core/platform/residency.h"
#include "core/platform/table_reader.h"
#include "core/shared_region_base.h"

namespace ashmem_compat {
namespace {

// ---- a region that may be written: it owns pins

class SharedRegion final : public SharedRegionBase {
 public:
  SharedRegion(const SharedFileOps& ops, Fd fd, std::string name, std::shared_ptr<Attachment> attachment,
               const RegionOptions& options)
      : SharedRegionBase(ops, std::move(fd), std::move(name), attachment->control().layout(), options),
        attachment_(std::move(attachment)),
        unit_count_(attachment_->control().layout().unit_count),
        whole_units_(size_ >> unit_shift_) {}
  ~SharedRegion() override { leave(false); }

  Status open(bool creator);

  Status pin(uint64_t offset, uint64_t length, bool* purged, std::vector<ByteRange>* lost) override;
  Status unpin(uint64_t offset, uint64_t length) override;
  Status purge(uint64_t offset, uint64_t length, uint64_t* bytes) override;
  Status begin_read(uint64_t offset, uint64_t length, ReadTicket* ticket) override;
  bool end_read(uint64_t offset, uint64_t length, const ReadTicket& ticket) override;
  Status stats(RegionStats* stats) override;
  Status protect() override;
  void close() override { leave(true); }

 protected:
  Status usable() const override {
    if (!attachment_) return Status::Of(Code::kRegionClosed, "the region is closed");
    if (!attachment_->ours()) {
      return Status::Of(Code::kForked, "a region object does not survive fork(): attach again with the fd");
    }
    return Status::Ok();
  }
  const Control& control() const override { return attachment_->control(); }
  Slots& slots() override { return attachment_->slots(); }
  PinTable& table() override { return attachment_->table(); }

 private:
  // What this object knows of a unit.
  struct Unit {
    uint32_t pins;  // 2 for each nested pin of this object, less base_; bit 0: it was told to refill the unit
    uint32_t generation;  // as of when it last held the unit, or attached
  };
  // A unit that a pin in progress has found lost.
  struct Loss {
    uint64_t unit;
    uint32_t generation_before;
    bool unfilled;  // nobody has taken it upon himself to fill it
  };

  void note_held(uint64_t from, uint64_t to) {
    if (from < held_from_) held_from_ = from;
    if (to > held_to_) held_to_ = to;
  }
  bool full(const Unit& unit) const { return (unit.pins + base_) >> 1 == UINT32_MAX >> 1; }
  bool holds(const Unit& unit) const { return ((unit.pins + base_) & ~1u) != 0; }
  // The last pin of this object has ended.
  void let_go(uint64_t unit, bool filled) {
    const bool refiller = (units_[unit].pins & 1) != 0;
    units_[unit].pins &= ~1u;
    attachment_->drop_holder(unit, !refiller ? PinTable::Refill::kNone
                                   : filled  ? PinTable::Refill::kFilled
                                             : PinTable::Refill::kUnfilled);
  }
  Status wait_for_purger(uint64_t unit, uint64_t* waited_ns);
  bool one_usable_unit(uint64_t offset, uint64_t length) const {
    const uint64_t unit = granularity();
    return length == unit && (offset & (unit - 1)) == 0 && offset >> unit_shift_ < whole_units_ && units_ &&
           attachment_->ours();
  }
  bool pin_at_once(uint64_t unit, bool* purged);
  bool unpin_at_once(uint64_t unit);
  // Out of line, as are the words of which all this is about: nearly no call comes here.
  __attribute__((noinline, cold)) Status pin_slowly(uint64_t offset, uint64_t length, bool* purged,
                                                    std::vector<ByteRange>* lost);
  __attribute__((noinline, cold)) Status unpin_slowly(uint64_t offset, uint64_t length);
  Status prepare() { return units_ ? Status::Ok() : prepare_slowly(); }
  Status prepare_slowly();
  void leave(bool filled);
  Status snapshot_generations();
  Status purge_strays(uint64_t first, uint64_t count);
  bool left_to_kernel(uint64_t first, uint64_t count);
  PinTable::Take hold(uint64_t first, uint64_t count, bool patient, uint64_t* held);
  void drop_hold(uint64_t first, uint64_t count);
  static constexpr uint64_t kLongestLook = 256;
  bool whole_in_kernel(uint64_t first, uint64_t count, uint64_t* generations);
  Status notice_kernel_purges(uint64_t first, uint64_t count);

  std::shared_ptr<Attachment> attachment_;
  Residency residency_;
  ZeroedArray<Unit> units_;
  const uint64_t unit_count_;
  const uint64_t whole_units_;                       // without a last one that is cut short
  uint32_t base_ = 0;                                // 2 for the creator's object
  uint64_t held_from_ = ~uint64_t{0}, held_to_ = 0;  // where units pinned after creation may be
};

Status SharedRegion::open(bool creator) {
  Result<std::shared_ptr<Mapping>> mapping = Mapping::map(fd_.get(), size_, MAP_SHARED);
  if (!mapping.ok()) return mapping.status();
  mapping_ = std::move(mapping.value());
  if (!creator) return snapshot_generations();
  base_ = 2;
  return Status::Ok();
}

// Tables are made at the first pin or unpin: many a region is only made, or received, to be passed on.
Status SharedRegion::prepare_slowly() {
  ZeroedArray<Unit> units = make_zeroed<Unit>(unit_count_);
  if (!units) {
    errno = ENOMEM;
    return Status::System("mmap", Code::kSystem, "no memory for the table of pins");
  }
  if (Status s = attachment_->prepare(); !s.ok()) return s;
  units_ = std::move(units);
  return Status::Ok();
}

Status SharedRegion::snapshot_generations() {
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

Status SharedRegion::wait_for_purger(uint64_t unit, uint64_t* waited_ns) {
  // Counted in naps and not by the clock, so that a process which was itself stopped meanwhile does not give up early.
  // The nap comes first, so that a peer that makes us come back over and over uses our patience up as well.
  uint64_t nap_ns = 20'000;
  do {
    if (*waited_ns >= uint64_t{busy_timeout_ms_} * 1'000'000) {
      return Status::Of(Code::kRegionBusy, "another process is purging the range and does not finish");
    }
    timespec nap{0, static_cast<long>(nap_ns)};
    nanosleep(&nap, nullptr);
    *waited_ns += nap_ns;
    if (nap_ns < 1'000'000) nap_ns *= 2;
  } while (attachment_->table().being_purged(unit));
  return Status::Ok();
}

// ---- one unit, and nothing in the way: what nearly every call is

// False: nothing was done.
bool SharedRegion::pin_at_once(uint64_t u, bool* purged) {
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

bool SharedRegion::unpin_at_once(uint64_t u) {
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

Status SharedRegion::pin(uint64_t offset, uint64_t length, bool* purged, std::vector<ByteRange>* lost) {
  if (!one_usable_unit(offset, length) || !pin_at_once(offset >> unit_shift_, purged)) {
    return pin_slowly(offset, length, purged, lost);
  }
  if (*purged && lost) lost->push_back({offset, length});
  return Status::Ok();
}

Status SharedRegion::unpin(uint64_t offset, uint64_t length) {
  if (one_usable_unit(offset, length) && unpin_at_once(offset >> unit_shift_)) return Status::Ok();
  return unpin_slowly(offset, length);
}

// ---- any range, whatever is in the way

Status SharedRegion::pin_slowly(uint64_t offset, uint64_t length, bool* purged,
                                std::vector<ByteRange>* lost) {
  if (Status s = usable(); !s.ok()) return s;
  uint64_t first = 0;
  uint64_t count = 0;
  if (Status s = to_units(offset, length, &first, &count); !s.ok()) return s;
  if (Status s = prepare(); !s.ok()) return s;
  *purged = false;

  Status failed;
  uint64_t waited_ns = 0;
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
                                                  : wait_for_purger(u, &waited_ns);
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
  // With the unit that was not to be had: whoever waits in an extra word is taken for a holder.
  if (!failed.ok()) process.table().relinquish(first, u - first + 1);
  return failed;
}

Status SharedRegion::unpin_slowly(uint64_t offset, uint64_t length) {
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

// ---- what a kernel that discards by itself tells only to a pin

bool SharedRegion::left_to_kernel(uint64_t first, uint64_t count) {
  for (uint64_t u = first; u < first + count; ++u) {
    if (table().left_to_kernel(u)) return true;
  }
  return false;
}

// Holds the units for this process, on nobody's behalf: no object counts it. Stops at the first that is lost or cannot be
// had; `*held` are those that are held, with one that is lost. Impatient, it waits for nobody.
PinTable::Take SharedRegion::hold(uint64_t first, uint64_t count, bool patient, uint64_t* held) {
  Attachment& process = *attachment_;
  Census census(process.slots());
  PinTable::Take taken = PinTable::Take::kKept;
  uint64_t waited_ns = 0;
  uint64_t u = first;
  process.lock().lock();
  while (u < first + count && taken == PinTable::Take::kKept) {
    taken = process.add_holder(u, census);
    if (taken == PinTable::Take::kWait && patient) {
      process.lock().unlock();
      if (wait_for_purger(u, &waited_ns).ok()) taken = PinTable::Take::kKept;
      process.lock().lock();
    } else if (taken < PinTable::Take::kWait) {
      ++u;
    }
  }
  process.lock().unlock();
  *held = u - first;
  return taken;
}

void SharedRegion::drop_hold(uint64_t first, uint64_t count) {
  Attachment& process = *attachment_;
  process.lock().lock();
  for (uint64_t u = first; u < first + count; ++u) process.drop_holder(u, PinTable::Refill::kNone);
  process.lock().unlock();
  if (count > 0) process.table().relinquish_own(first, count);
}

// Of units that are left to the kernel each look is a pin for a moment: the second one learns what was discarded since the
// first, unless somebody else has learned it in between, and then the generation shows it.
Status SharedRegion::begin_read(uint64_t offset, uint64_t length, ReadTicket* ticket) {
  if (Status s = SharedRegionBase::begin_read(offset, length, ticket); !s.ok() || ticket->valid) return s;
  uint64_t first = 0;
  uint64_t count = 0;
  if (Status s = to_units(offset, length, &first, &count); !s.ok() || !left_to_kernel(first, count)) return s;
  if (Status s = prepare(); !s.ok()) return s;
  ticket->valid = whole_in_kernel(first, count, &ticket->generations);
  return Status::Ok();
}

bool SharedRegion::end_read(uint64_t offset, uint64_t length, const ReadTicket& ticket) {
  if (!ticket.valid || !usable().ok()) return false;
  uint64_t first = 0;
  uint64_t count = 0;
  if (!to_units(offset, length, &first, &count).ok()) return false;
  if (!left_to_kernel(first, count)) return SharedRegionBase::end_read(offset, length, ticket);
  uint64_t generations = 0;
  return prepare().ok() && whole_in_kernel(first, count, &generations) && generations == ticket.generations;
}

bool SharedRegion::whole_in_kernel(uint64_t first, uint64_t count, uint64_t* generations) {
  uint64_t held = 0;
  const bool whole = hold(first, count, true, &held) == PinTable::Take::kKept;
  *generations = 0;
  for (uint64_t u = first; whole && u < first + count; ++u) {
    *generations += load_relaxed(control().generation(u));
  }
  drop_hold(first, held);
  // Also the unit that was not to be had: a bit that was set in an extra word for a moment passes for a holder.
  if (held < count) table().relinquish(first + held, 1);
  return whole;
}

// Makes the kernel tell what it has discarded of the units that are left to it: those without pages may be, and are
// pinned for a moment. (One that was discarded and looked at since has pages; the next pin of it still learns the truth.)
// In runs, which are unpinned as they were: the driver walks a list of unpinned ranges in each call.
Status SharedRegion::notice_kernel_purges(uint64_t first, uint64_t count) {
  if (!ops_.kernel) return Status::Ok();
  uint64_t run = 0;
  for (uint64_t u = first; u <= first + count; ++u) {
    bool empty = false;
    if (u < first + count && table().left_to_kernel(u)) {
      uint64_t resident = 0;
      const ByteRange range = to_bytes(u, 1);
      if (Status s = residency_.bytes(mapping_->data(), size_, range.offset, range.length, &resident);
          !s.ok())
        return s;
      empty = resident == 0;
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

Status SharedRegion::stats(RegionStats* stats) {
  if (Status s = usable(); !s.ok()) return s;
  if (Status s = notice_kernel_purges(0, unit_count_); !s.ok()) return s;
  return SharedRegionBase::stats(stats);
}

Status SharedRegion::purge(uint64_t offset, uint64_t length, uint64_t* bytes) {
  *bytes = 0;
  if (Status s = usable(); !s.ok()) return s;
  uint64_t first = 0;
  uint64_t count = 0;
  if (Status s = to_units(offset, length, &first, &count); !s.ok()) return s;
  if (!purgeable()) return Status::Ok();
  const std::shared_ptr<Attachment> process = attachment_;  // the slot must outlive the purge
  if (Status s = notice_kernel_purges(first, count); !s.ok()) return s;
  const PinTable::Purged result = process->table().purge(first, count);
  *bytes = result.bytes;
  if (!result.status.ok() || result.already == 0) return result.status;
  return purge_strays(first, count);
}

// Units that were discarded before may have pages again, because somebody looked at them (tmpfs gives a hole a page on
// the first touch). They are found by mincore(2), so that a purge of what is long gone stays cheap.
Status SharedRegion::purge_strays(uint64_t first, uint64_t count) {
  PinTable& table = attachment_->table();
  uint64_t run = 0;
  for (uint64_t u = first; u <= first + count; ++u) {
    uint64_t resident = 0;
    if (u < first + count && table.is_purged(u)) {
      const ByteRange range = to_bytes(u, 1);
      if (Status s = residency_.bytes(mapping_->data(), size_, range.offset, range.length, &resident);
          !s.ok())
        return s;
    }
    if (resident != 0) {
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

Status SharedRegion::protect() {
  if (Status s = usable(); !s.ok()) return s;
  return ops_.protect(fd_.get());
}

void SharedRegion::leave(bool filled) {
  if (!attachment_) return;
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

// ---- a region that may only be read: it has no slot, and writes nothing shared

class ReadOnlyRegion final : public SharedRegionBase {
 public:
  ReadOnlyRegion(const SharedFileOps& ops, Fd fd, std::string name, Control control,
                 const RegionOptions& options)
      : SharedRegionBase(ops, std::move(fd), std::move(name), control.layout(), options),
        control_(std::move(control)),
        slots_(control_),
        table_(control_, slots_, refusal_) {
    read_only_ = true;
  }
  ~ReadOnlyRegion() override { close(); }

  Status open() {
    Result<std::shared_ptr<Mapping>> mapping =
        Mapping::map_read_only(fd_.get(), size_, ops_.read_only_mapping);
    if (!mapping.ok()) return mapping.status();
    mapping_ = std::move(mapping.value());
    return Status::Ok();
  }

  Status pin(uint64_t offset, uint64_t length, bool*, std::vector<ByteRange>*) override {
    return refuse(offset, length);
  }
  Status unpin(uint64_t offset, uint64_t length) override { return refuse(offset, length); }
  Status purge(uint64_t offset, uint64_t length, uint64_t* bytes) override {
    *bytes = 0;
    return refuse(offset, length);
  }
  Status protect() override { return usable(); }
  void close() override {
    Mapping::close(mapping_);
    fd_.reset();
  }

 protected:
  Status usable() const override {
    return closed() ? Status::Of(Code::kRegionClosed, "the region is closed") : Status::Ok();
  }
  const Control& control() const override { return control_; }
  Slots& slots() override { return slots_; }
  PinTable& table() override { return table_; }

 private:
  struct Refusal final : Pages {
    Status discard(uint64_t, uint64_t) override { return Status::Of(Code::kReadOnly, nullptr); }
  };

  Status refuse(uint64_t offset, uint64_t length) const {
    if (Status s = usable(); !s.ok()) return s;
    uint64_t first = 0;
    uint64_t count = 0;
    if (Status s = to_units(offset, length, &first, &count); !s.ok()) return s;
    return Status::Of(Code::kReadOnly, "the region can only be read through this fd");
  }

  Control control_;
  Slots slots_;
  Refusal refusal_;
  PinTable table_;
};

}  // namespace

Result<std::unique_ptr<Region>> create_shared_region(const SharedFileOps& ops, Fd fd, const Layout& layout,
                                                     const RegionOptions& options) {
  Result<std::shared_ptr<Attachment>> attachment = Attachment::create(ops, fd.get(), layout, options.name);
  if (!attachment.ok()) return attachment.status();
  auto region = std::make_unique<SharedRegion>(ops, std::move(fd), options.name,
                                               std::move(attachment.value()), options);
  if (Status s = region->open(true); !s.ok()) return s;
  return std::unique_ptr<Region>(std::move(region));
}

Result<std::unique_ptr<Region>> attach_shared_region(const SharedFileOps& ops, Fd fd, const Header& header,
                                                     const Layout& layout, bool writable,
                                                     const RegionOptions& options) {
  std::string name(header.name, header.name_length);
  if (!writable) {
    Result<Control> control = Control::map(fd.get(), layout, false);
    if (!control.ok()) return control.status();
    auto region = std::make_unique<ReadOnlyRegion>(ops, std::move(fd), std::move(name),
                                                   std::move(control.value()), options);
    if (Status s = region->open(); !s.ok()) return s;
    return std::unique_ptr<Region>(std::move(region));
  }
  Result<std::shared_ptr<Attachment>> attachment = Attachment::join(ops, fd.get(), layout);
  if (!attachment.ok()) return attachment.status();
  auto region = std::make_unique<SharedRegion>(ops, std::move(fd), std::move(name),
                                               std::move(attachment.value()), options);
  if (Status s = region->open(false); !s.ok()) return s;
  return std::unique_ptr<Region>(std::move(region));
}

}  // namespace ashmem_compat
