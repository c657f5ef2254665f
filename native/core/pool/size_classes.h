// How big a block gets what room: arithmetic only.
//
// A block whose size is little below a number of whole units gets an extent of its own; smaller ones share a slab with others of their
// class. Classes are an eighth of a power of two apart, so that at most an eighth of a block's room is wasted.
#pragma once

#include <cstdint>

namespace ashmem_compat {

constexpr uint32_t kMaxSlabUnits = 16;
constexpr uint32_t kMaxClasses = 96;
// Of the units' bitmaps, one word each.
constexpr uint32_t kBlocksPerUnit = 64;

class SizeClasses {
 public:
  SizeClasses() = default;
  explicit SizeClasses(uint64_t unit) : unit_(unit), shift_(0) {
    while ((uint64_t{512} << shift_) < unit)
      ++shift_;  // class 0 is unit / 64 at least, 64 bytes where units are 4 KiB
    for (uint32_t c = 0; c < kMaxClasses; ++c) units_[c] = static_cast<uint8_t>(choose_units(c));
  }

  // The units of an extent of its own.
  uint64_t units_of(uint64_t size) const { return (size + unit_ - 1) / unit_; }
  bool wants_slab(uint64_t size) const {
    const uint64_t units = units_of(size);
    return (units * unit_ - size) * 8 > units * unit_;
  }
  // Of a size that wants a slab.
  uint32_t class_of(uint64_t size) const {
    const uint64_t grain = uint64_t{1} << shift_;
    const uint64_t n = (size + grain - 1) >> shift_;
    if (n <= 8) return 0;
    // The least (8 + step) << e that is no less than n.
    const int e = 63 - __builtin_clzll(n - 1) - 3;
    return static_cast<uint32_t>(e) * 8 + static_cast<uint32_t>(((n - 1) >> e) - 8) + 1;
  }
  // Bytes of a block of the class.
  uint64_t size_of(uint32_t c) const { return uint64_t{8 + c % 8} << (shift_ + static_cast<int>(c / 8)); }
  uint32_t slab_units(uint32_t c) const { return units_[c]; }
  uint32_t slab_blocks(uint32_t c) const {
    return static_cast<uint32_t>(uint64_t{units_[c]} * unit_ / size_of(c));
  }
  uint32_t slab_words(uint32_t c) const { return (slab_blocks(c) + 63) / 64; }
  // Classes above are too large for a slab.
  bool valid(uint64_t c) const { return c < kMaxClasses && units_[c] != 0; }

 private:
  // The smallest slab that holds a few blocks and leaves little over at its end.
  uint32_t choose_units(uint32_t c) const {
    const uint64_t size = size_of(c);
    if (size >= kMaxSlabUnits / 2 * unit_) return 0;
    uint32_t best = 0;
    uint64_t best_waste = ~uint64_t{0};
    for (uint32_t n = 1; n <= kMaxSlabUnits; ++n) {
      const uint64_t blocks = n * unit_ / size;
      if (blocks == 0) continue;
      const uint64_t waste = n * unit_ % size * 1024 / (n * unit_);
      if (waste < best_waste) {
        best = n;
        best_waste = waste;
      }
      if (best_waste <= 32 && blocks >= 4) break;
    }
    return best;
  }

  uint64_t unit_ = 0;
  int shift_ = 0;  // of class 0, 8 << shift_ bytes
  uint8_t units_[kMaxClasses] = {};
};

}  // namespace ashmem_compat
