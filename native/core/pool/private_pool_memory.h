// The memory of a pool of one process: an anonymous region, whose pages the kernel discards by itself, and an annex of private memory.
#pragma once

#include <memory>

#include "core/platform/spinlock.h"
#include "core/platform/zeroed_array.h"
#include "core/pool/pool_memory.h"

namespace ashmem_compat {

class PrivatePoolMemory final : public PoolMemory {
 public:
  // Takes over a new region of one process. kSystem: no memory for the tables.
  static Result<std::unique_ptr<PoolMemory>> over(std::unique_ptr<Region> region, uint64_t annex_size);

  Region* region() override { return region_.get(); }
  char* data() override { return region_->mapping()->data(); }
  uint64_t unit() override { return region_->granularity(); }
  uint64_t unit_count() override { return unit_count_; }
  char* annex() override { return annex_.get(); }
  uint64_t annex_size() override { return annex_size_; }
  int fd() override { return -1; }
  bool read_only() override { return false; }
  bool shared() override { return false; }

  Status hold(uint64_t u, bool* lost) override;
  Status try_hold(uint64_t u, bool* lost) override { return hold(u, lost); }
  void drop(uint64_t u) override;
  void drop_empty(uint64_t u) override { drop(u); }
  bool held_by_others(uint64_t) override { return false; }
  bool held_here(uint64_t u) override;
  uint32_t generation(uint64_t u) override { return load_acquire(&units_[u].generation); }
  uint32_t span(uint64_t u) override { return load_relaxed(&units_[u].span); }
  void set_span(uint64_t u, uint32_t units, Priority) override { store_relaxed(&units_[u].span, units); }
  Status begin_read(uint64_t u, ReadTicket* ticket) override;
  bool end_read(uint64_t u, const ReadTicket& ticket) override;
  uint64_t purge(uint64_t u, uint64_t count) override;
  uint64_t me() override { return 1; }
  bool is_dead(uint64_t owner) override { return owner != 1; }
  uint64_t discarded() override { return load_relaxed(&discarded_); }
  uint64_t resident() override;

 private:
  // The region's pins are those of the extents whose leaders are held, whoever cuts and joins them meanwhile: the pin covers the span that
  // is there at the first hold, the unpin that at the last drop.
  struct Unit {
    uint32_t holds;
    uint32_t generation;
    uint32_t span;
  };
  PrivatePoolMemory(std::unique_ptr<Region> region, uint64_t annex_size)
      : region_(std::move(region)),
        unit_count_((region_->size() + region_->granularity() - 1) / region_->granularity()),
        annex_size_(annex_size) {}
  uint64_t bytes(uint64_t u) {
    const uint64_t left = unit_count_ - u;
    return (units_[u].span < left ? units_[u].span : left) * unit();
  }

  const std::unique_ptr<Region> region_;
  const uint64_t unit_count_;
  const uint64_t annex_size_;
  ZeroedArray<char> annex_;
  ZeroedArray<Unit> units_;
  SpinLock lock_;  // of the region, which is one thread's at a time, and the units
  uint64_t discarded_ = 0;
};

}  // namespace ashmem_compat
