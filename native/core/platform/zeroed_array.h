// An array of zeros whose pages cost nothing until they are written: calloc takes large blocks straight from the kernel.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <memory>

namespace ashmem_compat {

struct FreeDeleter {
  void operator()(void* p) const { free(p); }
};

template <typename T>
using ZeroedArray = std::unique_ptr<T[], FreeDeleter>;

// Null when there is no memory or the size overflows.
template <typename T>
ZeroedArray<T> make_zeroed(uint64_t count) {
  if (count > SIZE_MAX / sizeof(T)) return nullptr;
  return ZeroedArray<T>(static_cast<T*>(calloc(static_cast<size_t>(count), sizeof(T))));
}

}  // namespace ashmem_compat
