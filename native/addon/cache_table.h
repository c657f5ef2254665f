// The caches of one Node environment, by number, and the mailbox and the key through which lib/ talks to them: see region_table.h.
#pragma once

#include <napi.h>

#include <memory>
#include <vector>

#include "addon/cache_waits.h"
#include "core/cache/cache.h"

namespace ashmem_compat::addon {

class CacheTable;

// A cache. Owned by a JavaScript external, deleted with it.
struct CacheHandle {
  std::shared_ptr<CacheTable> table;
  size_t id = 0;
  std::unique_ptr<Cache> cache;  // null once closed
  std::unique_ptr<CacheWaits> waits;
  // What JavaScript holds or reads, by number.
  struct Pin {
    CacheItem item;
    enum Kind : uint8_t { kNone, kHeld, kRead } kind = kNone;
  };
  std::vector<Pin> pins;
  std::vector<uint32_t> free_pins;

  uint32_t add(const CacheItem& item, Pin::Kind kind) {
    uint32_t pin = static_cast<uint32_t>(pins.size());
    if (!free_pins.empty()) {
      pin = free_pins.back();
      free_pins.pop_back();
      pins[pin] = {item, kind};
    } else {
      pins.push_back({item, kind});
    }
    return pin;
  }
  // Null unless there is such a pin of that kind.
  CacheItem* find(double pin, Pin::Kind kind) {
    const size_t i =
        pin >= 0 && pin < static_cast<double>(pins.size()) ? static_cast<size_t>(pin) : pins.size();
    return i < pins.size() && pins[i].kind == kind ? &pins[i].item : nullptr;
  }
  void forget(double pin) {
    const size_t i = static_cast<size_t>(pin);
    pins[i].kind = Pin::kNone;
    free_pins.push_back(static_cast<uint32_t>(i));
  }
  void close();
};

class CacheTable {
 public:
  // [0] is the cache. What else a call reads there and leaves there stands beside it in cache.cc, its outcome in [2].
  double mailbox[11] = {};
  // The key of a call, [1] bytes of it.
  char key[kMaxKey + 8];
  Status last;  // of the call whose outcome was an error
  bool uncharges = false;
  napi_ref on_fill_over = nullptr;  // (wait, why)

  size_t add(CacheHandle* handle) {
    for (size_t i = 0; i < handles_.size(); ++i) {
      if (handles_[i] != nullptr) continue;
      handles_[i] = handle;
      return i;
    }
    handles_.push_back(handle);
    return handles_.size() - 1;
  }
  void remove(size_t id) { handles_[id] = nullptr; }
  // The cache that the mailbox names, or null.
  CacheHandle* handle() const {
    const size_t i = static_cast<size_t>(mailbox[0]);
    CacheHandle* h = i < handles_.size() ? handles_[i] : nullptr;
    return h && h->cache ? h : nullptr;
  }
  CacheKey key_in() const {
    const double length = mailbox[1];
    return {key, length >= 0 && length <= kMaxKey ? static_cast<uint32_t>(length) : 0};
  }

 private:
  std::vector<CacheHandle*> handles_;
};

}  // namespace ashmem_compat::addon
