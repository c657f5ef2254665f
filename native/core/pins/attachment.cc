#include "core/pins/attachment.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include <map>
#include <mutex>

namespace ashmem_compat {
namespace {

using Inode = std::pair<uint64_t, uint64_t>;

struct Registry {
  uint64_t process;
  std::mutex mutex;
  std::map<Inode, std::weak_ptr<Attachment>> by_inode;
};

// One per process. A forked child starts with an empty one: the parent's may be locked, and its attachments are not ours.
Registry& registry() {
  static Registry* current = nullptr;
  const uint64_t process = current_process();
  Registry* known = load_acquire(&current);
  while (!known || known->process != process) {
    Registry* fresh = new Registry{process, {}, {}};
    if (cas_acq_rel(&current, known, fresh)) return *fresh;
    delete fresh;
  }
  return *known;
}

constexpr uint64_t kPatienceMs = 200;

uint64_t now_ms() {
  timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return static_cast<uint64_t>(t.tv_sec) * 1000 + static_cast<uint64_t>(t.tv_nsec) / 1'000'000;
}

Status inode_of(int fd, uint64_t out[2]) {
  struct stat st;
  if (fstat(fd, &st) != 0) return Status::System("fstat");
  out[0] = static_cast<uint64_t>(st.st_dev);
  out[1] = static_cast<uint64_t>(st.st_ino);
  return Status::Ok();
}

}  // namespace

Attachment::Attachment(const SharedFileOps& ops, Control control)
    : ops_(ops), control_(std::move(control)), process_(current_process()) {
  slots_ = std::make_unique<Slots>(control_);
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
  if (Status s = inode_of(fd, self->inode_); !s.ok()) return s;
  self->fd_.reset(fcntl(fd, F_DUPFD_CLOEXEC, 0));
  if (!self->fd_.valid()) return Status::System("fcntl");

  Header* header = self->control_.header();
  fill_header(layout, header);
  header->name_length = static_cast<uint32_t>(name.size());
  memcpy(header->name, name.data(), name.size());
  self->slots_->claim_first();
  header->creator = self->slots_->own_life();
  store_release(&header->creator_hold, self->slots_->own_life());
  Discarder& discarder = *self;
  self->table_ = std::make_unique<PinTable>(self->control_, *self->slots_, discarder);
  self->table_->begin(true);
  self->base_ = 2;

  Registry& all = registry();
  std::lock_guard<std::mutex> guard(all.mutex);
  all.by_inode[{self->inode_[0], self->inode_[1]}] = self;
  return self;
}

Result<std::shared_ptr<Attachment>> Attachment::join(const SharedFileOps& ops, int fd, const Layout& layout) {
  uint64_t inode[2];
  if (Status s = inode_of(fd, inode); !s.ok()) return s;
  Registry& all = registry();
  // Held while joining, so that two threads of the process do not take two slots.
  std::lock_guard<std::mutex> guard(all.mutex);
  std::weak_ptr<Attachment>& known = all.by_inode[{inode[0], inode[1]}];
  if (std::shared_ptr<Attachment> self = known.lock()) return self;

  Result<Control> control = Control::map(fd, layout, true);
  if (!control.ok()) return control.status();
  std::shared_ptr<Attachment> self(new Attachment(ops, std::move(control.value())));
  memcpy(self->inode_, inode, sizeof inode);
  self->fd_.reset(fcntl(fd, F_DUPFD_CLOEXEC, 0));
  if (!self->fd_.valid()) return Status::System("fcntl");
  Discarder& discarder = *self;
  self->table_ = std::make_unique<PinTable>(self->control_, *self->slots_, discarder);
  Status claimed = Status::Of(Code::kRegionBusy, "no slot could be taken in time");
  // What stands in the way are other attachers, gone in a moment; or frozen, or hostile, and then there is a limit.
  for (const uint64_t end = now_ms() + kPatienceMs; now_ms() < end;) {
    claimed = self->slots_->claim([&](uint32_t slot) { self->table_->sweep(slot, self->fd_.get()); });
    if (claimed.code != Code::kRegionBusy) break;
    timespec nap{0, 1'000'000};
    nanosleep(&nap, nullptr);
  }
  if (!claimed.ok()) return claimed;
  self->table_->begin(false);
  known = self;
  return self;
}

void Attachment::detach(bool filled) {
  if (slots_->own() == Slots::kNone) return;
  if (base_ != 0) store_release(&control_.header()->creator_hold, uint64_t{0});
  for (uint64_t unit = taken_from_; unit < taken_to_; ++unit) {
    // A unit that only the initial hold covered has no bit of ours, and creator_hold has let go of it.
    if (!held(unit)) continue;
    const bool refiller = (holders_[unit] & 1) != 0;
    table_->give(unit, !refiller ? PinTable::Refill::kNone
                       : filled  ? PinTable::Refill::kFilled
                                 : PinTable::Refill::kUnfilled);
  }
  slots_->release();
}

bool Attachment::leave(std::shared_ptr<Attachment>& self, bool filled) {
  if (!self->ours()) {
    self.reset();
    return true;
  }
  {
    // Under the mutex nobody can find the attachment in the registry and revive it, or take a second slot meanwhile.
    Registry& all = registry();
    std::lock_guard<std::mutex> guard(all.mutex);
    if (self.use_count() != 1) return false;
    self->detach(filled);
    all.by_inode.erase({self->inode_[0], self->inode_[1]});
  }
  self.reset();
  return true;
}

Attachment::~Attachment() {
  if (ours()) detach(false);  // in a forked child the slot and the pins are the parent's
}

}  // namespace ashmem_compat
