// The two kinds of 64-bit words of the protocol, and nothing but their bits: docs/protocol.md, "Unit words", "Slots".
#pragma once

#include <cstdint>

#include "core/pins/layout.h"

namespace ashmem_compat {

// ---- unit words

enum class UnitState : uint64_t { kReady = 0, kPurging = 1, kPurged = 2, kRefilling = 3 };

constexpr uint64_t kHolderBits = (uint64_t{1} << kSlotsInUnitWord) - 1;
constexpr uint64_t kReleased = uint64_t{1} << 61;
// Of a kernel that discards by itself: the unit is left to it; in PURGING, the unit's bytes are still whole.
constexpr uint64_t kVolatile = uint64_t{1} << 60;
constexpr int kStateShift = 62;
constexpr uint64_t kStateBits = uint64_t{3} << kStateShift;

constexpr UnitState state_of(uint64_t word) { return static_cast<UnitState>(word >> kStateShift); }
constexpr uint64_t with_state(uint64_t word, UnitState state) {
  return (word & ~kStateBits) | static_cast<uint64_t>(state) << kStateShift;
}
constexpr uint64_t unit_word(UnitState state, uint64_t rest) {
  return static_cast<uint64_t>(state) << kStateShift | rest;
}

// ---- life words

enum class Phase : uint64_t { kFree = 0, kAttaching = 1, kActive = 2 };

constexpr int kStartTimeBits = 24;
constexpr int kPidBits = 22;  // PID_MAX_LIMIT
constexpr int kNamespaceShift = kStartTimeBits + kPidBits;
constexpr uint32_t kNamespaceUnknown = 15;
constexpr int kIdentityBits = kNamespaceShift + 4;
constexpr uint64_t kIdentityMask = (uint64_t{1} << kIdentityBits) - 1;
constexpr int kEpochBits = 12;
constexpr uint64_t kEpochMask = (uint64_t{1} << kEpochBits) - 1;

constexpr Phase phase_of(uint64_t life) { return static_cast<Phase>(life >> 62); }
constexpr uint64_t epoch_of(uint64_t life) { return life >> kIdentityBits & kEpochMask; }
constexpr uint64_t identity_of(uint64_t life) { return life & kIdentityMask; }
constexpr uint32_t pid_of(uint64_t life) { return life >> kStartTimeBits & ((1u << kPidBits) - 1); }
constexpr uint64_t start_time_of(uint64_t life) { return life & ((uint64_t{1} << kStartTimeBits) - 1); }
constexpr uint32_t namespace_of(uint64_t life) { return life >> kNamespaceShift & 15; }

constexpr uint64_t life_word(Phase phase, uint64_t epoch, uint64_t identity) {
  return static_cast<uint64_t>(phase) << 62 | (epoch & kEpochMask) << kIdentityBits | identity;
}
constexpr uint64_t make_identity(uint32_t ns, uint32_t pid, uint64_t start_time) {
  return uint64_t{ns} << kNamespaceShift | (uint64_t{pid} & ((1u << kPidBits) - 1)) << kStartTimeBits |
         (start_time & ((uint64_t{1} << kStartTimeBits) - 1));
}

// The word of a unit that the owner of slot `slot`, with life word `life`, is purging. It names the life, epoch included:
// with the identity alone, a process that left and came back would be taken for its own void former self.
constexpr int kPurgerTagBits = 50;
constexpr uint64_t purger_tag(uint64_t life) { return life >> 12 & ((uint64_t{1} << kPurgerTagBits) - 1); }
constexpr uint64_t purging_word(uint32_t slot, uint64_t life) {
  return unit_word(UnitState::kPurging, kReleased | purger_tag(life) << 10 | slot);
}
constexpr uint32_t purger_slot(uint64_t word) { return word & 1023; }
constexpr uint64_t tag_of_purger(uint64_t word) { return word >> 10 & ((uint64_t{1} << kPurgerTagBits) - 1); }

static_assert(10 + kPurgerTagBits == kSlotsInUnitWord, "a purger's slot and tag fill the holder bits");
static_assert(12 + kPurgerTagBits == 62,
              "the tag is the life word less the phase and 12 bits of the start time");
static_assert(kMaxSlots <= 1024, "a slot number has 10 bits in a purging word");

}  // namespace ashmem_compat
