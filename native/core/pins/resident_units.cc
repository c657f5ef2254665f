#include "core/pins/resident_units.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "core/platform/page.h"

#ifndef SEEK_DATA
#define SEEK_DATA 3
#endif

namespace ashmem_compat {

Result<std::unique_ptr<ResidentUnits>> ResidentUnits::open(int fd, const Layout& layout,
                                                           std::shared_ptr<Mapping> data) {
  if (!data) {
    Result<std::shared_ptr<Mapping>> mapped = Mapping::map(fd, layout.control_offset, MAP_SHARED);
    if (!mapped.ok()) return mapped.status();
    data = std::move(mapped.value());
  }
  Fd own;
  constexpr uint64_t kWorthSeeking = uint64_t{64} << 20;
  if (layout.control_offset > kWorthSeeking) {
    char path[32];
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    own.reset(::open(path, O_RDONLY | O_CLOEXEC));
    // The path of an ashmem area opens a new, empty one, which cannot be sought in.
    if (own.valid() && lseek(own.get(), 0, SEEK_DATA) < 0) own.reset();
  }
  return std::unique_ptr<ResidentUnits>(new ResidentUnits(layout, std::move(data), std::move(own)));
}

ResidentUnits::ResidentUnits(const Layout& layout, std::shared_ptr<Mapping> data, Fd own)
    : layout_(layout), data_(std::move(data)), own_(std::move(own)), page_(kernel_page_size()) {}

// What is known of the pages from `page` on.
bool ResidentUnits::load(uint64_t page) {
  const uint64_t end = layout_.control_offset / page_;
  const uint64_t pages = end - page < kStretch ? end - page : kStretch;
  pages_ = 0;
  if (mincore(data_->data() + page * page_, static_cast<size_t>(pages * page_), present_) != 0) return false;
  first_ = page;
  pages_ = pages;
  return true;
}

uint64_t ResidentUnits::count_in(uint64_t unit) {
  const uint64_t per_unit = layout_.granularity / page_;
  uint64_t bytes = 0;
  for (uint64_t page = unit * per_unit; page < (unit + 1) * per_unit; ++page) {
    if ((page < first_ || page >= first_ + pages_) && !load(page)) return 0;
    if (present_[page - first_] & 1) bytes += page_;
  }
  return bytes;
}

bool ResidentUnits::next(uint64_t from, uint64_t* unit, uint64_t* bytes) {
  const uint64_t per_unit = layout_.granularity / page_;
  for (uint64_t u = from; u < layout_.unit_count; ++u) {
    const uint64_t page = u * per_unit;
    if (own_.valid() && (page < first_ || page >= first_ + pages_)) {
      const off_t at = lseek(own_.get(), static_cast<off_t>(u * layout_.granularity), SEEK_DATA);
      // Behind the data comes the control area, which always has memory.
      if (at < 0 || static_cast<uint64_t>(at) >= layout_.control_offset) return false;
      u = static_cast<uint64_t>(at) / layout_.granularity;
    }
    *bytes = count_in(u);
    *unit = u;
    if (*bytes != 0) return true;
  }
  return false;
}

}  // namespace ashmem_compat
