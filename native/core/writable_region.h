// A shared region as an object sees it that may write: it owns pins, and knows what it has been told of each unit.
#pragma once

#include "core/pins/attachment.h"
#include "core/platform/residency.h"
#include "core/pressure/purge_watch.h"
#include "core/pressure/watcher.h"
#include "core/shared_region_base.h"

namespace ashmem_compat {

class WritableRegion final : public SharedRegionBase {
 public:
  WritableRegion(const SharedFileOps& ops, Fd fd, std::string name, std::shared_ptr<Attachment> attachment,
                 const RegionOptions& options)
      : SharedRegionBase(ops, std::move(fd), std::move(name), attachment->control().layout(), options),
        attachment_(std::move(attachment)),
        unit_count_(attachment_->control().layout().unit_count),
        whole_units_(size_ >> unit_shift_) {}
  ~WritableRegion() override { leave(false); }

  Status open(bool creator);
  void serve_reclaimer() {
    served_ = true;
    attachment_->serve_reclaimer();
    // No thread for what the kernel does: who has demands, or wants to be told, starts it.
    if (!attachment_->kernel_suffices()) pressure::begin_reclaiming();
  }

  Status pin(uint64_t offset, uint64_t length, bool* purged, std::vector<ByteRange>* lost) override;
  Status unpin(uint64_t offset, uint64_t length) override;
  Status purge(uint64_t offset, uint64_t length, uint64_t* bytes) override;
  Status begin_read(uint64_t offset, uint64_t length, ReadTicket* ticket) override;
  bool end_read(uint64_t offset, uint64_t length, const ReadTicket& ticket) override;
  Status stats(RegionStats* stats) override;
  Status protect() override;
  Priority priority() const override;
  Status set_priority(Priority priority) override;
  Status watch_purges(PurgeListener* listener) override;
  Attachment* attachment() override { return attachment_.get(); }
  const Control* tables() const override { return attachment_ ? &attachment_->control() : nullptr; }
  void close() override { leave(true); }

 protected:
  Status usable() const override {
    if (!attachment_) return Status::Of(Code::kRegionClosed, "the region is closed");
    if (!attachment_->ours()) {
      return Status::Of(Code::kForked, "a region object does not survive fork(): attach again with the fd");
    }
    return Status::Ok();
  }
  Status look(uint64_t first, uint64_t count, bool last, std::vector<uint64_t>* units) override;
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
  bool one_usable_unit(uint64_t offset, uint64_t length) const {
    const uint64_t unit = granularity();
    return length == unit && (offset & (unit - 1)) == 0 && offset >> unit_shift_ < whole_units_ && units_ &&
           attachment_->ours();
  }
  bool pin_at_once(uint64_t unit, bool* purged);
  bool unpin_at_once(uint64_t unit);
  __attribute__((noinline)) Status pin_slowly(uint64_t offset, uint64_t length, bool* purged,
                                              std::vector<ByteRange>* lost);
  __attribute__((noinline)) Status unpin_slowly(uint64_t offset, uint64_t length);
  Status prepare() { return units_ ? Status::Ok() : prepare_slowly(); }
  Status prepare_slowly();
  void leave(bool filled);
  Status snapshot_generations();
  Status purge_strays(uint64_t first, uint64_t count);
  // Bytes of the unit in memory.
  Status resident(uint64_t unit, uint64_t* bytes) {
    const ByteRange range = to_bytes(unit, 1);
    return residency_.bytes(mapping_->data(), size_, range.offset, range.length, bytes);
  }
  bool left_to_kernel(uint64_t first, uint64_t count);
  PinTable::Take hold(uint64_t first, uint64_t count, bool patient, uint64_t* held);
  void drop_hold(uint64_t first, uint64_t count);
  static constexpr uint64_t kLongestLook = 256;  // units: bounds how long the lock of the process is held
  bool whole_in_kernel(uint64_t first, uint64_t count, uint64_t* generations);
  Status notice_kernel_purges(uint64_t first, uint64_t count);

  std::shared_ptr<Attachment> attachment_;
  pressure::PurgeWatch purge_watch_;
  bool served_ = false;
  Residency residency_;
  ZeroedArray<Unit> units_;
  const uint64_t unit_count_;
  const uint64_t whole_units_;                       // without a last one that is cut short
  uint32_t base_ = 0;                                // 2 for the creator's object
  uint64_t held_from_ = ~uint64_t{0}, held_to_ = 0;  // where units pinned after creation may be
};

}  // namespace ashmem_compat
