// The watcher's thread purging in earnest: in a cgroup that is short of memory, with a neighbour that takes more at full speed.
#include <sys/mman.h>

#include "core/pressure/watcher.h"
#include "native/check.h"
#include "native/limited_cgroup.h"
#include "native/processes.h"

using namespace ashmem_compat;
using namespace ashmem_compat::testing;

namespace {

RegionOptions reclaimed(uint64_t size, uint64_t granularity = 0) {
  RegionOptions options;
  options.size = size;
  options.granularity = granularity;
  options.reclaimer = true;
  return options;
}

std::unique_ptr<Region> make(const RegionOptions& options) {
  Result<std::unique_ptr<Region>> made = create_region("memfd", Scope::kShared, options);
  CHECK(made.ok());
  return std::move(made.value());
}

void fill(Region& region, int value) { memset(region.mapping()->data(), value, region.size()); }

uint64_t purged(Region& region) {
  RegionStats stats;
  CHECK(region.stats(&stats).ok());
  return stats.purged;
}

// Private memory, held until the object goes.
class Taken {
 public:
  explicit Taken(uint64_t bytes) : bytes_(bytes) {
    data_ = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    memset(data_, 1, bytes);
  }
  ~Taken() { munmap(data_, bytes_); }

 private:
  const uint64_t bytes_;
  void* data_;
};

}  // namespace

TEST(a_neighbour_at_full_speed_is_survived) {
  const auto group = LimitedCgroup::make(256 * kMiB);
  if (!group) SKIP("no cgroup with a memory limit can be made here");
  const auto child = group->run([] {
    const auto held = make(reclaimed(4 * kMiB));
    fill(*held, 7);
    const auto region = make(reclaimed(200 * kMiB));
    fill(*region, 1);
    CHECK(region->unpin(0, region->size()).ok());
    Child neighbour([] {
      const Taken taken(150 * kMiB);
      return 0;
    });
    CHECK_EQ(neighbour.reap(), 0);
    const uint64_t lost = purged(*region);
    fprintf(stderr, "purged %llu MiB\n", static_cast<unsigned long long>(lost / kMiB));
    CHECK(lost > 0 && lost < region->size());
    for (uint64_t i = 0; i < held->size(); ++i) CHECK(held->mapping()->data()[i] == 7);
  });
  CHECK_EQ(child->reap(), 0);
  CHECK_EQ(group->oom_kills(), uint64_t{0});
}
