// What the reclaimer takes, and in which order. Shrink signals say exactly how much it is to free, so that its choice can be seen.
#include <dirent.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <atomic>
#include <thread>

#include "core/pins/attachment.h"
#include "core/pressure/shrink_signal.h"
#include "core/pressure/watcher.h"
#include "native/check.h"
#include "native/limited_cgroup.h"
#include "native/processes.h"

using namespace ashmem_compat;
using namespace ashmem_compat::testing;

namespace {

constexpr uint64_t kUnit = 64 * 1024;

std::unique_ptr<Region> make(uint64_t size, bool reclaimer = true) {
  RegionOptions options;
  options.size = size;
  options.granularity = kUnit;
  options.reclaimer = reclaimer;
  Result<std::unique_ptr<Region>> made = test_backend().create(options);
  CHECK(made.ok());
  memset(made.value()->mapping()->data(), 1, size);
  return std::move(made.value());
}

std::unique_ptr<Region> attach(int fd, bool reclaimer) {
  RegionOptions options;
  options.reclaimer = reclaimer;
  Result<std::unique_ptr<Region>> made = test_backend().attach(Fd(dup(fd)), options);
  CHECK(made.ok());
  return std::move(made.value());
}

// Has the reclaimer of this process free so much, and waits until it is done; also with what was asked before.
void free_bytes(uint64_t bytes) {
  pressure::look();  // nobody may have started it yet: a region that the kernel looks after does not
  const uint64_t before = pressure::watcher_stats().wakeups;
  if (bytes != 0) pressure::demand(bytes);
  // The look that was under way may not know of it.
  for (int i = 0; i < 30'000; ++i) {
    pressure::look();
    const pressure::WatcherStats now = pressure::watcher_stats();
    if (now.wakeups >= before + 2 && now.outstanding == 0) return;
    nap_ms(1);
  }
  CHECK(false);
}

uint64_t purged(Region& region) {
  RegionStats stats;
  CHECK(region.stats(&stats).ok());
  return stats.purged;
}

// Of a range: whether its units are lost, all of them or none. Pins and unpins them, and so makes them young.
bool lost(Region& region, uint64_t offset, uint64_t length) {
  std::vector<ByteRange> ranges;
  bool any = false;
  CHECK(region.pin(offset, length, &any, &ranges).ok());
  uint64_t bytes = 0;
  for (const ByteRange& range : ranges) bytes += range.length;
  CHECK(bytes == 0 || bytes == length);
  CHECK(region.unpin(offset, length).ok());
  return any;
}

int threads() {
  DIR* const all = opendir("/proc/self/task");
  int count = 0;
  while (const dirent* entry = readdir(all)) count += entry->d_name[0] != '.';
  closedir(all);
  return count;
}

// Long enough for two moments to count as two.
void later() { nap_ms(120); }

}  // namespace

TEST(the_least_recently_unpinned_go_first_across_regions) {
  const auto a = make(16 * kMiB);
  const auto b = make(16 * kMiB);
  CHECK(a->unpin(0, 8 * kMiB).ok());
  later();
  CHECK(b->unpin(0, 16 * kMiB).ok());
  later();
  // With a unit in between that stays: after a long delay neighbours count as of one age.
  CHECK(a->unpin(8 * kMiB + kUnit, 8 * kMiB - kUnit).ok());
  later();
  free_bytes(8 * kMiB);
  CHECK_EQ(purged(*a), 8 * kMiB);
  CHECK_EQ(purged(*b), uint64_t{0});
  free_bytes(16 * kMiB);
  CHECK_EQ(purged(*a), 8 * kMiB);
  CHECK_EQ(purged(*b), 16 * kMiB);
  CHECK(lost(*a, 0, 8 * kMiB));
  CHECK(!lost(*a, 8 * kMiB + kUnit, 8 * kMiB - kUnit));
}

TEST(what_another_process_has_used_counts_as_used) {
  const auto region = make(8 * kMiB);
  CHECK(region->unpin(0, 4 * kMiB).ok());
  CHECK(region->unpin(4 * kMiB + kUnit, 4 * kMiB - kUnit).ok());
  later();
  const int fd = region->fd();
  Child peer([fd] {
    const auto own = attach(fd, false);
    bool any = false;
    CHECK(own->pin(0, 4 * kMiB, &any, nullptr).ok());
    CHECK(own->unpin(0, 4 * kMiB).ok());
    return 0;
  });
  CHECK_EQ(peer.reap(), 0);
  later();
  free_bytes(4 * kMiB - kUnit);
  CHECK(!lost(*region, 0, 4 * kMiB));
  CHECK(lost(*region, 4 * kMiB + kUnit, 4 * kMiB - kUnit));
}

