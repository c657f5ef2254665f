// Pools and regions of a process are one to its reclaimer: what was let go first goes first, wherever it is. Shrink signals say exactly how much
// is to be freed, so that the choice can be seen.
#include "core/pressure/watcher.h"
#include "native/pools.h"

using namespace ashmem_compat;
using namespace ashmem_compat::testing;

namespace {

constexpr uint64_t kMiB = uint64_t{1} << 20;

std::unique_ptr<Pool> served_pool(uint64_t capacity) {
  PoolOptions options = pool_options(capacity);
  options.reclaimer = true;
  return must(Pool::create(options));
}

// Has the reclaimer of this process free so much, and waits until it is done.
void free_bytes(uint64_t bytes) {
  const uint64_t before = pressure::watcher_stats().wakeups;
  pressure::demand(bytes);
  for (int i = 0; i < 30'000; ++i) {
    pressure::look();
    const pressure::WatcherStats now = pressure::watcher_stats();
    if (now.wakeups >= before + 2 && now.outstanding == 0) return;
    nap_ms(1);
  }
  CHECK(false);
}

Block filled(Pool& pool, uint64_t size, Priority priority = Priority::kNormal) {
  Block block;
  CHECK(pool.alloc(size, priority, &block).ok());
  memset(block.bytes, 1, size);
  return block;
}

// Long enough for two moments to count as two.
void later() { nap_ms(120); }

}  // namespace

TEST(the_least_recently_unpinned_goes_first_across_pools_and_regions) {
  if (kernel_discards()) SKIP("the kernel has an order of its own");
  const auto a = served_pool(16 * kMiB);
  const auto b = served_pool(16 * kMiB);
  RegionOptions options;
  options.size = 4 * kMiB;
  options.reclaimer = true;
  auto made = test_backend().create(options);
  REQUIRE(made.ok());
  Region& region = *made.value();
  memset(region.mapping()->data(), 1, options.size);
  Block oldest = filled(*a, 3 * kMiB), third = filled(*b, 3 * kMiB), youngest = filled(*a, 3 * kMiB);
  Block held = filled(*b, 3 * kMiB);
  a->drop(oldest);
  later();
  CHECK(region.unpin(0, options.size).ok());
  later();
  b->drop(third);
  later();
  a->drop(youngest);
  later();
  free_bytes(3 * kMiB);
  CHECK(!a->whole(oldest) && b->whole(third) && a->whole(youngest));
  RegionStats stats;
  CHECK(region.stats(&stats).ok() && stats.purged == 0);
  free_bytes(4 * kMiB);
  CHECK(region.stats(&stats).ok() && stats.purged == options.size);
  CHECK(b->whole(third) && a->whole(youngest));
  free_bytes(3 * kMiB);
  CHECK(!b->whole(third) && a->whole(youngest));
  free_bytes(16 * kMiB);
  CHECK(!a->whole(youngest) && b->whole(held));
  for (uint64_t i = 0; i < held.size; i += 4096) CHECK(held.bytes[i] == 1);
}

TEST(a_hold_makes_a_block_young_again) {
  if (kernel_discards()) SKIP("the kernel has an order of its own");
  const auto pool = served_pool(16 * kMiB);
  Block a = filled(*pool, 2 * kMiB), b = filled(*pool, 2 * kMiB);
  pool->drop(a);
  later();
  pool->drop(b);
  later();
  bool lost = true;
  CHECK(pool->hold(&a, &lost).ok() && !lost);
  pool->drop(a);
  later();
  free_bytes(2 * kMiB);
  CHECK(pool->whole(a) && !pool->whole(b));
}

TEST(what_is_free_goes_first_then_what_is_cheap_and_what_is_precious_last) {
  if (kernel_discards()) SKIP("the kernel has an order of its own");
  const auto pool = served_pool(32 * kMiB);
  Block precious = filled(*pool, 2 * kMiB, Priority::kPrecious);
  Block normal = filled(*pool, 2 * kMiB);
  Block cheap = filled(*pool, 2 * kMiB, Priority::kCheap);
  Block freed = filled(*pool, 2 * kMiB);
  pool->drop(precious);
  later();
  pool->drop(normal);
  later();
  pool->drop(freed);
  CHECK(pool->free(freed.ref).ok());
  later();
  pool->drop(cheap);
  later();
  const uint64_t before = stats_of(*pool).resident;
  free_bytes(2 * kMiB);
  CHECK(pool->whole(precious) && pool->whole(normal) && pool->whole(cheap));
  CHECK(stats_of(*pool).resident <= before - 2 * kMiB);
  free_bytes(2 * kMiB);
  CHECK(pool->whole(precious) && pool->whole(normal) && !pool->whole(cheap));
  free_bytes(2 * kMiB);
  CHECK(pool->whole(precious) && !pool->whole(normal));
  free_bytes(2 * kMiB);
  CHECK(!pool->whole(precious));
}
