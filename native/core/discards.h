// What has been discarded of a region, for whoever wants to hear of it.
#pragma once

#include <cstdint>

namespace ashmem_compat {

// Bytes discarded since this process attached, by who did it.
struct DiscardTotals {
  uint64_t pressure = 0;  // this process's reclaimer
  uint64_t request = 0;   // purge() in this process
  uint64_t kernel = 0;    // the kernel, as far as pins and looks of the region's processes were told
  uint64_t peer = 0;      // another process
  uint64_t sum() const { return pressure + request + kernel + peer; }
};

// Told on the watcher's thread, with a lock held: must not block, nor call into the region. The first time is while it is set, on the thread
// that sets it: what was discarded before, for those who count from there.
class PurgeListener {
 public:
  virtual void on_purge(const DiscardTotals& totals) = 0;

 protected:
  ~PurgeListener() = default;
};

}  // namespace ashmem_compat
