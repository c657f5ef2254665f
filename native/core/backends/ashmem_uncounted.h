// An ashmem area that somebody else made, without our control area.
#pragma once

#include "core/platform/fd.h"
#include "core/region.h"

namespace ashmem_compat {

// Its pins are the driver's own: one per page, which anybody's unpin ends (Region::counted() is false). `size`: as the
// driver says, and mapped at least once, so that it cannot change.
Result<std::unique_ptr<Region>> attach_uncounted_area(Fd fd, uint64_t size, bool writable);

}  // namespace ashmem_compat
