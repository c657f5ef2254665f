// How often the kernel has told this process, at a pin, that it had discarded something of a region: it is short of memory.
#pragma once

#include <cstdint>

#include "core/platform/atomics.h"

namespace ashmem_compat::pressure {

extern uint64_t kernel_losses;

// Any thread. Not for what a process of ours has purged.
inline void note_kernel_loss() { __atomic_fetch_add(&kernel_losses, 1, __ATOMIC_RELAXED); }

}  // namespace ashmem_compat::pressure
