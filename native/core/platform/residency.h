// How much of a mapping is in memory right now.
#pragma once

#include <cstdint>

#include "core/status.h"

namespace ashmem_compat {

// Bytes of address .. address + length in memory, by mincore(2). For a mapping of a file: in the page cache, whoever
// brought it there.
Status resident_bytes(const char* address, uint64_t length, uint64_t* bytes);

}  // namespace ashmem_compat
