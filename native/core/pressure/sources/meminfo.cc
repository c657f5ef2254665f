// The machine: MemAvailable of /proc/meminfo, the only account that an application on Android can read.
#include <errno.h>
#include <string.h>

#include "core/pressure/sources/kernel_file.h"
#include "core/pressure/sources/sources.h"

namespace ashmem_compat::pressure {
namespace {

class MeminfoGauge final : public Gauge {
 public:
  bool open() { return file_.open(where_); }
  const std::string& where() const override { return where_; }

  bool read(uint64_t, Reading* reading) override {
    *reading = Reading{};
    char text[kTextSize];
    uint64_t total = 0;
    uint64_t available = 0;
    if (!file_.read(text, sizeof text) || !find_number(text, "MemTotal:", &total) ||
        !find_number(text, "MemAvailable:", &available)) {
      return false;
    }
    reading->limit = total * 1024;
    reading->available = available * 1024;
    return true;
  }

  uint64_t shared_memory() override {
    char text[kTextSize];
    uint64_t kilobytes = 0;
    if (!file_.read(text, sizeof text) || !find_number(text, "Shmem:", &kilobytes)) return kUnknown;
    return kilobytes * 1024;
  }

 private:
  const std::string where_ = "/proc/meminfo";
  KernelFile file_;
};

class Meminfo final : public Source {
 public:
  const char* name() const override { return "meminfo"; }

  SourceReport probe() const override {
    MeminfoGauge gauge;
    Reading reading;
    if (!gauge.open()) return {false, "/proc/meminfo: " + std::string(strerror(errno))};
    if (!gauge.read(0, &reading)) return {false, "/proc/meminfo has no MemAvailable"};
    return {true, "/proc/meminfo has MemAvailable"};
  }

  std::vector<std::unique_ptr<Gauge>> open() const override {
    std::vector<std::unique_ptr<Gauge>> gauges;
    auto gauge = std::make_unique<MeminfoGauge>();
    Reading reading;
    if (gauge->open() && gauge->read(0, &reading)) gauges.push_back(std::move(gauge));
    return gauges;
  }
};

}  // namespace

const Source* meminfo_source() {
  static const Meminfo source;
  return &source;
}

}  // namespace ashmem_compat::pressure
