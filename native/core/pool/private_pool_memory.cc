#include "core/pool/private_pool_memory.h"

#include "core/platform/atomics.h"
#include "core/platform/residency.h"

namespace ashmem_compat {
namespace {

// More than this comes straight from the kernel, and is aligned as the annex has to be.
constexpr uint64_t kMapped = uint64_t{64} * 1024;

}  // namespace

Result<std::unique_ptr<PoolMemory>> PrivatePoolMemory::over(std::unique_ptr<Region> region,
                                                            uint64_t annex_size) {
  std::unique_ptr<PrivatePoolMemory> self(new PrivatePoolMemory(std::move(region), annex_size));
  self->annex_ = make_zeroed<char>(annex_size + kMapped);
  self->units_ = make_zeroed<Unit>(self->unit_count_);
  if (!self->annex_ || !self->units_) {
    errno = ENOMEM;
    return Status::System("mmap", Code::kSystem, "no memory for the tables of the pool");
  }
  // A new region is pinned as a whole.
  if (Status s = self->region_->unpin(0, self->region_->size()); !s.ok()) return s;
  self->units_[0].span = static_cast<uint32_t>(self->unit_count_);
  return std::unique_ptr<PoolMemory>(std::move(self));
}

Status PrivatePoolMemory::hold(uint64_t u, bool* lost) {
  *lost = false;
  Status status;
  lock_.lock();
  Unit& unit = units_[u];
  if (unit.holds == UINT32_MAX) {
    status = Status::Of(Code::kTooManyPins, "a unit is held 2^32 times");
  } else if (unit.holds == 0 && unit.span != 0) {
    status = region_->pin(u * this->unit(), bytes(u), lost, nullptr);
    if (*lost) {
      store_release(&unit.generation, unit.generation + 1);
      discarded_ += bytes(u);
    }
  }
  if (status.ok()) ++unit.holds;
  lock_.unlock();
  return status;
}

void PrivatePoolMemory::drop(uint64_t u) {
  lock_.lock();
  Unit& unit = units_[u];
  if (unit.holds > 0 && --unit.holds == 0 && unit.span != 0) region_->unpin(u * this->unit(), bytes(u));
  lock_.unlock();
}

bool PrivatePoolMemory::held_here(uint64_t u) {
  lock_.lock();
  const bool held = units_[u].holds != 0;
  lock_.unlock();
  return held;
}

// Unheld pages carry marks of the region's, so a reader has to hold them. There is nobody to share with.
Status PrivatePoolMemory::begin_read(uint64_t u, ReadTicket* ticket) {
  bool lost = false;
  if (Status s = hold(u, &lost); !s.ok()) return s;
  ticket->valid = !lost;
  if (lost) drop(u);
  return Status::Ok();
}

bool PrivatePoolMemory::end_read(uint64_t u, const ReadTicket& ticket) {
  if (ticket.valid) drop(u);
  return ticket.valid;
}

// Counts memory, as the region itself takes pages for discarded that were never there.
uint64_t PrivatePoolMemory::purge(uint64_t u, uint64_t count) {
  const uint64_t before = resident();
  lock_.lock();
  for (uint64_t v = u; v < u + count; ++v) {
    if (units_[v].span == 0 || units_[v].holds != 0) continue;
    uint64_t discarded = 0;
    region_->purge(v * unit(), bytes(v), &discarded);
  }
  lock_.unlock();
  const uint64_t after = resident();
  return before > after ? before - after : 0;
}

uint64_t PrivatePoolMemory::resident() {
  uint64_t bytes = 0;
  if (region_->closed() || !resident_bytes(data(), region_->size(), &bytes).ok()) return 0;
  return bytes;
}

}  // namespace ashmem_compat
