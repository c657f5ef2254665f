// Major faults of this process: pages that the kernel took away are read again. Works wherever nothing else does, and says least: a
// process that reads a mapped file for the first time has major faults as well. So never critical.
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "core/platform/fd.h"
#include "core/platform/page.h"
#include "core/platform/system_calls.h"
#include "core/pressure/sources/rate_window.h"
#include "core/pressure/sources/sources.h"

namespace ashmem_compat::pressure {
namespace {

// Faults a second. At 0.1 ms of waiting for each, 2 % and 10 % of the time of a thread.
constexpr uint64_t kLow = 200;
constexpr uint64_t kMedium = 1000;
constexpr uint64_t kWindowMs = 1000;

uint64_t faults_of_this_thread() {
  rusage usage;
  return getrusage(RUSAGE_THREAD, &usage) == 0 ? static_cast<uint64_t>(usage.ru_majflt) : 0;
}

int try_memfd(void*) {
  const int fd = raw_memfd_create("ashmem-compat-probe", 1 /* MFD_CLOEXEC */);
  if (fd < 0) return errno;
  close(fd);
  return 0;
}

// Some kernels (5.10) count the first touch of every page of shared memory: then whoever fills a region has major faults by the
// thousand, and short of nothing.
bool counts_first_touches() {
  const Trial trial = try_call(try_memfd, nullptr);
  if (trial.killed || trial.error != 0) return false;
  const Fd file(raw_memfd_create("ashmem-compat-probe", 1));
  constexpr uint64_t kPages = 4;
  const size_t bytes = kPages * kernel_page_size();
  if (!file.valid() || ftruncate(file.get(), static_cast<off_t>(bytes)) != 0) return false;
  void* data = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, file.get(), 0);
  if (data == MAP_FAILED) return false;
  const uint64_t before = faults_of_this_thread();
  for (uint64_t page = 0; page < kPages; ++page)
    static_cast<volatile char*>(data)[page * kernel_page_size()] = 1;
  const uint64_t after = faults_of_this_thread();
  munmap(data, bytes);
  return after - before >= kPages;
}

class MajorFaultsGauge final : public Gauge {
 public:
  const std::string& where() const override { return where_; }
  bool of_stalls() const override { return true; }

  bool read(uint64_t now_ms, Reading* reading) override {
    *reading = Reading{};
    rusage usage;
    if (getrusage(RUSAGE_SELF, &usage) != 0) return false;
    // The first sample is the baseline: the faults of the program's own start are not counted.
    const uint64_t rate = rate_.add(now_ms, static_cast<uint64_t>(usage.ru_majflt));
    reading->level = rate >= kMedium ? Level::kMedium : rate >= kLow ? Level::kLow : Level::kNone;
    if (reading->level != Level::kNone) reading->again_ms = kWindowMs / 4;
    return true;
  }

 private:
  const std::string where_ = "getrusage";
  RateWindow rate_{kWindowMs};
};

class MajorFaults final : public Source {
 public:
  const char* name() const override { return "major-faults"; }

  SourceReport probe() const override {
    rusage usage;
    if (getrusage(RUSAGE_SELF, &usage) != 0) return {false, "getrusage fails"};
    if (counts_first_touches()) {
      return {false, "this kernel counts the first touch of each page of shared memory as a major fault"};
    }
    return {true, "the kernel counts the major faults of this process"};
  }

  std::vector<std::unique_ptr<Gauge>> open() const override {
    std::vector<std::unique_ptr<Gauge>> gauges;
    if (probe().available) gauges.push_back(std::make_unique<MajorFaultsGauge>());
    return gauges;
  }
};

}  // namespace

const Source* major_faults_source() {
  static const MajorFaults source;
  return &source;
}

}  // namespace ashmem_compat::pressure
