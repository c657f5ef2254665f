#include "core/pins/resident_units.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "core/platform/residency.h"

#ifndef SEEK_DATA
#define SEEK_DATA 3
#endif

namespace ashmem_compat {
namespace {
constexpr uint64_t kStretch = uint64_t{8} << 20;  // bytes
}
Result<std::unique_ptr<ResidentUnits>> ResidentUnits::open(int fd, const Layout& layout,
                                                           std::shared_ptr<Mapping> data) {
  if (!data) {
    Result<std::shared_ptr<Mapping>> mapped = Mapping::map(fd, layout.control_offset, MAP_SHARED);
    if (!mapped.ok()) return mapped.status();
    data = std::move(mapped.value());
  }
  Fd own;
  char path[32];
  snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
  own.reset(::open(path, O_RDONLY | O_CLOEXEC));
  if (!own.valid() && (errno == EMFILE || errno == ENFILE || errno == ENOMEM)) return Status::System("open");
  // The path of an ashmem area opens a new, empty one, which cannot be sought in.
  if (own.valid() && lseek(own.get(), 0, SEEK_DATA) < 0) own.reset();
  return std::unique_ptr<ResidentUnits>(new ResidentUnits(layout, std::move(data), std::move(own)));
}

ResidentUnits::ResidentUnits(const Layout& layout, std::shared_ptr<Mapping> data, Fd own)
    : layout_(layout), data_(std::move(data)), own_(std::move(own)) {}

uint64_t ResidentUnits::next_extent(uint64_t from, uint64_t* end) {
  *end = layout_.unit_count;
  if (!own_.valid()) return from;
  const off_t at = lseek(own_.get(), static_cast<off_t>(from * layout_.granularity), SEEK_DATA);
  // Behind the data comes the control area, which always has memory.
  if (at < 0 || static_cast<uint64_t>(at) >= layout_.control_offset) return layout_.unit_count;
  const uint64_t first = static_cast<uint64_t>(at) / layout_.granularity;
  // Not SEEK_HOLE: it walks all pages to the hole with the file locked, while others may want to discard.
  const uint64_t stretch = layout_.granularity >= kStretch ? 1 : kStretch / layout_.granularity;
  if (layout_.unit_count - first > stretch) *end = first + stretch;
  return first;
}

std::vector<ResidentUnits::Run> ResidentUnits::resident(uint64_t first, uint64_t count,
                                                        const PinTable& table) {
  std::vector<Run> runs;
  Residency pages;
  for (uint64_t u = first, units = 1; u < first + count; u += units) {
    units = table.step(u);
    uint64_t bytes = 0;
    const uint64_t granularity = layout_.granularity;
    if (!pages.bytes(data_->data(), layout_.control_offset, u * granularity, units * granularity, &bytes)
             .ok())
      break;
    if (bytes == 0) continue;
    if (runs.empty() || runs.back().first + runs.back().count != u) runs.push_back({u, 0, 0});
    runs.back().count += units;
    runs.back().bytes += bytes;
  }
  return runs;
}

}  // namespace ashmem_compat