TEST(what_its_creator_has_left_to_others_is_as_old_as_that) {
  const auto first = make(4 * kMiB);
  const int fd = dup(first->fd());
  const auto second = make(4 * kMiB);
  CHECK(second->unpin(0, 4 * kMiB).ok());
  later();
  // The last object of the creator's process lets go of all units at once, and writes no stamp.
  first->close();
  const auto heir = attach(fd, true);
  close(fd);
  later();
  free_bytes(4 * kMiB);
  CHECK_EQ(purged(*second), 4 * kMiB);
  CHECK_EQ(purged(*heir), uint64_t{0});
}

TEST(cheap_regions_go_before_normal_and_normal_before_precious) {
  const auto precious = make(4 * kMiB);
  const auto normal = make(4 * kMiB);
  const auto cheap = make(4 * kMiB);
  CHECK(precious->set_priority(Priority::kPrecious).ok());
  CHECK(cheap->set_priority(Priority::kCheap).ok());
  for (Region* region : {precious.get(), normal.get(), cheap.get()}) {
    CHECK(region->unpin(0, 4 * kMiB).ok());
    later();
  }
  free_bytes(4 * kMiB);
  CHECK_EQ(purged(*cheap), 4 * kMiB);
  CHECK_EQ(purged(*normal) + purged(*precious), uint64_t{0});
  free_bytes(6 * kMiB);
  CHECK_EQ(purged(*normal), 4 * kMiB);
  CHECK_EQ(purged(*precious), 2 * kMiB);
}

TEST(no_more_than_was_asked_for_and_nothing_pinned) {
  const auto region = make(16 * kMiB);
  CHECK(region->unpin(0, 12 * kMiB).ok());
  later();
  free_bytes(3 * kMiB + 1);
  CHECK_EQ(purged(*region), 3 * kMiB + kUnit);
  free_bytes(64 * kMiB);
  CHECK_EQ(purged(*region), 12 * kMiB);
  for (uint64_t i = 12 * kMiB; i < 16 * kMiB; ++i) CHECK(region->mapping()->data()[i] == 1);
}

TEST(units_without_memory_are_left_alone) {
  RegionOptions options;
  options.size = 64 * kMiB;
  options.granularity = kUnit;
  options.reclaimer = true;
  const auto region = std::move(test_backend().create(options).value());
  memset(region->mapping()->data() + 40 * kMiB, 1, kMiB);
  CHECK(region->unpin(0, 64 * kMiB).ok());
  later();
  free_bytes(32 * kMiB);
  CHECK_EQ(purged(*region), kMiB);
  CHECK(!lost(*region, 0, 40 * kMiB));
  CHECK(lost(*region, 40 * kMiB, kMiB));
}

// A table that has holes is not to be filled by being looked at, least of all when memory is short.
TEST(a_look_gives_no_memory_to_what_it_looks_at) {
  RegionOptions options;
  options.size = 1024 * kMiB;
  options.reclaimer = true;
  const auto region = std::move(test_backend().create(options).value());
  if (kernel_discards()) SKIP("the size of an area's memory is not to be had");
  const auto stored = [&] {
    struct stat st;
    CHECK(fstat(region->fd(), &st) == 0);
    return static_cast<uint64_t>(st.st_blocks) * 512;
  };
  for (uint64_t at = 0; at < region->size(); at += 20 * kMiB) region->mapping()->data()[at] = 1;
  const uint64_t held = stored();
  free_bytes(64 * kMiB);
  CHECK_EQ(stored(), held);
  for (uint64_t at = 0; at < region->size(); at += 20 * kMiB) CHECK(region->unpin(at, page_size()).ok());
  const uint64_t idle = stored();
  free_bytes(64 * kMiB);
  CHECK(stored() <= idle);
  CHECK(lost(*region, 0, page_size()));
}

