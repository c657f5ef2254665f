// Reading a cache: no lock is taken.

#include <cstring>

#include "core/cache/cache.h"

namespace ashmem_compat {
namespace {

// How often an entry may change under our hands before it counts as missing.
constexpr int kAttempts = 8;

}  // namespace

Cache::Look Cache::look_up(uint64_t hash, uint32_t* id, uint64_t* version) const {
  const uint64_t moves = index_.moves();
  *id = index_.find(hash, [&](uint32_t i) {
    const Entry* e = entry(i);
    *version = load_acquire(&e->version);
    return is_entry(*version) && load_relaxed(&e->hash) == hash;
  });
  if (*id != CacheIndex::kNone) return Look::kFound;
  return index_.settled(moves) ? Look::kNone : Look::kAgain;
}

bool Cache::describe(uint32_t id, uint64_t version, CacheItem* item) const {
  const Entry* e = entry(id);
  bool shared = false;
  if (!pool_->block_at(id, &item->block, &shared) || !shared) return false;
  item->version = version;
  item->value_length = load_relaxed(&e->value_length);
  item->key_length = load_relaxed(&e->key_length);
  item->meta_length = load_relaxed(&e->meta_length);
  item->expires = load_relaxed(&e->expires);
  fence_acquire();
  if (load_relaxed(&e->version) != version) return false;
  const uint64_t size = item->block.size;
  return item->value_length <= size && item->key_length <= size - item->value_length &&
         item->meta_length <= size - item->value_length - item->key_length;
}

// kNone: it is purged, or on the way to it.
Cache::Look Cache::hold_entry(uint32_t id, uint64_t version, CacheItem* item) {
  if (!describe(id, version, item)) return Look::kAgain;
  bool lost = false;
  const Status held = pool_->try_hold(&item->block, &lost);
  if (!held.ok()) return held.code == Code::kBlockFreed ? Look::kAgain : Look::kNone;
  // The block's hold, then the entry: who ends an entry does the reverse.
  if (load_seq_cst(&entry(id)->version) == version && !lost) return Look::kFound;
  pool_->drop_lost(item->block);
  return lost ? Look::kNone : Look::kAgain;
}

void Cache::note(Entry* e, uint16_t flag, uint64_t CacheCounters::*counter) {
  const uint16_t flags = load_relaxed(&e->node.reserved);
  if ((flags & flag) != 0) return;
  store_relaxed(&e->node.reserved, static_cast<uint16_t>(flags | flag));
  bump(counter);
}

Status Cache::get(const CacheKey& key, bool touch, CacheItem* item, bool* found) {
  *found = false;
  if (Status s = pool_->usable(); !s.ok()) return s;
  const uint64_t h = hash(key);
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    uint32_t id;
    uint64_t version;
    const Look look = look_up(h, &id, &version);
    if (look == Look::kAgain) continue;
    if (look == Look::kNone) break;
    Entry* e = entry(id);
    const Look held = hold_entry(id, version, item);
    if (held == Look::kAgain) continue;
    if (held == Look::kNone) {
      note(e, kCountedPurged, &CacheCounters::purged);
      break;
    }
    const bool old = too_old(*item);
    if (old || item->key_length != key.length || memcmp(item->key(), key.bytes, key.length) != 0) {
      if (old) note(e, kCountedExpired, &CacheCounters::expired);
      pool_->drop(item->block);
      break;
    }
    if (touch) {
      Policy::touch(&e->node);
      bump(&CacheCounters::hits);
    }
    *found = true;
    return Status::Ok();
  }
  if (touch) bump(&CacheCounters::misses);
  return Status::Ok();
}

Status Cache::get_again(uint32_t record, uint64_t version, CacheItem* item, bool* found, bool* same) {
  *found = false;
  *same = false;
  if (Status s = pool_->usable(); !s.ok()) return s;
  if (record >= records_ || !is_entry(version)) return Status::Ok();
  Entry* e = entry(record);
  if (load_acquire(&e->version) != version) return Status::Ok();
  const Look held = hold_entry(record, version, item);
  if (held == Look::kAgain) return Status::Ok();
  *same = true;
  if (held == Look::kNone) {
    note(e, kCountedPurged, &CacheCounters::purged);
  } else if (too_old(*item)) {
    note(e, kCountedExpired, &CacheCounters::expired);
    pool_->drop(item->block);
  } else {
    Policy::touch(&e->node);
    *found = true;
  }
  bump(*found ? &CacheCounters::hits : &CacheCounters::misses);
  return Status::Ok();
}

Status Cache::has(const CacheKey& key, bool* found) {
  CacheItem item;
  const Status status = get(key, false, &item, found);
  if (status.ok() && *found) release(item);
  return status;
}

Status Cache::begin_read(const CacheKey& key, CacheItem* item, bool* found) {
  *found = false;
  if (Status s = pool_->usable(false); !s.ok()) return s;
  const uint64_t h = hash(key);
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    uint32_t id;
    uint64_t version;
    const Look look = look_up(h, &id, &version);
    if (look == Look::kNone) break;
    if (look == Look::kAgain || !describe(id, version, item)) continue;
    if (item->key_length != key.length || too_old(*item)) break;
    if (Status s = pool_->begin_read(item->block, &item->ticket); !s.ok()) return s;
    if (!item->ticket.valid) break;
    // Of bytes that go away meanwhile the key proves nothing: end_read() tells.
    *found = load_acquire(&entry(id)->version) == version && memcmp(item->key(), key.bytes, key.length) == 0;
    if (!*found) pool_->end_read(item->block, item->ticket);
    break;
  }
  return Status::Ok();
}

bool Cache::end_read(const CacheItem& item) {
  if (!pool_->usable(false).ok()) return false;
  fence_acquire();
  const bool same = load_relaxed(&entry(item.block.ref.id)->version) == item.version;
  return pool_->end_read(item.block, item.ticket) && same;
}

Status Cache::next(uint32_t* record, CacheItem* item, bool* found) {
  *found = false;
  if (Status s = pool_->usable(); !s.ok()) return s;
  const uint32_t end = pool_->records_end() < records_ ? pool_->records_end() : records_;
  for (; *record < end; ++*record) {
    const uint64_t version = load_acquire(&entry(*record)->version);
    if (!is_entry(version) || hold_entry(*record, version, item) != Look::kFound) continue;
    if (!too_old(*item)) {
      ++*record;
      *found = true;
      return Status::Ok();
    }
    pool_->drop(item->block);
  }
  return Status::Ok();
}

}  // namespace ashmem_compat
