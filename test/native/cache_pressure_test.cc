// What a cache and a pool do while memory is short: in a cgroup that has a limit and no swap, filled faster than any neighbour would.
#include "core/pressure/watcher.h"
#include "native/caches.h"
#include "native/check.h"
#include "native/limited_cgroup.h"

using namespace ashmem_compat;
using namespace ashmem_compat::testing;

namespace {

constexpr uint64_t kLimit = 96 * kMiB;
// Never what is short: that is memory.
constexpr uint64_t kCapacity = 512 * kMiB;
constexpr uint64_t kValue = 64 * 1024;

// Keeps the watcher's thread from its work for some time, at looks that find little left or at others. At full speed all that is left is filled meanwhile.
struct BusyThread final : pressure::Listener {
  BusyThread(bool while_little_left, int most) : while_little_left(while_little_left), left(most) {}
  const bool while_little_left;
  int left;
  void on_pressure(const pressure::Verdict&, bool) override {
    if (pressure::little_left() != while_little_left || left == 0) return;
    --left;
    nap_ms(200);
  }
};

// As get(), without a copy: memory of our own would take the place of what is looked for.
bool holds(Cache& cache, const std::string& key, const std::string& value) {
  CacheItem item;
  bool found = false;
  CHECK_EQ(cache.get(key_of(key), true, &item, &found).code, Code::kOk);
  if (!found) return false;
  const bool same =
      item.value_length == value.size() && memcmp(item.value(), value.data(), value.size()) == 0;
  cache.release(item);
  return same;
}

}  // namespace

// By age alone the ones that were used long ago would go first: those that are used again and again, of which a scan knows nothing.
TEST(a_cache_gives_up_by_its_policy_what_memory_is_short_of) {
  const auto group = LimitedCgroup::make(kLimit);
  if (!group) SKIP(kNoLimitedCgroup);
  const auto child = group->run([&] {
    CacheOptions options;
    options.backend = "memfd";
    options.capacity = kCapacity;
    options.reclaimer = true;
    const auto cache = finish(Cache::create(options), "create");
    pressure::look();
    constexpr int kHot = 128;  // 8 MiB
    const std::string value(kValue, 'v');
    for (int i = 0; i < kHot; ++i) CHECK_EQ(set(*cache, "hot " + std::to_string(i), value), Code::kOk);
    for (int use = 0; use < 3; ++use) {
      for (int i = 0; i < kHot; ++i) CHECK(holds(*cache, "hot " + std::to_string(i), value));
    }
    // More than there is memory for, of what is used once.
    constexpr int kScanned = static_cast<int>(2 * kLimit / kValue);
    for (int i = 0; i < kScanned; ++i) CHECK_EQ(set(*cache, name(i), value), Code::kOk);
    // There was room for all, so what was given up was given up for memory.
    CHECK(stats(*cache).counters.evicted > kScanned / 4);
    int kept = 0;
    for (int i = 0; i < kHot; ++i) kept += holds(*cache, "hot " + std::to_string(i), value) ? 1 : 0;
    CHECK(kept > kHot / 2);
  });
  CHECK_EQ(child->reap(), 0);
  CHECK_EQ(group->oom_kills(), uint64_t{0});
}

// Blocks that are written, let go, and never freed: all that keeps the filler alive is the reclaimer, which it must not outrun, however long that is at
// work. So the thread is kept busy, where a neighbour or the machine would.
void fill_a_pool_beside(BusyThread busy, const pressure::ListenOptions& heard) {
  const auto group = LimitedCgroup::make(kLimit);
  if (!group) SKIP(kNoLimitedCgroup);
  const auto child = group->run([&] {
    PoolOptions options;
    options.backend = "memfd";
    options.capacity = kCapacity;
    options.reclaimer = true;
    Result<std::unique_ptr<Pool>> made = Pool::create(options);
    REQUIRE(made.ok());
    Pool& pool = *made.value();
    REQUIRE(pressure::listen(heard, &busy).ok());
    for (uint64_t filled = 0; filled < 2 * kLimit; filled += kValue) {
      Block block;
      REQUIRE(pool.alloc(kValue, Priority::kNormal, &block).ok());
      memset(block.bytes, 1, kValue);
      pool.drop(block);
    }
    pressure::stop(&busy);
    CHECK_EQ(busy.left, 0);
    CHECK(pressure::watcher_stats().reclaimed > kLimit / 2);
  });
  CHECK_EQ(child->reap(), 0);
  CHECK_EQ(group->oom_kills(), uint64_t{0});
}

TEST(who_fills_a_pool_waits_for_the_reclaimer) { fill_a_pool_beside({true, 8}, {}); }

TEST(nobody_fills_all_that_is_left_between_two_looks) {
  pressure::ListenOptions early;
  early.low = kLimit * 2 / 3;
  fill_a_pool_beside({false, 1}, early);
}