// One look is bounded; what is missing is what all of them did not find.
TEST(a_table_that_takes_more_than_one_look_is_looked_at_to_its_end) {
  if (kernel_discards()) SKIP("no area is as large");
  if (sizeof(size_t) == 4) SKIP("no mapping is as large");
  RegionOptions options;
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
  options.size = 2 * 1024 * kMiB;  // a look is slower there, and no demand is looked for for ever
#else
  options.size = 16 * 1024 * kMiB;
#endif
  options.reclaimer = true;
  Result<std::unique_ptr<Region>> made = test_backend().create(options);
  if (!made.ok()) SKIP("no region as large is to be had");
  Region& region = *made.value();
  // No stretch without data, or it would be passed over.
  for (uint64_t at = 0; at < region.size(); at += 8 * kMiB) region.mapping()->data()[at] = 1;
  const uint64_t last = region.size() - 8 * kMiB;
  CHECK(region.unpin(last, page_size()).ok());
  for (int i = 0; i < 3; ++i) {
    free_bytes(page_size());
    CHECK(lost(region, last, page_size()));
    region.mapping()->data()[last] = 1;
  }
}

TEST(a_close_is_short_while_the_reclaimer_looks) {
  if (kernel_discards()) SKIP("the size of an area's memory is not to be had");
  RegionOptions options;
  options.size = 1024 * kMiB;
  options.reclaimer = true;
  auto region = std::move(test_backend().create(options).value());
  const Fd file(dup(region->fd()));
  struct stat before;
  struct stat after;
  CHECK(fstat(file.get(), &before) == 0);
  {
    const Attachment::Served looking;
    CHECK_EQ(looking.all().size(), size_t{1});
    region->close();
    CHECK(Attachment::Served().all().empty());
  }
  CHECK(fstat(file.get(), &after) == 0);
  CHECK_EQ(after.st_blocks, before.st_blocks);
  const auto heir = attach(file.get(), true);
  bool pinned = true;
  CHECK(heir->pinned(0, heir->size(), &pinned).ok());
  CHECK(!pinned);
}

TEST(one_object_of_two_leaves_and_the_other_is_served_as_it_asked) {
  const auto region = make(4 * kMiB, false);
  attach(region->fd(), true)->close();
  CHECK(region->unpin(0, 4 * kMiB).ok());
  const auto other = make(kMiB);
  CHECK(other->unpin(0, kMiB).ok());
  free_bytes(64 * kMiB);
  CHECK_EQ(purged(*other), kMiB);
  CHECK_EQ(purged(*region), uint64_t{0});
}

TEST(pages_that_a_mere_look_has_brought_back_go_too) {
  const auto region = make(4 * kMiB);
  CHECK(region->unpin(0, 4 * kMiB).ok());
  free_bytes(4 * kMiB);
  RegionStats stats;
  volatile char seen = 0;
  for (uint64_t i = 0; i < 4 * kMiB; i += kUnit) seen = seen + region->mapping()->data()[i];
  CHECK(region->stats(&stats).ok());
  CHECK(stats.resident > 0);
  const uint64_t back = stats.resident;
  const uint64_t reclaimed = pressure::watcher_stats().reclaimed;
  free_bytes(4 * kMiB);
  CHECK(region->stats(&stats).ok());
  CHECK_EQ(stats.resident, uint64_t{0});
  // It counts as freed, or who asked for it would be told that nothing was.
  if (!kernel_discards()) CHECK_EQ(pressure::watcher_stats().reclaimed - reclaimed, back);
  CHECK_EQ(stats.purged, 4 * kMiB);
}

TEST(who_did_not_ask_for_the_reclaimer_is_left_alone) {
  const auto left = make(4 * kMiB, false);
  const auto served = make(4 * kMiB);
  for (Region* region : {left.get(), served.get()}) CHECK(region->unpin(0, 4 * kMiB).ok());
  free_bytes(64 * kMiB);
  CHECK_EQ(purged(*left), uint64_t{0});
  CHECK_EQ(purged(*served), 4 * kMiB);
}

TEST(regions_may_come_and_go_while_it_purges) {
  std::atomic<bool> over{false};
  std::thread signals([&] {
    while (!over) pressure::demand(kMiB);
  });
  std::vector<std::thread> users;
  for (int t = 0; t < 3; ++t) {
    users.emplace_back([t] {
      for (int round = 0; round < 60; ++round) {
        const auto region = make(kMiB);
        const auto again = attach(region->fd(), true);
        CHECK(region->unpin(0, kMiB).ok());
        for (int i = 0; i < 20; ++i) {
          bool any = false;
          CHECK(again->pin(0, kUnit, &any, nullptr).ok());
          if (any) memset(again->mapping()->data(), t, kUnit);
          const char* data = again->mapping()->data();
          const char first = data[0];
          for (uint64_t k = 0; k < kUnit; ++k) CHECK(data[k] == first);
          CHECK(again->unpin(0, kUnit).ok());
        }
      }
    });
  }
  for (std::thread& user : users) user.join();
  over = true;
  signals.join();
  // What is left of their demands is not to be served with the regions of the next test.
  free_bytes(0);
}

