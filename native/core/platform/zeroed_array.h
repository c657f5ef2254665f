// An array of zeros whose pages cost nothing until they are written.
#pragma once

#include <sys/mman.h>

#include <cstdint>
#include <cstdlib>
#include <memory>

namespace ashmem_compat {

// Frees what make_zeroed() made: `mapped` bytes of mmap(2), or with 0 a block of calloc(3).
struct ZeroedDeleter {
  size_t mapped = 0;
  void operator()(void* p) const {
    if (mapped != 0) {
      munmap(p, mapped);
    } else {
      free(p);
    }
  }
};

template <typename T>
using ZeroedArray = std::unique_ptr<T[], ZeroedDeleter>;

// Null when there is no memory or the size overflows. Large arrays come straight from the kernel, as zeros: calloc would
// hand out used memory and clear all of it, for a region of which perhaps one unit is ever pinned.
template <typename T>
ZeroedArray<T> make_zeroed(uint64_t count) {
  constexpr size_t kLarge = size_t{32} * 1024;
  if (count > SIZE_MAX / sizeof(T)) return nullptr;
  const size_t bytes = static_cast<size_t>(count) * sizeof(T);
  if (bytes < kLarge) return ZeroedArray<T>(static_cast<T*>(calloc(static_cast<size_t>(count), sizeof(T))));
  void* p = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (p == MAP_FAILED) return nullptr;
  return ZeroedArray<T>(static_cast<T*>(p), ZeroedDeleter{bytes});
}

}  // namespace ashmem_compat
