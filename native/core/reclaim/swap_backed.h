// Which mappings of files have nowhere to go but swap: those of memory that only looks like a file.
#pragma once

#include <cstdint>
#include <vector>

namespace ashmem_compat::reclaim {

// Knows the devices of the tmpfs kind by their numbers: the kernel's internal one, on which memfd, ashmem, System V and
// shared anonymous memory are, and those mounted in the namespace of the process. What is hidden behind another file
// system, as a tmpfs under an overlay, counts as a file.
class SwapBackedDevices {
 public:
  // `proc`: an open /proc/PID. What cannot be read adds nothing.
  explicit SwapBackedDevices(int proc);
  bool has(uint32_t major, uint32_t minor) const;

 private:
  std::vector<uint64_t> devices_;  // major << 32 | minor
};

}  // namespace ashmem_compat::reclaim
