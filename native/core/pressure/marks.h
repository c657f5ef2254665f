// From readings to levels: watermarks, and the hysteresis that keeps a level from flickering.
#pragma once

#include "core/pressure/gauge.h"

namespace ashmem_compat::pressure {

// For a limit of `limit` bytes: medium is a sixteenth, at least 16 MiB (or an eighth, of small limits), at most 256 MiB; low is
// twice, critical half of it. A process that allocates at full speed takes some 16 MiB in the 10 ms between two looks.
Marks default_marks(uint64_t limit);

// Clearly above a mark: by a quarter, or half of the way to the limit where that is less.
constexpr uint64_t clearly_above(uint64_t mark, uint64_t limit) {
  const uint64_t room = limit > mark ? (limit - mark) / 2 : 0;
  return mark + (mark / 4 < room ? mark / 4 : room);
}

// Where the reclaimer stops: a little above the medium mark, or it would be called again at once.
constexpr uint64_t enough(const Marks& marks, uint64_t limit) { return clearly_above(marks.medium, limit); }

// What the reading says by itself, without memory of earlier ones.
Level level_of(const Reading& reading, const Marks& marks);

// Bytes to free, by a reading of bytes: 0 down to the medium mark.
constexpr uint64_t shortfall(const Reading& reading, const Marks& marks) {
  return reading.limit != 0 && reading.available < marks.medium
             ? enough(marks, reading.limit) - reading.available
             : 0;
}

// The level of one gauge over time: rises at once, falls when it has stayed away for half a second and by a quarter of the mark.
class LevelKeeper {
 public:
  Level update(const Reading& reading, const Marks& marks, uint64_t now_ms);
  Level level() const { return level_; }

 private:
  Level level_ = Level::kNone;
  uint64_t last_ms_ = 0;  // when a reading last was at level_ or above
};

}  // namespace ashmem_compat::pressure
