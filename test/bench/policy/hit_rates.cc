// Hit rates by policy, kind of requests and size of the cache, in requests. Usage: hit_rates [REQUESTS]
//
// The requests are made from fixed seeds, so two runs print the same. `sizes`: all 1, or 1 to 1000, most of them small.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <random>
#include <string>

#include "policies.h"

using namespace hit_rates;

namespace {

// Ranks 0 .. n - 1, rank r with a probability in proportion to 1 / (r + 1)^skew.
class Zipf {
 public:
  Zipf(uint32_t n, double skew) : sums_(n) {
    double sum = 0;
    for (uint32_t i = 0; i < n; ++i) sums_[i] = sum += std::pow(i + 1.0, -skew);
  }
  uint32_t operator()(std::mt19937_64& random) const {
    const double at = std::uniform_real_distribution<double>(0, sums_.back())(random);
    return static_cast<uint32_t>(std::lower_bound(sums_.begin(), sums_.end(), at) - sums_.begin());
  }

 private:
  std::vector<double> sums_;
};

constexpr uint32_t kObjects = 100'000;
constexpr Key kOther = Key{1} << 32;  // keys of scans and loops

struct Workload {
  const char* name;
  // The i-th request of a run, for a cache of so many objects.
  std::function<Key(uint64_t i, uint64_t objects, std::mt19937_64& random)> next;
};

std::vector<Workload> workloads() {
  static const Zipf flat(kObjects, 0.7);
  static const Zipf usual(kObjects, 1.0);
  static const Zipf steep(kObjects, 1.2);
  return {
      {"zipf 0.7", [](uint64_t, uint64_t, std::mt19937_64& r) { return Key{flat(r)}; }},
      {"zipf 1.0", [](uint64_t, uint64_t, std::mt19937_64& r) { return Key{usual(r)}; }},
      {"zipf 1.2", [](uint64_t, uint64_t, std::mt19937_64& r) { return Key{steep(r)}; }},
      // What is popular changes: ranks move on by a tenth of all objects, ten times in a run of 2 million.
      {"zipf 1.0, moving",
       [](uint64_t i, uint64_t, std::mt19937_64& r) {
         return Key{(usual(r) + i / 200'000 * (kObjects / 10)) % kObjects};
       }},
      // Every second request belongs to a scan that reads each object once.
      {"zipf 1.0 + scan",
       [](uint64_t i, uint64_t, std::mt19937_64& r) { return i % 2 ? kOther + i : Key{usual(r)}; }},
      // Now and then a scan over as much as three caches, at once.
      {"zipf 1.0, scan bursts",
       [](uint64_t i, uint64_t objects, std::mt19937_64& r) {
         return i % (20 * objects) >= 17 * objects ? kOther + i : Key{usual(r)};
       }},
      {"loop, 1.2 caches",
       [](uint64_t i, uint64_t objects, std::mt19937_64&) { return i % (objects * 6 / 5); }},
      {"loop, 3 caches", [](uint64_t i, uint64_t objects, std::mt19937_64&) { return i % (objects * 3); }},
      {"zipf 1.0 + loop",
       [](uint64_t i, uint64_t objects, std::mt19937_64& r) {
         return i % 2 ? kOther + i / 2 % (objects * 3 / 2) : Key{usual(r)};
       }},
      // Each object is asked for twice, soon after each other, and never again; beside Zipf.
      {"zipf 1.0 + twice",
       [](uint64_t i, uint64_t objects, std::mt19937_64& r) {
         const uint64_t gap = objects / 2;
         const uint64_t turn = i / 2;
         return i % 2 ? kOther + (turn / gap % 2 ? turn - gap : turn) : Key{usual(r)};
       }},
  };
}

uint32_t size_of(Key key, bool equal) {
  if (equal) return 1;
  std::minstd_rand random(static_cast<uint32_t>(key * 2654435761u + key / 65521 + 1));
  random.discard(2);
  const double at = std::uniform_real_distribution<double>(0, 1)(random);
  return static_cast<uint32_t>(std::pow(1000.0, at * at));
}

double hit_rate(Simulated& cache, const Workload& work, uint64_t objects, bool equal, uint64_t requests) {
  std::mt19937_64 random(42);
  uint64_t hits = 0;
  const uint64_t warm = requests / 5;
  for (uint64_t i = 0; i < requests; ++i) {
    const Key key = work.next(i, objects, random);
    if (cache.request(key, size_of(key, equal)) && i >= warm) ++hits;
  }
  return 100.0 * static_cast<double>(hits) / static_cast<double>(requests - warm);
}

}  // namespace

int main(int argc, char** argv) {
  const uint64_t requests = argc > 1 ? strtoull(argv[1], nullptr, 10) : 2'000'000;
  printf("%-24s %-7s %7s %7s %7s %7s %7s\n", "requests", "sizes", "cache", "FIFO", "LRU", "SIEVE", "ours");
  double sums[4] = {};
  int rows = 0;
  for (const bool equal : {true, false}) {
    double mean = 0;
    for (Key key = 0; key < 10'000; ++key) mean += size_of(key, equal) / 10'000.0;
    for (const Workload& work : workloads()) {
      for (const uint64_t objects : {1'000, 10'000}) {
        const uint64_t capacity = static_cast<uint64_t>(static_cast<double>(objects) * mean);
        std::unique_ptr<Simulated> caches[] = {
            std::make_unique<Fifo>(capacity), std::make_unique<Lru>(capacity),
            std::make_unique<Sieve>(capacity),
            std::make_unique<Ours>(capacity, static_cast<uint32_t>(objects * 20))};
        printf("%-24s %-7s %6d%%", work.name, equal ? "equal" : "1-1000",
               static_cast<int>(objects * 100 / kObjects));
        for (int p = 0; p < 4; ++p) {
          const double rate = hit_rate(*caches[p], work, objects, equal, requests);
          sums[p] += rate;
          printf(" %6.1f%%", rate);
        }
        printf("\n");
        fflush(stdout);
        ++rows;
      }
    }
  }
  printf("%-40s %6.1f%% %6.1f%% %6.1f%% %6.1f%%\n", "mean", sums[0] / rows, sums[1] / rows, sums[2] / rows,
         sums[3] / rows);
}
