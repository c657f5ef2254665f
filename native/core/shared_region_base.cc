#include "core/shared_region_base.h"

#include "core/platform/residency.h"

namespace ashmem_compat {

SharedRegionBase::SharedRegionBase(const SharedFileOps& ops, Fd fd, std::string name, const Layout& layout,
                                   const RegionOptions& options)
    : ops_(ops), fd_(std::move(fd)), busy_timeout_ms_(options.busy_timeout_ms) {
  name_ = std::move(name);
  size_ = layout.size;
  unit_shift_ = __builtin_ctzll(layout.granularity);
  backend_ = ops.name;
  scope_ = Scope::kShared;
}

// True if the bytes of the units are whole at this moment; the sum of the generations tells two such moments apart,
// since a generation only ever rises.
bool SharedRegionBase::readable(uint64_t first, uint64_t count, uint64_t* generations) {
  *generations = 0;
  Census census(slots());
  for (uint64_t u = first; u < first + count; ++u) {
    const uint64_t w = load_acquire(control().word(u));
    const UnitState state = state_of(w);
    if (w & kVolatile) return false;  // the kernel may have discarded it, and tells only who pins it
    if (state == UnitState::kPurging || state == UnitState::kPurged) return false;
    if (state == UnitState::kRefilling) {
      if (!table().held(u, census)) return false;
    }
    *generations += load_relaxed(control().generation(u));
  }
  return true;
}

Status SharedRegionBase::begin_read(uint64_t offset, uint64_t length, ReadTicket* ticket) {
  if (Status s = usable(); !s.ok()) return s;
  uint64_t first = 0;
  uint64_t count = 0;
  if (Status s = to_units(offset, length, &first, &count); !s.ok()) return s;
  ticket->valid = readable(first, count, &ticket->generations);
  return Status::Ok();
}

bool SharedRegionBase::end_read(uint64_t offset, uint64_t length, const ReadTicket& ticket) {
  if (!ticket.valid || !usable().ok()) return false;
  uint64_t first = 0;
  uint64_t count = 0;
  if (!to_units(offset, length, &first, &count).ok()) return false;
  fence_acquire();  // the reads of the data come before the second look
  uint64_t generations = 0;
  return readable(first, count, &generations) && generations == ticket.generations;
}

Status SharedRegionBase::pinned(uint64_t offset, uint64_t length, bool* pinned) {
  if (Status s = usable(); !s.ok()) return s;
  uint64_t first = 0;
  uint64_t count = 0;
  if (Status s = to_units(offset, length, &first, &count); !s.ok()) return s;
  Census census(slots());
  *pinned = true;
  for (uint64_t u = first; u < first + count && *pinned; ++u) *pinned = table().held(u, census);
  return Status::Ok();
}

Status SharedRegionBase::stats(RegionStats* stats) {
  if (Status s = usable(); !s.ok()) return s;
  const Layout& layout = control().layout();
  *stats = RegionStats{};
  stats->size = size_;
  Census census(slots());
  for (uint64_t u = 0, units = 1; u < layout.unit_count; u += units) {
    units = table().step(u);
    const uint64_t bytes = layout.units_bytes(u, units);
    (table().held(u, census) ? stats->pinned : stats->unpinned) += bytes;
    if (state_of(load_relaxed(control().word(u))) == UnitState::kPurged) stats->purged += bytes;
  }
  return resident_bytes(mapping_->data(), size_, &stats->resident);
}

}  // namespace ashmem_compat
