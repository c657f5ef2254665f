#include "core/pins/pin_table.h"

#include "core/platform/table_reader.h"

namespace ashmem_compat {

void PinTable::begin(bool creator) {
  const uint32_t slot = slots_.own();
  if (slot < control_.layout().word_slots) {
    bit_ = uint64_t{1} << slot;
  } else {
    row_ = control_.row(slot);
    // Before any bit of ours: a purger that does not see it has changed the word before we look at that.
    uint32_t* end = &control_.header()->rows_end;
    uint32_t seen = load_seq_cst(end);
    while (seen <= slot && !cas_seq_cst(end, seen, slot + 1)) {
    }
  }
  released_ = creator ? kReleased : 0;
  purging_ = purging_word(slot, slots_.own_life());
}

// ---- questions about a word

bool PinTable::purger_is_void(uint64_t word) {
  const uint32_t slot = purger_slot(word);
  if (slot >= control_.layout().slot_count) return true;
  uint64_t life = 0;
  if (slots_.is_void(slot, &life)) return true;
  return purger_tag(life) != tag_of_purger(word);
}

// The same for many words: a purger is judged once, for that costs system calls, which may not be to be had while memory is short.
bool PinTable::purger_is_void(uint64_t word, Census& census) {
  const uint32_t slot = purger_slot(word);
  if (slot >= control_.layout().slot_count) return true;
  uint64_t life = 0;
  if (census.is_void(slot, &life)) return true;
  return purger_tag(load_seq_cst(&control_.slot(slot)->life)) != tag_of_purger(word);
}

bool PinTable::being_purged(uint64_t unit) {
  const uint64_t w = load_acquire(control_.word(unit));
  return state_of(w) == UnitState::kPurging && !purger_is_void(w);
}

// Once this is false for a unit it stays false: nobody sets creator_hold again, and a dead creator stays dead.
bool PinTable::initial_hold(uint64_t word, Census& census) {
  if (word & kReleased) return false;
  if (load_acquire(&control_.header()->creator_hold) != creator_) return false;
  if (load_acquire(&control_.slot(0)->life) != creator_) return false;
  uint64_t life = 0;
  return !census.is_void(0, &life);
}

bool PinTable::any_bit(uint64_t unit, uint64_t word) { return (word & kHolderBits) != 0 || any_row(unit); }

bool PinTable::any_row(uint64_t unit) const {
  const uint32_t end = control_.rows_end();
  for (uint32_t slot = control_.layout().word_slots; slot < end; ++slot) {
    if (load_seq_cst(control_.row(slot) + unit / 64) >> unit % 64 & 1) return true;
  }
  return false;
}

// ---- recovery (R1)

// The state goes first, then the bit: `bit` of the word, or one of a row (0), which the caller clears.
void PinTable::forget_holder(uint64_t unit, uint64_t bit) {
  uint64_t* word = control_.word(unit);
  uint64_t w = load_acquire(word);
  for (int i = 0; i < kAttempts && state_of(w) != UnitState::kPurging; ++i) {
    if (bit != 0 && !(w & bit)) break;
    // The dead one may have been the refiller.
    const uint64_t next =
        state_of(w) == UnitState::kRefilling ? with_state(w & ~bit, UnitState::kPurged) : w & ~bit;
    if (next == w || cas_acq_rel(word, w, next)) break;
  }
}

// Clears the bit of `slot`, whose owner is void. The caller holds a hazard on the slot, or owns it (A3).
void PinTable::clear_bit(uint64_t unit, uint32_t slot) {
  if (slot < control_.layout().word_slots) return forget_holder(unit, uint64_t{1} << slot);
  forget_holder(unit, 0);
  fetch_and_acq_rel(control_.row(slot) + unit / 64, ~(uint64_t{1} << unit % 64));
}

// R1 for a bit whose owner was found void in `life`. A reader that owns no slot leaves it to others.
void PinTable::void_bit(uint64_t unit, uint32_t slot, uint64_t life) {
  if (slots_.own() == Slots::kNone) return;
  slots_.recover(slot, life, [&] { clear_bit(unit, slot); });
}

void PinTable::sweep(uint32_t slot, int fd) {
  const Layout& layout = control_.layout();
  if (slot >= layout.word_slots) return sweep_row(slot, fd);
  const uint64_t bit = uint64_t{1} << slot;
  const auto clear = [&](uint64_t unit, uint64_t word) {
    if (!(word & bit) || state_of(word) == UnitState::kPurging) return;  // there it is not a holder bit
    clear_bit(unit, slot);
    stage(Stage::kSweeping);
  };
  // Words in holes of the file are 0. What changes behind the reader is not this slot's bit: nobody sets it now.
  const Status status = read_table<uint64_t>(fd, layout.words_offset, layout.unit_count,
                                             [&](uint64_t first, const uint64_t* words, uint64_t count) {
                                               for (uint64_t i = 0; i < count; ++i)
                                                 clear(first + i, words[i]);
                                               return Status::Ok();
                                             });
  if (status.ok()) return;
  for (uint64_t u = 0; u < layout.unit_count; ++u) clear(u, load_relaxed(control_.word(u)));
}

void PinTable::sweep_row(uint32_t slot, int fd) {
  const Layout& layout = control_.layout();
  const auto clear = [&](uint64_t first, uint64_t bits) {
    for (; bits != 0; bits &= bits - 1) {
      const uint64_t unit = first * 64 + static_cast<uint64_t>(__builtin_ctzll(bits));
      if (unit >= layout.unit_count) return;
      clear_bit(unit, slot);
      stage(Stage::kSweeping);
    }
  };
  const uint64_t at = layout.rows_offset + (slot - layout.word_slots) * layout.row_words * sizeof(uint64_t);
  const Status status = read_table<uint64_t>(fd, at, layout.row_words,
                                             [&](uint64_t first, const uint64_t* words, uint64_t count) {
                                               for (uint64_t i = 0; i < count; ++i)
                                                 clear(first + i, words[i]);
                                               return Status::Ok();
                                             });
  if (status.ok()) return;
  for (uint64_t i = 0; i < layout.row_words; ++i) clear(i, load_relaxed(control_.row(slot) + i));
}

bool PinTable::held(uint64_t unit, Census& census, uint32_t but) {
  const uint64_t w = load_acquire(control_.word(unit));
  if (state_of(w) == UnitState::kPurging) return false;
  if (initial_hold(w, census)) return true;
  const Layout& layout = control_.layout();
  bool held = false;
  for (uint64_t bits = w & kHolderBits; bits != 0; bits &= bits - 1) {
    const uint32_t slot = static_cast<uint32_t>(__builtin_ctzll(bits));
    if (slot >= layout.word_slots || slot >= layout.slot_count) {
      // Nobody's: no slot has its bit here.
      if (slots_.own() != Slots::kNone) forget_holder(unit, uint64_t{1} << slot);
    } else {
      held |= judge(unit, slot, census, but);
    }
  }
  return held_in_rows(unit, census, but) || held;
}

bool PinTable::held_in_rows(uint64_t unit, Census& census, uint32_t but) {
  const uint32_t end = control_.rows_end();
  bool held = false;
  for (uint32_t slot = control_.layout().word_slots; slot < end; ++slot) {
    if (load_seq_cst(control_.row(slot) + unit / 64) >> unit % 64 & 1) held |= judge(unit, slot, census, but);
  }
  return held;
}

// Whether the owner of `slot`, whose bit is set, holds the unit. R1 if it is void.
bool PinTable::judge(uint64_t unit, uint32_t slot, Census& census, uint32_t but) {
  uint64_t life = 0;
  if (slot == but) return false;
  if (!census.is_void(slot, &life)) return true;
  void_bit(unit, slot, life);
  return false;
}

// ---- pin

PinTable::Take PinTable::take_slowly(uint64_t unit, Census& census) {
  if (row_) return take_by_row(unit, census);
  uint64_t* word = control_.word(unit);
  for (int i = 0; i < kAttempts; ++i) {
    uint64_t w = load_acquire(word);
    switch (state_of(w)) {
      case UnitState::kReady:
      case UnitState::kPurged: {
        Take taken = state_of(w) == UnitState::kReady ? Take::kKept : Take::kLost;
        if (w & volatile_) {
          if (pin_in_kernel(unit, w, &taken)) return taken;  // K1
        } else if (cas_acquire(word, w, w | bit_)) {         // T1, T2
          return taken;
        }
        break;
      }
      case UnitState::kRefilling: {
        // Whoever is filling it may be dead: then it is as good as purged.
        const bool filling = held(unit, census);
        w = load_acquire(word);
        if (state_of(w) != UnitState::kRefilling) break;
        if (filling) {
          if (cas_acquire(word, w, w | bit_)) return Take::kKept;
        } else if (!any_bit(unit, w) && cas_acquire(word, w, with_state(w | bit_, UnitState::kPurged))) {
          return Take::kLost;
        }
        break;
      }
      case UnitState::kPurging:
        if (!purger_is_void(w)) return Take::kWait;
        purge_for_the_dead(unit, w, census);
        break;
    }
  }
  return Take::kBusy;
}

// T6. The bit is set first and the state read after, the purger does the reverse: one of both sees the other.
PinTable::Take PinTable::take_by_row(uint64_t unit, Census& census) {
  uint64_t* word = control_.word(unit);
  bool filling = false;
  for (int i = 0; i < kAttempts; ++i) {
    enter_row(unit);
    uint64_t w = load_seq_cst(word);
    stage(Stage::kTaken);
    switch (state_of(w)) {
      case UnitState::kReady:
      case UnitState::kPurged: {
        Take taken = state_of(w) == UnitState::kReady ? Take::kKept : Take::kLost;
        if ((w & volatile_) == 0) return taken;
        const bool answered = pin_in_kernel(unit, w, &taken);  // K1
        if (answered && taken < Take::kWait) return taken;
        leave_row(unit);
        if (answered) return taken;
        break;
      }
      case UnitState::kRefilling:
        // A second look: the holder that was met alive may have been the next owner of a dead refiller's slot.
        if (filling) return Take::kKept;
        leave_row(unit);
        filling = held(unit, census);
        w = load_acquire(word);
        if (!filling) forget_refiller(unit, w);
        break;
      case UnitState::kPurging:
        leave_row(unit);
        if (!purger_is_void(w)) return Take::kWait;
        purge_for_the_dead(unit, w, census);
        break;
    }
  }
  leave_row(unit);
  return Take::kBusy;
}

PinTable::Take PinTable::look(uint64_t unit, bool refiller, Census& census) {
  for (int i = 0; i < kAttempts; ++i) {
    const uint64_t w = load_acquire(control_.word(unit));
    switch (state_of(w)) {
      case UnitState::kReady: return Take::kKept;
      case UnitState::kPurged: return Take::kLost;
      case UnitState::kRefilling:
        if (refiller) return Take::kKept;
        held(unit, census);  // for its R1: the refiller may be dead
        if (state_of(load_acquire(control_.word(unit))) == UnitState::kRefilling) return Take::kKept;
        break;
      case UnitState::kPurging:
        // With a row: a purger that will find our bit and step back, or died before it could. Elsewhere only a
        // hostile peer writes this over our bit.
        if (!purger_is_void(w)) return Take::kWait;
        purge_for_the_dead(unit, w, census);
        break;
    }
  }
  return Take::kBusy;
}

bool PinTable::begin_refill(uint64_t unit) {
  uint64_t* word = control_.word(unit);
  uint64_t w = load_relaxed(word);
  for (int i = 0; i < kAttempts; ++i) {
    if (state_of(w) == UnitState::kPurging) {  // with a row: a purger that will find our bit and step back
      cpu_relax();
      w = load_relaxed(word);
      continue;
    }
    if (state_of(w) != UnitState::kPurged) return false;               // somebody else refills it
    if (cas_acq_rel(word, w, with_state(w, UnitState::kRefilling))) {  // T2b
      stage(Stage::kRefilling);
      return true;
    }
  }
  return false;
}

// ---- unpin

void PinTable::finish(uint64_t unit, Refill refill, bool gives) {
  uint64_t* word = control_.word(unit);
  uint64_t w = load_relaxed(word);
  for (int i = 0; i < kAttempts; ++i) {
    const UnitState s = state_of(w);
    if (s == UnitState::kPurging) {
      // With a row: a purger that is about to find our bit and step back (T8); else a hostile peer took our bit away, and the
      // word is not ours to touch.
      if (!row_ || refill == Refill::kNone) break;
      cpu_relax();
      w = load_relaxed(word);
      continue;
    }
    uint64_t next = gives ? (w & ~bit_) | released_ : w;
    if (refill == Refill::kFilled && (s == UnitState::kRefilling || s == UnitState::kPurged)) {
      next = with_state(next, UnitState::kReady);
    } else if (refill == Refill::kUnfilled && s == UnitState::kRefilling) {
      next = with_state(next, UnitState::kPurged);
    }
    // Also where the word stays the same: whoever takes the unit by this word must see what we wrote to it.
    if (cas_release(word, w, next)) break;  // T3
  }
  if (gives && row_) leave_row(unit);
}

void PinTable::give_empty(uint64_t unit) {
  stamp_now(unit);
  if (row_) {
    give_empty_by_row(unit);
    return;
  }
  uint64_t* word = control_.word(unit);
  uint64_t w = load_relaxed(word);
  for (int i = 0; i < kAttempts && state_of(w) == UnitState::kReady; ++i) {
    // Somebody has come; then it is his. Who has a row may come unseen.
    if ((w & kHolderBits & ~bit_) != 0 || control_.layout().row_count() != 0) break;
    if (cas_release(word, w, with_state((w & ~bit_) | kReleased, UnitState::kPurged))) return;
  }
  finish(unit, Refill::kNone, true);
}

// Others' bits are not in the word: it is claimed as for a purge, so that one of both sees the other.
void PinTable::give_empty_by_row(uint64_t unit) {
  uint64_t* word = control_.word(unit);
  leave_row(unit);
  uint64_t w = load_relaxed(word);
  if (kernel_ || state_of(w) != UnitState::kReady || (w & kHolderBits) != 0 || any_row(unit)) return;
  if (!cas_seq_cst(word, w, purging_)) return;
  stage(Stage::kMarked);
  uint64_t mine = purging_;
  const UnitState after = any_row(unit) ? UnitState::kReady : UnitState::kPurged;
  cas_release(word, mine, unit_word(after, kReleased));
}

// ---- purge

// T7, T9: takes over a unit of a void purger, or one that is PURGED. True if it is now ours to discard.
bool PinTable::adopt(uint64_t unit, uint64_t word, Census& census) {
  const bool of_the_dead = kernel_ && state_of(word) == UnitState::kPurging;
  const uint64_t whole = of_the_dead ? word & kVolatile : 0;
  if (!cas_seq_cst(control_.word(unit), word, purging_ | whole)) return false;
  if (of_the_dead) return adopt_in_kernel(unit, whole != 0, census);
  if (!held_in_rows(unit, census)) return true;
  // The dead purger may or may not have discarded the unit before it found the holder: nobody can say 'kept' any more.
  set_purged(unit, volatile_);
  return false;
}

void PinTable::raise_generation(uint64_t unit) {
  uint32_t* generation = control_.generation(unit);
  store_relaxed(generation, load_relaxed(generation) + 1);
}

// T5 for one unit that is ours.
bool PinTable::set_purged(uint64_t unit, uint64_t volatile_bit) {
  raise_generation(unit);
  uint64_t mine = purging_;
  return cas_release(control_.word(unit), mine, unit_word(UnitState::kPurged, kReleased | volatile_bit));
}

// True if `word` is REFILLING and nobody holds the unit: its refiller is gone, and it never came back from PURGED.
bool PinTable::forget_refiller(uint64_t unit, uint64_t word) {
  if (state_of(word) != UnitState::kRefilling || any_bit(unit, word)) return false;
  cas_acq_rel(control_.word(unit), word, with_state(word, UnitState::kPurged));
  return true;
}

// For a pin that met the unit of a void purger: leaves it PURGED, or to whoever was quicker.
uint64_t PinTable::purge_for_the_dead(uint64_t unit, uint64_t word, Census& census) {
  uint64_t bytes = 0;
  if (adopt(unit, word, census)) discard(unit, step(unit), Mark::kAdopted, &bytes);
  return bytes;
}

PinTable::Mark PinTable::mark(uint64_t unit, Census& census, bool again) {
  uint64_t* word = control_.word(unit);
  if (span(unit) == 0) return Mark::kSkipped;
  for (int i = 0; i < kAttempts; ++i) {
    uint64_t w = load_acquire(word);
    const UnitState s = state_of(w);
    // What is not left to the kernel is held: relinquish() has been here.
    if (kernel_ && s != UnitState::kPurging && (w & kVolatile) == 0) return Mark::kSkipped;
    if (s == UnitState::kPurged) {
      if (!again) return Mark::kSkipped;
      if (any_bit(unit, w)) {
        if (held(unit, census)) return Mark::kSkipped;
        continue;  // of the dead, and cleared
      }
      return adopt(unit, w, census) ? Mark::kAgain : Mark::kSkipped;  // T9
    }
    if (again) return Mark::kSkipped;
    if (s == UnitState::kPurging) {
      if (!purger_is_void(w, census)) return Mark::kSkipped;
      if (kernel_) {
        relinquish(unit, 1);
      } else if (adopt(unit, w, census)) {
        return Mark::kAdopted;
      }
      continue;
    }
    if (any_bit(unit, w) || !(w & kReleased) || s == UnitState::kRefilling) {
      if (held(unit, census)) return Mark::kSkipped;
      w = load_acquire(word);
      if (forget_refiller(unit, w)) continue;
      if (state_of(w) != UnitState::kReady || (w & kHolderBits) != 0) continue;
    }
    stage(Stage::kBeforeMark);
    if (!cas_seq_cst(word, w, purging_)) continue;  // T4
    // Its span, for good only now: it may have become another's follower before the CAS, or by a holder who has a row.
    if (!held_in_rows(unit, census) && span(unit) != 0) return Mark::kMarked;
    unmark(unit, 1);
    return Mark::kSkipped;
  }
  return Mark::kSkipped;
}

void PinTable::unmark(uint64_t first, uint64_t count) {
  for (uint64_t u = first; u < first + count; u += step(u)) {
    uint64_t mine = purging_;
    cas_release(control_.word(u), mine, unit_word(UnitState::kReady, kReleased | volatile_));  // T8
  }
}

Status PinTable::discard(uint64_t first, uint64_t count, Mark kind, uint64_t* bytes,
                         std::atomic<uint64_t>* tally) {
  const Layout& layout = control_.layout();
  stage(Stage::kMarked);
  // Of an adopted unit that leads nobody there is only its word to settle: its bytes are another's.
  const bool bytes_too = span(first) != 0;
  const Status status =
      bytes_too ? pages_.discard(first * layout.granularity, count * layout.granularity) : Status::Ok();
  if (!status.ok() && kind == Mark::kMarked) {
    unmark(first, count);
    return status;
  }
  stage(Stage::kDiscarded);
  uint64_t discarded = 0;
  for (uint64_t u = first; u < first + count;) {
    const uint64_t units = step(u);
    if (set_purged(u, volatile_) && kind != Mark::kAgain && bytes_too)
      discarded += layout.units_bytes(u, units);
    u += units;
  }
  if (tally) tally->fetch_add(discarded, std::memory_order_relaxed);
  fetch_add_release(&control_.header()->discarded,
                    discarded);  // for whoever wants to know that there was one
  *bytes += discarded;
  return status;
}

PinTable::Purged PinTable::purge(uint64_t first, uint64_t count, bool again, std::atomic<uint64_t>* tally) {
  const Layout& layout = control_.layout();
  // Long runs make the discard cheap; a bound on them bounds how long a pin may have to wait.
  constexpr uint64_t kLongestRun = 16u << 20;
  const uint64_t longest = layout.granularity >= kLongestRun ? 1 : kLongestRun / layout.granularity;
  Census census(slots_);
  Purged result;
  result.bytes = relinquish(first, count);
  Mark kind = Mark::kSkipped;  // of the run start .. u
  uint64_t start = first;
  const uint64_t end = first + count;
  for (uint64_t u = first;;) {
    const Mark next = u < end ? mark(u, census, again) : Mark::kSkipped;
    const uint64_t units = u < end ? step(u) : 1;
    if (u < end && next == Mark::kSkipped && is_purged(u)) ++result.already;
    if (kind != Mark::kSkipped && (next != kind || u + units - start > longest)) {
      const Status status = discard(start, u - start, kind, &result.bytes, tally);
      if (!status.ok()) {
        if (next == Mark::kMarked) unmark(u, 1);
        if (next == Mark::kAdopted || next == Mark::kAgain) discard(u, units, next, &result.bytes, tally);
        result.status = status;
        return result;
      }
      start = u;
    } else if (kind == Mark::kSkipped) {
      start = u;
    }
    kind = next;
    if (u >= end) break;
    u += units;
  }
  return result;
}

}  // namespace ashmem_compat
