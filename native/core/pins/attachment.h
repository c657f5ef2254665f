// This process's place in one region: its slot, and how many of its objects hold each unit. There is one per process and
// region, shared by all objects and threads; the pin table in shared memory knows processes, not objects.
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "core/discards.h"
#include "core/mapping.h"
#include "core/pins/control.h"
#include "core/pins/pin_table.h"
#include "core/pins/resident_units.h"
#include "core/pins/slots.h"
#include "core/platform/fd.h"
#include "core/platform/fork_guard.h"
#include "core/platform/spinlock.h"
#include "core/platform/zeroed_array.h"
#include "core/shared_file.h"

namespace ashmem_compat {

class Attachment final : private Pages {
 public:
  // Lays a new region out in `fd`, an empty file of layout.file_size bytes that nobody else has. The creator holds every
  // unit from the start.
  static Result<std::shared_ptr<Attachment>> create(const SharedFileOps& ops, int fd, const Layout& layout,
                                                    const std::string& name);
  // Joins the region in `fd`, whose header was found good; or finds this process's attachment to it.
  // kTooManyProcesses, kRegionBusy.
  static Result<std::shared_ptr<Attachment>> join(const SharedFileOps& ops, int fd, const Layout& layout);

  // Gives up `self`, which becomes null. True if it was the last owner: then the attachment is gone, with all
  // its holds. False leaves `self` alone: other objects of this process go on using the attachment.
  // `filled`: what this process was told to refill counts as filled, as after an unpin; else it is PURGED again.
  static bool leave(std::shared_ptr<Attachment>& self, bool filled);

  ~Attachment();

  // False in a child that inherited this by fork().
  bool ours() const { return same_process(process_); }
  const Control& control() const { return control_; }
  Slots& slots() { return *slots_; }
  PinTable& table() { return *table_; }
  const PinTable& table() const { return *table_; }
  int fd() const override { return fd_.get(); }

  // ---- for the reclaimer

  // From here on this process purges the region when memory is short, until as many calls of the second.
  void serve_reclaimer();
  void unserve_reclaimer();
  bool served() const { return served_.load(std::memory_order_relaxed) != 0; }
  // Those of this process that are served, as long as this is kept: none of them gives up its slot meanwhile.
  class Served {
   public:
    Served();
    Served(const Served&) = delete;
    Served& operator=(const Served&) = delete;
    const std::vector<Attachment*>& all() const { return all_; }

   private:
    std::vector<std::shared_ptr<Attachment>> owned_;
    std::vector<Attachment*> all_;
  };
  // A number that no other attachment of this process ever has.
  uint64_t id() const { return id_; }
  // Whether there are any: cheap, and true a little too long after the last has gone.
  static bool any_served();
  // Its number among the processes of the region, from 1, and the lease that they have in common.
  uint32_t member() const { return slots_->own() + 1; }
  uint64_t* lease() const { return &control_.header()->lease; }
  bool kernel_discards() const { return ops_.kernel != nullptr; }
  // Wherever memory is short: a reclaimer has nothing to do, but for demands and emergencies.
  bool kernel_suffices() const { return ops_.kernel && ops_.kernel->in_cgroups; }
  bool purgeable() const { return ops_.purgeable(fd_.get()); }
  // For a handler of SIGBUS, whatever thread it runs in: a byte of the data was touched, and the kernel has discarded it. True:
  // the touch may be tried again; somebody else was busy with the unit, or it is settled. False: that was so too often.
  bool settle_touched(uint64_t offset);
  // Whether the kernel has ever answered such a touch of this process's with SIGBUS.
  static bool touches_fault() { return touches_fault_.load(std::memory_order_relaxed); }
  // The reclaimer's alone. Null if there is no memory for it.
  ResidentUnits* resident_units();
  uint64_t look_from = 0;  // where its next look at the units begins
  uint64_t unlooked =
      0;  // units from there on, and round the end, that the search under way has not looked at
  // Bytes that the file takes, exact at any moment: kUnknownSize where the file does not tell.
  static constexpr uint64_t kUnknownSize = ~uint64_t{0};
  uint64_t stored_bytes() const;

