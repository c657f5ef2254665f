// core_trials PAIRS BATCHES: pin + unpin of one unit of an ashmem region, in turn with the kernel's own pair of calls on the
// same device. Prints a JSON object of arrays of nanoseconds per pair, one number per batch; exit status 77: no ashmem here.
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>

#include "core/backends/ashmem_device.h"
#include "core/backends/selector.h"
#include "core/platform/page.h"

using namespace ashmem_compat;

namespace {

double now_ns() {
  timespec t{};
  clock_gettime(CLOCK_MONOTONIC, &t);
  return static_cast<double>(t.tv_sec) * 1e9 + static_cast<double>(t.tv_nsec);
}

void must(bool ok, const char* what) {
  if (ok) return;
  perror(what);
  exit(1);
}

// The pair of calls that a program makes which uses the device itself.
struct Kernel {
  Fd fd;
  explicit Kernel(uint64_t page) : fd(ashmem::open_area(0, "bench", 4 * page)) {
    must(fd.valid(), "open");
    must(mmap(nullptr, 4 * page, PROT_READ | PROT_WRITE, MAP_SHARED, fd.get(), 0) != MAP_FAILED, "mmap");
    must(ashmem::unpin(fd.get(), page, page) == 0, "unpin");
  }
  void pair(uint64_t page) const {
    must(ashmem::pin(fd.get(), page, page) >= 0, "pin");
    must(ashmem::unpin(fd.get(), page, page) >= 0, "unpin");
  }
};

void pair(Region& region, uint64_t page) {
  bool purged = false;
  must(region.pin(page, page, &purged, nullptr).ok(), "pin");
  must(region.unpin(page, page).ok(), "unpin");
}

// Another process that holds the unit until it is killed.
pid_t start_holder(int fd, uint64_t page) {
  int ready[2];
  must(pipe(ready) == 0, "pipe");
  const pid_t child = fork();
  must(child >= 0, "fork");
  if (child == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    Result<std::unique_ptr<Region>> region = attach_region("", Fd(dup(fd)), {});
    bool purged = false;
    if (!region.ok() || !region.value()->pin(page, page, &purged, nullptr).ok()) _exit(1);
    if (write(ready[1], "", 1) != 1) _exit(1);
    for (;;) pause();
  }
  char byte;
  close(ready[1]);
  must(read(ready[0], &byte, 1) == 1, "the other process");
  return child;
}

void print(const char* name, const std::vector<double>& samples, const char* end) {
  printf("\"%s\":[", name);
  for (size_t i = 0; i < samples.size(); ++i) printf("%s%.2f", i == 0 ? "" : ",", samples[i]);
  printf("]%s", end);
}

}  // namespace

int main(int argc, char** argv) {
  const uint64_t pairs = argc > 1 ? strtoull(argv[1], nullptr, 10) : 10000;
  const uint64_t batches = argc > 2 ? strtoull(argv[2], nullptr, 10) : 5;
  const uint64_t page = kernel_page_size();
  RegionOptions options;
  options.size = 16 * page;
  Result<std::unique_ptr<Region>> made = create_region("ashmem", Scope::kShared, options);
  if (!made.ok()) {
    fprintf(stderr, "no ashmem here: %s\n", made.status().detail);
    return 77;
  }
  Region& region = *made.value();
  must(region.unpin(0, options.size).ok(), "unpin");
  const Kernel kernel(page);
  std::vector<double> calls;
  std::vector<double> alone;
  std::vector<double> nested;
  std::vector<double> beside;
  const auto measure = [&](std::vector<double>* samples, auto one) {
    const double start = now_ns();
    for (uint64_t i = 0; i < pairs; ++i) one();
    samples->push_back((now_ns() - start) / static_cast<double>(pairs));
  };
  for (uint64_t batch = 0; batch <= batches; ++batch) {
    measure(&calls, [&] { kernel.pair(page); });
    measure(&alone, [&] { pair(region, page); });
    bool purged = false;
    must(region.pin(page, page, &purged, nullptr).ok(), "pin");
    measure(&nested, [&] { pair(region, page); });
    must(region.unpin(page, page).ok(), "unpin");
    const pid_t other = start_holder(region.fd(), page);
    measure(&beside, [&] { pair(region, page); });
    kill(other, SIGKILL);
    must(waitpid(other, nullptr, 0) == other, "waitpid");
  }
  for (auto* samples : {&calls, &alone, &nested, &beside}) samples->erase(samples->begin());  // to warm up
  printf("{");
  print("calls", calls, ",");
  print("alone", alone, ",");
  print("nested", nested, ",");
  print("beside", beside, "}\n");
  return 0;
}
