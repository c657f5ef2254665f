#include "core/pins/pin_table.h"

#include "core/platform/table_reader.h"

namespace ashmem_compat {

void PinTable::begin(bool creator) {
  const uint32_t slot = slots_.own();
  if (slot < kSlotsInUnitWord) {
    bit_ = uint64_t{1} << slot;
  } else {
    extra_word_ = (slot - kSlotsInUnitWord) / 64;
    extra_bit_ = uint64_t{1} << ((slot - kSlotsInUnitWord) % 64);
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

bool PinTable::any_bit(uint64_t unit, uint64_t word) {
  if (word & kHolderBits) return true;
  for (uint32_t k = 0; k < control_.layout().extra_words; ++k) {
    if (load_seq_cst(control_.extra(unit, k)) != 0) return true;
  }
  return false;
}

// ---- recovery (R1)

// Clears the bit of `slot`, whose owner is void. The caller holds a hazard on the slot, or owns it (A3).
void PinTable::clear_bit(uint64_t unit, uint32_t slot) {
  uint64_t* word = control_.word(unit);
  const bool in_extra = slot >= kSlotsInUnitWord;
  const uint64_t bit = in_extra ? 0 : uint64_t{1} << slot;
  uint64_t w = load_acquire(word);
  for (int i = 0; i < kAttempts && state_of(w) != UnitState::kPurging; ++i) {
    if (!in_extra && !(w & bit)) break;
    // The dead one may have been the refiller.
    const uint64_t next =
        state_of(w) == UnitState::kRefilling ? with_state(w & ~bit, UnitState::kPurged) : w & ~bit;
    if (next == w || cas_acq_rel(word, w, next)) break;
  }
  if (in_extra) {
    const uint32_t at = slot - kSlotsInUnitWord;
    fetch_and_acq_rel(control_.extra(unit, at / 64), ~(uint64_t{1} << at % 64));
  }
}

// R1 for a bit whose owner was found void in `life`. A reader that owns no slot leaves it to others.
void PinTable::void_bit(uint64_t unit, uint32_t slot, uint64_t life) {
  if (slots_.own() == Slots::kNone) return;
  if (slot >= control_.layout().slot_count) {
    clear_bit(unit, slot);  // of no slot at all: nobody can ever own it
  } else {
    slots_.recover(slot, life, [&] { clear_bit(unit, slot); });
  }
}

void PinTable::sweep(uint32_t slot, int fd) {
  const Layout& layout = control_.layout();
  const bool in_extra = slot >= kSlotsInUnitWord;
  const uint32_t at = in_extra ? slot - kSlotsInUnitWord : slot;
  const uint64_t bit = uint64_t{1} << at % 64;
  const uint64_t per_unit = in_extra ? layout.extra_words : 1;
  const auto clear = [&](uint64_t unit, uint64_t word) {
    if (!(word & bit)) return;
    if (!in_extra && state_of(word) == UnitState::kPurging) return;  // not a holder bit
    clear_bit(unit, slot);
    stage(Stage::kSweeping);
  };
  // Words in holes of the file are 0. What changes behind the reader is not this slot's bit: nobody sets it now.
  const Status status = read_table<uint64_t>(fd, in_extra ? layout.extra_offset : layout.words_offset,
                                             layout.unit_count * per_unit,
                                             [&](uint64_t first, const uint64_t* words, uint64_t count) {
                                               for (uint64_t i = 0; i < count; ++i) {
                                                 if (!in_extra || (first + i) % per_unit == at / 64)
                                                   clear((first + i) / per_unit, words[i]);
                                               }
                                               return Status::Ok();
                                             });
  if (status.ok()) return;
  for (uint64_t u = 0; u < layout.unit_count; ++u) {
    clear(u, load_relaxed(in_extra ? control_.extra(u, at / 64) : control_.word(u)));
  }
}

bool PinTable::held(uint64_t unit, Census& census, uint32_t but) {
  const uint64_t w = load_acquire(control_.word(unit));
  if (state_of(w) == UnitState::kPurging) return false;
  if (initial_hold(w, census)) return true;
  const uint32_t slot_count = control_.layout().slot_count;
  bool held = false;
  const auto judge = [&](uint32_t slot) {
    if (slot == but) return;
    uint64_t life = 0;
    if (slot < slot_count && !census.is_void(slot, &life)) {
      held = true;
    } else {
      void_bit(unit, slot, life);
    }
  };
  for (uint64_t bits = w & kHolderBits; bits != 0; bits &= bits - 1) {
    judge(static_cast<uint32_t>(__builtin_ctzll(bits)));
  }
  return held_in_extra(unit, census, but) || held;
}

bool PinTable::held_in_extra(uint64_t unit, Census& census, uint32_t but) {
  bool held = false;
  for (uint32_t k = 0; k < control_.layout().extra_words; ++k) {
    for (uint64_t bits = load_seq_cst(control_.extra(unit, k)); bits != 0; bits &= bits - 1) {
      const uint32_t slot = kSlotsInUnitWord + k * 64 + static_cast<uint32_t>(__builtin_ctzll(bits));
      if (slot == but) continue;
      uint64_t life = 0;
      if (slot < control_.layout().slot_count && !census.is_void(slot, &life)) {
        held = true;
      } else {
        void_bit(unit, slot, life);
      }
    }
  }
  return held;
}

// ---- pin

PinTable::Take PinTable::take_slowly(uint64_t unit, Census& census) {
  if (bit_ == 0) return take_extra(unit, census);
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
PinTable::Take PinTable::take_extra(uint64_t unit, Census& census) {
  uint64_t* word = control_.word(unit);
  uint64_t* extra = control_.extra(unit, extra_word_);
  bool filling = false;
  for (int i = 0; i < kAttempts; ++i) {
    fetch_or_seq_cst(extra, extra_bit_);
    uint64_t w = load_seq_cst(word);
    stage(Stage::kTaken);
    switch (state_of(w)) {
      case UnitState::kReady:
      case UnitState::kPurged: {
        Take taken = state_of(w) == UnitState::kReady ? Take::kKept : Take::kLost;
        if ((w & volatile_) == 0) return taken;
        const bool answered = pin_in_kernel(unit, w, &taken);  // K1
        if (answered && taken < Take::kWait) return taken;
        fetch_and_acq_rel(extra, ~extra_bit_);
        if (answered) return taken;
        break;
      }
      case UnitState::kRefilling:
        // A second look: the holder that was met alive may have been the next owner of a dead refiller's slot.
        if (filling) return Take::kKept;
        fetch_and_acq_rel(extra, ~extra_bit_);
        filling = held(unit, census);
        w = load_acquire(word);
        if (!filling) forget_refiller(unit, w);
        break;
      case UnitState::kPurging:
        fetch_and_acq_rel(extra, ~extra_bit_);
        if (!purger_is_void(w)) return Take::kWait;
        purge_for_the_dead(unit, w, census);
        break;
    }
  }
  fetch_and_acq_rel(extra, ~extra_bit_);
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
        // In extra words: a purger that will find our bit and step back, or died before it could. Elsewhere only a
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
    if (state_of(w) == UnitState::kPurging) {  // a purger that will find our extra bit and step back
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
      // A purger that is about to find our extra bit and step back (T8); else a hostile peer took our bit away, and the
      // word is not ours to touch.
      if (extra_bit_ == 0 || refill == Refill::kNone) break;
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
  if (gives && extra_bit_ != 0) fetch_and_release(control_.extra(unit, extra_word_), ~extra_bit_);
}

void PinTable::give_empty(uint64_t unit) {
  uint64_t* word = control_.word(unit);
  stamp_now(unit);
  uint64_t w = load_relaxed(word);
  for (int i = 0; i < kAttempts && state_of(w) == UnitState::kReady; ++i) {
    if (extra_bit_ == 0 && (w & kHolderBits & ~bit_) != 0) break;  // somebody has come; then it is his
    if (cas_release(word, w, with_state((w & ~bit_) | kReleased, UnitState::kPurged))) {
      if (extra_bit_ != 0) fetch_and_release(control_.extra(unit, extra_word_), ~extra_bit_);
      return;
    }
  }
  finish(unit, Refill::kNone, true);
}

// ---- purge

// T7, T9: takes over a unit of a void purger, or one that is PURGED. True if it is now ours to discard.
bool PinTable::adopt(uint64_t unit, uint64_t word, Census& census) {
  const bool of_the_dead = kernel_ && state_of(word) == UnitState::kPurging;
  const uint64_t whole = of_the_dead ? word & kVolatile : 0;
  if (!cas_seq_cst(control_.word(unit), word, purging_ | whole)) return false;
  if (of_the_dead) return adopt_in_kernel(unit, whole != 0, census);
  if (control_.layout().extra_words == 0 || !held_in_extra(unit, census)) return true;
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
      if ((w & kHolderBits) != 0) {
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
    if ((w & kHolderBits) != 0 || !(w & kReleased) || s == UnitState::kRefilling) {
      if (held(unit, census)) return Mark::kSkipped;
      w = load_acquire(word);
      if (forget_refiller(unit, w)) continue;
      if (state_of(w) != UnitState::kReady || (w & kHolderBits) != 0) continue;
    }
    stage(Stage::kBeforeMark);
    if (!cas_seq_cst(word, w, purging_)) continue;  // T4
    const bool leads =
        span(unit) != 0;  // for good only now: it may have become another's follower before the CAS
    if (leads && (control_.layout().extra_words == 0 || !held_in_extra(unit, census))) return Mark::kMarked;
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
