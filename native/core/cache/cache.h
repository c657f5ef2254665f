// One cache for all processes that have its fd: entries in blocks of a pool, found by their keys, given up when there is no room, and lost
// when memory is short.
//
// A Cache may be used by several threads at once. One that was inherited by fork() answers kForked. What a method does to shared memory is in
// docs/cache.md.
#pragma once

#include <memory>
#include <string>

#include "core/cache/tables.h"
#include "core/platform/clock.h"
#include "core/platform/fd.h"
#include "core/pool/pool.h"

namespace ashmem_compat {

struct CacheOptions {
  std::string name;
  std::string backend;  // empty: the best for the scope
  Scope scope = Scope::kShared;
  uint64_t capacity = 0;     // bytes
  uint32_t max_entries = 0;  // 0: one for each 4 KiB, at least 1024
  uint32_t max_processes = 0;
  uint32_t busy_timeout_ms = 1000;
  bool reclaimer = false;
};

// An entry that is held, or (of a read that holds nothing) was there when it was looked at.
struct CacheItem {
  Block block;
  uint64_t version = 0;
  uint64_t value_length = 0;
  uint32_t key_length = 0;
  uint32_t meta_length = 0;
  uint64_t expires = 0;  // CLOCK_MONOTONIC in ms, 0: never
  ReadTicket ticket;     // of a read

  char* value() const { return block.bytes; }
  char* key() const { return block.bytes + value_length; }
  char* meta() const { return block.bytes + value_length + key_length; }
};

struct CacheKey {
  const char* bytes;
  uint32_t length;  // at most kMaxKey
};

struct CacheStats {
  CacheCounters counters{};
  PoolStats pool;
  uint64_t entries = 0, max_entries = 0;
};

class Cache {
 public:
  static Result<std::unique_ptr<Cache>> create(const CacheOptions& options);
  // Of the options: backend, busy_timeout_ms, reclaimer. kUntrustedFd: no cache. Takes the fd over.
  static Result<std::unique_ptr<Cache>> attach(Fd fd, const CacheOptions& options);
  Cache(const Cache&) = delete;
  Cache& operator=(const Cache&) = delete;

  Pool& pool() { return *pool_; }
  bool read_only() const { return pool_->read_only(); }
  uint64_t capacity() const { return capacity_; }
  uint32_t max_entries() const { return max_entries_; }
  uint32_t count() const { return load_relaxed(&head_->count); }

  // ---- reading. What is purged or too old is not there.

  // *found: `item` is held until release(). kReadOnly, kForked, kRegionClosed.
  Status get(const CacheKey& key, bool touch, CacheItem* item, bool* found);
  // As get(), of an entry that was found before in this record with this version: no key is compared. *same false: the record has another or none
  // now, and nothing was done.
  Status get_again(uint32_t record, uint64_t version, CacheItem* item, bool* found, bool* same);
  // Whether get() would find it.
  Status has(const CacheKey& key, bool* found);
  void release(const CacheItem& item) { pool_->drop(item.block); }
  // The same without a hold, also where nothing can be written. What was read in between was whole if end_read() says true, which is to be called
  // once if it was found.
  Status begin_read(const CacheKey& key, CacheItem* item, bool* found);
  bool end_read(const CacheItem& item);
  // Holds the entry of the first record from *record on that has one, and leaves *record behind it. *found false: there is none.
  Status next(uint32_t* record, CacheItem* item, bool* found);

  // ---- writing

  // Room for an entry, held and known to nobody, with its key in place. Its value and meta are the caller's to write; then publish() or abandon().
  // kValueTooLarge: more than the cache has room for. kNoSpace: everything is held.
  Status reserve(const CacheKey& key, uint64_t value_length, uint32_t meta_length, Priority priority,
                 CacheItem* item);
  // It becomes what the key stands for, until `expires`, and stays held.
  Status publish(const CacheKey& key, CacheItem* item, uint64_t expires);
  // It becomes nothing; with `hold` its bytes stay until release().
  void abandon(const CacheItem& item, bool hold);
  Status remove(const CacheKey& key, bool* removed);
  Status clear();
  // Takes out what is purged or too old. *any: there was some.
  Status purge_stale(bool* any);

