// vrange, in one process: private memory whose unpinned units the kernel discards, and tells of it when they are pinned again.
//
// Nothing is shared, so the object counts for itself. A touch of what was discarded raises SIGBUS, in whatever thread touches;
// the handler takes the kernel's answer and keeps it here, so a lock orders it with the owner's calls.

#include <string.h>
#include <sys/mman.h>

#include <atomic>

#include "core/backends/backend.h"
#include "core/backends/vrange_probe.h"
#include "core/pins/layout.h"
#include "core/platform/fork_guard.h"
#include "core/platform/page.h"
#include "core/platform/residency.h"
#include "core/platform/spinlock.h"
#include "core/platform/zeroed_array.h"
#include "core/pressure/purge_watch.h"

namespace ashmem_compat {
namespace {

struct Unit {
  uint32_t pins;        // less 1: everything is pinned at first
  bool left;            // to the kernel
  bool lost;            // since it was pinned last
  uint32_t generation;  // how often it was lost
};

class PrivateRegion final : public Region {
 public:
  ~PrivateRegion() override { close(); }

  Status open(const RegionOptions& options, const Layout& layout);

  int fd() const override { return -1; }
  bool purgeable() const override { return !closed(); }
  Status pin(uint64_t offset, uint64_t length, bool* purged, std::vector<ByteRange>* lost) override;
  Status unpin(uint64_t offset, uint64_t length) override;
  Status pinned(uint64_t offset, uint64_t length, bool* pinned) override;
  Status purge(uint64_t offset, uint64_t length, uint64_t* bytes) override;
  Status begin_read(uint64_t offset, uint64_t length, ReadTicket* ticket) override;
  bool end_read(uint64_t offset, uint64_t length, const ReadTicket& ticket) override;
  Status protect() override {
    if (Status s = usable(); !s.ok()) return s;
    return Status::Of(Code::kNotShareable, "a region of one process has nobody to be protected from");
  }
  Priority priority() const override { return priority_; }
  Status set_priority(Priority priority) override {
    if (Status s = usable(); !s.ok()) return s;
    priority_ = priority;  // remembered, no more: it is the kernel that chooses
    return Status::Ok();
  }
  Status watch_purges(PurgeListener* listener) override;
  Status stats(RegionStats* stats) override;
  void close() override;

  bool touches_fault() const override { return touches_fault_.load(std::memory_order_relaxed); }

 protected:
  Status look(uint64_t first, uint64_t count, bool last, std::vector<uint64_t>* units) override;

 private:
  // Outlives the region, for the watcher's thread.
  struct Discards {
    std::atomic<uint64_t> request{0}, kernel{0};
  };
  Status usable() const {
    if (closed()) return Status::Of(Code::kRegionClosed, "the region is closed");
    if (!same_process(process_)) return Status::Of(Code::kForked, "a region object does not survive fork()");
    return Status::Ok();
  }
  bool is_pinned(uint64_t unit) const { return units_[unit].pins + 1 != 0; }
  char* start_of(uint64_t unit) const { return mapping_->data() + (unit << unit_shift_); }
  // Whole pages: what the kernel takes. The mapping ends where the last page does.
  uint64_t pages_of(uint64_t first, uint64_t count) const {
    const uint64_t length = count << unit_shift_;
    const uint64_t rest = mapping_->length() - (first << unit_shift_);
    return length < rest ? length : rest;
  }
  Status take_back(uint64_t unit);
  Status leave(uint64_t first, uint64_t count);
  Status ask(uint64_t unit);
  static bool mend(const Fault& fault, bool own, void* region);

