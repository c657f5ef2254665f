// The units of a region that have memory, whoever brought it there: what a purge could give back.
#pragma once

#include <cstdint>
#include <memory>

#include "core/mapping.h"
#include "core/pins/layout.h"
#include "core/platform/fd.h"

namespace ashmem_compat {

// One thread at a time.
class ResidentUnits {
 public:
  // `fd`: the region's. `data`: its data mapped from offset 0, or null; then it is mapped here, and never touched.
  static Result<std::unique_ptr<ResidentUnits>> open(int fd, const Layout& layout,
                                                     std::shared_ptr<Mapping> data);

  // The first unit at or after `from` that has memory, and how much; false if there is none (any more).
  bool next(uint64_t from, uint64_t* unit, uint64_t* bytes);
  // To be called before a walk: what was remembered is out of date.
  void forget() { pages_ = 0; }

 private:
  static constexpr uint64_t kStretch = 2048;  // pages that are asked about at once

  ResidentUnits(const Layout& layout, std::shared_ptr<Mapping> data, Fd own);
  uint64_t count_in(uint64_t unit);
  bool load(uint64_t page);

  const Layout& layout_;
  const std::shared_ptr<Mapping> data_;
  const Fd own_;  // a description of our own, whose offset is nobody else's; invalid where it cannot be had
  const uint64_t page_;
  unsigned char present_[kStretch];
  uint64_t first_ = 0, pages_ = 0;  // what present_ is about
};

}  // namespace ashmem_compat
