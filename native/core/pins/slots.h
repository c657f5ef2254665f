// The table of attached processes: owning a slot in it, and judging the owners of the others.
// docs/protocol.md, "Slots and liveness" and "Recovery".
#pragma once

#include <string.h>

#include <cstdint>
#include <functional>
#include <memory>

#include "core/pins/control.h"
#include "core/pins/words.h"
#include "core/platform/atomics.h"
#include "core/platform/coarse_tick.h"
#include "core/platform/spinlock.h"

namespace ashmem_compat {

class Slots {
 public:
  static constexpr uint32_t kNone = ~0u;

  explicit Slots(const Control& control);

  // Takes a slot for this process (A1..A4). `sweep` must clear every holder bit of the slot it is given; it is called
  // for a slot whose last owner died. kTooManyProcesses when all slots have living owners, kRegionBusy when one is free
  // but a recoverer that has not finished (a frozen process, in the end) stands in the way.
  Status claim(const std::function<void(uint32_t slot)>& sweep);
  // A1 on an empty table: the creator takes slot 0 before anybody else can see the region.
  void claim_first();
  // Frees the slots of the dead, as A2, A3 and A5 do, so that nobody has to look at them again. True if it met any.
  bool bury_dead(const std::function<void(uint32_t slot)>& sweep);
  // A5. The caller has cleared all its bits.
  void release();

  uint32_t own() const { return own_; }
  uint64_t own_life() const { return own_life_; }

  // True if holder bits and purges of `slot`'s owner are void: no owner, one that is attaching, or one that is dead.
  // `*life` is what the verdict is about.
  bool is_void(uint32_t slot, uint64_t* life);
  // The same, asking the system about an owner at most once in a tick of coarse_tick().
  bool is_void_in_tick(uint32_t slot, uint64_t* life);
  // True if the owner was found alive in this tick; false if that is not known without asking.
  bool known_alive(uint32_t slot) const {
    const uint64_t life = load_seq_cst(&control_.slot(slot)->life);
    return load_relaxed(&alive_in_tick_[slot]) == mixed(life, coarse_tick());
  }
  // True if the owner in `life` is certainly dead. Cached: death is for good.
  bool dead(uint32_t slot, uint64_t life);

  // Runs `clear` while a hazard keeps slot `slot` from getting a new owner, if its life word is still `life`. The bit
  // may then be cleared whatever the delay. False if the slot has moved on.
  template <typename Clear>
  bool recover(uint32_t slot, uint64_t life, Clear clear) {
    recovering_.lock();
    const bool valid = set_hazard(slot, life);
    if (valid) clear();
    clear_hazard();
    recovering_.unlock();
    return valid;
  }

 private:
  // In one word, so that threads may write it at once.
  static uint64_t mixed(uint64_t life, uint64_t tick) { return life ^ tick * 0x9e3779b97f4a7c15u; }

  bool set_hazard(uint32_t slot, uint64_t life);
  void clear_hazard();
  bool settle(uint32_t slot, uint64_t life);
  bool sweep_dead(uint32_t slot, uint64_t life, uint64_t identity, const std::function<void(uint32_t)>& sweep,
                  uint64_t* attaching);
  bool hazard_on(uint32_t slot);
  uint32_t own_namespace_index();
  uint64_t own_identity_bits();

  const Control& control_;
  uint32_t own_ = kNone;
  uint64_t own_life_ = 0;
  SpinLock recovering_;                   // one hazard per process
  std::unique_ptr<uint64_t[]> verdicts_;  // of both kinds
  // By slot: a life word known to be dead; and one mixed with the tick in which it was seen alive.
  uint64_t* dead_life_;
  uint64_t* alive_in_tick_;
};

// One operation's view of who is alive: each owner is judged at most once, so that an operation over many units makes
// few system calls. A verdict 'alive' is good for the length of the operation only. Costs nothing until it is asked.
class Census {
 public:
  enum Freshness {
    kNow,
    kWithinTick,  // whoever was alive earlier in this tick of coarse_tick() counts as alive
  };
  explicit Census(Slots& slots, Freshness freshness = kNow) : slots_(slots), freshness_(freshness) {}

  // As Slots::is_void, remembering the living.
  bool is_void(uint32_t slot, uint64_t* life) {
    if (!asked_) memset(alive_, 0, sizeof alive_);
    asked_ = true;
    const uint64_t bit = uint64_t{1} << slot % 64;
    if (alive_[slot / 64] & bit) return false;
    const bool is_void = freshness_ == kNow ? slots_.is_void(slot, life) : slots_.is_void_in_tick(slot, life);
    if (is_void) return true;
    alive_[slot / 64] |= bit;
    return false;
  }

 private:
  Slots& slots_;
  const Freshness freshness_;
  bool asked_ = false;
  uint64_t alive_[(kMaxSlots + 63) / 64];  // by slot, cleared when first asked
};

}  // namespace ashmem_compat
