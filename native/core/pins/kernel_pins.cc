// The pin table of a file whose kernel discards by itself: K1 to K4 of docs/protocol.md. The kernel knows one pin per page,
// and no owner; the unit words count, and whoever has a unit in PURGING is the only one to change what the kernel thinks of it.

#include "core/pins/pin_table.h"
#include "core/pressure/kernel_losses.h"

namespace ashmem_compat {

// K1, for a unit that is left to the kernel. False if the word is `word` no more. With our bit in a row, it stands.
bool PinTable::pin_in_kernel(uint64_t unit, uint64_t word, Take* taken) {
  uint64_t* at = control_.word(unit);
  const uint64_t granularity = control_.layout().granularity;
  const uint64_t before = word;
  if (!cas_seq_cst(at, word, purging_)) return false;
  stage(Stage::kBeforeKernelPin);
  bool purged = false;
  // Of a unit that follows another the kernel is told nothing: its bytes are pinned with those of its leader.
  const uint64_t units = span(unit);
  failure_ = units == 0
                 ? Status::Ok()
                 : kernel_->pin(pages_.fd(), pages_.data(), unit * granularity, units * granularity, &purged);
  uint64_t mine = purging_;
  if (!failure_.ok()) {
    // What the kernel has told nobody but us must not be lost with the failure.
    if (purged) raise_generation(unit);
    cas_release(at, mine, unit_word(purged ? UnitState::kPurged : state_of(before), kReleased | kVolatile));
    *taken = Take::kFailed;
    return true;
  }
  stage(Stage::kKernelPinned);
  // Also where it was PURGED: what a refiller that vanished left to others may have been discarded since.
  if (purged) {
    raise_generation(unit);
    fetch_add_relaxed(&control_.header()->discarded_by_kernel, control_.layout().units_bytes(unit, units));
    pressure::note_kernel_loss();
  }
  const bool lost = purged || state_of(before) == UnitState::kPurged;
  const bool ours =
      cas_release(at, mine, unit_word(lost ? UnitState::kPurged : UnitState::kReady, kReleased | bit_));
  *taken = !ours ? Take::kBusy : lost ? Take::kLost : Take::kKept;
  return true;
}

// Whether K2 may begin with the unit, which is then ours: kMarked if it was READY, kAgain if it was PURGED.
PinTable::Mark PinTable::mark_relinquished(uint64_t unit, Census& census, uint64_t* bytes) {
  uint64_t* word = control_.word(unit);
  for (int i = 0; i < kAttempts; ++i) {
    uint64_t w = load_acquire(word);
    if (state_of(w) == UnitState::kPurging) {
      if (!purger_is_void(w, census)) return Mark::kSkipped;
      *bytes += purge_for_the_dead(unit, w, census);
      continue;
    }
    if (w & kVolatile) return Mark::kSkipped;
    if (!(w & kReleased) || any_bit(unit, w) || state_of(w) == UnitState::kRefilling) {
      if (held(unit, census)) return Mark::kSkipped;
      w = load_acquire(word);
      if (state_of(w) == UnitState::kPurging || (w & (kHolderBits | kVolatile)) != 0) continue;
      if (forget_refiller(unit, w) || state_of(w) == UnitState::kRefilling) continue;
    }
    const bool whole = state_of(w) == UnitState::kReady;
    if (!cas_seq_cst(word, w, purging_ | (whole ? kVolatile : 0))) continue;
    if (!held_in_rows(unit, census)) {
      return whole ? Mark::kMarked : Mark::kAgain;
    }
    // Back, and another look: that holder may have left meanwhile, and left the unit to us.
    end_relinquishing(unit, 1, whole ? Mark::kMarked : Mark::kAgain, 0);
    fence_seq_cst();
  }
  return Mark::kSkipped;
}

void PinTable::end_relinquishing(uint64_t first, uint64_t count, Mark kind, uint64_t volatile_bit) {
  const bool whole = kind == Mark::kMarked;
  const uint64_t after = unit_word(whole ? UnitState::kReady : UnitState::kPurged, kReleased | volatile_bit);
  for (uint64_t u = first; u < first + count; u += step(u)) {
    uint64_t mine = purging_ | (whole ? kVolatile : 0);
    cas_release(control_.word(u), mine, after);
  }
}

void PinTable::unpin_in_kernel(uint64_t first, uint64_t count, Mark kind) {
  const uint64_t granularity = control_.layout().granularity;
  stage(Stage::kBeforeKernelUnpin);
  const Status status =
      span(first) == 0 ? Status::Ok()
                       : kernel_->unpin(pages_.fd(), pages_.data(), first * granularity, count * granularity);
  stage(Stage::kKernelUnpinned);
  // If the kernel had no memory for it, they stay pinned until somebody tries again.
  end_relinquishing(first, count, kind, status.ok() ? kVolatile : 0);
}

uint64_t PinTable::relinquish_to_kernel(uint64_t first, uint64_t count, Census::Freshness freshness) {
  // The kernel discards a range that was unpinned at once as one. Short ones let it take as little as it needs.
  constexpr uint64_t kLongestRange = 1u << 20;
  const Layout& layout = control_.layout();
  const uint64_t longest = layout.granularity >= kLongestRange ? 1 : kLongestRange / layout.granularity;
  fence_seq_cst();  // after our own bits are gone, before the look at whoever else is there
  stage(Stage::kGivenUp);
  Census census(slots_, freshness);
  uint64_t bytes = 0;
  Mark kind = Mark::kSkipped;  // of the run start .. u
  uint64_t start = first;
  const uint64_t end = first + count;
  bool follower = false;  // the run is one unit that leads nobody: no neighbour of any other
  for (uint64_t u = first;;) {
    const Mark next = u < end ? mark_relinquished(u, census, &bytes) : Mark::kSkipped;
    const bool follows = u < end && span(u) == 0;
    const uint64_t units = u < end ? step(u) : 1;
    if (kind != Mark::kSkipped && (next != kind || follower || follows || u + units - start > longest)) {
      unpin_in_kernel(start, u - start, kind);
      start = u;
    } else if (kind == Mark::kSkipped) {
      start = u;
    }
    kind = next;
    follower = follows;
    if (u >= end) break;
    u += units;
  }
  return bytes;
}

// K3, K4: a void purger's unit has become ours; `whole`: nothing can have happened to its bytes that the kernel does not
// remember. True if it is now ours to discard, else it has been settled. The calls concern this unit alone: the kernel
// may know it as unpinned already, by itself or in a range, and then takes no notice.
bool PinTable::adopt_in_kernel(uint64_t unit, bool whole, Census& census) {
  uint64_t* word = control_.word(unit);
  const uint64_t granularity = control_.layout().granularity;
  const uint64_t offset = unit * granularity;
  const uint64_t length = span(unit) * granularity;
  uint64_t mine = purging_ | (whole ? kVolatile : 0);
  if (held_in_rows(unit, census)) {
    // A holder that was here before the dead one, or one that is about to wait for us: pinned is right for both.
    if (!cas_seq_cst(word, mine, purging_)) return false;
    bool purged = false;
    const Status status =
        length == 0 ? Status::Ok() : kernel_->pin(pages_.fd(), pages_.data(), offset, length, &purged);
    if (whole && status.ok() && !purged) {
      mine = purging_;
      cas_release(word, mine, unit_word(UnitState::kReady, kReleased));
    } else {
      set_purged(unit, status.ok() ? 0 : kVolatile);
    }
    return false;
  }
  // Not knowing what the dead one has done, a failure changes nothing: VOLATILE is the safe thing to say.
  if (length != 0) (void)kernel_->unpin(pages_.fd(), pages_.data(), offset, length);
  if (!whole) return true;
  cas_release(word, mine, unit_word(UnitState::kReady, kReleased | kVolatile));
  return false;
}

// K6: the kernel's answer is taken, and the unit left to the kernel again at once.
bool PinTable::settle_touched(uint64_t unit) {
  uint64_t* at = control_.word(unit);
  const uint64_t granularity = control_.layout().granularity;
  uint64_t before = load_acquire(at);
  if (purging_ == 0 || state_of(before) == UnitState::kPurging || (before & kVolatile) == 0) return false;
  if (!cas_seq_cst(at, before, purging_)) return false;
  bool purged = false;
  const Status held = kernel_->pin(pages_.fd(), pages_.data(), unit * granularity, granularity, &purged);
  const bool lost = purged || state_of(before) == UnitState::kPurged;
  if (purged) {
    raise_generation(unit);
    fetch_add_relaxed(&control_.header()->discarded_by_kernel, control_.layout().unit_bytes(unit));
  }
  // Where the unpin fails it stays pinned, though nobody holds it: until somebody meets it.
  const bool released =
      !held.ok() || kernel_->unpin(pages_.fd(), pages_.data(), unit * granularity, granularity).ok();
  uint64_t mine = purging_;
  cas_release(
      at, mine,
      unit_word(lost ? UnitState::kPurged : UnitState::kReady, kReleased | (released ? kVolatile : 0)));
  return held.ok();
}

}  // namespace ashmem_compat
