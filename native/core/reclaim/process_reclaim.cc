#include "core/reclaim/process_reclaim.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/sysinfo.h>

#include <memory>

#include "core/platform/fd.h"
#include "core/platform/page.h"
#include "core/platform/system_calls.h"
#include "core/reclaim/line_reader.h"
#include "core/reclaim/maps.h"
#include "core/reclaim/proc_reclaim.h"
#include "core/reclaim/swap_backed.h"
#include "core/reclaim/target.h"

namespace ashmem_compat::reclaim {
namespace {

int number_of(Advice advice) { return advice == Advice::kCold ? 20 /* MADV_COLD */ : 21 /* MADV_PAGEOUT */; }

// Why anonymous memory cannot go anywhere, or null. That a cgroup may not swap does not show here.
const char* why_no_swap() {
  struct sysinfo info;
  if (sysinfo(&info) != 0) return nullptr;
  if (info.totalswap == 0) return "the system has no swap";
  return info.freeswap == 0 ? "the swap is full" : nullptr;
}

Result<Fd> open_maps(const Target& target) {
  Fd maps(openat(target.proc(), "maps", O_RDONLY | O_CLOEXEC));
  if (maps.valid()) return Result<Fd>(std::move(maps));
  if (errno == ENOENT || errno == ESRCH) {
    return Status::System("openat", Code::kNoSuchProcess, "the process has ended");
  }
  if (errno == EACCES || errno == EPERM) {
    return Status::System(
        "openat", Code::kNotPermitted,
        "its memory map may not be read: that takes the same user and a dumpable process, or "
        "CAP_SYS_PTRACE");
  }
  return Status::System("openat");
}

// Whether the kernel and our seccomp filter let us call them. Not remembered: a filter may come later.
int try_process_madvise(void*) {
  if (raw_pidfd_open(-1, 0) >= 0 || errno == ENOSYS || errno == EPERM) return errno;
  return raw_process_madvise(-1, nullptr, 0, 0, 0) < 0 && errno != EBADF ? errno : 0;
}

Status can_process_madvise() {
  const Trial trial = try_call(try_process_madvise, nullptr);
  if (trial.killed || trial.error == ENOSYS) {
    return Status::Of(
        Code::kNotSupported,
        "this kernel has neither /proc/PID/reclaim nor process_madvise (Linux 5.10, Android 12), or a "
        "seccomp filter keeps us from it");
  }
  if (trial.error == EPERM) {
    return Status::Of(Code::kNotPermitted, "a seccomp filter forbids pidfd_open or process_madvise");
  }
  return Status::Ok();
}

class Reclaim {
 public:
  Reclaim(const Request& request, Target target, Fd maps)
      : request_(request), target_(std::move(target)), maps_(std::move(maps)), devices_(target_.proc()) {}

  // kNotSupported: by what this file does not take.
  Status by_proc(const Fd& file, Outcome* out) const {
    out->means = "proc-reclaim";
    // It goes through the whole process by itself, and with a range through that, whatever it holds: then the kind is
    // chosen here.
    const bool whole = request_.start == 0 && request_.end == ~uint64_t{0};
    if (whole) {
      const char* what = kind_ == Kind::kFile ? "file" : kind_ == Kind::kAnon ? "anon" : "all";
      const Status status = write_reclaim(file.get(), what);
      if (!status.ok()) return status;
    }
    return each_mapping([&](uint64_t start, uint64_t end) {
      const Status status = whole ? Status::Ok() : write_reclaim(file.get(), start, end);
      if (status.ok()) {
        out->advised.mappings += 1;
        out->advised.bytes += end - start;
      }
      return status;
    });
  }

  Status by_advice(Outcome* out) {
    const int advice = number_of(request_.advice);
    out->means = target_.own() ? "madvise" : "process_madvise";
    if (target_.own()) {
      // Linux answers a call about nothing with EINVAL if it does not know the advice.
      if (madvise(nullptr, 0, advice) != 0) {
        return Status::System("madvise", Code::kNotSupported, "this kernel has no such advice (Linux 5.4)");
      }
    } else {
      Status status = can_process_madvise();
      if (status.ok()) status = target_.hold();
      if (!status.ok()) return status;
    }
    const auto advisor = std::make_unique<Advisor>(target_.pidfd(), advice);
    Status status = each_mapping([&](uint64_t start, uint64_t end) { return advisor->add(start, end); });
    if (status.ok()) status = advisor->flush();
    out->advised = advisor->advised();
    return status;
  }

  // Settles which kind is possible.
  Status choose_kind(Outcome* out) {
    kind_ = request_.kind;
    const char* no_swap = kind_ == Kind::kFile ? nullptr : why_no_swap();
    if (!no_swap) return Status::Ok();
    if (kind_ == Kind::kAnon) return Status::Of(Code::kNoSwap, no_swap);
    out->anon_left_out = no_swap;
    kind_ = Kind::kFile;
    return Status::Ok();
  }

  const Target& target() const { return target_; }

 private:
  bool wanted(const MappingLine& mapping) const {
    if (kind_ == Kind::kAll) return true;
    const bool file = mapping.inode != 0 && !devices_.has(mapping.major, mapping.minor);
    return file == (kind_ == Kind::kFile);
  }

  // Calls visit(start, end), which returns a Status, for what the request wants of each mapping. The kernel gives the list a
  // piece at a time, so a process that maps meanwhile may show a mapping twice or not at all; one that execs ends it.
  template <typename Visit>
  Status each_mapping(Visit visit) const {
    if (lseek(maps_.get(), 0, SEEK_SET) < 0) return Status::System("lseek");
    const auto lines = std::make_unique<LineReader>(maps_.get());
    Status status;
    while (const char* line = lines->next()) {
      MappingLine mapping;
      if (!parse_maps_line(line, &mapping) || !wanted(mapping)) continue;
      const uint64_t start = mapping.start > request_.start ? mapping.start : request_.start;
      const uint64_t end = mapping.end < request_.end ? mapping.end : request_.end;
      if (start >= end) continue;
      status = visit(start, end);
      if (!status.ok()) return status;
    }
    return lines->status();
  }

  const Request request_;
  Target target_;
  Fd maps_;
  SwapBackedDevices devices_;
  Kind kind_ = Kind::kAll;
};

}  // namespace

Result<Outcome> reclaim_process(const Request& request) {
  Result<Target> target = Target::find(request.pid);
  if (!target.ok()) return target.status();
  Result<Fd> maps = open_maps(target.value());
  if (!maps.ok()) return maps.status();
  Reclaim reclaim(request, std::move(target.value()), std::move(maps.value()));
  const int proc = reclaim.target().proc();

  Outcome out;
  Status status = reclaim.choose_kind(&out);
  if (!status.ok()) return status;
  const Result<MemoryUsage> before = process_usage(proc);
  if (!before.ok()) return before.status();
  out.before = before.value();
  out.page_cache_before = system_page_cache();

  Status by_proc = Status::Of(Code::kNotSupported, nullptr);
  if (request.advice == Advice::kPageout) {
    const Fd file(openat(proc, "reclaim", O_WRONLY | O_CLOEXEC));
    if (file.valid()) by_proc = reclaim.by_proc(file, &out);
  }
  status = by_proc.code == Code::kNotSupported ? reclaim.by_advice(&out) : by_proc;
  if (!status.ok()) return status;

  const Result<MemoryUsage> after = process_usage(proc);
  if (!after.ok()) return after.status();
  out.after = after.value();
  out.page_cache_after = system_page_cache();
  return out;
}

}  // namespace ashmem_compat::reclaim
