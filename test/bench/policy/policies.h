// Caches without contents, each with a policy: what the hit rates are counted with.
#pragma once

#include <cstdint>
#include <list>
#include <memory>
#include <unordered_map>
#include <vector>

#include "core/cache/policy.h"

namespace hit_rates {

using Key = uint64_t;

class Simulated {
 public:
  explicit Simulated(uint64_t capacity) : capacity_(capacity) {}
  virtual ~Simulated() = default;
  // Whether it was there; it is afterwards.
  virtual bool request(Key key, uint32_t size) = 0;

 protected:
  uint64_t capacity_;
  uint64_t used_ = 0;
};

class Fifo : public Simulated {
 public:
  using Simulated::Simulated;
  bool request(Key key, uint32_t size) override {
    const auto found = at_.find(key);
    if (found != at_.end()) {
      used(found->second);
      return true;
    }
    while (used_ + size > capacity_ && !queue_.empty()) evict();
    queue_.push_front({key, size});
    at_[key] = queue_.begin();
    used_ += size;
    return false;
  }

 protected:
  struct Item {
    Key key;
    uint32_t size;
    bool visited = false;
  };
  virtual void used(std::list<Item>::iterator) {}
  virtual void evict() { drop(std::prev(queue_.end())); }
  void drop(std::list<Item>::iterator item) {
    used_ -= item->size;
    at_.erase(item->key);
    queue_.erase(item);
  }
  std::list<Item> queue_;  // newest first
  std::unordered_map<Key, std::list<Item>::iterator> at_;
};

class Lru : public Fifo {
 public:
  using Fifo::Fifo;

 private:
  void used(std::list<Item>::iterator item) override { queue_.splice(queue_.begin(), queue_, item); }
};

// Zhang et al., "SIEVE is simpler than LRU", NSDI 2024.
class Sieve : public Fifo {
 public:
  using Fifo::Fifo;

 private:
  void used(std::list<Item>::iterator item) override { item->visited = true; }
  void evict() override {
    auto item = hand_ == queue_.end() ? std::prev(queue_.end()) : hand_;
    while (item->visited) {
      item->visited = false;
      item = item == queue_.begin() ? std::prev(queue_.end()) : std::prev(item);
    }
    hand_ = item == queue_.begin() ? queue_.end() : std::prev(item);
    drop(item);
  }
  std::list<Item>::iterator hand_ = queue_.end();
};

// The policy that ships.
class Ours : public Simulated {
 public:
  Ours(uint64_t capacity, uint32_t entries)
      : Simulated(capacity),
        nodes_(entries),
        keys_(entries),
        ghosts_(ashmem_compat::Policy::ghosts_for(entries)),
        policy_(&state_, nodes_.data(), sizeof nodes_[0], entries, ghosts_.data(), ghosts_.size(), capacity) {
    for (uint32_t i = 0; i < entries; ++i) free_.push_back(i);
  }
  bool request(Key key, uint32_t size) override {
    const auto found = at_.find(key);
    if (found != at_.end()) {
      ashmem_compat::Policy::touch(&nodes_[found->second]);
      return true;
    }
    while (used_ + size > capacity_ || free_.empty()) {
      uint32_t victim;
      if (!policy_.candidate(&victim) || victim == ashmem_compat::Policy::kNone) abort();
      used_ -= nodes_[victim].weight;
      if (!policy_.evict(victim, hash(keys_[victim]))) abort();
      at_.erase(keys_[victim]);
      free_.push_back(victim);
    }
    const uint32_t i = free_.back();
    free_.pop_back();
    keys_[i] = key;
    at_[key] = i;
    used_ += size;
    if (!policy_.insert(i, size, hash(key))) abort();
    return false;
  }

 private:
  static uint64_t hash(Key key) {
    uint64_t x = key + 0x9e3779b97f4a7c15u;
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
    x = (x ^ x >> 27) * 0x94d049bb133111ebu;
    return x ^ x >> 31;
  }
  ashmem_compat::PolicyState state_{};
  std::vector<ashmem_compat::PolicyNode> nodes_;
  std::vector<Key> keys_;
  std::vector<uint64_t> ghosts_;
  ashmem_compat::Policy policy_;
  std::unordered_map<Key, uint32_t> at_;
  std::vector<uint32_t> free_;
};

}  // namespace hit_rates
