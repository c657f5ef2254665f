// Changing a cache: what is written first belongs to its writer alone, and becomes the cache's under the lock, in a few stores.

#include <cstring>

#include "core/cache/cache.h"
#include "core/platform/stage.h"

namespace ashmem_compat {
namespace {

// What is done under the lock at once.
constexpr int kEvictionsAtOnce = 64;
constexpr uint32_t kLooksAtOnce = 256;

constexpr uint64_t kGrain = 64;

}  // namespace

bool Cache::find_locked(uint64_t hash, uint32_t* id) const {
  *id = index_.find(hash, [&](uint32_t i) {
    return is_entry(load_relaxed(&entry(i)->version)) && load_relaxed(&entry(i)->hash) == hash;
  });
  return *id != CacheIndex::kNone;
}

// Whether get() would find it, but for its key.
bool Cache::good_locked(uint32_t id) const {
  CacheItem item;
  return describe(id, load_relaxed(&entry(id)->version), &item) && !too_old(item) && pool_->whole(item.block);
}

// The entry first, so that no read that began before takes what comes after it in the record for it.
void Cache::void_entry(const Pool::Lock& lock, uint32_t id) {
  Entry* e = entry(id);
  store_seq_cst(&e->version, load_relaxed(&e->version) | 1);
  Block block;
  bool shared = false;
  if (pool_->block_at(id, &block, &shared) && shared) pool_->free(lock, block.ref);
}

void Cache::drop_entry(Guard& guard, uint32_t id) {
  const uint64_t hash = load_relaxed(&entry(id)->hash);
  if (!index_.remove(hash, id)) guard.corrupt();
  if (load_relaxed(&entry(id)->node.queue) != kNoQueue && !policy_.remove(id)) guard.corrupt();
  stage(Stage::kEntryUnlinked);
  void_entry(guard.pool(), id);
  stage(Stage::kEntryVoid);
  const uint32_t left = count();
  if (left == 0) {
    guard.corrupt();
  } else {
    store_relaxed(&head_->count, left - 1);
  }
}

bool Cache::make_room(Guard& guard, uint64_t bytes, Short what) {
  uint64_t gone = 0;
  for (int n = 0; n < kEvictionsAtOnce && (gone < bytes || count() >= max_entries_); ++n) {
    uint32_t id;
    // All that are held are offered once at most: the spared ones go behind those not yet offered.
    for (uint64_t spared = 0;; ++spared) {
      if (!policy_.candidate(&id)) {
        guard.corrupt();
        return true;
      }
      if (id == Policy::kNone || spared > count()) return gone != 0;
      Block block;
      bool shared = false;
      if (!pool_->block_at(id, &block, &shared) || !pool_->held(block)) {
        if (what == Short::kRoom || pool_->whole(block)) gone += block.size;
        break;
      }
      if (!policy_.spare(id)) {
        guard.corrupt();
        return true;
      }
    }
    const uint64_t hash = load_relaxed(&entry(id)->hash);
    if (!policy_.evict(id, hash)) {
      guard.corrupt();
      return true;
    }
    drop_entry(guard, id);
    bump(&CacheCounters::evicted);
  }
  return gone != 0;
}

Status Cache::reserve(const CacheKey& key, uint64_t value_length, uint32_t meta_length, Priority priority,
                      CacheItem* item) {
  if (Status s = pool_->usable(); !s.ok()) return s;
  const uint64_t beside = uint64_t{key.length} + meta_length;
  const uint64_t most = pool_->capacity();
  if (value_length > most || beside > most - value_length) {
    return Status::Of(Code::kValueTooLarge, "value, key and meta are larger than the cache");
  }
  const uint64_t size = value_length + beside != 0 ? value_length + beside : 1;
  pool_->memory().before_filling(size);
  // Each round gives something up, or ends; others may take what became free meanwhile.
  const uint64_t rounds = uint64_t{2} * records_ + 16;
  for (uint64_t round = 0; round < rounds; ++round) {
    Guard guard(*this);
    if (!guard.ok()) return guard.status();
    // What the policy chooses is missed less than what the reclaimer would, and its memory is what the new entry gets.
    if (round == 0 && pool_->memory().little_left()) make_room(guard, size, Short::kMemory);
    if (count() >= max_entries_) {
      if (!make_room(guard, 1)) return Status::Of(Code::kNoSpace, "every entry of the cache is held");
      continue;
    }
    const Status status = pool_->alloc(guard.pool(), size, priority, &item->block);
    if (status.ok()) break;
    if (status.code != Code::kNoSpace && status.code != Code::kRegionBusy) return status;
    if (!make_room(guard, size)) {
      return status.code == Code::kRegionBusy
                 ? status
                 : Status::Of(Code::kNoSpace, "no room beside the entries that are held");
    }
    if (round + 1 == rounds) return status;
  }
  item->value_length = value_length;
  item->key_length = key.length;
  item->meta_length = meta_length;
  if (key.length != 0) memcpy(item->key(), key.bytes, key.length);
  return Status::Ok();
}

Status Cache::publish_locked(Guard& guard, uint64_t hash, CacheItem* item, uint64_t expires) {
  const uint32_t id = item->block.ref.id;
  if (id >= records_) return Status::Of(Code::kBlockFreed, "the entry's block is gone");
  Entry* e = entry(id);
  const uint64_t version = load_relaxed(&e->version) | 1;
  store_relaxed(&e->version, version);
  fence_seq_cst();
  store_relaxed(&e->hash, hash);
  store_relaxed(&e->value_length, item->value_length);
  store_relaxed(&e->key_length, item->key_length);
  store_relaxed(&e->meta_length, item->meta_length);
  store_relaxed(&e->expires, expires);
  store_relaxed(&e->node.reserved, uint16_t{0});
  store_relaxed(&e->node.queue, static_cast<uint8_t>(kNoQueue));
  const uint64_t order = load_relaxed(&head_->last_order) + 1;
  store_relaxed(&head_->last_order, order);
  store_relaxed(&e->order, order);
  item->version = version + 1;
  item->expires = expires;
  store_release(&e->version, item->version);
  stage(Stage::kEntryNamed);
  uint32_t old = CacheIndex::kNone;
  if (find_locked(hash, &old) && old == id) old = CacheIndex::kNone;
  if (old != CacheIndex::kNone && (load_relaxed(&entry(old)->node.reserved) & kCountedPurged) != 0) {
    bump(&CacheCounters::refilled);
  }
  pool_->refilled(item->block);
  if (Status s = pool_->share(guard.pool(), item->block); !s.ok()) {
    store_seq_cst(&e->version, item->version + 1);
    return s;
  }
  stage(Stage::kEntryShared);
  // Both can be found for a moment, the old one first: who asks meanwhile gets one or the other.
  if (!index_.insert(hash, id)) guard.corrupt();
  const uint64_t weight = (item->block.size + kGrain - 1) / kGrain;
  // A new value is no reason to prove itself anew.
  const bool proven = old != CacheIndex::kNone && load_relaxed(&entry(old)->node.queue) == kMainQueue;
  if (!policy_.insert(id, weight < UINT32_MAX ? static_cast<uint32_t>(weight) : UINT32_MAX, hash, proven)) {
    guard.corrupt();
  }
  store_relaxed(&head_->count, count() + 1);
  stage(Stage::kEntryIndexed);
  if (old != CacheIndex::kNone) drop_entry(guard, old);
  return Status::Ok();
}

Status Cache::publish(const CacheKey& key, CacheItem* item, uint64_t expires) {
  stage(Stage::kEntryWritten);
  const uint64_t h = hash(key);
  bool overtaken = false;
  Status status;
  {
    Guard guard(*this);
    if (!guard.ok()) return guard.status();
    status = publish_locked(guard, h, item, expires);
    if (status.ok()) overtaken = fills_.overtake(h);
  }
  if (overtaken) fills_.announce();
  return status;
}

void Cache::abandon(const CacheItem& item, bool hold) {
  if (!hold) pool_->drop(item.block);
  Guard guard(*this);
  // Without the lock it is freed when this process is found dead, or has closed the cache.
  if (guard.ok()) pool_->free(guard.pool(), item.block.ref);
}

Status Cache::remove(const CacheKey& key, bool* removed) {
  *removed = false;
  const uint64_t h = hash(key);
  bool overtaken = false;
  {
    Guard guard(*this);
    if (!guard.ok()) return guard.status();
    uint32_t id;
    if (find_locked(h, &id)) {
      *removed = good_locked(id);
      drop_entry(guard, id);
    }
    overtaken = fills_.overtake(h);
  }
  if (overtaken) fills_.announce();
  return Status::Ok();
}

Status Cache::clear() {
  for (uint32_t i = 0; i < records_;) {
    Guard guard(*this);
    if (!guard.ok()) return guard.status();
    const uint32_t end = pool_->records_end();
    for (uint32_t n = 0; i < records_ && n < kLooksAtOnce; ++i, ++n) {
      if (i >= end) return Status::Ok();
      if (is_entry(load_relaxed(&entry(i)->version))) drop_entry(guard, i);
    }
  }
  return Status::Ok();
}

Status Cache::purge_stale(bool* any) {
  *any = false;
  for (uint32_t i = 0; i < records_;) {
    Guard guard(*this);
    if (!guard.ok()) return guard.status();
    const uint32_t end = pool_->records_end();
    for (uint32_t n = 0; i < records_ && n < kLooksAtOnce; ++i, ++n) {
      if (i >= end) return Status::Ok();
      if (!is_entry(load_relaxed(&entry(i)->version)) || good_locked(i)) continue;
      drop_entry(guard, i);
      *any = true;
    }
  }
  return Status::Ok();
}

// ---- fills

Status Cache::begin_fill(const CacheKey& key, uint64_t take_over, bool insist, FillTicket* ticket,
                         Begin* outcome) {
  const uint64_t h = hash(key);
  *ticket = {};
  Guard guard(*this);
  if (!guard.ok()) return guard.status();
  uint32_t id;
  if (!insist && find_locked(h, &id) && good_locked(id)) {
    *outcome = Begin::kThere;
    return Status::Ok();
  }
  const auto dead = [this](uint64_t owner) { return is_dead(owner); };
  switch (fills_.begin(h, pool_->memory().me(), now_ms(), take_over, dead, ticket)) {
    case Fills::Begin::kMine:
      *outcome = Begin::kMine;
      bump(&CacheCounters::fills);
      break;
    case Fills::Begin::kFull: *ticket = {}; [[fallthrough]];
    case Fills::Begin::kWait: *outcome = Begin::kWait; break;
  }
  return Status::Ok();
}

Status Cache::publish_fill(const CacheKey& key, const FillTicket& ticket, CacheItem* item, uint64_t expires,
                           Filled* outcome) {
  stage(Stage::kEntryWritten);
  const uint64_t h = hash(key);
  Status status;
  {
    Guard guard(*this);
    if (!guard.ok()) return guard.status();
    if (fills_.over(ticket)) {
      *outcome = Filled::kPrivate;
      return pool_->free(guard.pool(), item->block.ref);
    }
    *outcome = Filled::kPublished;
    status = publish_locked(guard, h, item, expires);
    fills_.end(ticket);
  }
  fills_.announce();
  return status;
}

void Cache::end_fill(const FillTicket& ticket) {
  {
    Guard guard(*this);
    // Without the lock, it is taken over when it is found stuck.
    if (!guard.ok() || !fills_.end(ticket)) return;
  }
  fills_.announce();
}

}  // namespace ashmem_compat
