// Cgroups with a memory limit of their own, for tests of what happens when it is met: nobody outside of them becomes short of memory.
//
// v1 below the own cgroup, together with one of the v2 tree beside it, if there is one, for its memory.pressure; v2 where the memory
// controller is handed down. Both go away with the object, and every process in them.
#pragma once

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/pressure/sources/own_cgroups.h"
#include "native/check.h"
#include "native/processes.h"

namespace ashmem_compat::testing {

constexpr uint64_t kMiB = uint64_t{1} << 20;

// Why LimitedCgroup::make() gave null. ThreadSanitizer's shadow is several times the memory of a test, and all of it would be charged.
#if defined(__SANITIZE_THREAD__)
constexpr bool kRoomUnderLimits = false;
#elif defined(__has_feature)
constexpr bool kRoomUnderLimits = !__has_feature(thread_sanitizer);
#else
constexpr bool kRoomUnderLimits = true;
#endif
constexpr const char* kNoLimitedCgroup = kRoomUnderLimits
                                             ? "no cgroup with a memory limit can be made here"
                                             : "the sanitizer's own memory does not fit within the limits";

inline bool write_text(const std::string& path, const std::string& text) {
  const int fd = open(path.c_str(), O_WRONLY | O_CLOEXEC);
  if (fd < 0) return false;
  const bool ok = write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size());
  const int error = errno;
  close(fd);
  errno = error;
  return ok;
}

inline std::string read_text(const std::string& path) {
  std::string all;
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  char some[4096];
  for (ssize_t got = 0; fd >= 0 && (got = read(fd, some, sizeof some)) > 0;) {
    all.append(some, static_cast<size_t>(got));
  }
  if (fd >= 0) close(fd);
  return all;
}

class LimitedCgroup {
 public:
  // Null if it is not to be had here: no right, or no memory controller. `parent`: the new one is below it.
  static std::unique_ptr<LimitedCgroup> make(uint64_t limit, const LimitedCgroup* parent = nullptr) {
    if (limit > 512 * kMiB) abort();  // the machine itself is not to become short of memory
    if (!kRoomUnderLimits) return nullptr;
    static int count = 0;
    const std::string name = "ashmem-compat-test-" + std::to_string(getpid()) + "-" + std::to_string(count++);
    std::unique_ptr<LimitedCgroup> group(new LimitedCgroup);
    const std::string above = parent ? parent->folder_ : place(&group->v2_);
    if (above.empty()) return nullptr;
    if (parent) group->v2_ = parent->v2_;
    if (parent && group->v2_ && !write_text(above + "/cgroup.subtree_control", "+memory")) return nullptr;
    group->folder_ = above + "/" + name;
    if (mkdir(group->folder_.c_str(), 0755) != 0) {
      group->folder_.clear();
      return nullptr;
    }
    if (!group->v2_ && !parent) {
      const std::vector<std::string> tree = pressure::own_cgroups(pressure::Hierarchy::kV2);
      if (!tree.empty()) {
        group->beside_ = tree[0] + "/" + name;
        if (mkdir(group->beside_.c_str(), 0755) != 0) group->beside_.clear();
      }
    }
    if (group->v2_) write_text(group->folder_ + "/memory.swap.max", "0");
    return group->set_limit(limit) ? std::move(group) : nullptr;
  }
  LimitedCgroup(const LimitedCgroup&) = delete;
  LimitedCgroup& operator=(const LimitedCgroup&) = delete;
  ~LimitedCgroup() {
    for (const std::string& folder : {folder_, beside_}) {
      if (!folder.empty()) remove(folder);
    }
  }

  bool is_v2() const { return v2_; }
  // The source that watches it.
  const char* source() const { return v2_ ? "cgroup-v2" : "cgroup-v1"; }
  const std::string& folder() const { return folder_; }
  // Whose memory.pressure is about this cgroup alone; empty if there is none.
  const std::string& tree() const { return v2_ ? folder_ : beside_; }

  bool set_limit(uint64_t bytes) const {
    if (bytes > 512 * kMiB) abort();
    return write_text(folder_ + (v2_ ? "/memory.max" : "/memory.limit_in_bytes"), std::to_string(bytes));
  }
  // v2 only.
  bool set_high(uint64_t bytes) const { return write_text(folder_ + "/memory.high", std::to_string(bytes)); }
  uint64_t usage() const {
    return strtoull(read_text(folder_ + (v2_ ? "/memory.current" : "/memory.usage_in_bytes")).c_str(),
                    nullptr, 10);
  }
  // Processes that the kernel has killed for want of memory.
  uint64_t oom_kills() const {
    const std::string text = read_text(folder_ + (v2_ ? "/memory.events" : "/memory.oom_control"));
    const size_t at = text.find("oom_kill ");
    return at == std::string::npos ? 0 : strtoull(text.c_str() + at + 9, nullptr, 10);
  }

  // Moves the calling process into it.
  bool enter() const {
    return write_text(folder_ + "/cgroup.procs", "0") &&
           (beside_.empty() || write_text(beside_ + "/cgroup.procs", "0"));
  }
  // Runs `body` in a child within. Its exit status is 0 if no check in it failed, 77 if it was skipped.
  std::unique_ptr<Child> run(const std::function<void()>& body) const {
    return std::make_unique<Child>([&] {
      if (!enter()) return 91;
      check::failures = 0;
      body();
      return check::failures != 0 ? 1 : check::skipped ? 77 : 0;
    });
  }

 private:
  LimitedCgroup() = default;

  // Where to make one.
  static std::string place(bool* v2) {
    const std::vector<std::string> v1 = pressure::own_cgroups(pressure::Hierarchy::kV1Memory);
    *v2 = v1.empty();
    if (!v1.empty()) return v1[0];
    for (const std::string& folder : pressure::own_cgroups(pressure::Hierarchy::kV2)) {
      if (read_text(folder + "/cgroup.subtree_control").find("memory") != std::string::npos) return folder;
    }
    return {};
  }

  static void remove(const std::string& folder) {
    // What was killed leaves its cgroup a moment later.
    for (int tries = 0; rmdir(folder.c_str()) != 0 && errno == EBUSY && tries < 500; ++tries) {
      const std::string pids = read_text(folder + "/cgroup.procs");
      for (const char* at = pids.c_str(); *at;) {
        char* end = nullptr;
        const long pid = strtol(at, &end, 10);
        if (end == at) break;
        if (pid > 0 && pid != getpid()) kill(static_cast<pid_t>(pid), SIGKILL);
        at = *end ? end + 1 : end;
      }
      nap_ms(10);
    }
  }

  std::string folder_, beside_;
  bool v2_ = false;
};

}  // namespace ashmem_compat::testing