  std::shared_ptr<Discards> discards_ = std::make_shared<Discards>();
  pressure::PurgeWatch purge_watch_;
  Priority priority_ = Priority::kNormal;
  uint64_t process_ = 0;
  uint64_t unit_count_ = 0;
  std::atomic<bool> touches_fault_{false};  // whether the kernel has ever answered one so
  SpinLock lock_;                           // of `left`, `lost`, `generation`, and of the kernel's calls
  ZeroedArray<Unit> units_;
};

Status PrivateRegion::open(const RegionOptions& options, const Layout& layout) {
  name_ = options.name;
  size_ = layout.size;
  unit_shift_ = __builtin_ctzll(layout.granularity);
  backend_ = "vrange";
  scope_ = Scope::kProcess;
  process_ = current_process();
  unit_count_ = layout.unit_count;
  units_ = make_zeroed<Unit>(unit_count_);
  if (!units_) {
    errno = ENOMEM;
    return Status::System("calloc");
  }
  Result<std::shared_ptr<Mapping>> mapping = Mapping::map(-1, size_, MAP_PRIVATE | MAP_ANONYMOUS);
  if (!mapping.ok()) return mapping.status();
  mapping_ = std::move(mapping.value());
  mapping_->guard_discards(mend, this);
  return Status::Ok();
}

// Under the lock: the kernel's answer for a unit that is left to it, which is not from here on.
Status PrivateRegion::take_back(uint64_t unit) {
  bool purged = false;
  const Status status = vrange::hold(vrange::proven(), start_of(unit), pages_of(unit, 1), &purged);
  Unit& it = units_[unit];
  if (purged) {
    ++it.generation;
    if (!it.lost) discards_->kernel.fetch_add(to_bytes(unit, 1).length, std::memory_order_relaxed);
    it.lost = true;
  }
  if (status.ok()) it.left = false;
  return status;
}

// Under the lock. Units that cannot be left to the kernel now are kept longer than they must.
Status PrivateRegion::leave(uint64_t first, uint64_t count) {
  Status status = vrange::release(vrange::proven(), start_of(first), pages_of(first, count));
  for (uint64_t u = first; status.ok() && u < first + count; ++u) units_[u].left = true;
  return status;
}

// Makes the kernel tell, and leaves the unit to it again.
Status PrivateRegion::ask(uint64_t unit) {
  lock_.lock();
  Status status;
  if (units_[unit].left) {
    status = take_back(unit);
    if (status.ok()) leave(unit, 1);
  }
  lock_.unlock();
  return status;
}

// Where a touch raises SIGBUS, the handler has asked already.
Status PrivateRegion::look(uint64_t first, uint64_t count, bool last, std::vector<uint64_t>* units) {
  if (Status s = usable(); !s.ok()) return s;
  for (uint64_t u = first; u < first + count; ++u) {
    if (last && !touches_fault()) {
      if (Status s = ask(u); !s.ok()) return s;
    }
    lock_.lock();
    units->push_back(uint64_t{units_[u].generation} << 1 | (units_[u].lost ? 0 : 1));
    lock_.unlock();
  }
  return Status::Ok();
}

bool PrivateRegion::mend(const Fault& fault, bool own, void* region) {
  if (!own) return replace_page_with_zeros(fault.address);
  PrivateRegion* self = static_cast<PrivateRegion*>(region);
  self->touches_fault_.store(true, std::memory_order_relaxed);
  return self->ask(fault.offset >> self->unit_shift_).ok() || replace_page_with_zeros(fault.address);
}

Status PrivateRegion::pin(uint64_t offset, uint64_t length, bool* purged, std::vector<ByteRange>* lost) {
  if (Status s = usable(); !s.ok()) return s;
  uint64_t first = 0;
  uint64_t count = 0;
  if (Status s = to_units(offset, length, &first, &count); !s.ok()) return s;
  *purged = false;
  for (uint64_t u = first; u < first + count; ++u) {
    if (units_[u].pins == UINT32_MAX - 2)
      return Status::Of(Code::kTooManyPins, "a unit is pinned 2^32 times");
  }
  // Nothing is counted before the kernel has given back all of it.
  Status failed;
  lock_.lock();
  uint64_t u = first;
  for (; u < first + count && failed.ok(); ++u) {
    if (units_[u].left) failed = take_back(u);
  }
  for (uint64_t v = first; !failed.ok() && v < u; ++v) {
    if (!is_pinned(v) && !units_[v].left) leave(v, 1);
  }
  for (u = first; failed.ok() && u < first + count; ++u) {
    Unit& unit = units_[u];
    ++unit.pins;
    if (!unit.lost) continue;
    unit.lost = false;
    *purged = true;
    if (lost) append_range(lost, to_bytes(u, 1));
  }
  lock_.unlock();
  return failed;
}

Status PrivateRegion::unpin(uint64_t offset, uint64_t length) {
  if (Status s = usable(); !s.ok()) return s;
  uint64_t first = 0;
  uint64_t count = 0;
  if (Status s = to_units(offset, length, &first, &count); !s.ok()) return s;
  for (uint64_t u = first; u < first + count; ++u) {
    if (!is_pinned(u)) return Status::Of(Code::kNotPinned, "a unit of the range is not pinned");
  }
  lock_.lock();
  uint64_t run = 0;
  for (uint64_t u = first; u <= first + count; ++u) {
    if (u < first + count && --units_[u].pins + 1 == 0) {
      ++run;
    } else if (run > 0) {
      leave(u - run, run);
      run = 0;
    }
  }
  lock_.unlock();
  return Status::Ok();
}

Status PrivateRegion::pinned(uint64_t offset, uint64_t length, bool* pinned) {
  if (Status s = usable(); !s.ok()) return s;
  uint64_t first = 0;
  uint64_t count = 0;
  if (Status s = to_units(offset, length, &first, &count); !s.ok()) return s;
  *pinned = true;
  for (uint64_t u = first; u < first + count && *pinned; ++u) *pinned = is_pinned(u);
  return Status::Ok();
}

Status PrivateRegion::purge(uint64_t offset, uint64_t length, uint64_t* bytes) {
  *bytes = 0;
  if (Status s = usable(); !s.ok()) return s;
  uint64_t first = 0;
  uint64_t count = 0;
  if (Status s = to_units(offset, length, &first, &count); !s.ok()) return s;
  Status failed;
  for (uint64_t u = first; u < first + count && failed.ok(); ++u) {
    if (is_pinned(u)) continue;
    lock_.lock();
    if (units_[u].left) failed = take_back(u);
    if (failed.ok() && madvise(start_of(u), pages_of(u, 1), MADV_DONTNEED) != 0)
      failed = Status::System("madvise");
    if (failed.ok() && !units_[u].lost) {
      units_[u].lost = true;
      ++units_[u].generation;
      const uint64_t discarded = to_bytes(u, 1).length;
      discards_->request.fetch_add(discarded, std::memory_order_relaxed);
      *bytes += discarded;
    }
    if (!units_[u].left) leave(u, 1);
    lock_.unlock();
  }
  return failed;
}

// The kernel is asked before, and once more after: what it has taken in between, it says then.
Status PrivateRegion::begin_read(uint64_t offset, uint64_t length, ReadTicket* ticket) {
  if (Status s = usable(); !s.ok()) return s;
  uint64_t first = 0;
  uint64_t count = 0;
  if (Status s = to_units(offset, length, &first, &count); !s.ok()) return s;
  *ticket = ReadTicket{0, true};
  for (uint64_t u = first; u < first + count; ++u) {
    if (Status s = ask(u); !s.ok()) return s;
    ticket->generations += units_[u].generation;
    ticket->valid = ticket->valid && !units_[u].lost;
  }
  return Status::Ok();
}

bool PrivateRegion::end_read(uint64_t offset, uint64_t length, const ReadTicket& ticket) {
  ReadTicket now;
  return ticket.valid && begin_read(offset, length, &now).ok() && now.valid &&
         now.generations == ticket.generations;
}

Status PrivateRegion::stats(RegionStats* stats) {
  if (Status s = usable(); !s.ok()) return s;
  *stats = RegionStats{};
  stats->size = size_;
  for (uint64_t u = 0; u < unit_count_; ++u) {
    if (Status s = ask(u); !s.ok()) return s;
    const uint64_t bytes = to_bytes(u, 1).length;
    (is_pinned(u) ? stats->pinned : stats->unpinned) += bytes;
    if (units_[u].lost) stats->purged += bytes;
  }
  return resident_bytes(mapping_->data(), size_, &stats->resident);
}

Status PrivateRegion::watch_purges(PurgeListener* listener) {
  if (Status s = usable(); !s.ok()) return s;
  const std::weak_ptr<Discards> weak = discards_;
  return purge_watch_.set(listener, [weak](DiscardTotals* totals) {
    const std::shared_ptr<Discards> discards = weak.lock();
    if (!discards) return false;
    totals->request = discards->request.load(std::memory_order_relaxed);
    totals->kernel = discards->kernel.load(std::memory_order_relaxed);
    return true;
  });
}

void PrivateRegion::close() {
  purge_watch_.end();
  Mapping::close(mapping_);
  units_.reset();
}

class VrangePrivateBackend final : public Backend {
 public:
  const char* name() const override { return "vrange"; }
  Scope scope() const override { return Scope::kProcess; }
  bool recognizes(int) const override { return false; }

