// cgroup v1: usage against the limit of each cgroup above this process. The kernel sends an event when usage crosses a mark, some
// milliseconds before the limit; and one when it has begun to reclaim, which is no more than a reason to look.
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>

#include "core/platform/page.h"
#include "core/pressure/sources/cgroup_memory.h"
#include "core/pressure/sources/own_cgroups.h"
#include "core/pressure/sources/sources.h"

namespace ashmem_compat::pressure {
namespace {

constexpr CgroupNames kNames = {"memory.usage_in_bytes", {"memory.limit_in_bytes", nullptr},
                                "total_inactive_file ",  "total_active_file ",
                                "total_dirty ",          "total_writeback ",
                                "total_shmem "};

// Reclaim sends some 600 events a second: after one, the gauge is read every so often and waits for no more of them.
constexpr uint64_t kPauseMs = 10;

// The kernel compares usage with the thresholds after every 128 pages that a processor has charged.
uint64_t threshold_lag() {
  static const uint64_t bytes =
      128 * kernel_page_size() * static_cast<uint64_t>(std::max(1L, sysconf(_SC_NPROCESSORS_ONLN)));
  return bytes;
}

// Of the root of all, which alone has this file, the limit cannot be set.
bool is_root(const std::string& folder) { return access((folder + "/release_agent").c_str(), F_OK) == 0; }

class CgroupV1Gauge final : public Gauge {
 public:
  explicit CgroupV1Gauge(const std::string& folder) : folder_(folder) {}

  bool open() {
    if (is_root(folder_) || !memory_.open(folder_)) return false;
    // Both may be missing or forbidden, as in most containers. Then nothing is guarded.
    usage_.open(folder_ + "/memory.usage_in_bytes");
    level_.open(folder_ + "/memory.pressure_level");
    control_.open(folder_ + "/cgroup.event_control", O_WRONLY);
    // In this order: a kernel that knows no "hierarchy" has all events of the children go up if they have no listener.
    if (!listen(&reclaim_event_, level_, "low,hierarchy")) listen(&reclaim_event_, level_, "low");
    return true;
  }

  const std::string& where() const override { return folder_; }
  bool of_cgroup() const override { return true; }

  bool read(uint64_t now_ms, Reading* reading) override {
    if (woken_) paused_until_ = now_ms + kPauseMs;
    woken_ = false;
    now_ = now_ms;
    const uint64_t before = armed_limit_;
    // Twice the mark, so that the page cache is known exactly before it matters.
    if (!memory_.read(now_ms, 2 * marks_.low, reading)) return false;
    if (memory_.limit() != before) arm();
    // Not in the reading that has armed it: usage was read before.
    reading->guarded = armed_limit_ == before && usage_event_.valid() && memory_.usage() < lowest_;
    if (paused()) reading->again_ms = paused_until_ - now_ms;
    return true;
  }

  uint64_t shared_memory() override { return memory_.shared_memory(); }

  void set_marks(const Marks& marks) override {
    if (marks.low == marks_.low && marks.medium == marks_.medium && marks.critical == marks_.critical) return;
    marks_ = marks;
    arm();
  }

  void wait_for(std::vector<pollfd>* fds) override {
    // A mark is never waited for too often: usage has to go back before it can be crossed again.
    if (usage_event_.valid()) fds->push_back({usage_event_.get(), POLLIN, 0});
    if (reclaim_event_.valid() && !paused()) fds->push_back({reclaim_event_.get(), POLLIN, 0});
  }

  void woken(const pollfd& fd) override {
    uint64_t count = 0;
    if (::read(fd.fd, &count, sizeof count) == sizeof count && fd.fd == reclaim_event_.get()) woken_ = true;
  }

 private:
  bool paused() const { return woken_ || now_ < paused_until_; }

  // Has an event sent for `what` of `file`. With an event that is valid already: for this as well.
  bool listen(Fd* event, const KernelFile& file, const char* what) {
    if (!control_.valid() || !file.valid()) return false;
    const bool fresh = !event->valid();
    if (fresh) event->reset(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    char order[64];
    const int length = snprintf(order, sizeof order, "%d %d %s", event->get(), file.fd(), what);
    if (write(control_.fd(), order, static_cast<size_t>(length)) == length) return true;
    if (fresh) event->reset();
    return false;
  }

  // Thresholds at the marks, in place of those that there are: closing their eventfd takes them away.
  void arm() {
    usage_event_.reset();
    lowest_ = 0;
    const uint64_t limit = memory_.limit();
    armed_limit_ = limit;
    if (limit == kUnknown) return;
    for (const uint64_t mark : {marks_.low, marks_.medium, marks_.critical}) {
      const uint64_t early = mark + std::min(threshold_lag(), mark / 8);
      if (mark == 0 || early >= limit) continue;
      char threshold[24];
      snprintf(threshold, sizeof threshold, "%llu", static_cast<unsigned long long>(limit - early));
      if (!listen(&usage_event_, usage_, threshold)) {
        usage_event_.reset();
        lowest_ = 0;
        return;
      }
      if (mark == marks_.low) lowest_ = limit - early;
    }
  }

  const std::string folder_;
  CgroupMemory memory_{kNames};
  KernelFile usage_, level_, control_;
  Fd usage_event_, reclaim_event_;
  Marks marks_;
  uint64_t armed_limit_ = kUnknown;  // that the thresholds are for
  uint64_t lowest_ = 0;              // threshold; 0: none
  bool woken_ = false;
  uint64_t now_ = 0, paused_until_ = 0;
};

// Whether what the children use is charged to this cgroup too. Always, since Linux 5.11.
bool charges_children(const std::string& folder) {
  KernelFile file;
  uint64_t value = 1;
  return !file.open(folder + "/memory.use_hierarchy") || !file.read_number(&value) || value != 0;
}

class CgroupV1 final : public Source {
 public:
  const char* name() const override { return "cgroup-v1"; }

  SourceReport probe() const override {
    const std::vector<std::string> folders = own_cgroups(Hierarchy::kV1Memory);
    if (folders.empty()) return {false, "no cgroup v1 with a memory controller is mounted"};
    std::string reason = folders[0] + " is the root, which has no limit";
    bool any = false;
    for (const std::string& folder : folders) {
      if (is_root(folder)) break;
      CgroupMemory memory(kNames);
      if (!memory.open(folder)) {
        if (!any) reason = folder + ": " + strerror(errno);
      } else if (memory.limit() != kUnknown) {
        return {true, folder + " has a limit"};
      } else {
        any = true;
      }
    }
    if (!any) return {false, reason};
    return {true, folders[0] + " has no limit yet, nor has one above it"};
  }

  std::vector<std::unique_ptr<Gauge>> open() const override {
    std::vector<std::unique_ptr<Gauge>> gauges;
    const std::vector<std::string> folders = own_cgroups(Hierarchy::kV1Memory);
    for (size_t i = 0; i < folders.size(); ++i) {
      if (i > 0 && !charges_children(folders[i])) break;
      auto gauge = std::make_unique<CgroupV1Gauge>(folders[i]);
      if (gauge->open()) gauges.push_back(std::move(gauge));
    }
    return gauges;
  }
};

}  // namespace

const Source* cgroup_v1_source() {
  static const CgroupV1 source;
  return &source;
}

}  // namespace ashmem_compat::pressure
