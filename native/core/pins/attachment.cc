#include "core/pins/attachment.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include <map>
#include <mutex>

#include "core/platform/clock.h"
#include "core/region.h"

namespace ashmem_compat {
namespace {

using Inode = std::pair<uint64_t, uint64_t>;

struct Registry {
  uint64_t process;
  std::mutex joining;  // taken before the other: two threads of a process are not to take two slots
  std::mutex mutex;    // of the map, and never held for long: the reclaimer wants it
  std::multimap<Inode, std::weak_ptr<Attachment>>
      by_inode;  // several where the inode does not tell files apart
};

// One per process. A forked child starts with an empty one: the parent's may be locked, and its attachments are not ours.
Registry& registry() {
  static Registry* current = nullptr;
  const uint64_t process = current_process();
  Registry* known = load_acquire(&current);
  while (!known || known->process != process) {
    Registry* fresh = new Registry{process, {}, {}, {}};
    if (cas_acq_rel(&current, known, fresh)) return *fresh;
    delete fresh;
  }
  return *known;
}

// Attachments that serve_reclaimer() was called for, in this process and (which does no harm) its parents.
std::atomic<uint64_t> served_count{0};
std::atomic<uint64_t> last_id{0};

constexpr uint64_t kPatienceMs = 200;

Status inode_of(int fd, uint64_t out[2]) {
  struct stat st;
  if (fstat(fd, &st) != 0) return Status::System("fstat");
  out[0] = static_cast<uint64_t>(st.st_dev);
  out[1] = static_cast<uint64_t>(st.st_ino);
  return Status::Ok();
}

}  // namespace

Attachment::Attachment(const SharedFileOps& ops, Control control)
    : ops_(ops), control_(std::move(control)), process_(current_process()), id_(++last_id) {
  slots_ = std::make_unique<Slots>(control_);
}

Status Attachment::open(int fd) {
  if (Status s = inode_of(fd, inode_); !s.ok()) return s;
  fd_.reset(fcntl(fd, F_DUPFD_CLOEXEC, 0));
  if (!fd_.valid()) return Status::System("fcntl");
  if (discards_expected()) control_.guard_discards();
  if (ops_.kernel) {
    Result<std::shared_ptr<Mapping>> data = Mapping::map(fd, control_.layout().control_offset, MAP_SHARED);
    if (!data.ok()) return data.status();
    data_ = std::move(data.value());
  }
  Pages& pages = *this;
  table_ = std::make_unique<PinTable>(control_, *slots_, pages);
  discarded_before_ = load_relaxed(&control_.header()->discarded);
  discarded_by_kernel_before_ = load_relaxed(&control_.header()->discarded_by_kernel);
  return Status::Ok();
}

std::atomic<bool> Attachment::touches_fault_{false};

bool Attachment::settle_touched(uint64_t offset) {
  constexpr uint32_t kMostInVain = 20'000;  // a second or more
  touches_fault_.store(true, std::memory_order_relaxed);
  if (table_->settle_touched(offset / control_.layout().granularity)) {
    vain_touches_.store(0, std::memory_order_relaxed);
    return true;
  }
  if (vain_touches_.fetch_add(1, std::memory_order_relaxed) >= kMostInVain) return false;
  timespec nap{0, 50'000};
  nanosleep(&nap, nullptr);
  return true;
}

// Whether `other` maps the very control area of this attachment: a word of our slot that nobody reads shows it.
bool Attachment::same_memory(const Control& other) const {
  const Layout& layout = control_.layout();
  if (other.layout().file_size != layout.file_size || other.layout().words_offset != layout.words_offset)
    return false;
  const uint32_t slot = slots_->own();
  if (slot == Slots::kNone) return false;
  uint64_t* here = &control_.slot(slot)->reserved[0];
  const uint64_t* there = &other.slot(slot)->reserved[0];
  // Numbers that a peer cannot foresee, or it could have one area taken for another.
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  uint64_t token = static_cast<uint64_t>(now.tv_nsec) ^ reinterpret_cast<uintptr_t>(this);
  bool same = true;
  for (int i = 0; i < 3 && same; ++i) {
    token = (token ^ token >> 29) * 0xbf58476d1ce4e5b9u + coarse_tick();
    store_seq_cst(here, token);
    same = load_seq_cst(there) == token;
  }
  return same;
}

Status Attachment::prepare() {
  Status status;
  lock_.lock();
  if (!holders_) holders_ = make_zeroed<uint32_t>(control_.layout().unit_count);
  if (!holders_) {
    errno = ENOMEM;
    status = Status::System("mmap", Code::kSystem, "no memory for the table of pins");
  }
  lock_.unlock();
  return status;
}

Result<std::shared_ptr<Attachment>> Attachment::create(const SharedFileOps& ops, int fd, const Layout& layout,
                                                       const std::string& name) {
  Result<Control> control = Control::map(fd, layout, true);
  if (!control.ok()) return control.status();
  std::shared_ptr<Attachment> self(new Attachment(ops, std::move(control.value())));
  Header* header = self->control_.header();
  fill_header(layout, header);
  header->name_length = static_cast<uint32_t>(name.size());
  memcpy(header->name, name.data(), name.size());
  self->slots_->claim_first();
  header->creator = self->slots_->own_life();
  if (!layout.has_extents()) {
    store_release(&header->creator_hold, self->slots_->own_life());
  } else {
    // One extent that has nothing in it, and nobody holds it.
    store_relaxed(self->control_.spans(), span_entry(static_cast<uint32_t>(layout.unit_count),
                                                     static_cast<uint32_t>(Priority::kCheap)));
    store_release(self->control_.word(0), unit_word(UnitState::kPurged, kReleased));
  }
  if (Status s = self->open(fd); !s.ok()) return s;
  self->table_->begin(!layout.has_extents());
  self->base_ = layout.has_extents() ? 0 : 2;

  Registry& all = registry();
  std::lock_guard<std::mutex> guard(all.mutex);
  all.by_inode.emplace(Inode{self->inode_[0], self->inode_[1]}, self);
  return self;
}

Result<std::shared_ptr<Attachment>> Attachment::join(const SharedFileOps& ops, int fd, const Layout& layout) {
  uint64_t inode[2];
  if (Status s = inode_of(fd, inode); !s.ok()) return s;
  Registry& all = registry();
  std::lock_guard<std::mutex> alone(all.joining);
  Control mapped;
  const auto map_control = [&] {
    Result<Control> control = Control::map(fd, layout, true);
    if (!control.ok()) return control.status();
    mapped = std::move(control.value());
    return Status::Ok();
  };
  if (!ops.inode_identifies) {
    if (Status s = map_control(); !s.ok()) return s;
  }
  {
    std::lock_guard<std::mutex> guard(all.mutex);
    const auto known = all.by_inode.equal_range({inode[0], inode[1]});
    for (auto it = known.first; it != known.second; ++it) {
      const std::shared_ptr<Attachment> self = it->second.lock();
      if (!self || (!ops.inode_identifies && !self->same_memory(mapped))) continue;
      ++self->objects_;
      return self;
    }
  }
  if (ops.inode_identifies) {
    if (Status s = map_control(); !s.ok()) return s;
  }
  std::shared_ptr<Attachment> self(new Attachment(ops, std::move(mapped)));
  if (Status s = self->open(fd); !s.ok()) return s;
  Status claimed = Status::Of(Code::kRegionBusy, "no slot could be taken in time");
  bool remains = false;  // of the dead: units that nobody holds, and the kernel has pinned
  const auto sweep = [&](uint32_t slot) {
    self->table_->sweep(slot, self->fd_.get());
    remains = true;
  };
  // What stands in the way are other attachers, gone in a moment; or frozen, or hostile, and then there is a limit.
  for (const uint64_t end = now_ms() + kPatienceMs; now_ms() < end;) {
    claimed = self->slots_->claim(sweep);
    if (claimed.code != Code::kRegionBusy) break;
    timespec nap{0, 1'000'000};
    nanosleep(&nap, nullptr);
  }
  if (!claimed.ok()) return claimed;
  self->table_->begin(false);
  if (ops.kernel) {
    if (self->slots_->bury_dead(sweep)) remains = true;
    if (remains) self->table_->relinquish(0, layout.unit_count);
  }
  std::lock_guard<std::mutex> guard(all.mutex);
  all.by_inode.emplace(Inode{inode[0], inode[1]}, self);
  return self;
}

// All holds at once. The slot stays: somebody may be purging under its name.
void Attachment::give_back(bool filled) {
  if (given_back_ || slots_->own() == Slots::kNone) return;
  given_back_ = true;
  if (base_ != 0) table_->end_initial_hold();
  for (uint64_t unit = taken_from_; unit < taken_to_; ++unit) {
    // A unit that only the initial hold covered has no bit of ours, and creator_hold has let go of it.
    if (!held(unit)) continue;
    const bool refiller = (holders_[unit] & 1) != 0;
    table_->give(unit, !refiller ? PinTable::Refill::kNone
                       : filled  ? PinTable::Refill::kFilled
                                 : PinTable::Refill::kUnfilled);
  }
  if (base_ != 0) {
    table_->relinquish(0, control_.layout().unit_count);
  } else if (taken_to_ > taken_from_) {
    table_->relinquish(taken_from_, taken_to_ - taken_from_);
  }
}

bool Attachment::leave(std::shared_ptr<Attachment>& self, bool filled) {
  if (!self->ours()) {
    self.reset();
    return true;
  }
  {
    // Under the mutex nobody can find the attachment in the registry and revive it meanwhile.
    Registry& all = registry();
    std::lock_guard<std::mutex> guard(all.mutex);
    if (--self->objects_ > 0) return false;
    self->give_back(filled);
    const auto known = all.by_inode.equal_range({self->inode_[0], self->inode_[1]});
    for (auto it = known.first; it != known.second;) {
      const bool gone = it->second.expired() || it->second.lock() == self;
      it = gone ? all.by_inode.erase(it) : std::next(it);
    }
  }
  self.reset();
  return true;
}

Attachment::~Attachment() {
  if (served_.load(std::memory_order_relaxed) > 0) served_count.fetch_sub(1);
  if (!ours()) return;  // in a forked child the slot and the pins are the parent's
  give_back(false);
  slots_->release();
}

void Attachment::serve_reclaimer() {
  if (served_.fetch_add(1, std::memory_order_relaxed) == 0) served_count.fetch_add(1);
}

void Attachment::unserve_reclaimer() {
  if (served_.fetch_sub(1, std::memory_order_relaxed) == 1) served_count.fetch_sub(1);
}

bool Attachment::any_served() { return served_count.load() != 0; }

Attachment::Served::Served() {
  Registry& all = registry();
  std::lock_guard<std::mutex> guard(all.mutex);
  for (const auto& known : all.by_inode) {
    std::shared_ptr<Attachment> attachment = known.second.lock();
    if (!attachment || attachment->served_.load(std::memory_order_relaxed) <= 0) continue;
    all_.push_back(attachment.get());
    owned_.push_back(std::move(attachment));
  }
}

ResidentUnits* Attachment::resident_units() {
  if (!resident_) {
    Result<std::unique_ptr<ResidentUnits>> opened = ResidentUnits::open(fd_.get(), control_.layout(), data_);
    if (opened.ok()) resident_ = std::move(opened.value());
  }
  return resident_.get();
}

uint64_t Attachment::stored_bytes() const {
  struct stat st;
  if (ops_.kernel || fstat(fd_.get(), &st) != 0) return kUnknownSize;
  return static_cast<uint64_t>(st.st_blocks) * 512;
}

DiscardTotals Attachment::discards() const {
  DiscardTotals totals;
  // In this order, the reverse of that in which they are counted: or our own would pass for a peer's.
  const uint64_t all = load_acquire(&control_.header()->discarded);
  totals.pressure = pressure_.load(std::memory_order_relaxed);
  totals.request = request_.load(std::memory_order_relaxed);
  // What a hostile peer makes of the counts is its own affair, as long as nothing here goes below zero.
  const Header* header = control_.header();
  const uint64_t ours = discarded_before_ + totals.pressure + totals.request;
  if (all > ours) totals.peer = all - ours;
  const uint64_t kernel = load_relaxed(&header->discarded_by_kernel);
  if (kernel > discarded_by_kernel_before_) totals.kernel = kernel - discarded_by_kernel_before_;
  return totals;
}

}  // namespace ashmem_compat
