// Which neighbours the reclaimer takes together, by how fast memory goes.
#include "core/pressure/victims.h"

#include <unistd.h>

#include "core/platform/coarse_tick.h"
#include "native/check.h"
#include "native/pools.h"

using namespace ashmem_compat;
using namespace ashmem_compat::pressure;
using namespace ashmem_compat::testing;

namespace {

constexpr uint64_t kStretches = 16;

// A region in stretches that were let go so many ticks ago, in turn.
std::unique_ptr<Region> aged(uint32_t even, uint32_t odd) {
  const uint64_t stretch = 16 * page_size();
  RegionOptions options;
  options.size = kStretches * stretch;
  options.granularity = page_size();
  Result<std::unique_ptr<Region>> made = memfd_backend.create(options);
  if (!made.ok()) abort();
  std::unique_ptr<Region> region = std::move(made.value());
  memset(region->mapping()->data(), 1, region->size());
  CHECK(region->unpin(0, region->size()).ok());
  const Layout& layout = region->tables()->layout();
  const uint32_t now = coarse_stamp();
  for (uint64_t i = 0; i < layout.stamp_count(); ++i) {
    const uint64_t unit = i << layout.stamp_shift;
    const uint32_t stamp = now - (unit / 16 % 2 == 0 ? even : odd);
    const auto at = static_cast<off_t>(layout.stamps_offset + i * sizeof stamp);
    CHECK(pwrite(region->fd(), &stamp, sizeof stamp, at) == sizeof stamp);
  }
  return region;
}

std::vector<Victim> find(Region& region, Order order, Priority priority = Priority::kNormal) {
  Attachment* attachment = region.attachment();
  CHECK(attachment->prepare().ok());
  attachment->unlooked = attachment->control().layout().unit_count;
  attachment->look_from = 0;
  return find_victims({attachment}, priority, Want::kIdle, region.size(), uint64_t{4} << 20, order);
}

}  // namespace

TEST(neighbours_of_different_ages_go_apart_while_there_is_time) {
  const auto region = aged(4000, 1000);
  const auto victims = find(*region, Order::kByAge);
  REQUIRE(victims.size() == kStretches);
  for (uint64_t i = 0; i < kStretches; ++i) {
    CHECK_EQ(victims[i].count, uint64_t{16});
    // The old ones first.
    CHECK_EQ(victims[i].first / 16 % 2, uint64_t{i < kStretches / 2 ? 0u : 1u});
  }
}

TEST(those_that_are_not_much_younger_go_with_them_when_memory_goes_fast) {
  const auto region = aged(4000, 1000);
  const auto victims = find(*region, Order::kByRuns);
  REQUIRE(victims.size() == 1);
  CHECK_EQ(victims[0].count, kStretches * 16);
  const auto hot = aged(40'000, 1000);
  CHECK_EQ(find(*hot, Order::kByRuns).size(), size_t{kStretches});
}

TEST(all_idle_neighbours_go_when_it_is_almost_too_late) {
  const auto region = aged(40'000, 1000);
  bool purged = false;
  CHECK(region->pin(64 * page_size(), page_size(), &purged, nullptr).ok());
  const auto victims = find(*region, Order::kByPlace);
  REQUIRE(victims.size() == 2);
  CHECK_EQ(victims[0].count + victims[1].count, kStretches * 16 - 1);
}

TEST(a_new_pool_has_no_victims) {
  const auto pool = make_pool(1 << 20);
  Block block;
  REQUIRE(pool->alloc(64 << 10, Priority::kNormal, &block).ok());
  write_pattern(block, 1);
  CHECK(pool->share(block).ok());
  Region& region = *pool->memory().region();
  CHECK(find(region, Order::kByPlace, Priority::kCheap).empty());
  pool->drop(block);
  CHECK_EQ(find(region, Order::kByPlace).size(), size_t{1});
  CHECK(pool->free(block.ref).ok());
  CHECK(find(region, Order::kByPlace).empty());
  CHECK_EQ(find(region, Order::kByPlace, Priority::kCheap).size(), size_t{1});
}
