// Waiting for a process that is purging a unit, for as long as the one who waits has been told to.
#pragma once

#include <time.h>

#include "core/pins/pin_table.h"

namespace ashmem_compat {

// Counted in naps and not by the clock, so that a process which was itself stopped meanwhile does not give up early.
class Patience {
 public:
  explicit Patience(uint32_t limit_ms) : limit_ns_(uint64_t{limit_ms} * 1'000'000) {}

  // kRegionBusy when the patience is used up. The nap comes first, so that a peer that makes us come back over and over uses it up
  // as well.
  Status wait_for_purger(PinTable& table, uint64_t unit) {
    uint64_t nap_ns = 20'000;
    do {
      if (waited_ns_ >= limit_ns_) {
        return Status::Of(Code::kRegionBusy, "another process is purging the range and does not finish");
      }
      timespec nap{0, static_cast<long>(nap_ns)};
      nanosleep(&nap, nullptr);
      waited_ns_ += nap_ns;
      if (nap_ns < 1'000'000) nap_ns *= 2;
    } while (table.being_purged(unit));
    return Status::Ok();
  }

 private:
  const uint64_t limit_ns_;
  uint64_t waited_ns_ = 0;
};

}  // namespace ashmem_compat
