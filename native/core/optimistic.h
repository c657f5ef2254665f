// The optimistic method: bytes are read without a pin, and the bracket around the read says afterwards which units of the range
// were discarded before its end. By what means a touch of what is gone is kept from ending the process, or from passing in
// silence, depends on the system.
#pragma once

#include <atomic>
#include <memory>
#include <string>

#include "core/region.h"

namespace ashmem_compat {

enum class TouchMeans {
  kGenerations,  // it reads zeros, and the unit's state and generation tell
  kUserfault,    // SIGBUS in a mapping of its own, filled with zeros; state and generation tell
  kVrange,       // SIGBUS of the kernel's vrange, which tells the unit's state and generation
};

// A second mapping of a region's data, in which a touch of a hole is noticed. Its bytes are the region's.
class HoleView {
 public:
  // kNotSupported with a reason that is never freed; kSystem.
  static Result<std::unique_ptr<HoleView>> open(const Region& region);
  ~HoleView() { close(); }

  // Null once closed.
  const std::shared_ptr<Mapping>& mapping() const { return mapping_; }
  // Touches of holes so far.
  uint64_t touches() const { return touches_->load(std::memory_order_relaxed); }
  void close() { Mapping::close(mapping_); }

 private:
  HoleView() = default;

  std::unique_ptr<std::atomic<uint64_t>> touches_ = std::make_unique<std::atomic<uint64_t>>(0);
  std::shared_ptr<Mapping> mapping_;
};

}  // namespace ashmem_compat
