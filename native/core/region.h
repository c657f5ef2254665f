// A region of purgeable memory, as one object of one process sees it.
//
// An object may be used by one thread at a time; several objects of one region, in any threads and processes, may be
// used at once. An object that was inherited by fork() answers everything with kForked: a child attaches for itself.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "core/discards.h"
#include "core/mapping.h"
#include "core/pins/layout.h"
#include "core/status.h"

namespace ashmem_compat {

class Attachment;
class Control;

enum class Scope { kShared, kProcess };

struct RegionOptions {
  std::string name;                      // at most kMaxName bytes
  uint64_t size = 0;                     // bytes, at least 1
  uint64_t granularity = 0;              // bytes in a unit, a power of two, 0: the page size
  uint32_t max_processes = 0;            // attached at once, 0: kDefaultSlots
  uint32_t busy_timeout_ms = 1000;       // how long a pin waits for somebody else's purge
  RegionKind kind = RegionKind::kPlain;  // what attaching expects, and creating makes
  uint64_t annex_size = 0;               // bytes, of kinds that have an annex
  bool rows = false;       // holder bits in rows also where they are in the unit words by default
  bool reclaimer = false;  // whether this process purges the region by itself when memory is short
};

// What is purged first when memory is short; of the region, for all its processes.
enum class Priority : uint32_t { kNormal = 0, kCheap = 1, kPrecious = 2 };

// From shared memory, where anything may stand.
constexpr Priority priority_of(uint32_t word) {
  return word == 1 ? Priority::kCheap : word == 2 ? Priority::kPrecious : Priority::kNormal;
}

struct ByteRange {
  uint64_t offset;
  uint64_t length;
};

struct RegionStats {
  uint64_t size = 0, pinned = 0, unpinned = 0, purged = 0, resident = 0;
};

// What a tryRead remembers between its two looks at the units.
struct ReadTicket {
  uint64_t generations = 0;
  bool valid = false;
};

// What an optimistic read remembers between its two looks at the units.
struct OptimisticTicket {
  std::vector<uint64_t> units;  // of the range: the generation, times two, plus 1 if the bytes were whole
  std::vector<ByteRange> lost;  // where it was known at once
};

class Region {
 public:
  virtual ~Region() = default;
  Region(const Region&) = delete;
  Region& operator=(const Region&) = delete;

  const std::string& name() const { return name_; }
  uint64_t size() const { return size_; }
  uint64_t granularity() const { return uint64_t{1} << unit_shift_; }
  const char* backend() const { return backend_; }
  Scope scope() const { return scope_; }
  bool read_only() const { return read_only_; }
  // Whether pins are counted: false only for memory of a foreign maker, where one unpin undoes everybody's pins.
  bool counted() const { return counted_; }
  bool closed() const { return mapping_ == nullptr; }

  // The data, mapped from offset 0; null once closed. Whoever shares ownership of it keeps the address range valid, not
  // the bytes: after close() they read as zeros.
  const std::shared_ptr<Mapping>& mapping() const { return mapping_; }
  // The file descriptor, owned by the object; -1 where there is none.
  virtual int fd() const = 0;
  virtual bool purgeable() const = 0;

  // Every range is in bytes, a multiple of the granularity, except that it may end at size(); length at least 1.
  // kInvalidRange otherwise, and nothing is done.

