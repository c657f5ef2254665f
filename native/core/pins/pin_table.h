// The unit words of one region: every transition of docs/protocol.md is made here and nowhere else.
#pragma once

#include <atomic>
#include <cstdint>

#include "core/pins/control.h"
#include "core/pins/slots.h"
#include "core/pins/words.h"
#include "core/platform/coarse_tick.h"
#include "core/platform/stage.h"
#include "core/shared_file.h"

namespace ashmem_compat {

// The memory behind the units. Offsets are from the start of the file and aligned to units.
class Pages {
 public:
  virtual Status discard(uint64_t offset, uint64_t length) = 0;
  // Null where nothing is discarded but by discard().
  virtual const KernelPins* kernel() const { return nullptr; }
  virtual int fd() const { return -1; }
  // As KernelPins takes it, where there are any.
  virtual char* data() const { return nullptr; }

 protected:
  ~Pages() = default;
};

// Owned by an attachment (one per process and region). take, look, begin_refill, give and settle are called under the
// attachment's lock; purge and the questions may run in any thread at any time.
class PinTable {
 public:
  enum class Take {
    kKept,  // held, and the bytes are what they were
    kLost,  // held, the bytes are gone, and it is still PURGED: begin_refill() once the whole pin has succeeded
    kWait,    // somebody alive is purging the unit: nothing was done
    kBusy,    // the word changed too often under our hands: nothing was done
    kFailed,  // the kernel would not pin it, see failure(): nothing was done
  };

  // What became of a unit that the holder was to refill.
  enum class Refill {
    kNone,      // it was not the refiller
    kFilled,    // it has said so, by an unpin or a close
    kUnfilled,  // it is gone without a word
  };

  PinTable(const Control& control, Slots& slots, Pages& pages)
      : control_(control),
        slots_(slots),
        pages_(pages),
        kernel_(pages.kernel()),
        volatile_(kernel_ ? kVolatile : 0),
        creator_(load_relaxed(&control.header()->creator)),
        words_(control.word(0)),
        stamps_(control.stamp(0)),
        stamp_shift_(control.layout().stamp_shift),
        spans_(control.spans()),
        unit_count_(control.layout().unit_count) {}

  // Whether units are grouped to extents, whose leader's word stands for all of them. Ranges below are then worked through extent
  // by extent, the last one to its end.
  bool has_extents() const { return spans_ != nullptr; }
  // Units that stand and fall with `unit`, itself included; 0 for one that follows another. Changed by who holds the unit, and
  // by nobody while it is PURGING; so it can be relied on from T1 or T4 on, by all but a hostile peer's neighbours.
  uint64_t span(uint64_t unit) const {
    if (!spans_) return 1;
    const uint64_t units = load_acquire(spans_ + unit) & kSpanUnits;
    return units < unit_count_ - unit ? units : unit_count_ - unit;
  }
  // From one unit to the next that may lead.
  uint64_t step(uint64_t unit) const {
    const uint64_t units = span(unit);
    return units != 0 ? units : 1;
  }
  uint32_t span_priority(uint64_t unit) const {
    return spans_ ? load_relaxed(spans_ + unit) >> kSpanPriorityShift & 3 : 0;
  }

  // The owner's slot is known from here on.
  void begin(bool creator);

  // T1, T2, T6, T7: this process takes hold of a unit that it does not hold.
  Take take(uint64_t unit, Census& census) {
    return take_at_once(unit) ? Take::kKept : take_slowly(unit, census);
  }
  // T1 where nothing stands in the way; false: nothing was done, and take() knows more.
  bool take_at_once(uint64_t unit) {
    uint64_t* word = words_ + unit;
    uint64_t w = load_relaxed(word);
    stage(Stage::kBeforeTake);
    if ((w & (kStateBits | kVolatile)) != 0) return false;
    if (row_) {
      enter_row(unit);
      w = load_seq_cst(word);
      stage(Stage::kTaken);
      if ((w & (kStateBits | kVolatile)) == 0) return true;
      leave_row(unit);
      return false;
    }
    if (bit_ == 0 || !cas_acquire(word, w, w | bit_)) return false;
    stage(Stage::kTaken);
    return true;
  }
  // The same answer for a unit that this process holds already. `refiller`: it is the one that refills it.
  Take look(uint64_t unit, bool refiller, Census& census);
  // T2b: true if this process is now the refiller of a unit that take() or look() found lost.
  bool begin_refill(uint64_t unit);

