// Gives one advice about many ranges of a process's memory, with few system calls, and counts what became of it.
#pragma once

#include <sys/uio.h>

#include <cstddef>
#include <cstdint>

#include "core/status.h"

namespace ashmem_compat::reclaim {

struct Advised {
  uint64_t mappings = 0, bytes = 0;  // the kernel accepted it
  uint64_t skipped_mappings = 0,
           skipped_bytes = 0;  // it did not: locked, special, or gone since they were listed
};

class Advisor {
 public:
  // `pidfd`: whose memory, or -1 for the calling process's. `advice`: MADV_COLD or MADV_PAGEOUT.
  Advisor(int pidfd, int advice) : pidfd_(pidfd), advice_(advice) {}

  // One mapping, or a part of one, on page boundaries. The advice may be given now or with a later call. kNoSuchProcess;
  // kNotPermitted; kSystem. Nothing more is advised after an error.
  Status add(uint64_t start, uint64_t end);
  // Gives the advice that is still due.
  Status flush();

  const Advised& advised() const { return advised_; }

 private:
  // IOV_MAX of the kernel: more in one call are EINVAL.
  static constexpr size_t kBatch = 1024;
  // One call advises at most MAX_RW_COUNT, 2 GiB less a page, and cuts off the rest without a word. So pieces of a
  // mapping and of a batch stay below that.
  static constexpr uint64_t kPiece = uint64_t{1} << 30;

  Status flush_foreign();
  Status flush_own();
  void count(size_t i, bool accepted);

  int pidfd_, advice_;
  size_t due_ = 0;
  uint64_t due_bytes_ = 0;
  iovec ranges_[kBatch];
  bool first_[kBatch];  // the range begins a mapping, rather than being a further piece of one
  Advised advised_;
};

}  // namespace ashmem_compat::reclaim
