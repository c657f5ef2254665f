// The control area of a region, mapped: typed access to its tables. Holds no state of its own.
#pragma once

#include <sys/mman.h>

#include <utility>

#include "core/pins/layout.h"

namespace ashmem_compat {

// Owns a mapping of control_offset .. file_size. Pointers from it are good for as long as it lives. Indices are the
// caller's to check, against the layout it was made with and never against the header in shared memory.
class Control {
 public:
  Control() = default;
  Control(Control&& other) noexcept : layout_(other.layout_), base_(std::exchange(other.base_, nullptr)) {}
  Control& operator=(Control&& other) noexcept {
    std::swap(layout_, other.layout_);
    std::swap(base_, other.base_);
    return *this;
  }
  ~Control() {
    if (base_) munmap(base_, layout_.control_size());
  }

  static Result<Control> map(int fd, const Layout& layout, bool writable);

  const Layout& layout() const { return layout_; }
  Header* header() const { return at<Header>(layout_.header_offset); }
  Slot* slot(uint32_t i) const { return at<Slot>(layout_.slots_offset) + i; }
  uint64_t* namespace_entry(uint32_t i) const { return at<uint64_t>(layout_.namespaces_offset) + i; }
  uint64_t* word(uint64_t unit) const { return at<uint64_t>(layout_.words_offset) + unit; }
  uint64_t* extra(uint64_t unit, uint32_t k) const {
    return at<uint64_t>(layout_.extra_offset) + unit * layout_.extra_words + k;
  }
  uint32_t* generation(uint64_t unit) const { return at<uint32_t>(layout_.generations_offset) + unit; }
  uint32_t* stamp(uint64_t unit) const {
    return at<uint32_t>(layout_.stamps_offset) + (unit >> layout_.stamp_shift);
  }
  // Null in a plain region.
  uint32_t* spans() const { return layout_.has_extents() ? at<uint32_t>(layout_.spans_offset) : nullptr; }
  char* annex() const { return layout_.has_extents() ? at<char>(layout_.annex_offset) : nullptr; }

 private:
  template <typename T>
  T* at(uint64_t file_offset) const {
    return reinterpret_cast<T*>(base_ + (file_offset - layout_.control_offset));
  }

  Layout layout_;
  char* base_ = nullptr;
};

}  // namespace ashmem_compat
