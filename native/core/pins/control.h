// The control area of a region, mapped: typed access to its tables. Holds no state of its own.
#pragma once

#include <sys/mman.h>

#include <utility>

#include "core/pins/layout.h"
#include "core/platform/atomics.h"
#include "core/platform/fault_guard.h"

namespace ashmem_compat {

// Owns a mapping of control_offset .. file_size. Pointers from it are good for as long as it lives. Indices are the
// caller's to check, against the layout it was made with and never against the header in shared memory.
class Control {
 public:
  Control() = default;
  Control(Control&& other) noexcept
      : layout_(other.layout_),
        base_(std::exchange(other.base_, nullptr)),
        guarded_(std::exchange(other.guarded_, false)) {}
  Control& operator=(Control&& other) noexcept {
    std::swap(layout_, other.layout_);
    std::swap(base_, other.base_);
    std::swap(guarded_, other.guarded_);
    return *this;
  }
  ~Control() {
    if (guarded_) end_guard(SIGBUS, base_);
    if (base_) munmap(base_, layout_.control_size());
  }

  static Result<Control> map(int fd, const Layout& layout, bool writable);
  // Where anybody can leave pages of the file to the kernel: a touch of one that it has discarded reads zeros from then on. That
  // is the end of the region for this process, and not of the process.
  void guard_discards() {
    guarded_ = true;
    guard_range(
        SIGBUS, base_, layout_.control_size(),
        [](const Fault& fault, bool, void*) { return replace_page_with_zeros(fault.address); }, nullptr);
  }

  const Layout& layout() const { return layout_; }
  Header* header() const { return at<Header>(layout_.header_offset); }
  Slot* slot(uint32_t i) const { return at<Slot>(layout_.slots_offset) + i; }
  uint64_t* namespace_entry(uint32_t i) const { return at<uint64_t>(layout_.namespaces_offset) + i; }
  uint64_t* word(uint64_t unit) const { return at<uint64_t>(layout_.words_offset) + unit; }
  // The row of a slot from layout().word_slots on: bit u % 64 of word u / 64 is set while its owner holds unit u.
  uint64_t* row(uint32_t slot) const {
    return at<uint64_t>(layout_.rows_offset) + (slot - layout_.word_slots) * layout_.row_words;
  }
  // One past the last slot whose row may ever have been written; 0 where there are no rows.
  uint32_t rows_end() const {
    if (layout_.row_count() == 0) return 0;
    const uint32_t end = load_seq_cst(&header()->rows_end);
    return end < layout_.slot_count ? end : layout_.slot_count;
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
  bool guarded_ = false;
};

}  // namespace ashmem_compat