  // T3: the last hold of this process ends.
  void give(uint64_t unit, Refill refill) {
    uint64_t* word = words_ + unit;
    // Before the word: who finds the unit unheld finds when that began.
    stamp_now(unit);
    uint64_t w = load_relaxed(word);
    stage(Stage::kBeforeGive);
    if (bit_ != 0 && state_of(w) == UnitState::kReady && cas_release(word, w, (w & ~bit_) | released_))
      return;
    // The word stays as it is, and the line it is in with whoever has it. Whose blocks lie there tells others of them by other words.
    if (row_ && spans_ && refill == Refill::kNone) return leave_row(unit);
    finish(unit, refill, true);
  }
  // T3 by the only holder of a unit whose bytes nobody will want: PURGED, as if discarded.
  void give_empty(uint64_t unit);
  // T3 for a refiller whose process goes on holding the unit.
  void settle(uint64_t unit, Refill refill) { finish(unit, refill, false); }

  // The creator lets go of all that it never took by itself.
  void end_initial_hold() {
    store_relaxed(&control_.header()->creator_stamp, coarse_stamp());
    store_seq_cst(&control_.header()->creator_hold, uint64_t{0});
  }

  // Why the last take() was kFailed.
  const Status& failure() const { return failure_; }

  // K2, K3, K4, where the kernel discards: leaves to it what no living process holds. To be called for units after their
  // give(), and by anyone who wants what the dead have left behind. Units that cannot be left now stay pinned. Bytes that
  // were discarded on behalf of dead purgers.
  uint64_t relinquish(uint64_t first, uint64_t count) {
    return kernel_ ? relinquish_to_kernel(first, count, Census::kNow) : 0;
  }
  // The same after an unpin, which is not to cost a system call each time that somebody else holds the unit too.
  void relinquish_own(uint64_t first, uint64_t count) {
    if (kernel_ && !(count == 1 && others_hold(first))) {
      relinquish_to_kernel(first, count, Census::kWithinTick);
    }
  }
  // Whether the unit is left to the kernel, which may have discarded it without a word.
  bool left_to_kernel(uint64_t unit) const {
    const uint64_t w = load_relaxed(words_ + unit);
    return kernel_ && (w & kVolatile) != 0 && state_of(w) == UnitState::kReady;
  }

  // K6: the kernel has refused a touch of the unit, because it has discarded some of it. Makes that known, and the bytes
  // readable as zeros. For a signal handler: system calls and atomics alone. False: the unit is somebody else's at this moment.
  bool settle_touched(uint64_t unit);

  // True while somebody alive is purging the unit.
  bool being_purged(uint64_t unit);
  // True if a living process holds the unit. Clears the bits of dead ones on the way (R1).
  bool held(uint64_t unit, Census& census) { return held(unit, census, Slots::kNone); }
  // The same of processes other than this one.
  bool held_by_others(uint64_t unit, Census& census) { return held(unit, census, slots_.own()); }

  struct Purged {
    uint64_t bytes = 0;    // of data discarded by this call
    uint64_t already = 0;  // units that were PURGED before
    Status status;         // the first discard that failed, if any
  };
  // T4, T5, T7, T8 over first .. first + count: discards what no living process holds.
  // `tally` counts what this call discards before anybody can see it in the header; or null.
  Purged purge(uint64_t first, uint64_t count, std::atomic<uint64_t>* tally = nullptr) {
    return purge(first, count, false, tally);
  }
  // T9: discards PURGED units once more. A mere look at a discarded page gives it memory again.
  Purged purge_again(uint64_t first, uint64_t count) { return purge(first, count, true, nullptr); }
  bool is_purged(uint64_t unit) const {
    return state_of(load_relaxed(control_.word(unit))) == UnitState::kPurged;
  }

  // Whether purge() would most likely discard the unit: nobody holds it, and its bytes are there.
  bool idle(uint64_t unit, Census& census) {
    const uint64_t w = load_acquire(words_ + unit);
    const UnitState s = state_of(w);
    if (s == UnitState::kPurging) return purger_is_void(w, census);
    return s != UnitState::kPurged && !held(unit, census);
  }
  // The same of a word that was read, but for rows, and without asking whether some process is alive: false if that
  // matters.
  bool plainly_idle(uint64_t word) const {
    return state_of(word) == UnitState::kReady && (word & kHolderBits) == 0 &&
           ((word & kReleased) != 0 || load_acquire(&control_.header()->creator_hold) != creator_);
  }
  // Whether any slot that has a row has set its bit there.
  bool any_row(uint64_t unit) const;
  // Whether the creator holds all units that nobody has ever pinned or unpinned.
  bool untouched_are_held(Census& census) { return initial_hold(0, census); }
  // When a process last let go of a unit with this stamp, as coarse_stamp() tells it.
  uint32_t stamp_or_creators(uint32_t stamp) const {
    return stamp != 0 ? stamp : load_relaxed(&control_.header()->creator_stamp);
  }
  uint32_t stamp(uint64_t unit) const {
    return stamp_or_creators(load_relaxed(stamps_ + (unit >> stamp_shift_)));
  }

  // A3: clears slot `slot` out of every unit of the file `fd`.
  void sweep(uint32_t slot, int fd);

