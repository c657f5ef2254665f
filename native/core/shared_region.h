// A region that processes share: any backend with an fd, counted by the pin table.
#pragma once

#include "core/pins/attachment.h"
#include "core/region.h"

namespace ashmem_compat {

// Makes the region in `fd`, an empty file of layout.file_size bytes. The object holds every unit.
Result<std::unique_ptr<Region>> create_shared_region(const SharedFileOps& ops, Fd fd, const Layout& layout,
                                                     const RegionOptions& options);

// Attaches to the region in `fd`, whose header `header` gave `layout`. Holds nothing. `writable`: the fd can be mapped
// for writing; without it the object can only read.
Result<std::unique_ptr<Region>> attach_shared_region(const SharedFileOps& ops, Fd fd, const Header& header,
                                                     const Layout& layout, bool writable,
                                                     const RegionOptions& options);

}  // namespace ashmem_compat
