// A level that an event raises, and that falls by itself when no more come.
#pragma once

#include <cstdint>

#include "core/pressure/gauge.h"

namespace ashmem_compat::pressure {

class FadingLevel {
 public:
  // Raises it to `level` for `hold_ms`, then to `after` for as long again.
  void raise(uint64_t now_ms, Level level, uint64_t hold_ms, Level after = Level::kNone) {
    level_ = level;
    after_ = after;
    hold_ms_ = hold_ms;
    since_ = now_ms;
  }
  void show(uint64_t now_ms, Reading* reading) const {
    const uint64_t age = now_ms - since_;
    if (age >= 2 * hold_ms_) return;
    reading->level = age < hold_ms_ ? level_ : after_;
    if (reading->level == Level::kNone) return;
    // The fall sends no event.
    reading->again_ms = age < hold_ms_ ? hold_ms_ - age : 2 * hold_ms_ - age;
  }

 private:
  Level level_ = Level::kNone, after_ = Level::kNone;
  uint64_t since_ = 0, hold_ms_ = 0;
};

}  // namespace ashmem_compat::pressure
