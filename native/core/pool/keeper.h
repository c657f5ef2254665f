// Holds what a pool, or a cache, has in it from outside, for who knows none of its blocks.
#pragma once

#include <memory>
#include <vector>

#include "core/pool/pool.h"

namespace ashmem_compat {

class Keeper {
 public:
  // Attaches, and holds every block that is there and whole. A block that was lost, or is being filled again, is left alone: whoever comes for it
  // is told, as if nobody had been here. kUntrustedFd: no pool of that kind; kReadOnly; kRegionBusy: a purger has had a block for too long.
  static Result<std::unique_ptr<Keeper>> attach(Fd fd, RegionKind kind);
  ~Keeper();
  Keeper(const Keeper&) = delete;
  Keeper& operator=(const Keeper&) = delete;

  // Bytes of blocks.
  uint64_t held() const { return held_; }
  uint64_t lost() const { return lost_; }

 private:
  explicit Keeper(std::unique_ptr<Pool> pool) : pool_(std::move(pool)) {}
  Status hold_all();

  const std::unique_ptr<Pool> pool_;
  std::vector<Block> blocks_;
  uint64_t held_ = 0;
  uint64_t lost_ = 0;
};

}  // namespace ashmem_compat
