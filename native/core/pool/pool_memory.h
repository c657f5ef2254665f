// The memory that a pool cuts into blocks: units of data that are held and purged by extents, and the annex beside them.
//
// A unit whose span is n > 0 leads an extent of n units: one hold of the leader holds them all, one purge discards them all. A
// span is changed only by who holds its unit at that moment, and extents never overlap: to split, hold u and u + a, then span(u) = a, then
// span(u + a) = n - a; to merge, hold u and v, then span(v) = 0, then span(u) = a + b.
//
// Safe to use by several threads. Holds are counted per process. Every unit that is named must be below unit_count().
#pragma once

#include <cstdint>

#include "core/region.h"
#include "core/status.h"

namespace ashmem_compat {

class PoolMemory {
 public:
  virtual ~PoolMemory() = default;
  PoolMemory(const PoolMemory&) = delete;
  PoolMemory& operator=(const PoolMemory&) = delete;

  // The region that the memory is: its mapping outlives it, and close() ends it. Nothing else here works after that.
  virtual Region* region() = 0;
  virtual char* data() = 0;
  virtual uint64_t unit() = 0;  // bytes, a power of two
  virtual uint64_t unit_count() = 0;
  virtual char* annex() = 0;  // 64-byte aligned, never purged, zero at first
  virtual uint64_t annex_size() = 0;
  virtual int fd() = 0;  // owned by the memory; -1 where there is none
  virtual bool read_only() = 0;
  virtual bool shared() = 0;

  // Holds the leader `u`. *lost: it was PURGED; it is READY again now, and its generation says what happened. kRegionBusy when a purger has
  // had it for the whole busy timeout.
  virtual Status hold(uint64_t u, bool* lost) = 0;
  // The same without waiting: kRegionBusy at once when a purger has it.
  virtual Status try_hold(uint64_t u, bool* lost) = 0;
  // Ends one hold. The process's last one stamps the unit, for the order of purging, and gives it up.
  virtual void drop(uint64_t u) = 0;
  // The same by the process's only hold, of an extent in which nothing is worth keeping and most likely nothing is: PURGED, so that nobody purges
  // it in vain.
  virtual void drop_empty(uint64_t u) = 0;
  // A living process other than this one holds it.
  virtual bool held_by_others(uint64_t u) = 0;
  // This process holds it: any object, any thread.
  virtual bool held_here(uint64_t u) = 0;
  // Raised by every discard. The truth about losses.
  virtual uint32_t generation(uint64_t u) = 0;
  // Units of the extent that `u` leads, 0 if it leads none. From shared memory: anything may stand there.
  virtual uint32_t span(uint64_t u) = 0;
  // Only for who holds `u`: see the rule above.
  virtual void set_span(uint64_t u, uint32_t units, Priority priority) = 0;
  // Brackets a read of what lies in the extent that `u` leads, without a hold: true if the ticket is valid and end_read() says true. Of a pool that
  // can only be read this writes nothing shared.
  virtual Status begin_read(uint64_t u, ReadTicket* ticket) = 0;
  virtual bool end_read(uint64_t u, const ReadTicket& ticket) = 0;
  // Discards the extents that are led by a unit of the range and that nobody holds; bytes of it.
  virtual uint64_t purge(uint64_t u, uint64_t count) = 0;
  // To be called before so many bytes of it are filled, without a lock: may wait for the reclaimer of this process.
  virtual void before_filling(uint64_t) {}
  // This process's reclaimer takes of it, or would soon.
  virtual bool little_left() { return false; }
  // Names this process in the annex: its slot and life. Never 0, and never that of another process, past or present.
  virtual uint64_t me() = 0;
  // Certain death only.
  virtual bool is_dead(uint64_t owner) = 0;
  // Bytes, for statistics: discarded ever; in memory now.
  virtual uint64_t discarded() = 0;
  virtual uint64_t resident() = 0;

 protected:
  PoolMemory() = default;
};

}  // namespace ashmem_compat