 private:
  // Bounds every retry loop: only a peer that writes the word over and over can use up so many attempts.
  static constexpr int kAttempts = 1000;

  enum class Mark {
    kSkipped,
    kMarked,   // T4: ours to discard, and READY again if the discard fails
    kAdopted,  // T7: the dead purger may have discarded it already, so PURGED whatever happens
    kAgain,    // T9: it was PURGED before
  };

  Take take_slowly(uint64_t unit, Census& census);
  void sweep_row(uint32_t slot, int fd);
  bool judge(uint64_t unit, uint32_t slot, Census& census, uint32_t but);
  void give_empty_by_row(uint64_t unit);
  Take take_by_row(uint64_t unit, Census& census);
  void finish(uint64_t unit, Refill refill, bool gives);
  bool purger_is_void(uint64_t word);
  bool purger_is_void(uint64_t word, Census& census);
  bool initial_hold(uint64_t word, Census& census);
  bool any_bit(uint64_t unit, uint64_t word);
  void forget_holder(uint64_t unit, uint64_t bit);
  void clear_bit(uint64_t unit, uint32_t slot);
  void void_bit(uint64_t unit, uint32_t slot, uint64_t life);
  bool adopt(uint64_t unit, uint64_t word, Census& census);
  bool set_purged(uint64_t unit, uint64_t volatile_bit);
  void raise_generation(uint64_t unit);
  bool forget_refiller(uint64_t unit, uint64_t word);
  uint64_t purge_for_the_dead(uint64_t unit, uint64_t word, Census& census);
  Purged purge(uint64_t first, uint64_t count, bool again, std::atomic<uint64_t>* tally);
  Mark mark(uint64_t unit, Census& census, bool again);
  // Whether, as far as is known without asking the system, somebody else holds the unit.
  bool others_hold(uint64_t unit) const {
    if (row_) fence_seq_cst();  // our bit was cleared in another word than the one that is looked at
    const uint64_t w = load_acquire(words_ + unit);
    if ((w & (kStateBits | kVolatile)) != 0) return false;
    if (w & kHolderBits) return slots_.known_alive(static_cast<uint32_t>(__builtin_ctzll(w)));
    if (w & kReleased) return false;
    fence_seq_cst();  // our own bit is gone before the look at the creator's hold, which it ends in the other order
    return load_acquire(&control_.header()->creator_hold) == creator_ &&
           load_acquire(&control_.slot(0)->life) == creator_ && slots_.known_alive(0);
  }
  bool pin_in_kernel(uint64_t unit, uint64_t word, Take* taken);
  uint64_t relinquish_to_kernel(uint64_t first, uint64_t count, Census::Freshness freshness);
  Mark mark_relinquished(uint64_t unit, Census& census, uint64_t* bytes);
  void unpin_in_kernel(uint64_t first, uint64_t count, Mark kind);
  void end_relinquishing(uint64_t first, uint64_t count, Mark kind, uint64_t volatile_bit);
  bool adopt_in_kernel(uint64_t unit, bool whole, Census& census);
  bool held(uint64_t unit, Census& census, uint32_t but);
  // Of slots that have rows. A purger that finds none here after its T4 has the unit for itself.
  bool held_in_rows(uint64_t unit, Census& census, uint32_t but = Slots::kNone);
  void enter_row(uint64_t unit) { fetch_or_seq_cst(row_ + unit / 64, uint64_t{1} << unit % 64); }
  void leave_row(uint64_t unit) { fetch_and_release(row_ + unit / 64, ~(uint64_t{1} << unit % 64)); }
  Status discard(uint64_t first, uint64_t count, Mark kind, uint64_t* bytes,
                 std::atomic<uint64_t>* tally = nullptr);
  void unmark(uint64_t first, uint64_t count);
  // Not what is there already: processes that use neighbours at once would take the line from each other for nothing.
  void stamp_now(uint64_t unit) {
    uint32_t* stamp = stamps_ + (unit >> stamp_shift_);
    const uint32_t now = coarse_stamp();
    if (load_relaxed(stamp) != now) store_relaxed(stamp, now);
  }

  const Control& control_;
  Slots& slots_;
  Pages& pages_;
  const KernelPins* const kernel_;
  const uint64_t volatile_;  // kVolatile where the kernel discards
  const uint64_t creator_;   // copied once: shared memory is not to be trusted later
  uint64_t* const words_;
  uint32_t* const stamps_;
  const uint32_t stamp_shift_;
  uint32_t* const spans_;  // null where each unit is its own
  const uint64_t unit_count_;
  uint64_t bit_ = 0;         // our holder bit in unit words, or 0:
  uint64_t* row_ = nullptr;  // our holder bits are here then
  uint64_t released_ = 0;    // kReleased for the creator: its unpin ends the initial hold
  uint64_t purging_ = 0;     // our PURGING word
  Status failure_;
};

}  // namespace ashmem_compat
