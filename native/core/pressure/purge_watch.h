// Hearing of what is discarded of one region, through the watcher's thread.
#pragma once

#include <cstdint>
#include <functional>

#include "core/discards.h"
#include "core/status.h"

namespace ashmem_compat::pressure {

// Asked for the totals on the watcher's thread; false: there are none any more.
using TotalsQuestion = std::function<bool(DiscardTotals*)>;

// Owned by a region object; one thread at a time.
class PurgeWatch {
 public:
  PurgeWatch() = default;
  PurgeWatch(const PurgeWatch&) = delete;
  PurgeWatch& operator=(const PurgeWatch&) = delete;
  ~PurgeWatch() { end(); }

  // In place of what was set before. A null listener ends it. kSystem when there is no thread to be had.
  Status set(PurgeListener* listener, TotalsQuestion question);
  // When this returns, no on_purge() call is running or will come.
  void end();

 private:
  uint64_t id_ = 0;
};

}  // namespace ashmem_compat::pressure
