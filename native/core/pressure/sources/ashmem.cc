// ashmem's own losses, which on Android tell more than any file. Two gauges: a page of our own that the kernel's shrinker may take,
// and the losses of regions that pins have found.
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include <algorithm>

#include "core/backends/ashmem_device.h"
#include "core/platform/page.h"
#include "core/platform/residency.h"
#include "core/platform/system_calls.h"
#include "core/pressure/kernel_losses.h"
#include "core/pressure/sources/fading_level.h"
#include "core/pressure/sources/sources.h"

namespace ashmem_compat::pressure {

uint64_t kernel_losses = 0;

namespace {

constexpr uint64_t kHoldMs = 2000;

// The driver's shrinker discards what was unpinned the longest ago, on the whole machine. So the canary is not pinned to look at it: a
// pin would make it the youngest. The kernel calls the shrinker in proportion to all that is unpinned, and not at all for some pages: a
// canary alone lives on, and is of use as long as somebody has something to lose.
class Canary {
 public:
  Canary() = default;
  Canary(const Canary&) = delete;
  Canary& operator=(const Canary&) = delete;
  ~Canary() {
    if (page_) munmap(page_, kernel_page_size());
  }

  // An errno, or 0.
  int open(int source) {
    const size_t size = kernel_page_size();
    fd_ = ashmem::open_area(source, "ashmem-compat-canary", size);
    if (!fd_.valid()) return errno;
    if (!ashmem::is_area(fd_.get())) return ENOTTY;
    void* mapped = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd_.get(), 0);
    if (mapped == MAP_FAILED) return errno;
    page_ = static_cast<char*>(mapped);
    *page_ = 1;
    if (ashmem::unpin(fd_.get(), 0, size) < 0) return errno;
    // Some drivers take the call, and keep all pinned.
    if (ashmem::is_pinned(fd_.get(), 0, size) != 0) return ENOTSUP;
    return resident() ? 0 : ENOTSUP;
  }

  bool resident() const {
    uint64_t bytes = 0;
    return !resident_bytes(page_, kernel_page_size(), &bytes).ok() || bytes != 0;
  }

  // Sets it out again. Whether it was discarded: it may have been in swap.
  bool renew() {
    const bool lost = ashmem::pin(fd_.get(), 0, kernel_page_size()) == 1;
    *page_ = 1;
    ashmem::unpin(fd_.get(), 0, kernel_page_size());
    return lost;
  }

 private:
  Fd fd_;
  char* page_ = nullptr;
};

int try_canary(void* argument) {
  Canary canary;
  return canary.open(*static_cast<int*>(argument));
}

// The number of a source of areas that are discarded, or -1 and why not.
int find_area(std::string* reason) {
  for (int source = 0; const char* name = ashmem::source_name(source); ++source) {
    if (!ashmem::prepare(source)) continue;
    const Trial trial = try_call(try_canary, &source);
    if (!trial.killed && trial.error == 0) return source;
    if (reason->empty() || trial.error != ENOENT) {
      *reason = std::string(name) + ": " +
                (trial.killed             ? "a system call is forbidden"
                 : trial.error == ENOTSUP ? "it discards nothing"
                                          : strerror(trial.error));
    }
  }
  return -1;
}

class CanaryGauge final : public Gauge {
 public:
  explicit CanaryGauge(const char* where) : where_(where) {}
  bool open(int source) { return canary_.open(source) == 0; }

  const std::string& where() const override { return where_; }

  bool read(uint64_t now_ms, Reading* reading) override {
    *reading = Reading{};
    level_.show(now_ms, reading);
    if (!canary_.resident() && canary_.renew()) {
      // The new one is the youngest: losing it too, so soon, takes more than a little.
      level_.raise(now_ms, reading->level == Level::kNone ? Level::kLow : Level::kMedium, kHoldMs);
      level_.show(now_ms, reading);
    }
    return true;
  }

 private:
  const std::string where_;
  Canary canary_;
  FadingLevel level_;
};

class LossesGauge final : public Gauge {
 public:
  const std::string& where() const override { return where_; }

  bool read(uint64_t now_ms, Reading* reading) override {
    *reading = Reading{};
    const uint64_t losses = load_relaxed(&kernel_losses);
    if (losses != seen_) level_.raise(now_ms, Level::kMedium, kHoldMs);
    seen_ = losses;
    level_.show(now_ms, reading);
    return true;
  }

 private:
  const std::string where_ = "regions of this process";
  uint64_t seen_ = load_relaxed(&kernel_losses);
  FadingLevel level_;
};

class Ashmem final : public Source {
 public:
  const char* name() const override { return "ashmem"; }

  SourceReport probe() const override {
    std::string reason;
    const int source = find_area(&reason);
    if (source < 0) return {false, reason};
    return {true, std::string(ashmem::source_name(source)) + " discards what is unpinned"};
  }

  std::vector<std::unique_ptr<Gauge>> open() const override {
    std::vector<std::unique_ptr<Gauge>> gauges;
    std::string reason;
    const int source = find_area(&reason);
    if (source < 0) return gauges;
    auto canary = std::make_unique<CanaryGauge>(ashmem::source_name(source));
    if (canary->open(source)) gauges.push_back(std::move(canary));
    gauges.push_back(std::make_unique<LossesGauge>());
    return gauges;
  }
};

}  // namespace

const Source* ashmem_source() {
  static const Ashmem source;
  return &source;
}

}  // namespace ashmem_compat::pressure
