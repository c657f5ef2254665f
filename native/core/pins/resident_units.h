// Where a region has memory, whoever brought it there: what a purge could give back.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "core/mapping.h"
#include "core/pins/layout.h"
#include "core/pins/pin_table.h"
#include "core/platform/fd.h"

namespace ashmem_compat {

// One thread at a time.
class ResidentUnits {
 public:
  // `fd`: the region's. `data`: its data mapped from offset 0, or null; then it is mapped here, and never touched.
  static Result<std::unique_ptr<ResidentUnits>> open(int fd, const Layout& layout,
                                                     std::shared_ptr<Mapping> data);

  // The first unit at or after `from` that may have memory, and in *end the unit behind the last of which that is true: skips holes
  // of the file, for nearly nothing, but looks at no page. unit_count if there is none.
  uint64_t next_extent(uint64_t from, uint64_t* end);

  struct Run {
    uint64_t first, count, bytes;
  };
  // Of count units from `first`, the runs that have memory, and how much. Looks at every page, so not for the whole of a region.
  // Extents are looked at as one: a run begins with a leader.
  std::vector<Run> resident(uint64_t first, uint64_t count, const PinTable& table);

 private:
  ResidentUnits(const Layout& layout, std::shared_ptr<Mapping> data, Fd own);

  const Layout& layout_;
  const std::shared_ptr<Mapping> data_;
  const Fd own_;  // a description of our own, whose offset is nobody else's; invalid where it cannot be had
};

}  // namespace ashmem_compat
