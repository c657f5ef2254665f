#include "core/pins/slots.h"

#include "core/platform/process_identity.h"
#include "core/platform/stage.h"

namespace ashmem_compat {
namespace {
constexpr int kMostSweeps = 4;
}

Slots::Slots(const Control& control)
    : control_(control),
      verdicts_(new uint64_t[size_t{2} * control.layout().slot_count]()),
      dead_life_(verdicts_.get()),
      alive_in_tick_(dead_life_ + control.layout().slot_count) {}

bool Slots::dead(uint32_t slot, uint64_t life) {
  if (slot == own_ && life == own_life_) return false;
  if (phase_of(life) == Phase::kFree) return false;
  if (pid_of(life) == 0 || phase_of(life) > Phase::kActive) return true;  // nobody writes such a word
  if (load_relaxed(&dead_life_[slot]) == life) return true;

  ProcessIdentity owner;
  owner.pid = static_cast<pid_t>(pid_of(life));
  owner.start_time = start_time_of(life);
  int start_time_bits = kStartTimeBits;
  const uint32_t ns = namespace_of(life);
  owner.namespaces = ns < kNamespaces ? load_acquire(control_.namespace_entry(ns)) : 0;

  // The evidence is the owner's alone to write, and only counts if it is whole and about this very life.
  const Slot* s = control_.slot(slot);
  const uint64_t active = life_word(Phase::kActive, epoch_of(life), identity_of(life));
  if (load_acquire(&s->evidence_for) == active) {
    const uint64_t start_time = load_relaxed(&s->start_time);
    const uint64_t image = load_relaxed(&s->image);
    fence_acquire();
    if (load_relaxed(&s->evidence_for) == active && make_identity(0, 0, start_time) == owner.start_time) {
      owner.start_time = start_time;
      owner.image = image;
      start_time_bits = 64;
    }
  }
  if (!certainly_dead(owner, start_time_bits)) return false;
  store_relaxed(&dead_life_[slot], life);
  return true;
}

bool Slots::is_void(uint32_t slot, uint64_t* life) {
  *life = load_seq_cst(&control_.slot(slot)->life);
  return phase_of(*life) != Phase::kActive || dead(slot, *life);
}

bool Slots::is_void_in_tick(uint32_t slot, uint64_t* life) {
  const uint64_t tick = coarse_tick();  // as of before the question
  *life = load_seq_cst(&control_.slot(slot)->life);
  if (load_relaxed(&alive_in_tick_[slot]) == mixed(*life, tick)) return false;
  if (is_void(slot, life)) return true;
  store_relaxed(&alive_in_tick_[slot], mixed(*life, tick));
  return false;
}

bool Slots::set_hazard(uint32_t slot, uint64_t life) {
  store_seq_cst(&control_.slot(own_)->hazard, uint64_t{slot} + 1);
  stage(Stage::kHazardSet);
  if (load_seq_cst(&control_.slot(slot)->life) != life) return false;
  stage(Stage::kBeforeClear);
  return true;
}

void Slots::clear_hazard() { store_release(&control_.slot(own_)->hazard, uint64_t{0}); }

bool Slots::hazard_on(uint32_t slot) {
  for (uint32_t i = 0; i < control_.layout().slot_count; ++i) {
    if (i == slot || load_seq_cst(&control_.slot(i)->hazard) != uint64_t{slot} + 1) continue;
    const uint64_t life = load_seq_cst(&control_.slot(i)->life);
    if (phase_of(life) != Phase::kFree && !dead(i, life)) return true;
  }
  return false;
}

uint32_t Slots::own_namespace_index() {
  const uint64_t mine = own_identity().namespaces;
  if (mine == 0) return kNamespaceUnknown;
  for (uint32_t i = 0; i < kNamespaces; ++i) {
    uint64_t entry = load_acquire(control_.namespace_entry(i));
    if (entry == 0 && cas_acq_rel(control_.namespace_entry(i), entry, mine)) return i;
    if (entry == mine) return i;
  }
  return kNamespaceUnknown;
}

uint64_t Slots::own_identity_bits() {
  const ProcessIdentity& self = own_identity();
  return make_identity(own_namespace_index(), static_cast<uint32_t>(self.pid), self.start_time);
}

// The slot's life word is ours and ACTIVE. True once it may be used: A4 passed, evidence in place.
bool Slots::settle(uint32_t slot, uint64_t life) {
  Slot* s = control_.slot(slot);
  store_seq_cst(&s->hazard, uint64_t{0});
  stage(Stage::kSlotClaimed);
  if (hazard_on(slot)) {
    // Somebody still means the last owner when it clears this slot's bits.
    uint64_t mine = life;
    cas_acq_rel(&s->life, mine, life_word(Phase::kFree, epoch_of(life) + 1, 0));
    return false;
  }
  const ProcessIdentity& self = own_identity();
  store_release(&s->evidence_for, uint64_t{0});
  __atomic_thread_fence(__ATOMIC_RELEASE);
  store_relaxed(&s->start_time, self.start_time);
  store_relaxed(&s->image, self.image);
  store_release(&s->evidence_for, life);
  own_ = slot;
  own_life_ = life;
  return true;
}

void Slots::claim_first() {
  const uint64_t life = life_word(Phase::kActive, 0, own_identity_bits());
  store_seq_cst(&control_.slot(0)->life, life);
  settle(0, life);
}

// A2 and A3 but for the end: the slot of a dead owner is ours to give, its life word `*attaching`, and its bits are gone.
bool Slots::sweep_dead(uint32_t slot, uint64_t life, uint64_t identity,
                       const std::function<void(uint32_t)>& sweep, uint64_t* attaching) {
  if (hazard_on(slot)) return false;
  *attaching = life_word(Phase::kAttaching, epoch_of(life) + 1, identity);
  if (!cas_seq_cst(&control_.slot(slot)->life, life, *attaching)) return false;
  // The dead owner's, which would block another slot.
  store_seq_cst(&control_.slot(slot)->hazard, uint64_t{0});
  sweep(slot);
  return true;
}

bool Slots::bury_dead(const std::function<void(uint32_t)>& sweep) {
  int found = 0;
  for (uint32_t i = 0; i < control_.layout().slot_count && found < kMostSweeps; ++i) {
    const uint64_t life = load_seq_cst(&control_.slot(i)->life);
    uint64_t mine = 0;
    if (i == own_ || phase_of(life) == Phase::kFree || !dead(i, life)) continue;
    ++found;
    if (!sweep_dead(i, life, own_identity_bits(), sweep, &mine)) continue;
    cas_release(&control_.slot(i)->life, mine, life_word(Phase::kFree, epoch_of(mine) + 1, 0));
  }
  return found != 0;
}

Status Slots::claim(const std::function<void(uint32_t)>& sweep) {
  const uint64_t identity = own_identity_bits();
  bool in_the_way = false;
  for (uint32_t i = 0; i < control_.layout().slot_count; ++i) {
    uint64_t life = load_seq_cst(&control_.slot(i)->life);
    if (phase_of(life) != Phase::kFree) continue;
    const uint64_t mine = life_word(Phase::kActive, epoch_of(life), identity);
    if (!cas_seq_cst(&control_.slot(i)->life, life, mine)) {
      in_the_way = true;  // lost a race for it; the next slot may be free
      continue;
    }
    if (settle(i, mine)) return Status::Ok();
    in_the_way = true;
  }
  // A sweep looks at every unit. One is enough where nobody means harm; a file made to need many does not get them.
  int sweeps = 0;
  for (uint32_t i = 0; i < control_.layout().slot_count && sweeps < kMostSweeps; ++i) {
    uint64_t life = load_seq_cst(&control_.slot(i)->life);
    if (phase_of(life) == Phase::kFree || !dead(i, life)) continue;
    uint64_t attaching = 0;
    if (!sweep_dead(i, life, identity, sweep, &attaching)) {
      in_the_way = true;
      continue;
    }
    ++sweeps;
    const uint64_t mine = life_word(Phase::kActive, epoch_of(attaching), identity);
    if (cas_seq_cst(&control_.slot(i)->life, attaching, mine) && settle(i, mine)) return Status::Ok();
    in_the_way = true;
  }
  if (in_the_way)
    return Status::Of(Code::kRegionBusy, "no slot could be taken: other processes are attaching or frozen");
  return Status::Of(Code::kTooManyProcesses, "all slots of the region have living owners (maxProcesses)");
}

void Slots::release() {
  if (own_ == kNone) return;
  uint64_t life = own_life_;
  cas_release(&control_.slot(own_)->life, life, life_word(Phase::kFree, epoch_of(own_life_) + 1, 0));
  own_ = kNone;
}

}  // namespace ashmem_compat
