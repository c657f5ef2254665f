// The size of a page, asked of the system: 4, 16 and 64 KiB all occur.
#pragma once

#include <cstddef>
#include <cstdint>

namespace ashmem_compat {

// The page size that regions are laid out with. At least the kernel's; a test may raise it to see the larger ones work.
size_t page_size();
// The kernel's own.
size_t kernel_page_size();

// `bytes` must be a power of two and a multiple of the kernel's page size, or 0 for what it was at first: the
// kernel's own, or in test builds what the environment variable ASHMEM_COMPAT_TEST_PAGE_SIZE says.
void set_page_size_for_tests(size_t bytes);

constexpr bool is_power_of_two(uint64_t v) { return v != 0 && (v & (v - 1)) == 0; }

// Rounds up to a multiple of `unit`, a power of two. False on overflow.
inline bool align_up(uint64_t value, uint64_t unit, uint64_t* out) {
  if (__builtin_add_overflow(value, unit - 1, out)) return false;
  *out &= ~(unit - 1);
  return true;
}

}  // namespace ashmem_compat