  // ---- filling, once for all

  enum class Begin {
    kThere,  // get() will most likely find it
    kMine,   // to be ended by publish_fill() or end_fill()
    kWait,   // until the ticket's fill is over
  };
  // `take_over`: the token of a fill that was found dead or stuck, or 0. `insist`: also if it seems to be there.
  Status begin_fill(const CacheKey& key, uint64_t take_over, bool insist, FillTicket* ticket, Begin* outcome);
  enum class Filled {
    kPublished,
    kPrivate,  // others have changed the key meanwhile: the item is held, and nobody finds it
  };
  Status publish_fill(const CacheKey& key, const FillTicket& ticket, CacheItem* item, uint64_t expires,
                      Filled* outcome);
  // It came to nothing: the next may try.
  void end_fill(const FillTicket& ticket);
  Fills& fills() { return fills_; }
  bool is_dead(uint64_t owner) { return pool_->memory().is_dead(owner); }

  // ---- the whole

  uint64_t purge() { return pool_->purge(); }
  Status stats(CacheStats* stats);
  void count_wait() { bump(&CacheCounters::waits); }
  // Every item has been released, and nobody waits for a fill.
  void close() { pool_->close(); }

 private:
  Cache(std::unique_ptr<Pool> pool, uint32_t max_entries, uint64_t capacity, const HashKey& hash_key);

  Entry* entry(uint32_t i) const { return entries_ + i; }
  uint64_t hash(const CacheKey& key) const { return hash_of(hash_key_, key.bytes, key.length); }
  void bump(uint64_t CacheCounters::*counter) { fetch_add_relaxed(&(counters_->*counter), uint64_t{1}); }
  // Counts what is the matter with an entry, the first time that somebody finds it.
  void note(Entry* e, uint16_t flag, uint64_t CacheCounters::*counter);

  enum class Look { kFound, kNone, kAgain };
  Look look_up(uint64_t hash, uint32_t* id, uint64_t* version) const;
  // Takes down what an entry says, checked against the bounds of its block. False: it says no more what it said.
  bool describe(uint32_t id, uint64_t version, CacheItem* item) const;
  Look hold_entry(uint32_t id, uint64_t version, CacheItem* item);
  bool too_old(const CacheItem& item) const { return item.expires != 0 && now_ms() >= item.expires; }

  // The pool's lock, and the cache's own tables made anew if the last who had it died over them.
  class Guard {
   public:
    explicit Guard(Cache& cache);
    ~Guard();
    Guard(const Guard&) = delete;
    Guard& operator=(const Guard&) = delete;
    const Status& status() const { return lock_.status(); }
    bool ok() const { return lock_.ok(); }
    const Pool::Lock& pool() const { return lock_; }
    // The tables contradict themselves: who comes next makes them anew.
    void corrupt() { corrupt_ = true; }

   private:
    Cache& cache_;
    Pool::Lock lock_;
    bool corrupt_ = false;
  };

  bool find_locked(uint64_t hash, uint32_t* id) const;
  bool good_locked(uint32_t id) const;
  void void_entry(const Pool::Lock& lock, uint32_t id);
  void drop_entry(Guard& guard, uint32_t id);
  enum class Short { kRoom, kMemory };
  // Gives up entries until so many bytes of them are gone, or a number that the lock is not to be held for longer; where memory is what is
  // short, and not room, those that are purged do not count. False: there are none that nobody holds.
  bool make_room(Guard& guard, uint64_t bytes, Short what = Short::kRoom);
  Status publish_locked(Guard& guard, uint64_t hash, CacheItem* item, uint64_t expires);
  void rebuild(const Pool::Lock& lock);

  std::unique_ptr<Pool> pool_;
  const uint32_t max_entries_;
  const uint32_t records_;
  const uint64_t capacity_;
  const HashKey hash_key_;
  CacheHead* head_;
  Entry* entries_;
  CacheCounters* counters_;  // this process's
  CacheCounters* all_counters_;
  CacheIndex index_;
  Policy policy_;
  Fills fills_;
};

}  // namespace ashmem_compat
