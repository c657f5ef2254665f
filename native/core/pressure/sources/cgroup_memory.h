// The account of one cgroup: its limit, how much it uses, and how much of that the kernel can take back by itself. The same for both
// versions of cgroups but for the names.
#pragma once

#include <cstdint>
#include <string>

#include "core/pressure/gauge.h"
#include "core/pressure/sources/kernel_file.h"

namespace ashmem_compat::pressure {

struct CgroupNames {
  const char* usage;
  const char* limits[2];  // the lower one counts; the second may be null
  // In memory.stat, with the cgroup's children.
  const char *inactive_file, *active_file, *dirty, *writeback, *shmem;
};

class CgroupMemory {
 public:
  explicit CgroupMemory(const CgroupNames& names) : names_(names) {}

  // False with errno if it cannot be watched: it has no memory controller, or is the root of all, which cannot be limited.
  bool open(const std::string& folder);
  // Fills in limit and available. Counts the page cache anew if less than `near` bytes are left without it. False once the cgroup
  // was removed.
  bool read(uint64_t now_ms, uint64_t near, Reading* reading);

  // As of the last read. kUnknown: none is set.
  uint64_t limit() const { return limit_; }
  uint64_t usage() const { return usage_; }
  // Asked now.
  uint64_t shared_memory() const;

 private:
  bool read_limits();
  void read_stat();

  const CgroupNames& names_;
  KernelFile usage_file_, limit_files_[2], stat_;
  uint64_t limit_ = kUnknown, usage_ = 0;
  uint64_t reclaimable_ = 0;
  uint64_t stat_at_ = 0;  // when memory.stat and the limits were read, 0: never
};

}  // namespace ashmem_compat::pressure
