// cgroup v2: memory.current against memory.high and memory.max of each cgroup above this process. There is no event before a
// limit is met: memory.events tells of one that was, where memory.high has merely slowed the allocator down.
#include <errno.h>
#include <string.h>

#include "core/pressure/sources/cgroup_memory.h"
#include "core/pressure/sources/own_cgroups.h"
#include "core/pressure/sources/sources.h"

namespace ashmem_compat::pressure {
namespace {

constexpr CgroupNames kNames = {"memory.current", {"memory.max", "memory.high"},
                                "inactive_file ", "active_file ",
                                "file_dirty ",    "file_writeback ",
                                "shmem "};

// The kernel itself sends at most one event in about as long.
constexpr uint64_t kPauseMs = 10;

class CgroupV2Gauge final : public Gauge {
 public:
  explicit CgroupV2Gauge(const std::string& folder) : folder_(folder) {}

  bool open() {
    if (!memory_.open(folder_)) return false;
    if (events_.open(folder_ + "/memory.events")) take_event();
    return true;
  }

  const std::string& where() const override { return folder_; }
  bool of_cgroup() const override { return true; }

  bool read(uint64_t now_ms, Reading* reading) override {
    if (woken_) paused_until_ = now_ms + kPauseMs;
    woken_ = false;
    now_ = now_ms;
    if (!memory_.read(now_ms, 2 * marks_.low, reading)) return false;
    if (paused()) reading->again_ms = paused_until_ - now_ms;
    return true;
  }

  uint64_t shared_memory() override { return memory_.shared_memory(); }
  void set_marks(const Marks& marks) override { marks_ = marks; }

  void wait_for(std::vector<pollfd>* fds) override {
    if (!paused() && events_.valid()) fds->push_back({events_.fd(), POLLPRI, 0});
  }
  void woken(const pollfd&) override {
    woken_ = true;
    take_event();
  }

 private:
  bool paused() const { return woken_ || now_ < paused_until_; }

  // A file of a cgroup has an event for who has not read it since it changed. One that cannot be read any more, for the cgroup was
  // removed, would have one for ever.
  void take_event() {
    char text[kTextSize];
    if (!events_.read(text, sizeof text)) events_.close();
  }

  const std::string folder_;
  CgroupMemory memory_{kNames};
  KernelFile events_;
  Marks marks_;
  bool woken_ = false;
  uint64_t now_ = 0, paused_until_ = 0;
};

class CgroupV2 final : public Source {
 public:
  const char* name() const override { return "cgroup-v2"; }

  SourceReport probe() const override {
    const std::vector<std::string> folders = own_cgroups(Hierarchy::kV2);
    if (folders.empty()) return {false, "cgroup v2 is not mounted"};
    std::string reason;
    bool any = false;
    for (const std::string& folder : folders) {
      CgroupMemory memory(kNames);
      if (!memory.open(folder)) {
        if (reason.empty()) reason = folder + ": memory.current: " + strerror(errno);
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
    for (const std::string& folder : own_cgroups(Hierarchy::kV2)) {
      auto gauge = std::make_unique<CgroupV2Gauge>(folder);
      if (gauge->open()) gauges.push_back(std::move(gauge));
    }
    return gauges;
  }
};

}  // namespace

const Source* cgroup_v2_source() {
  static const CgroupV2 source;
  return &source;
}

}  // namespace ashmem_compat::pressure
