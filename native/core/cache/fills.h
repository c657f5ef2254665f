// Who is filling which key, over all processes, so that only one does. A table in shared memory, beside a word that waits for fills sleep
// on.
//
// A fill has a token, which no other fill ever has. It is over when its slot has another one: it was ended, overtaken by a set() or
// delete() of its key, or taken over because its owner died or is stuck. Slots are changed by who has the cache's lock, and read by anyone.
// Whoever dies between two stores leaves a slot that is free, or one with a dead owner.
#pragma once

#include <cstdint>
#include <functional>

#include "core/platform/atomics.h"

namespace ashmem_compat {

struct FillSlot {
  uint64_t token;  // 0: free
  uint64_t owner;  // as PoolMemory::me() names processes
  uint64_t began;  // CLOCK_MONOTONIC in ms
  uint64_t reserved;
};

struct FillsHeader {
  uint64_t last_token;
  uint32_t over;     // counts the fills that are over; slept on
  uint32_t waiters;  // who may be asleep: one too many costs a call, no more
  uint32_t active;   // fills under way
  uint32_t reserved[11];
};
static_assert(sizeof(FillsHeader) == 64, "docs/cache.md");

// A fill, as who waits for it or makes it knows it.
struct FillTicket {
  uint32_t slot = 0;
  uint64_t token = 0;
  bool none() const { return token == 0; }
};

class Fills {
 public:
  static constexpr uint32_t kSlots = 1u << 12;
  static constexpr uint64_t bytes() {
    return sizeof(FillsHeader) + kSlots * (sizeof(uint64_t) + sizeof(FillSlot));
  }

  // `base`: bytes(), zeros at first, aligned as a cache line.
  explicit Fills(char* base)
      : header_(reinterpret_cast<FillsHeader*>(base)),
        hashes_(reinterpret_cast<uint64_t*>(base + sizeof(FillsHeader))),
        slots_(reinterpret_cast<FillSlot*>(base + sizeof(FillsHeader) + kSlots * sizeof(uint64_t))) {}

  // ---- under the cache's lock

  enum class Begin {
    kMine,  // the ticket's fill is the caller's
    kWait,  // somebody is at it: the ticket's fill
    kFull,  // too many fills of other keys: to be tried again when some fill is over
  };
  // `take_over`: a fill that the caller has found dead or stuck; 0 for none.
  Begin begin(uint64_t hash, uint64_t me, uint64_t now_ms, uint64_t take_over,
              const std::function<bool(uint64_t owner)>& is_dead, FillTicket* ticket);
  // False: it was over before.
  bool end(const FillTicket& ticket);
  // The key has got a value, or has lost it, by other means. Whether somebody was filling it.
  bool overtake(uint64_t hash);
  // After a death inside: what is derived.
  void recount();

  // ---- any time

  // After the lock was given up: wakes who waits.
  void announce();
  bool over(const FillTicket& ticket) const { return load_acquire(&slot(ticket)->token) != ticket.token; }
  uint64_t owner(const FillTicket& ticket) const { return load_relaxed(&slot(ticket)->owner); }
  uint64_t began(const FillTicket& ticket) const { return load_relaxed(&slot(ticket)->began); }
  uint32_t active() const { return load_relaxed(&header_->active); }

  // For who waits: what to sleep on, read before it looks whether its fills are over. Sleeps until something is over, for `ms` at most.
  uint32_t news() const { return load_seq_cst(&header_->over); }
  void sleep(uint32_t news, uint32_t ms);

 private:
  static constexpr uint32_t kWindow = 64;

  FillSlot* slot(const FillTicket& ticket) const { return slots_ + (ticket.slot & (kSlots - 1)); }
  uint32_t window(uint64_t hash) const { return static_cast<uint32_t>(hash >> 20) & (kSlots - 1); }
  uint32_t find(uint64_t hash, uint32_t* free) const;
  void take(uint32_t at, uint64_t hash, uint64_t me, uint64_t now_ms, FillTicket* ticket);
  void free(uint32_t at);

  FillsHeader* header_;
  uint64_t* hashes_;  // by slot: of the key, 0 if it is free
  FillSlot* slots_;
};

}  // namespace ashmem_compat