  // What this process has discarded, besides what the header says of all: for PinTable::purge().
  std::atomic<uint64_t>* tally(bool under_pressure) { return under_pressure ? &pressure_ : &request_; }
  DiscardTotals discards() const;

  // Makes the table of holders, if nobody has. To be called before anything below.
  Status prepare();

  // ---- under lock()

  SpinLock& lock() { return lock_; }

  // Whether any object of this process holds the unit.
  bool held(uint64_t unit) const { return ((holders_[unit] + base_) & ~1u) != 0; }

  // One object more takes hold of the unit: counted unless the answer is kWait or kBusy.
  PinTable::Take add_holder(uint64_t unit, Census& census) {
    const PinTable::Take taken =
        held(unit) ? table_->look(unit, (holders_[unit] & 1) != 0, census) : take(unit, census);
    if (taken < PinTable::Take::kWait) holders_[unit] += 2;
    return taken;
  }
  // The same for one that finds nothing in the way; false: nothing was done.
  bool add_holder_at_once(uint64_t unit) {
    if (held(unit) || !table_->take_at_once(unit)) return false;
    holders_[unit] += 2;
    note_taken(unit);
    return true;
  }
  // For a holder that found the unit lost, once its pin has succeeded: true if it is now the refiller.
  bool begin_refill(uint64_t unit) {
    const bool refiller = table_->begin_refill(unit);
    if (refiller) holders_[unit] |= 1;
    return refiller;
  }
  // One object fewer holds the unit; `refill` is what that object has to say of it.
  void drop_holder(uint64_t unit, bool empty) {
    holders_[unit] -= 2;
    if (held(unit)) return;
    if (empty) {
      table_->give_empty(unit);
    } else {
      table_->give(unit, PinTable::Refill::kNone);
    }
  }
  void drop_holder(uint64_t unit, PinTable::Refill refill) {
    holders_[unit] -= 2;
    if (refill != PinTable::Refill::kNone) holders_[unit] &= ~1u;
    if (!held(unit)) {
      table_->give(unit, refill);
    } else if (refill != PinTable::Refill::kNone) {
      table_->settle(unit, refill);
    }
  }

 private:
  Attachment(const SharedFileOps& ops, Control control);

  // The parts that creating and joining have in common.
  Status open(int fd);
  Status discard(uint64_t offset, uint64_t length) override {
    return ops_.discard(fd_.get(), data(), offset, length);
  }
  char* data() const override { return data_ ? data_->data() : nullptr; }
  const KernelPins* kernel() const override { return ops_.kernel; }
  bool same_memory(const Control& other) const;
  PinTable::Take take(uint64_t unit, Census& census) {
    note_taken(unit);
    return table_->take(unit, census);
  }
  void note_taken(uint64_t unit) {
    if (unit < taken_from_) taken_from_ = unit;
    if (unit >= taken_to_) taken_to_ = unit + 1;
  }
  void give_back(bool filled);

  const SharedFileOps& ops_;
  Control control_;
  Fd fd_;  // our own, so that protect() on an object's fd does not end purging
  std::shared_ptr<Mapping>
      data_;  // where the kernel discards: ours to discard through, never read or written
  uint64_t process_;
  std::unique_ptr<Slots> slots_;
  std::unique_ptr<PinTable> table_;
  uint64_t inode_[2] = {0, 0};

  SpinLock lock_;
  ZeroedArray<uint32_t>
      holders_;        // per unit: 2 for each object that holds it, less base_; bit 0: one of them refills it
  uint32_t base_ = 0;  // 2 for the creator, whose first object holds everything: creating is O(1) so
  uint64_t taken_from_ = ~uint64_t{0}, taken_to_ = 0;  // where holder bits of ours may be

  const uint64_t id_;
  int objects_ = 1;  // under the registry's mutex: owners that count, as the reclaimer does not
  bool given_back_ = false;
  std::atomic<int> served_{0};
  std::unique_ptr<ResidentUnits> resident_;
  std::atomic<uint64_t> pressure_{0}, request_{0};
  std::atomic<uint32_t> vain_touches_{0};  // in a row
  static std::atomic<bool> touches_fault_;
  uint64_t discarded_before_ = 0, discarded_by_kernel_before_ = 0;  // when this process attached
};

}  // namespace ashmem_compat
