// How much room a pool wastes, after so many random allocations and frees of 64 bytes to 4 MiB.
//
// Usage: pool_fragmentation [OPERATIONS [CAPACITY-IN-MIB [SEED]]]      (default: 1000000 512 1)
//
// Blocks of random sizes are allocated and freed, in random order, so that their bytes stay near 60 % of the capacity. Then as before, but the
// aim rises slowly, until the pool says for the first time that it is full. Printed, for sizes whose logarithm is uniform and for sizes that
// are uniform themselves:
//   wasted    bytes of extents with a block in them that no block asked for, as a share of the bytes that blocks asked for: at the end of
//             the first part, and the most that was ever seen in it. Exit status 1 if either is above 15 %.
//   full at   how much of the capacity blocks had asked for when the pool was full for the first time, and the size that it had no room for
//   ns        a pair of one allocation and one free, on average
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include <random>
#include <vector>

#include "core/platform/page.h"
#include "core/pool/pool.h"

using namespace ashmem_compat;

namespace {

constexpr uint64_t kLeast = 64;
constexpr uint64_t kMost = uint64_t{4} << 20;
constexpr int kParts = 20;  // after each of which the waste is looked at

struct Sizes {
  const char* name;
  uint64_t (*draw)(std::mt19937_64& random);
};
double unit_interval(std::mt19937_64& random) { return static_cast<double>(random() >> 11) * 0x1p-53; }
const Sizes kSizes[] = {
    {"log-uniform",
     [](std::mt19937_64& random) {
       return static_cast<uint64_t>(exp(log(kLeast) + unit_interval(random) * log(kMost / kLeast)));
     }},
    {"uniform", [](std::mt19937_64& random) { return kLeast + random() % (kMost - kLeast + 1); }},
};

class Run {
 public:
  Run(const Sizes& sizes, Pool& pool, uint64_t seed) : sizes_(sizes), pool_(pool), random_(seed) {}

  // One allocation below the aim, or one free above it, give or take. False: the pool is full.
  bool step(uint64_t aim) {
    const bool allocates = blocks_.empty() || (live_ < aim ? random_() % 8 != 0 : random_() % 8 == 0);
    if (!allocates) {
      const size_t at = random_() % blocks_.size();
      live_ -= blocks_[at].size;
      if (!pool_.free(blocks_[at].ref).ok()) exit(2);
      blocks_[at] = blocks_.back();
      blocks_.pop_back();
      return true;
    }
    last_ = sizes_.draw(random_);
    Block block;
    const Status status = pool_.alloc(last_, Priority::kNormal, &block);
    if (status.code == Code::kNoSpace) return false;
    if (!status.ok()) exit(2);
    pool_.drop(block);
    live_ += last_;
    blocks_.push_back(block);
    return true;
  }
  double wasted() {
    PoolStats stats;
    if (!pool_.stats(&stats).ok()) exit(2);
    return static_cast<double>(stats.allocated - stats.live) / static_cast<double>(stats.live);
  }
  uint64_t live() const { return live_; }
  uint64_t last() const { return last_; }

 private:
  const Sizes& sizes_;
  Pool& pool_;
  std::mt19937_64 random_;
  std::vector<Block> blocks_;
  uint64_t live_ = 0, last_ = 0;
};

}  // namespace

int main(int argc, char** argv) {
  const uint64_t operations = argc > 1 ? strtoull(argv[1], nullptr, 10) : 1'000'000;
  const uint64_t capacity = (argc > 2 ? strtoull(argv[2], nullptr, 10) : 512) << 20;
  const uint64_t seed = argc > 3 ? strtoull(argv[3], nullptr, 10) : 1;
  bool good = true;
  for (const Sizes& sizes : kSizes) {
    PoolOptions options;
    options.name = "fragmentation";
    options.backend = "memfd";
    options.capacity = capacity;
    Result<std::unique_ptr<Pool>> pool = Pool::create(options);
    if (!pool.ok()) return 2;
    Run run(sizes, *pool.value(), seed);
    double most = 0;
    double ns = 0;
    uint64_t full = 0;
    for (int part = 0; part < kParts; ++part) {
      timespec from, to;
      clock_gettime(CLOCK_MONOTONIC, &from);
      for (uint64_t i = 0; i < operations / kParts; ++i) {
        if (!run.step(capacity / 100 * 60)) ++full;
      }
      clock_gettime(CLOCK_MONOTONIC, &to);
      ns +=
          static_cast<double>(to.tv_sec - from.tv_sec) * 1e9 + static_cast<double>(to.tv_nsec - from.tv_nsec);
      const double wasted = run.wasted();
      if (part > 0 && wasted > most) most = wasted;
    }
    const double wasted = run.wasted();
    double aim = 0.6 * static_cast<double>(capacity);
    while (run.step(static_cast<uint64_t>(aim))) aim += 1e-5 * static_cast<double>(capacity);
    printf(
        "%-12s wasted %5.2f %% (at most %5.2f %%)   full at %5.1f %%, without room for %llu bytes   %4.0f ns "
        "  refused before %llu\n",
        sizes.name, wasted * 100, most * 100,
        100 * static_cast<double>(run.live()) / static_cast<double>(capacity),
        static_cast<unsigned long long>(run.last()), ns / static_cast<double>(operations) * 2,
        static_cast<unsigned long long>(full));
    good = good && wasted <= 0.15 && most <= 0.15;
  }
  return good ? 0 : 1;
}