  const Availability& probe() const override {
    static const struct Known {
      const vrange::Proof* proof;
      Availability availability;
    }* kept = nullptr;
    const vrange::Proof& proof = vrange::proof();
    if (const Known* known = load_acquire(&kept); known && known->proof == &proof) return known->availability;
    const Known* found = new Known{&proof, {proof.private_memory, proof.reason}};
    store_release(&kept, found);
    return found->availability;
  }

  Result<std::unique_ptr<Region>> create(const RegionOptions& options) const override {
    if (options.name.size() > kMaxName) return Status::Of(Code::kOutOfRange, "name is longer than 249 bytes");
    Result<Layout> layout = make_layout(options.size, options.granularity ? options.granularity : page_size(),
                                        options.max_processes ? options.max_processes : kDefaultSlots);
    if (!layout.ok()) return layout.status();
    auto region = std::make_unique<PrivateRegion>();
    if (Status s = region->open(options, layout.value()); !s.ok()) return s;
    return std::unique_ptr<Region>(std::move(region));
  }

  Result<std::unique_ptr<Region>> attach(Fd, const RegionOptions&) const override {
    return Status::Of(Code::kNotShareable, "a region of one process has no fd");
  }
};

const VrangePrivateBackend instance;

}  // namespace

const Backend& vrange_private_backend = instance;

}  // namespace ashmem_compat
