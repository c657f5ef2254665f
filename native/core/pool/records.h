// The records of a pool's blocks, and the lists that those are in which are free, owned or doomed. Under the pool's lock, but for state().
#pragma once

#include "core/platform/atomics.h"
#include "core/pool/tables.h"

namespace ashmem_compat {

class Records {
 public:
  explicit Records(const Tables& tables) : t_(tables) {}

  BlockRecord& at(uint32_t id) const { return t_.records[id]; }
  uint64_t state(uint32_t id) const { return load_seq_cst(&at(id).state); }
  BlockStatus status(uint32_t id) const { return status_of(state(id)); }
  void set_state(uint32_t id, uint64_t state) const { store_seq_cst(&at(id).state, state); }

  // Records below it may be in use.
  uint32_t end() const {
    const uint64_t end = load_relaxed(&t_.head->records_end);
    return end < t_.max_blocks ? static_cast<uint32_t>(end) : t_.max_blocks;
  }

  enum class Taken { kOk, kNone, kCorrupt };
  // *id: a record that is free, and in no list.
  Taken take(uint32_t* id) {
    RecordList& free = t_.head->free;
    const uint32_t first = load_relaxed(&free.first);
    if (first != kNil) {
      if (first > t_.max_blocks || status(first - 1) != BlockStatus::kFree || !remove(free, first - 1)) {
        return Taken::kCorrupt;
      }
      *id = first - 1;
      return Taken::kOk;
    }
    *id = end();
    if (*id >= t_.max_blocks) return Taken::kNone;
    store_relaxed(&t_.head->records_end, uint64_t{*id} + 1);
    return status(*id) == BlockStatus::kFree ? Taken::kOk : Taken::kCorrupt;
  }

  void push_front(RecordList& list, uint32_t id) {
    uint32_t next = load_relaxed(&list.first);
    if (next > t_.max_blocks) next = kNil;
    at(id).prev = kNil;
    at(id).next = next;
    if (next != kNil) {
      at(next - 1).prev = id + 1;
    } else {
      list.last = id + 1;
    }
    list.first = id + 1;
    ++list.count;
  }
  void push_back(RecordList& list, uint32_t id) {
    uint32_t prev = load_relaxed(&list.last);
    if (prev > t_.max_blocks) prev = kNil;
    at(id).next = kNil;
    at(id).prev = prev;
    (prev != kNil ? at(prev - 1).next : list.first) = id + 1;
    list.last = id + 1;
    ++list.count;
  }
  // False if the list contradicts itself.
  bool remove(RecordList& list, uint32_t id) {
    const uint32_t next = load_relaxed(&at(id).next);
    const uint32_t prev = load_relaxed(&at(id).prev);
    if (next > t_.max_blocks || prev > t_.max_blocks) return false;
    if ((prev == kNil ? list.first : at(prev - 1).next) != id + 1) return false;
    if ((next == kNil ? list.last : at(next - 1).prev) != id + 1) return false;
    (prev == kNil ? list.first : at(prev - 1).next) = next;
    (next == kNil ? list.last : at(next - 1).prev) = prev;
    --list.count;
    return true;
  }

 private:
  const Tables& t_;
};

}  // namespace ashmem_compat