  // Holds every unit of the range, or (on failure) none more than before. *purged: something was lost since this object
  // last held it; `lost`, if not null, gets the lost ranges, in order and merged.
  virtual Status pin(uint64_t offset, uint64_t length, bool* purged, std::vector<ByteRange>* lost) = 0;
  // kNotPinned if a unit of the range is not held by this object, and nothing is changed.
  virtual Status unpin(uint64_t offset, uint64_t length) = 0;
  virtual Status pinned(uint64_t offset, uint64_t length, bool* pinned) = 0;
  // Discards what nobody holds; *bytes is how much data that was.
  virtual Status purge(uint64_t offset, uint64_t length, uint64_t* bytes) = 0;
  // Brackets a read that holds nothing: the bytes read between the two calls were whole if begin gave a valid ticket and
  // end_read says true.
  virtual Status begin_read(uint64_t offset, uint64_t length, ReadTicket* ticket) = 0;
  virtual bool end_read(uint64_t offset, uint64_t length, const ReadTicket& ticket) = 0;
  // Brackets a read that holds nothing and does not ask: `lost` gets the units of the range, any bytes, that were discarded
  // before it ended, in order and merged. A touch of them meanwhile ends nobody.
  virtual Status begin_optimistic(uint64_t offset, uint64_t length, OptimisticTicket* ticket);
  virtual Status end_optimistic(uint64_t offset, uint64_t length, const OptimisticTicket& ticket,
                                std::vector<ByteRange>* lost);
  // Whether the kernel discards what is unpinned, and whether it answers a touch of that with SIGBUS.
  virtual bool kernel_discards() const { return true; }
  virtual bool touches_fault() const { return false; }
  virtual Status protect() = 0;
  // Of a shared region this process's place in it, or null for one that can only read; and its tables.
  virtual Attachment* attachment() { return nullptr; }
  virtual const Control* tables() const { return nullptr; }
  virtual Priority priority() const { return Priority::kNormal; }
  // kReadOnly for an object that cannot write.
  virtual Status set_priority(Priority priority) = 0;
  // The listener hears within a quarter of a second that bytes were discarded, whoever did it. One per object; null ends it, as
  // does close(), and then no call is running or will come. Not for read-only objects: kReadOnly. kSystem.
  virtual Status watch_purges(PurgeListener* listener) = 0;
  virtual Status stats(RegionStats* stats) = 0;
  // Gives all holds back, as unpins do, and lets the memory go. Everything afterwards is kRegionClosed. Safe to repeat.
  // An object that is destroyed without it gives them back as a death does: what it was told to refill is PURGED again.
  virtual void close() = 0;

 protected:
  Region() = default;

  // The units of a range that callers gave in bytes.
  Status to_units(uint64_t offset, uint64_t length, uint64_t* first, uint64_t* count) const {
    const uint64_t mask = (uint64_t{1} << unit_shift_) - 1;
    const uint64_t end = offset + length;
    if (length == 0 || end < offset || end > size_ || (offset & mask) != 0 ||
        ((end & mask) != 0 && end != size_)) {
      return Status::Of(Code::kInvalidRange, "range must lie inside the region, on unit boundaries");
    }
    *first = offset >> unit_shift_;
    *count = (length + mask) >> unit_shift_;
    return Status::Ok();
  }
  // Looks at units: one entry of a ticket for each. `last`: at the end of a bracket, and the kernel is asked of what it may have
  // discarded in silence.
  virtual Status look(uint64_t first, uint64_t count, bool last, std::vector<uint64_t>* units);
  // Units of any bytes.
  Status any_units(uint64_t offset, uint64_t length, uint64_t* first, uint64_t* count) const {
    if (length == 0 || offset > size_ || length > size_ - offset) {
      return Status::Of(Code::kInvalidRange, "range must lie inside the region");
    }
    *first = offset >> unit_shift_;
    *count = ((offset + length - 1) >> unit_shift_) - *first + 1;
    return Status::Ok();
  }
  ByteRange to_bytes(uint64_t first, uint64_t count) const {
    const uint64_t start = first << unit_shift_;
    const uint64_t length = count << unit_shift_;
    return {start, length < size_ - start ? length : size_ - start};
  }

  std::string name_;
  uint64_t size_ = 0;
  int unit_shift_ = 0;
  const char* backend_ = "";
  Scope scope_ = Scope::kShared;
  bool read_only_ = false;
  bool counted_ = true;
  std::shared_ptr<Mapping> mapping_;
};

// Adds a range to a list of ascending ranges, merged with the last if they touch.
inline void append_range(std::vector<ByteRange>* list, ByteRange range) {
  if (!list->empty() && list->back().offset + list->back().length == range.offset) {
    list->back().length += range.length;
  } else {
    list->push_back(range);
  }
}

}  // namespace ashmem_compat
