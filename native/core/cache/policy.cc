#include "core/cache/policy.h"

namespace ashmem_compat {

uint64_t Policy::ghosts_for(uint64_t entries) {
  uint64_t words = kGhostsInBucket;
  while (words < 2 * entries) words *= 2;
  return words;
}

Policy::Policy(PolicyState* state, void* nodes, size_t stride, uint32_t count, uint64_t* ghosts,
               uint64_t ghost_count, uint64_t capacity)
    : state_(state),
      nodes_(static_cast<char*>(nodes)),
      stride_(stride),
      count_(count),
      ghosts_(ghosts),
      ghost_mask_(ghost_count / kGhostsInBucket - 1),
      age_shift_(0) {
  // Ages have 32 bits, of which a ghost's whole life takes 16 to 17: a ghost must be left alone for long to pass for a young one.
  while (capacity >> age_shift_ > uint64_t{1} << 17) ++age_shift_;
}

// ---- queues

bool Policy::link(uint32_t i, uint8_t queue) {
  PolicyEnds* e = ends(queue);
  PolicyNode* n = node(i);
  const uint32_t newest = load_relaxed(&e->newest);
  if (newest > count_) return false;
  store_relaxed(&n->older, newest);
  store_relaxed(&n->newer, 0u);
  store_relaxed(&n->queue, queue);
  if (newest != 0) {
    store_relaxed(&node(newest - 1)->newer, i + 1);
  } else {
    store_relaxed(&e->oldest, i + 1);
  }
  store_relaxed(&e->newest, i + 1);
  store_relaxed(&e->weight, load_relaxed(&e->weight) + load_relaxed(&n->weight));
  return true;
}

bool Policy::unlink(uint32_t i) {
  PolicyNode* n = node(i);
  const uint8_t queue = load_relaxed(&n->queue);
  const uint32_t older = load_relaxed(&n->older);
  const uint32_t newer = load_relaxed(&n->newer);
  const uint32_t weight = load_relaxed(&n->weight);
  if ((queue != kSmallQueue && queue != kMainQueue) || older > count_ || newer > count_) return false;
  PolicyEnds* e = ends(queue);
  uint32_t* to_me_from_older = older != 0 ? &node(older - 1)->newer : &e->oldest;
  uint32_t* to_me_from_newer = newer != 0 ? &node(newer - 1)->older : &e->newest;
  const uint64_t total = load_relaxed(&e->weight);
  if (load_relaxed(to_me_from_older) != i + 1 || load_relaxed(to_me_from_newer) != i + 1 || total < weight)
    return false;
  store_relaxed(to_me_from_older, newer);
  store_relaxed(to_me_from_newer, older);
  store_relaxed(&e->weight, total - weight);
  store_relaxed(&n->queue, static_cast<uint8_t>(kNoQueue));
  return true;
}

bool Policy::insert(uint32_t i, uint32_t weight, uint64_t hash, bool proven) {
  PolicyNode* n = node(i);
  store_relaxed(&n->weight, weight);
  store_relaxed(&n->frequency, uint8_t{0});
  return link(i, recall(hash) || proven ? kMainQueue : kSmallQueue);
}

bool Policy::remove(uint32_t i) { return unlink(i); }

bool Policy::candidate(uint32_t* i) {
  *i = kNone;
  for (int moves = 0;; ++moves) {
    const uint32_t small = load_relaxed(&ends(kSmallQueue)->oldest);
    const uint32_t main = load_relaxed(&ends(kMainQueue)->oldest);
    // Of what is there, as the cache may be full of entries before it is full of bytes.
    const uint64_t share = (weight(kSmallQueue) + weight(kMainQueue)) / kSmallPart;
    const bool from_small = small != 0 && (main == 0 || weight(kSmallQueue) >= share);
    const uint32_t found = from_small ? small : main;
    if (found == 0) return true;
    if (found > count_) return false;
    *i = found - 1;
    PolicyNode* n = node(*i);
    const uint8_t f = load_relaxed(&n->frequency);
    if (f < (from_small ? kProven : 1) || moves == kMoves) return true;
    const uint8_t left = from_small || f > kMost ? uint8_t{0} : static_cast<uint8_t>(f - 1);
    if (!unlink(*i)) return false;
    store_relaxed(&n->frequency, left);
    if (!link(*i, kMainQueue)) return false;
  }
}

bool Policy::evict(uint32_t i, uint64_t hash) {
  const PolicyNode* n = node(i);
  const bool was_small = load_relaxed(&n->queue) == kSmallQueue;
  if (!unlink(i)) return false;
  if (was_small) {
    store_relaxed(&state_->gone, load_relaxed(&state_->gone) + load_relaxed(&n->weight));
    remember(hash);
  }
  return true;
}

bool Policy::spare(uint32_t i) { return unlink(i) && link(i, kMainQueue); }

void Policy::clear() {
  for (PolicyEnds& e : state_->queue) {
    store_relaxed(&e.oldest, 0u);
    store_relaxed(&e.newest, 0u);
    store_relaxed(&e.weight, uint64_t{0});
  }
}

bool Policy::restore(uint32_t i) {
  return link(i, load_relaxed(&node(i)->queue) == kMainQueue ? kMainQueue : kSmallQueue);
}

// ---- ghosts: {32 bits of the hash | when}, in a bucket of 8 that other bits of the hash name

uint64_t* Policy::bucket(uint64_t hash) const { return ghosts_ + (hash & ghost_mask_) * kGhostsInBucket; }

void Policy::remember(uint64_t hash) {
  uint64_t* ghosts = bucket(hash);
  const uint32_t now = age_now();
  uint64_t* oldest = ghosts;
  uint32_t most = 0;
  for (uint64_t k = 0; k < kGhostsInBucket; ++k) {
    const uint64_t ghost = load_relaxed(ghosts + k);
    if (ghost == 0) {
      oldest = ghosts + k;
      break;
    }
    const uint32_t age = now - static_cast<uint32_t>(ghost);
    if (age >= most) {
      most = age;
      oldest = ghosts + k;
    }
  }
  store_relaxed(oldest, hash >> 32 << 32 | now);
}

bool Policy::recall(uint64_t hash) {
  uint64_t* ghosts = bucket(hash);
  for (uint64_t k = 0; k < kGhostsInBucket; ++k) {
    const uint64_t ghost = load_relaxed(ghosts + k);
    if (ghost == 0 || ghost >> 32 != hash >> 32) continue;
    store_relaxed(ghosts + k, uint64_t{0});
    // As long as the main queue takes to be gone through.
    const uint64_t age = uint64_t{age_now() - static_cast<uint32_t>(ghost)} << age_shift_;
    return age <= weight(kMainQueue) + weight(kSmallQueue);
  }
  return false;
}

}  // namespace ashmem_compat
