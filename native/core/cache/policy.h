// What goes when the cache is full: S3-FIFO (Yang et al., "FIFO queues are all you need for cache eviction", SOSP 2023), by weight.
//
// What is new waits in a small queue, a tenth of the cache; what was asked for again by the time that it reaches the end moves to the
// main queue, the rest goes and leaves its hash in a ghost table, by which it enters the main queue if it comes back soon. So what is
// used once passes through and takes nothing with it. A use only raises a number of two bits: no lock, no list, and nothing at all once
// the number is at its top.
//
// Pure code over arrays that others may write to: every number is checked, every loop is bounded, and `false` says that the arrays
// contradict themselves. Everything but touch() is for who has the cache's lock.
#pragma once

#include <cstddef>
#include <cstdint>

#include "core/platform/atomics.h"

namespace ashmem_compat {

// Of one entry. Its number is its place in the array, `stride` bytes from node to node.
struct PolicyNode {
  uint32_t older, newer;  // neighbours in the queue, 1 + number, or 0
  uint32_t weight;
  uint8_t frequency;  // uses since it came or was last spared, at most kMost
  uint8_t queue;      // a PolicyQueue
  uint16_t reserved;
};
static_assert(sizeof(PolicyNode) == 16, "docs/cache.md");

enum PolicyQueue : uint8_t { kNoQueue = 0, kSmallQueue = 1, kMainQueue = 2 };

// Of a queue: 1 + number, or 0.
struct PolicyEnds {
  uint32_t oldest, newest;
  uint64_t weight;
};

// All zeros at first.
struct PolicyState {
  PolicyEnds queue[2];
  uint64_t gone;  // weight that has left the small queue for good, ever: the age of ghosts
};

class Policy {
 public:
  static constexpr uint32_t kNone = ~0u;
  static constexpr uint8_t kMost = 3;
  static constexpr uint64_t kSmallPart = 10;  // the small queue is a tenth
  static constexpr uint8_t kProven = 2;       // uses that take it from the small queue to the main one

  // Words of the ghost table for so many entries: a power of two.
  static uint64_t ghosts_for(uint64_t entries);

  // `capacity` is in the unit of the weights.
  Policy(PolicyState* state, void* nodes, size_t stride, uint32_t count, uint64_t* ghosts,
         uint64_t ghost_count, uint64_t capacity);

  PolicyNode* node(uint32_t i) const { return reinterpret_cast<PolicyNode*>(nodes_ + stride_ * i); }

  // It was used. Any thread, any time.
  static void touch(PolicyNode* node) {
    const uint8_t f = load_relaxed(&node->frequency);
    if (f < kMost) store_relaxed(&node->frequency, static_cast<uint8_t>(f + 1));
  }

  // `proven`: it belongs to the main queue, whatever its ghost says.
  bool insert(uint32_t i, uint32_t weight, uint64_t hash, bool proven = false);
  // Takes it out, as if it had never been there.
  bool remove(uint32_t i);
  // Who is to go next, kNone if there is nobody. It stays where it is until one of the three below.
  bool candidate(uint32_t* i);
  // It goes, and is remembered.
  bool evict(uint32_t i, uint64_t hash);
  // It cannot go now.
  bool spare(uint32_t i);

  void clear();
  // After clear(): puts a node back that says which queue it was in.
  bool restore(uint32_t i);
  uint64_t weight(PolicyQueue queue) const { return load_relaxed(&ends(queue)->weight); }

 private:
  // What one candidate() may move before it takes what it finds: the lock is not held for longer.
  static constexpr int kMoves = 1000;
  static constexpr uint64_t kGhostsInBucket = 8;  // a cache line

  PolicyEnds* ends(uint8_t queue) const { return &state_->queue[queue == kMainQueue ? 1 : 0]; }
  bool link(uint32_t i, uint8_t queue);
  bool unlink(uint32_t i);
  bool is_oldest(uint32_t i) const;
  uint64_t* bucket(uint64_t hash) const;
  uint32_t age_now() const { return static_cast<uint32_t>(load_relaxed(&state_->gone) >> age_shift_); }
  void remember(uint64_t hash);
  bool recall(uint64_t hash);

  PolicyState* state_;
  char* nodes_;
  size_t stride_;
  uint32_t count_;
  uint64_t* ghosts_;
  uint64_t ghost_mask_;
  int age_shift_;
};

}  // namespace ashmem_compat
