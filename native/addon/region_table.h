// The regions of one Node environment, by number, and the mailbox through which lib/ names one without a wrapped object.
//
// pin and unpin are called millions of times: reading two doubles from shared memory costs a fraction of unwrapping `this`
// and converting arguments.
#pragma once

#include <napi.h>

#include <memory>
#include <vector>

#include "addon/purge_news.h"
#include "core/optimistic.h"
#include "core/region.h"

namespace ashmem_compat::addon {

class RegionTable;

// A region. Owned by a JavaScript external, deleted with it.
struct RegionHandle {
  std::shared_ptr<RegionTable> table;
  size_t id = 0;
  std::unique_ptr<Region> region;
  std::unique_ptr<PurgeNews> watch;   // of the region, while somebody listens
  std::unique_ptr<HoleView> holes{};  // of the region, once somebody reads it so
};

class RegionTable {
 public:
  // What lib/region writes before each call: the region's number, offset, length. And reads after it: results.
  double mailbox[4] = {};
  Status last;  // of the call that returned a code
  // Whether the engine may be told that an ArrayBuffer's bytes are not its own. From Node 21 on it takes its count to be
  // wrong, and aborts, when it frees such a buffer.
  bool uncharges = false;

  size_t add(RegionHandle* handle);
  void remove(size_t id);
  RegionHandle* handle(double id) const {
    const size_t i = static_cast<size_t>(id);
    return i < handles_.size() ? handles_[i] : nullptr;
  }
  // The region the mailbox names, or null.
  Region* region() const {
    RegionHandle* h = handle(mailbox[0]);
    return h ? h->region.get() : nullptr;
  }
  // Offset and length of the mailbox. Numbers that are no range become one that every region refuses.
  uint64_t offset() const { return integer(mailbox[1], UINT64_MAX); }
  uint64_t length() const { return integer(mailbox[2], 0); }

  // The optimistic reads that are under way, the innermost last. Entries are used again.
  std::vector<OptimisticTicket> tickets;
  size_t reads = 0;
  // The ranges that pinLost() or endOptimistic() found.
  std::vector<ByteRange> lost;

 private:
  static uint64_t integer(double v, uint64_t otherwise) {
    if (!(v >= 0 && v <= 9007199254740991.0)) return otherwise;
    const uint64_t i = static_cast<uint64_t>(v);
    return static_cast<double>(i) == v ? i : otherwise;
  }

  std::vector<RegionHandle*> handles_;
  std::vector<size_t> free_;
};

}  // namespace ashmem_compat::addon
