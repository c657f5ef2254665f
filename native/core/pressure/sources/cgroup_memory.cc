#include "core/pressure/sources/cgroup_memory.h"

#include <unistd.h>

#include <algorithm>

#include "core/platform/page.h"

namespace ashmem_compat::pressure {
namespace {

// Limits change seldom, and far from the marks the page cache need not be known exactly.
constexpr uint64_t kRefreshMs = 1000;

// How far the counters of memory.stat may lag: the kernel adds up what each processor has seen in batches of 64 pages.
uint64_t lag() {
  static const uint64_t bytes =
      64 * kernel_page_size() * static_cast<uint64_t>(std::max(1L, sysconf(_SC_NPROCESSORS_ONLN)));
  return bytes;
}

}  // namespace

bool CgroupMemory::open(const std::string& folder) {
  if (!usage_file_.open(folder + "/" + names_.usage) ||
      !limit_files_[0].open(folder + "/" + names_.limits[0])) {
    return false;
  }
  if (names_.limits[1]) limit_files_[1].open(folder + "/" + names_.limits[1]);
  stat_.open(folder + "/memory.stat");
  return read_limits() && usage_file_.read_number(&usage_);
}

bool CgroupMemory::read_limits() {
  limit_ = kUnknown;
  for (const KernelFile& file : limit_files_) {
    uint64_t limit = kUnknown;
    if (!file.valid()) continue;
    if (!file.read_number(&limit)) return false;
    limit_ = std::min(limit_, limit);
  }
  return true;
}

void CgroupMemory::read_stat() {
  char text[kTextSize];
  reclaimable_ = 0;
  if (!stat_.valid() || !stat_.read(text, sizeof text)) return;
  uint64_t inactive = 0;
  uint64_t active = 0;
  uint64_t dirty = 0;
  uint64_t writeback = 0;
  find_number(text, names_.inactive_file, &inactive);
  find_number(text, names_.active_file, &active);
  find_number(text, names_.dirty, &dirty);
  find_number(text, names_.writeback, &writeback);
  const uint64_t cache = inactive + active;
  const uint64_t busy = dirty + writeback;
  if (cache <= busy) return;
  // Some of it is in use and would be read again at once; MemAvailable of /proc/meminfo leaves out about as much.
  const uint64_t clean = cache - busy;
  reclaimable_ = clean - std::min(clean / 2, limit_ / 64 + lag());
}

bool CgroupMemory::read(uint64_t now_ms, uint64_t near, Reading* reading) {
  const bool refresh = stat_at_ == 0 || now_ms - stat_at_ >= kRefreshMs;
  if (refresh && !read_limits()) return false;
  *reading = Reading{};
  if (refresh) stat_at_ = now_ms;
  if (limit_ == kUnknown) return true;
  if (!usage_file_.read_number(&usage_)) return false;
  const uint64_t left = limit_ > usage_ ? limit_ - usage_ : 0;
  if (refresh || left < near) {
    if (!refresh && !read_limits()) return false;
    read_stat();
  }
  reading->limit = limit_;
  reading->available = std::min(limit_, left + std::min(reclaimable_, usage_));
  return true;
}

uint64_t CgroupMemory::shared_memory() const {
  char text[kTextSize];
  uint64_t bytes = kUnknown;
  if (!stat_.valid() || !stat_.read(text, sizeof text) || !find_number(text, names_.shmem, &bytes)) {
    return kUnknown;
  }
  return bytes;
}

}  // namespace ashmem_compat::pressure
