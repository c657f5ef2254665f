#include "core/cache/cache.h"

#include <algorithm>

#include "core/platform/system_calls.h"
#include "core/platform/zeroed_array.h"

namespace ashmem_compat {
namespace {

// Bytes of capacity for which there is one entry, unless the creator says otherwise.
constexpr uint64_t kBytesPerEntry = uint64_t{4} << 10;
constexpr uint32_t kLeastEntries = 1024;
constexpr uint32_t kMostEntries = 1u << 27;
// Weights are in these, so that they have 32 bits.
constexpr uint64_t kGrain = 64;

// Records beyond those of entries: for what is being written, and what was given up and is still held.
uint32_t records_for(uint32_t entries) { return entries + entries / 8 + 64; }

HashKey random_key() {
  HashKey key;
  if (raw_getrandom(&key, sizeof key) == sizeof key) return key;
  // No entropy yet: then at least no two caches are alike.
  const uint64_t here = reinterpret_cast<uintptr_t>(&key);
  key.low ^= here * 0x9e3779b97f4a7c15u;
  key.high ^= now_ms() * 0xbf58476d1ce4e5b9u;
  return key;
}

}  // namespace

Cache::Cache(std::unique_ptr<Pool> pool, uint32_t max_entries, uint64_t capacity, const HashKey& hash_key)
    : pool_(std::move(pool)),
      max_entries_(max_entries),
      records_(pool_->max_blocks()),
      capacity_(capacity),
      hash_key_(hash_key),
      head_(reinterpret_cast<CacheHead*>(pool_->extra())),
      entries_(reinterpret_cast<Entry*>(pool_->extra() + CachePlan(records_).entries)),
      all_counters_(reinterpret_cast<CacheCounters*>(pool_->extra() + CachePlan(records_).counters)),
      index_(reinterpret_cast<uint64_t*>(pool_->extra() + CachePlan(records_).index),
             CachePlan(records_).index_slots, records_, &head_->index_moves),
      policy_(&head_->policy, &entries_->node, sizeof(Entry), records_,
              reinterpret_cast<uint64_t*>(pool_->extra() + CachePlan(records_).ghosts),
              CachePlan(records_).ghost_words, capacity / kGrain),
      fills_(pool_->extra() + CachePlan(records_).fills) {
  counters_ = all_counters_ + (read_only() ? 0 : pool_->memory().me() % kCounterSlots);
}

Result<std::unique_ptr<Cache>> Cache::create(const CacheOptions& options) {
  uint64_t entries = options.max_entries;
  if (entries == 0) entries = std::max<uint64_t>(options.capacity / kBytesPerEntry, kLeastEntries);
  if (entries > kMostEntries) {
    if (options.max_entries != 0) return Status::Of(Code::kOutOfRange, "more entries than a cache can have");
    entries = kMostEntries;
  }
  const uint32_t max_entries = static_cast<uint32_t>(entries);
  PoolOptions pool;
  pool.name = options.name;
  pool.backend = options.backend;
  pool.scope = options.scope;
  pool.kind = RegionKind::kCache;
  // A unit more than was asked for, so that a value of the whole capacity has room for a key.
  pool.capacity = options.capacity + 1;
  pool.max_blocks = records_for(max_entries);
  pool.extra_annex = CachePlan(pool.max_blocks).size;
  pool.max_processes = options.max_processes;
  pool.busy_timeout_ms = options.busy_timeout_ms;
  pool.reclaimer = options.reclaimer;
  Result<std::unique_ptr<Pool>> made = Pool::create(pool);
  if (!made.ok()) return made.status();
  auto* head = reinterpret_cast<CacheHead*>(made.value()->extra());
  head->capacity = options.capacity;
  head->hash_key = random_key();
  head->max_entries = max_entries;
  store_release(&head->magic, kCacheMagic);
  return std::unique_ptr<Cache>(
      new Cache(std::move(made.value()), max_entries, options.capacity, head->hash_key));
}

Result<std::unique_ptr<Cache>> Cache::attach(Fd fd, const CacheOptions& options) {
  PoolOptions pool;
  pool.kind = RegionKind::kCache;
  pool.backend = options.backend;
  pool.busy_timeout_ms = options.busy_timeout_ms;
  pool.reclaimer = options.reclaimer;
  Result<std::unique_ptr<Pool>> made = Pool::attach(std::move(fd), pool);
  if (!made.ok()) return made.status();
  Pool& found = *made.value();
  const uint32_t records = found.max_blocks();
  if (found.extra_size() != CachePlan(records).size) {
    return Status::Of(Code::kUntrustedFd, "its tables are not those of a cache");
  }
  const auto* head = reinterpret_cast<const CacheHead*>(found.extra());
  const uint32_t max_entries = load_relaxed(&head->max_entries);
  const uint64_t capacity = load_relaxed(&head->capacity);
  const HashKey hash_key{load_relaxed(&head->hash_key.low), load_relaxed(&head->hash_key.high)};
  if (load_acquire(&head->magic) != kCacheMagic || max_entries == 0 || max_entries > records ||
      capacity == 0 || capacity > found.capacity()) {
    return Status::Of(Code::kUntrustedFd, "its tables are not those of a cache");
  }
  return std::unique_ptr<Cache>(new Cache(std::move(made.value()), max_entries, capacity, hash_key));
}

// ---- the lock

Cache::Guard::Guard(Cache& cache) : cache_(cache), lock_(*cache.pool_) {
  if (!lock_.ok()) return;
  if (load_relaxed(&cache.head_->dirty) != 0) cache.rebuild(lock_);
  store_seq_cst(&cache.head_->dirty, 1u);
}

Cache::Guard::~Guard() {
  if (lock_.ok()) store_release(&cache_.head_->dirty, corrupt_ ? 1u : 0u);
}

// Index, queues, counts: from the entries of shared blocks, in the order in which they came. Of two for one key the later one counts.
void Cache::rebuild(const Pool::Lock& lock) {
  store_seq_cst(&head_->dirty, 1u);
  index_.clear();
  policy_.clear();
  const uint32_t end = std::min(pool_->records_end(), records_);
  // The order is taken down once: others may write to it at any time, which no sort is made for.
  struct Found {
    uint64_t order;
    uint32_t id;
  };
  ZeroedArray<Found> found = make_zeroed<Found>(uint64_t{end} + 1);
  uint32_t found_count = 0;
  for (uint32_t i = 0; i < end; ++i) {
    Entry* e = entry(i);
    Block block;
    bool shared = false;
    const bool there = pool_->block_at(i, &block, &shared) && shared;
    if (there && is_entry(load_relaxed(&e->version)) && found) {
      found[found_count++] = {load_relaxed(&e->order), i};
    } else {
      void_entry(lock, i);
    }
  }
  std::sort(found.get(), found.get() + found_count, [](const Found& a, const Found& b) {
    return a.order != b.order ? a.order < b.order : a.id < b.id;
  });
  uint32_t entries = 0;
  for (uint32_t k = 0; k < found_count; ++k) {
    const uint32_t i = found[k].id;
    const uint64_t hash = load_relaxed(&entry(i)->hash);
    uint32_t earlier;
    if (find_locked(hash, &earlier)) {
      index_.remove(hash, earlier);
      policy_.remove(earlier);
      void_entry(lock, earlier);
      --entries;
    }
    if (index_.insert(hash, i) && policy_.restore(i)) {
      ++entries;
    } else {
      index_.remove(hash, i);
      void_entry(lock, i);
    }
  }
  store_relaxed(&head_->count, entries);
  fills_.recount();
  index_.filled();
  store_release(&head_->dirty, 0u);
}

// ---- the whole

Status Cache::stats(CacheStats* stats) {
  const Status status = pool_->stats(&stats->pool);
  if (!status.ok()) return status;
  stats->entries = count();
  stats->max_entries = max_entries_;
  for (uint32_t i = 0; i < kCounterSlots; ++i) {
    const CacheCounters* c = all_counters_ + i;
    CacheCounters& sum = stats->counters;
    sum.hits += load_relaxed(&c->hits);
    sum.misses += load_relaxed(&c->misses);
    sum.fills += load_relaxed(&c->fills);
    sum.waits += load_relaxed(&c->waits);
    sum.evicted += load_relaxed(&c->evicted);
    sum.purged += load_relaxed(&c->purged);
    sum.refilled += load_relaxed(&c->refilled);
    sum.expired += load_relaxed(&c->expired);
  }
  return Status::Ok();
}

}  // namespace ashmem_compat