TEST(listeners_hear_of_a_signal_and_of_what_regions_could_not_give) {
  struct Ear final : pressure::Listener {
    void on_pressure(const pressure::Verdict& verdict, bool changed) override {
      if (changed && strcmp(verdict.source, "signal") == 0) heard = verdict.level;
      unmet = verdict.unmet;
    }
    std::atomic<pressure::Level> heard{pressure::Level::kNone};
    std::atomic<uint64_t> unmet{0};
  } ear;
  const auto region = make(2 * kMiB);
  CHECK(region->unpin(0, 2 * kMiB).ok());
  CHECK(pressure::listen({}, &ear).ok());
  const uint64_t before = pressure::present(&ear).unmet;
  const uint64_t freed = pressure::present(&ear).freed[1];
  free_bytes(5 * kMiB);
  const pressure::Verdict now = pressure::present(&ear);
  pressure::stop(&ear);
  CHECK_EQ(static_cast<int>(now.level), static_cast<int>(pressure::Level::kMedium));
  CHECK_EQ(static_cast<int>(ear.heard.load()), static_cast<int>(pressure::Level::kMedium));
  CHECK_EQ(now.freed[1] - freed, 2 * kMiB);
  CHECK_EQ(ear.unmet - before, 3 * kMiB);
  CHECK(lost(*region, 0, 2 * kMiB));
}

TEST(a_region_tells_who_has_discarded) {
  struct Ear final : PurgeListener {
    void on_purge(const DiscardTotals& now) override {
      totals = now;
      heard = true;
    }
    DiscardTotals totals;
    std::atomic<bool> heard{false};
  } ear;
  const auto region = make(4 * kMiB);
  CHECK(region->watch_purges(&ear).ok());
  CHECK(region->unpin(0, 4 * kMiB).ok());
  free_bytes(kMiB);
  uint64_t bytes = 0;
  CHECK(region->purge(kMiB, kMiB, &bytes).ok());
  const int fd = region->fd();
  Child peer([fd] {
    uint64_t done = 0;
    CHECK(attach(fd, false)->purge(2 * kMiB, kMiB, &done).ok());
    return 0;
  });
  CHECK_EQ(peer.reap(), 0);
  pressure::look();
  CHECK(ear.heard);
  CHECK(region->watch_purges(nullptr).ok());
  CHECK_EQ(ear.totals.pressure, kMiB);
  CHECK_EQ(ear.totals.request, kMiB);
  CHECK_EQ(ear.totals.peer, kMiB);
}

TEST(no_thread_is_started_for_what_the_kernel_does) {
#ifdef __SANITIZE_THREAD__
  SKIP("ThreadSanitizer allows no threads in a child of a process that has some");
#endif
  // In a process that has none yet, but for what an emulator has.
  Child child([] {
    const auto before = check::failures;
    const int others = threads();
    const auto region = make(kMiB);
    CHECK_EQ(threads() - others, on("vrange") ? 0 : 1);
    // But for who may demand something.
    CHECK(pressure::listen_for_signal(SIGUSR1).ok());
    CHECK_EQ(threads() - others, 1);
    CHECK(region->unpin(0, kMiB).ok());
    raise(SIGUSR1);
    free_bytes(kMiB);
    CHECK_EQ(purged(*region), kMiB);
    return check::failures == before ? 0 : 1;
  });
  CHECK_EQ(child.reap(), 0);
}

TEST(a_forked_child_has_a_reclaimer_of_its_own) {
#ifdef __SANITIZE_THREAD__
  SKIP("ThreadSanitizer allows no threads in a child of a process that has some");
#endif
  const auto region = make(kMiB);
  free_bytes(0);
  Child child([] {
    const auto own = make(4 * kMiB);
    CHECK(own->unpin(0, 4 * kMiB).ok());
    free_bytes(4 * kMiB);
    return purged(*own) == 4 * kMiB ? 0 : 1;
  });
  CHECK_EQ(child.reap(), 0);
}
