// What the objects of one process have in common that work on one pool: a lock, as the threads of a process are one owner to the pool's, and
// how often each block is held by any of them.
#pragma once

#include <cstdint>
#include <memory>

#include "core/platform/atomics.h"
#include "core/platform/spinlock.h"
#include "core/platform/zeroed_array.h"
#include "core/pool/pool_memory.h"

namespace ashmem_compat {

class PoolProcess {
 public:
  // That of the pool in `memory`, which may be in use already. Null: no memory.
  static std::shared_ptr<PoolProcess> of(PoolMemory& memory, uint32_t max_blocks);

  explicit PoolProcess(uint32_t max_blocks) : holds_(make_zeroed<uint32_t>(max_blocks)) {}

  SpinLock& lock() { return lock_; }

  // Sequentially consistent: who frees a block marks it and looks here then, who holds it does the reverse.
  void add_hold(uint32_t id) { __atomic_fetch_add(&holds_[id], 1u, __ATOMIC_SEQ_CST); }
  void drop_hold(uint32_t id) { __atomic_fetch_sub(&holds_[id], 1u, __ATOMIC_SEQ_CST); }
  bool held(uint32_t id) const { return load_seq_cst(&holds_[id]) != 0; }

 private:
  SpinLock lock_;
  ZeroedArray<uint32_t> holds_;
};

}  // namespace ashmem_compat
