// How often the kernel told this process that it had discarded something: the sign of a shortage where there is no other.
#pragma once

#include <atomic>
#include <cstdint>

namespace ashmem_compat::pressure {

inline std::atomic<uint64_t> kernel_losses{0};

inline void note_kernel_loss() { kernel_losses.fetch_add(1, std::memory_order_relaxed); }

}  // namespace ashmem_compat::pressure
