// What the cache keeps in the annex beside the pool's tables. Entry i belongs to block record i. Only the entries of blocks that are shared say
// the truth; index, queues and counts are derived from them.
#pragma once

#include <cstddef>
#include <cstdint>

#include "core/cache/fills.h"
#include "core/cache/index.h"
#include "core/cache/policy.h"
#include "core/cache/siphash.h"

namespace ashmem_compat {

constexpr uint64_t kCacheMagic = 0x31454843'41434853u;  // "SHCACHE1"
constexpr uint32_t kMaxKey = 1u << 16;                  // bytes
// Counters are kept apart by process, so that hits do not contend; more processes than this share.
constexpr uint32_t kCounterSlots = 64;

struct CacheHead {
  // Constant.
  uint64_t magic;
  uint64_t capacity;
  HashKey hash_key;
  uint32_t max_entries;
  uint32_t constant_padding;
  uint64_t constant_reserved[3];
  // Under the lock.
  uint64_t last_order;
  uint64_t index_moves;
  uint32_t count;  // of entries, derived
  uint32_t dirty;  // who has the lock may be changing what is derived
  uint64_t more_reserved[5];
  PolicyState policy;
};
static_assert(offsetof(CacheHead, last_order) == 64 && sizeof(CacheHead) <= 256, "docs/cache.md");

struct Entry {
  uint64_t hash;
  uint64_t version;  // even and not 0: an entry; odd: none, or it is being changed
  uint64_t expires;  // CLOCK_MONOTONIC in ms, 0: never
  uint64_t order;    // a later entry has a higher one
  uint64_t value_length;
  uint32_t key_length;
  uint32_t meta_length;
  PolicyNode node;  // `reserved` holds the flags below
};
static_assert(sizeof(Entry) == 64, "docs/cache.md");

// What was counted of an entry, so that it is counted once.
constexpr uint16_t kCountedPurged = 1;
constexpr uint16_t kCountedExpired = 2;

constexpr bool is_entry(uint64_t version) { return version != 0 && (version & 1) == 0; }

// Of one process, or of several; kept when they end.
struct alignas(64) CacheCounters {
  uint64_t hits, misses, fills, waits, evicted, purged, refilled, expired;
  uint64_t reserved[8];
};
static_assert(sizeof(CacheCounters) == 128, "docs/cache.md");

// Bytes from the start of the pool's extra annex.
struct CachePlan {
  uint64_t counters, fills, entries, index, ghosts, size;
  uint64_t index_slots, ghost_words;

  // `records` is the number of the pool's block records, at most 2^28.
  explicit CachePlan(uint32_t records) {
    index_slots = CacheIndex::slots_for(records);
    ghost_words = Policy::ghosts_for(records);
    counters = 256;
    fills = counters + kCounterSlots * sizeof(CacheCounters);
    entries = fills + ((Fills::bytes() + 63) & ~uint64_t{63});
    index = entries + records * sizeof(Entry);
    ghosts = index + index_slots * sizeof(uint64_t);
    size = ghosts + ghost_words * sizeof(uint64_t);
  }
};

}  // namespace ashmem_compat
