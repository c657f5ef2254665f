#include "core/pressure/marks.h"

#include <algorithm>

namespace ashmem_compat::pressure {
namespace {

constexpr uint64_t kMiB = uint64_t{1} << 20;
constexpr uint64_t kStaysMs = 500;

uint64_t mark_of(const Marks& marks, Level level) {
  return level == Level::kLow      ? marks.low
         : level == Level::kMedium ? marks.medium
         : level == Level::kNone   ? 0
                                   : marks.critical;
}

}  // namespace

Marks default_marks(uint64_t limit) {
  const uint64_t least = std::min(16 * kMiB, limit / 8);
  Marks marks;
  marks.medium = std::clamp(limit / 16, least, std::max(least, 256 * kMiB));
  marks.low = 2 * marks.medium;
  marks.critical = marks.medium / 2;
  return marks;
}

Level level_of(const Reading& reading, const Marks& marks) {
  if (reading.limit == 0) return reading.level;
  if (reading.available < marks.critical) return Level::kCritical;
  if (reading.available < marks.medium) return Level::kMedium;
  return reading.available < marks.low ? Level::kLow : Level::kNone;
}

Level LevelKeeper::update(const Reading& reading, const Marks& marks, uint64_t now_ms) {
  const Level now = level_of(reading, marks);
  if (now >= level_) {
    level_ = now;
    last_ms_ = now_ms;
    return level_;
  }
  const uint64_t mark = mark_of(marks, level_);
  const bool away = reading.limit == 0 || reading.available >= clearly_above(mark, reading.limit);
  if (away && now_ms - last_ms_ >= kStaysMs) {
    level_ = now;
    last_ms_ = now_ms;
  }
  return level_;
}

}  // namespace ashmem_compat::pressure
