// Pressure stall information: for how long tasks have waited for memory, on the whole machine and in the own cgroup.
//
// A file is either polled, by its sums ("total="), or has a trigger armed and is left alone: a reader starves the triggers of a file.
// Triggers are for who has CAP_SYS_RESOURCE; those of others come seconds late, and polling costs less than a microsecond.
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "core/pressure/sources/kernel_file.h"
#include "core/pressure/sources/own_cgroups.h"
#include "core/pressure/sources/rate_window.h"
#include "core/pressure/sources/service_address.h"
#include "core/pressure/sources/sources.h"

namespace ashmem_compat::pressure {
namespace {

// Microseconds of stall in a second, in which some tasks or all of them waited. 7 % is where Android's lmkd begins to look; at 20 %
// a service that should answer is late; with 40 % of all tasks' time lost little work is left.
constexpr uint64_t kLowSome = 70'000;
constexpr uint64_t kMediumSome = 200'000;
constexpr uint64_t kCriticalFull = 400'000;
constexpr uint64_t kWindowMs = 500;
// How often it is read while there are stalls.
constexpr uint64_t kStallingMs = 50;

// The same 7 %. The window is no multiple of 2 s, which the kernel grants the privileged alone. 500 ms is its least.
constexpr char kTrigger[] = "some 35000 500000";
constexpr uint64_t kTriggerStallUs = 35'000;
// A trigger is armed again after so long without stalls.
constexpr uint64_t kCalmMs = 2000;

class PsiGauge final : public Gauge {
 public:
  explicit PsiGauge(const std::string& path) : path_(path) {}

  // False with errno.
  bool open() {
    uint64_t some = 0;
    uint64_t full = 0;
    return file_.open(path_) && sums(&some, &full);
  }
  bool is_services() const { return is_service_file(file_.fd()); }
  // From here on with a trigger, if this process may have one.
  void use_trigger() { may_arm_ = arm(); }

  const std::string& where() const override { return path_; }
  bool of_stalls() const override { return true; }
  bool of_cgroup() const override { return path_ != "/proc/pressure/memory"; }

  bool read(uint64_t now_ms, Reading* reading) override {
    *reading = Reading{};
    if (trigger_.valid()) {
      if (!fired_) {
        reading->guarded = true;
        return true;
      }
      fired_ = false;
      uint64_t some = 0;
      uint64_t full = 0;
      if (!sums(&some, &full)) return false;
      // The first event may be false: the kernel counts stalls from before the trigger as if they had been now.
      if (some - armed_some_ < kTriggerStallUs) {
        reading->guarded = true;
        return true;
      }
      // Polled from here on, to see how bad it is and when it ends.
      trigger_.close();
      some_.forget();
      full_.forget();
      some_.add(now_ms, some);
      full_.add(now_ms, full);
      stalled_at_ = now_ms;
      event_at_ = now_ms;
      reading->level = Level::kLow;
      reading->again_ms = kStallingMs;
      return true;
    }
    return poll_sums(now_ms, reading);
  }

  void wait_for(std::vector<pollfd>* fds) override {
    if (trigger_.valid() && !fired_) fds->push_back({trigger_.fd(), POLLPRI, 0});
  }

  void woken(const pollfd& fd) override {
    if (fd.revents & (POLLERR | POLLNVAL)) {
      trigger_.close();  // the cgroup was removed: the next read fails
      may_arm_ = false;
    } else if (fd.revents & POLLPRI) {
      fired_ = true;
    }
  }

 private:
  bool sums(uint64_t* some, uint64_t* full) const {
    char text[256];
    if (!file_.read(text, sizeof text)) return false;
    const char* const some_line = strstr(text, "some ");
    const char* const full_line = strstr(text, "full ");
    const char* const some_sum = some_line ? strstr(some_line, "total=") : nullptr;
    const char* const full_sum = full_line ? strstr(full_line, "total=") : nullptr;
    return some_sum && full_sum && find_number(some_sum, "total=", some) &&
           find_number(full_sum, "total=", full);
  }

  bool poll_sums(uint64_t now_ms, Reading* reading) {
    uint64_t some = 0;
    uint64_t full = 0;
    if (!sums(&some, &full)) return false;
    const uint64_t some_rate = some_.add(now_ms, some);
    const uint64_t full_rate = full_.add(now_ms, full);
    if (full_rate >= kCriticalFull) {
      reading->level = Level::kCritical;
    } else if (some_rate >= kMediumSome) {
      reading->level = Level::kMedium;
    } else if (some_rate >= kLowSome) {
      reading->level = Level::kLow;
    }
    if (may_arm_ && now_ms - event_at_ < kWindowMs && reading->level == Level::kNone) {
      reading->level = Level::kLow;  // that the trigger has told of, until there are sums of a whole window
    }
    if (reading->level != Level::kNone) {
      stalled_at_ = now_ms;
      reading->again_ms = kStallingMs;
    } else if (may_arm_ && now_ms - stalled_at_ >= kCalmMs) {
      reading->guarded = arm();
    } else if (may_arm_) {
      reading->again_ms = kCalmMs - (now_ms - stalled_at_);
    }
    return true;
  }

  bool arm() {
    uint64_t full = 0;
    if (!sums(&armed_some_, &full) || !trigger_.open(path_, O_RDWR | O_NONBLOCK)) return false;
    // With its NUL.
    if (write(trigger_.fd(), kTrigger, sizeof kTrigger) == static_cast<ssize_t>(sizeof kTrigger)) return true;
    trigger_.close();
    return false;
  }

  const std::string path_;
  KernelFile file_;     // for its sums
  KernelFile trigger_;  // valid: armed
  bool may_arm_ = false, fired_ = false;
  uint64_t armed_some_ = 0;
  uint64_t stalled_at_ = 0, event_at_ = 0;
  RateWindow some_{kWindowMs}, full_{kWindowMs};
};

// The machine's, and that of the own cgroup, if it is not the root: its file would say the same as the machine's.
std::vector<std::string> paths() {
  std::vector<std::string> all = {"/proc/pressure/memory"};
  const std::vector<std::string> folders = own_cgroups(Hierarchy::kV2);
  if (!folders.empty() && access((folders[0] + "/cgroup.type").c_str(), F_OK) == 0) {
    all.push_back(folders[0] + "/memory.pressure");
  }
  return all;
}

class Psi final : public Source {
 public:
  const char* name() const override { return "psi"; }

  // Does not arm: that makes a thread in the kernel.
  SourceReport probe() const override {
    std::string reason;
    bool left_out = false;
    for (const std::string& path : paths()) {
      PsiGauge gauge(path);
      if (!gauge.open()) {
        // A kernel that was started with psi=0 has the files and refuses to read them.
        if (reason.empty()) reason = path + ": " + strerror(errno);
      } else if (gauge.is_services()) {
        left_out = true;
      } else {
        return {true, path + " can be read"};
      }
    }
    if (left_out) return {false, "left to the service manager, which names the same file"};
    return {false, reason};
  }

  std::vector<std::unique_ptr<Gauge>> open() const override {
    std::vector<std::unique_ptr<Gauge>> gauges;
    for (const std::string& path : paths()) {
      auto gauge = std::make_unique<PsiGauge>(path);
      if (!gauge->open() || gauge->is_services()) continue;
      gauge->use_trigger();
      gauges.push_back(std::move(gauge));
    }
    return gauges;
  }
};

}  // namespace

const Source* psi_source() {
  static const Psi source;
  return &source;
}

}  // namespace ashmem_compat::pressure
