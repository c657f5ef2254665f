// The pools of one Node environment, by number, and the blocks that its JavaScript knows of each.
#pragma once

#include <memory>
#include <vector>

#include "core/pool/pool.h"

namespace ashmem_compat::addon {

class PoolTable;

// A block as one Block object knows it.
struct PoolBlock {
  Block block;
  uint32_t pins = 0;
  bool told = false;   // of a loss, by the pin that stands: the unpin says that it is refilled
  bool used = false;   // an object has this number
  bool owned = false;  // allocated by the object, and nobody else knows of it
};

// A pool. Owned by a JavaScript external, deleted with it.
class PoolHandle {
 public:
  explicit PoolHandle(std::unique_ptr<Pool> pool) : pool_(std::move(pool)) {}
  // Collected without close(): nobody has said that what was to be refilled is.
  ~PoolHandle() { close(false); }
  PoolHandle(const PoolHandle&) = delete;
  PoolHandle& operator=(const PoolHandle&) = delete;

  Pool& pool() { return *pool_; }
  void close(bool filled);

  // Every call is about the block that `index` names; kBlockFreed for one that none has.
  PoolBlock* at(double index) {
    if (!(index >= 0 && index < static_cast<double>(blocks_.size()))) return nullptr;
    PoolBlock* one = &blocks_[static_cast<size_t>(index)];
    return one->used ? one : nullptr;
  }
  Status alloc(uint64_t size, Priority priority, size_t* index);
  Status find(double handle, size_t* index);
  Status pin(PoolBlock& block, bool* lost);
  Status unpin(PoolBlock& block);
  Status free(double index);
  // *handle: by which others find the block.
  Status share(PoolBlock& block, double* handle);
  // The object is gone, and its pins go; a block that nobody else knows of is freed.
  void forget(double index);

  std::shared_ptr<PoolTable> table;
  size_t id = 0;

 private:
  size_t add(const PoolBlock& block);
  void let_go(PoolBlock& block, bool filled);

  std::unique_ptr<Pool> pool_;
  std::vector<PoolBlock> blocks_;
  std::vector<size_t> unused_;
};

class PoolTable {
 public:
  // What lib/pool writes before each call: the pool's number, the block's number or an argument, another. Results are read in [1] to [3].
  double mailbox[4] = {};
  Status last;

  size_t add(PoolHandle* handle);
  void remove(size_t id);
  PoolHandle* handle() const {
    const size_t i = static_cast<size_t>(mailbox[0]);
    return i < handles_.size() ? handles_[i] : nullptr;
  }

 private:
  std::vector<PoolHandle*> handles_;
  std::vector<size_t> free_;
};

}  // namespace ashmem_compat::addon
