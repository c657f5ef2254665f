#include "core/pool/keeper.h"

namespace ashmem_compat {

Result<std::unique_ptr<Keeper>> Keeper::attach(Fd fd, RegionKind kind) {
  PoolOptions options;
  options.kind = kind;
  Result<std::unique_ptr<Pool>> pool = Pool::attach(std::move(fd), options);
  if (!pool.ok()) return pool.status();
  std::unique_ptr<Keeper> keeper(new Keeper(std::move(pool.value())));
  if (Status s = keeper->hold_all(); !s.ok()) return s;
  return keeper;
}

// Without the pool's lock, which is not to be had for so long: blocks come and go meanwhile, and each is asked for itself.
Status Keeper::hold_all() {
  if (Status s = pool_->usable(); !s.ok()) return s;
  const uint32_t end = pool_->records_end();
  for (uint32_t id = 0; id < end; ++id) {
    Block block;
    bool shared = false;
    if (!pool_->block_at(id, &block, &shared)) continue;
    // Before the hold, which makes a PURGED extent READY: a loss stays as it is where nobody reaches for it.
    bool lost = !pool_->whole(block);
    if (!lost) {
      const Status held = pool_->hold(&block, &lost);
      if (held.code == Code::kBlockFreed) continue;
      if (!held.ok()) return held;
      if (lost) pool_->drop_lost(block);
    }
    if (lost) {
      lost_ += block.size;
    } else {
      held_ += block.size;
      blocks_.push_back(block);
    }
  }
  return Status::Ok();
}

Keeper::~Keeper() {
  for (const Block& block : blocks_) pool_->drop(block);
}

}  // namespace ashmem_compat
