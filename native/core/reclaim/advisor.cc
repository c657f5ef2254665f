#include "core/reclaim/advisor.h"

#include <errno.h>
#include <sys/mman.h>

#include "core/platform/stage.h"
#include "core/platform/system_calls.h"

namespace ashmem_compat::reclaim {
namespace {

Status refused(int error) {
  switch (error) {
    case ESRCH: return {Code::kNoSuchProcess, error, "process_madvise", "the process has ended"};
    case EPERM:
      return {Code::kNotPermitted, error, "process_madvise",
              "advising another process needs CAP_SYS_NICE, also one of the same user"};
    case EACCES:
      return {Code::kNotPermitted, error, "process_madvise",
              "this process may not be looked into: that takes the same user and a dumpable process, or "
              "CAP_SYS_PTRACE (and before Linux 5.12 a ptrace_scope of Yama that allows to attach)"};
    default: return {Code::kSystem, error, "process_madvise", nullptr};
  }
}

// Says something about the range, not about the process or about us.
bool about_the_range(int error) {
  return error == EINVAL || error == ENOMEM || error == EFAULT || error == EIO;
}

}  // namespace

Status Advisor::add(uint64_t start, uint64_t end) {
  bool first = true;
  while (start < end) {
    const uint64_t length = end - start < kPiece ? end - start : kPiece;
    if (due_ == kBatch || due_bytes_ + length > kPiece) {
      const Status status = flush();
      if (!status.ok()) return status;
    }
    ranges_[due_].iov_base =
        reinterpret_cast<void*>(static_cast<uintptr_t>(start));  // NOLINT(performance-no-int-to-ptr)
    ranges_[due_].iov_len = static_cast<size_t>(length);
    first_[due_++] = first;
    due_bytes_ += length;
    start += length;
    first = false;
  }
  return Status::Ok();
}

Status Advisor::flush() {
  if (due_ == 0) return Status::Ok();
  const Status status = pidfd_ < 0 ? flush_own() : flush_foreign();
  due_ = 0;
  due_bytes_ = 0;
  return status;
}

void Advisor::count(size_t i, bool accepted) {
  (accepted ? advised_.bytes : advised_.skipped_bytes) += ranges_[i].iov_len;
  (accepted ? advised_.mappings : advised_.skipped_mappings) += first_[i] ? 1 : 0;
}

Status Advisor::flush_own() {
  stage(Stage::kBeforeAdvice);
  for (size_t i = 0; i < due_; ++i) count(i, madvise(ranges_[i].iov_base, ranges_[i].iov_len, advice_) == 0);
  return Status::Ok();
}

// The call ends at the first range that it refuses. Newer kernels then give the bytes of those before, and the next call
// that begins with it gives its errno; kernels before 5.18 give the errno at once, without saying which range it is.
Status Advisor::flush_foreign() {
  bool one_by_one = false;
  size_t i = 0;
  while (i < due_) {
    stage(Stage::kBeforeAdvice);
    const size_t many = one_by_one ? 1 : due_ - i;
    ssize_t done = raw_process_madvise(pidfd_, ranges_ + i, many, advice_, 0);
    if (done < 0 && errno == EINTR) continue;
    if (done > 0) {
      // Whole ranges: one that is accepted in part is an error, and counts as none.
      while (i < due_ && done >= static_cast<ssize_t>(ranges_[i].iov_len)) {
        done -= static_cast<ssize_t>(ranges_[i].iov_len);
        count(i++, true);
      }
      if (done == 0) continue;
      count(i++, false);
      continue;
    }
    const int error = done < 0 ? errno : EINVAL;
    if (!about_the_range(error)) return refused(error);
    if (many == 1) {
      count(i++, false);
      continue;
    }
    // Is it the first one? If not, this kernel does not say which, and is asked about each.
    done = raw_process_madvise(pidfd_, ranges_ + i, 1, advice_, 0);
    if (done < 0 && !about_the_range(errno)) return refused(errno);
    if (done > 0) one_by_one = true;
    count(i++, done > 0);
  }
  return Status::Ok();
}

}  // namespace ashmem_compat::reclaim
