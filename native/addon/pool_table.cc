#include "addon/pool_table.h"

namespace ashmem_compat::addon {

size_t PoolHandle::add(const PoolBlock& block) {
  size_t index = blocks_.size();
  if (unused_.empty()) {
    blocks_.push_back(block);
  } else {
    index = unused_.back();
    unused_.pop_back();
    blocks_[index] = block;
  }
  blocks_[index].used = true;
  return index;
}

void PoolHandle::let_go(PoolBlock& one, bool filled) {
  if (one.pins == 0) return;
  if (one.told && filled) pool_->refilled(one.block);
  pool_->drop(one.block);
  one.pins = 0;
  one.told = false;
}

void PoolHandle::close(bool filled) {
  for (PoolBlock& one : blocks_) {
    if (one.used) let_go(one, filled);
  }
  blocks_.clear();
  unused_.clear();
  pool_->close();
}

Status PoolHandle::alloc(uint64_t size, Priority priority, size_t* index) {
  PoolBlock one;
  if (Status s = pool_->alloc(size, priority, &one.block); !s.ok()) return s;
  one.pins = 1;
  one.owned = true;
  *index = add(one);
  return Status::Ok();
}

Status PoolHandle::find(double handle, size_t* index) {
  PoolBlock one;
  BlockRef ref;
  if (Status s = pool_->usable(false); !s.ok()) return s;
  if (!pool_->ref_of(handle, &ref))
    return Status::Of(Code::kBlockFreed, "no block of this pool has that handle");
  if (Status s = pool_->find(ref, &one.block); !s.ok()) return s;
  *index = add(one);
  return Status::Ok();
}

Status PoolHandle::pin(PoolBlock& one, bool* lost) {
  *lost = false;
  if (one.pins == 0) {
    if (Status s = pool_->hold(&one.block, lost); !s.ok()) return s;
    one.told = *lost;
  } else if (one.pins == UINT32_MAX) {
    return Status::Of(Code::kTooManyPins, "a block is pinned 2^32 times by one object");
  }
  ++one.pins;
  return Status::Ok();
}

Status PoolHandle::unpin(PoolBlock& one) {
  if (Status s = pool_->usable(); !s.ok()) return s;
  if (one.pins == 0) return Status::Of(Code::kNotPinned, "the block is not pinned by this object");
  if (one.pins > 1) {
    --one.pins;
  } else {
    let_go(one, true);
  }
  return Status::Ok();
}

Status PoolHandle::free(double index) {
  PoolBlock* one = at(index);
  if (!one) return Status::Of(Code::kBlockFreed, "the block has been freed");
  if (Status s = pool_->usable(); !s.ok()) return s;
  // Its own pins first: what somebody holds keeps its room. Nothing is refilled by being freed.
  let_go(*one, false);
  const Status status = pool_->free(one->block.ref);
  if (status.ok() || status.code == Code::kBlockFreed) {
    one->used = false;
    unused_.push_back(static_cast<size_t>(index));
  }
  return status;
}

Status PoolHandle::share(PoolBlock& one, double* handle) {
  if (Status s = pool_->usable(false); !s.ok()) return s;
  if (one.owned) {
    if (Status s = pool_->share(one.block); !s.ok()) return s;
    one.owned = false;
  }
  *handle = pool_->handle_of(one.block.ref);
  return Status::Ok();
}

void PoolHandle::forget(double index) {
  PoolBlock* one = at(index);
  if (!one || !pool_->usable(false).ok()) return;
  let_go(*one, false);
  if (one->owned) pool_->free(one->block.ref);
  one->used = false;
  unused_.push_back(static_cast<size_t>(index));
}

size_t PoolTable::add(PoolHandle* handle) {
  if (free_.empty()) {
    handles_.push_back(handle);
    return handles_.size() - 1;
  }
  const size_t id = free_.back();
  free_.pop_back();
  handles_[id] = handle;
  return id;
}

void PoolTable::remove(size_t id) {
  handles_[id] = nullptr;
  free_.push_back(id);
}

}  // namespace ashmem_compat::addon
