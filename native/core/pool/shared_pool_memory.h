// The memory of a pool that processes share: a region's, whose units are grouped to extents, and its annex.
#pragma once

#include <memory>

#include "core/pins/attachment.h"
#include "core/pool/pool_memory.h"
#include "core/pressure/watcher.h"

namespace ashmem_compat {

class SharedPoolMemory final : public PoolMemory {
 public:
  // Takes over a shared region of a kind that has extents, made or attached to. kNotSupported for another; kSystem: no memory for the
  // table of holds.
  static Result<std::unique_ptr<PoolMemory>> over(std::unique_ptr<Region> region, uint32_t busy_timeout_ms);

  Region* region() override { return region_.get(); }
  char* data() override { return region_->mapping()->data(); }
  uint64_t unit() override { return tables().layout().granularity; }
  uint64_t unit_count() override { return tables().layout().unit_count; }
  char* annex() override { return tables().annex(); }
  uint64_t annex_size() override { return tables().layout().annex_size; }
  int fd() override { return region_->fd(); }
  bool read_only() override { return attachment_ == nullptr; }
  bool shared() override { return true; }

  Status hold(uint64_t u, bool* lost) override { return hold(u, lost, true); }
  Status try_hold(uint64_t u, bool* lost) override { return hold(u, lost, false); }
  void drop(uint64_t u) override;
  void drop_empty(uint64_t u) override;
  bool held_by_others(uint64_t u) override;
  bool held_here(uint64_t u) override;
  uint32_t generation(uint64_t u) override { return load_acquire(tables().generation(u)); }
  uint32_t span(uint64_t u) override;
  void set_span(uint64_t u, uint32_t units, Priority priority) override {
    store_release(tables().spans() + u, span_entry(units, static_cast<uint32_t>(priority)));
  }
  Status begin_read(uint64_t u, ReadTicket* ticket) override;
  bool end_read(uint64_t u, const ReadTicket& ticket) override;
  uint64_t purge(uint64_t u, uint64_t count) override;
  void before_filling(uint64_t bytes) override {
    if (attachment_ && attachment_->served()) pressure::before_filling(bytes);
  }
  bool little_left() override { return attachment_ && attachment_->served() && pressure::little_left(); }
  uint64_t me() override;
  bool is_dead(uint64_t owner) override;
  uint64_t discarded() override;
  uint64_t resident() override;

 private:
  SharedPoolMemory(std::unique_ptr<Region> region, uint32_t busy_timeout_ms)
      : region_(std::move(region)),
        attachment_(region_->attachment()),
        tables_(region_->tables()),
        busy_timeout_ms_(busy_timeout_ms) {}

  // Also those of a read-only one, whose region's tables live as long as the region.
  const Control& tables() const { return *tables_; }
  Status hold(uint64_t u, bool* lost, bool patient);
  void drop(uint64_t u, bool empty);

  const std::unique_ptr<Region> region_;
  Attachment* const attachment_;  // the region's; null if it can only be read
  const Control* const tables_;
  const uint32_t busy_timeout_ms_;
};

}  // namespace ashmem_compat
