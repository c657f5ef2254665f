// Units that are grouped to extents: one word stands for all of an extent, whatever purges it and whoever cuts it meanwhile.
#include <string.h>

#include "core/pool/shared_pool_memory.h"
#include "core/pressure/watcher.h"
#include "native/check.h"
#include "native/processes.h"

using namespace ashmem_compat;
using namespace ashmem_compat::testing;

namespace {

constexpr uint64_t kUnits = 64;

RegionOptions options_of(RegionKind kind) {
  RegionOptions options;
  options.size = kUnits * page_size();
  options.kind = kind;
  options.annex_size = 4096;
  options.busy_timeout_ms = 100;
  return options;
}

std::unique_ptr<PoolMemory> over(Result<std::unique_ptr<Region>> region) {
  CHECK(region.ok());
  Result<std::unique_ptr<PoolMemory>> memory = SharedPoolMemory::over(std::move(region.value()), 100);
  CHECK(memory.ok());
  return std::move(memory.value());
}
std::unique_ptr<PoolMemory> make(bool reclaimer = false) {
  RegionOptions options = options_of(RegionKind::kPool);
  options.reclaimer = reclaimer;
  return over(test_backend().create(options));
}
std::unique_ptr<PoolMemory> attach(int fd) {
  return over(test_backend().attach(Fd(dup(fd)), options_of(RegionKind::kPool)));
}

void hold(PoolMemory& memory, uint64_t u) {
  bool lost = false;
  CHECK(memory.hold(u, &lost).ok());
}

// Cuts what leads at `u` in two, both held before and after.
void split(PoolMemory& memory, uint64_t u, uint32_t units, Priority priority = Priority::kNormal) {
  const uint32_t whole = memory.span(u);
  hold(memory, u + units);
  memory.set_span(u, units, priority);
  memory.set_span(u + units, whole - units, priority);
}

void merge(PoolMemory& memory, uint64_t u, uint64_t v) {
  const uint32_t units = memory.span(v);
  memory.set_span(v, 0, Priority::kNormal);
  memory.set_span(u, memory.span(u) + units, Priority::kNormal);
}

char* bytes(PoolMemory& memory, uint64_t u) { return memory.data() + u * memory.unit(); }
void fill(PoolMemory& memory, uint64_t u, int value) {
  memset(bytes(memory, u), value, memory.span(u) * memory.unit());
}
bool all(PoolMemory& memory, uint64_t u, uint64_t units, char value) {
  const char* p = bytes(memory, u);
  return p[0] == value && memcmp(p, p + 1, units * memory.unit() - 1) == 0;
}

}  // namespace

TEST(a_new_one_is_one_extent_that_nobody_holds_and_that_is_empty) {
  const auto memory = make();
  CHECK_EQ(memory->span(0), kUnits);
  for (uint64_t u = 1; u < kUnits; ++u) CHECK_EQ(memory->span(u), 0u);
  CHECK(!memory->held_here(0));
  CHECK_EQ(memory->purge(0, kUnits), 0u);
  bool lost = false;
  CHECK(memory->hold(0, &lost).ok());
  CHECK(lost);
  memory->drop(0);
  CHECK(memory->hold(0, &lost).ok());
  CHECK(!lost);
  memory->drop(0);
}

TEST(one_hold_keeps_all_of_an_extent_and_one_purge_takes_all) {
  const auto memory = make();
  hold(*memory, 0);
  split(*memory, 0, 16);
  fill(*memory, 0, 1);
  fill(*memory, 16, 2);
  memory->drop(16);
  CHECK_EQ(memory->purge(0, kUnits), (kUnits - 16) * memory->unit());
  CHECK(all(*memory, 0, 16, 1));
  CHECK(all(*memory, 16, kUnits - 16, 0));
  const uint32_t before = memory->generation(0);
  memory->drop(0);
  // Of any part that has the leader, all is taken; of a part without it, nothing.
  CHECK_EQ(memory->purge(1, 15), 0u);
  CHECK(all(*memory, 0, 16, 1));
  CHECK_EQ(memory->purge(0, 1), 16 * memory->unit());
  CHECK(all(*memory, 0, 16, 0));
  CHECK(memory->generation(0) != before);
}

TEST(neighbours_are_purged_in_one_run_but_for_those_that_are_held) {
  const auto memory = make();
  hold(*memory, 0);
  split(*memory, 0, 1);
  split(*memory, 1, 7);
  split(*memory, 8, 8);
  for (const uint64_t u : {0, 1, 8, 16}) fill(*memory, u, 9);
  memory->drop(0);
  memory->drop(1);
  memory->drop(16);
  CHECK_EQ(memory->purge(0, kUnits), (kUnits - 8) * memory->unit());
  CHECK(all(*memory, 8, 8, 9));
  CHECK(all(*memory, 0, 8, 0));
}

TEST(what_was_given_up_as_empty_is_told_as_lost_and_never_purged) {
  const auto memory = make();
  hold(*memory, 0);
  split(*memory, 0, 32);
  memory->drop_empty(32);
  CHECK_EQ(memory->purge(32, 32), 0u);
  bool lost = false;
  CHECK(memory->hold(32, &lost).ok());
  CHECK(lost);
}

TEST(what_follows_again_after_a_merge_is_no_purgers_business) {
  const auto memory = make();
  hold(*memory, 0);
  split(*memory, 0, 32);
  fill(*memory, 0, 3);
  fill(*memory, 32, 4);
  merge(*memory, 0, 32);
  memory->drop(32);
  CHECK_EQ(memory->span(0), kUnits);
  CHECK_EQ(memory->purge(0, kUnits), 0u);
  CHECK_EQ(memory->purge(32, 32), 0u);
  CHECK(all(*memory, 32, 32, 4));
  memory->drop(0);
  CHECK_EQ(memory->purge(0, 1), kUnits * memory->unit());
}

TEST(holds_of_another_process_count_until_it_dies) {
  const auto memory = make();
  hold(*memory, 0);
  split(*memory, 0, 32);
  fill(*memory, 0, 5);
  memory->drop(0);
  memory->drop(32);
  Child child([&] {
    const auto other = attach(memory->fd());
    hold(*other, 0);
    stop_here();
    return 0;
  });
  REQUIRE(child.wait_stopped());
  CHECK(memory->held_by_others(0));
  CHECK(!memory->held_here(0));
  CHECK(!memory->held_by_others(32));
  CHECK_EQ(memory->purge(0, 32), 0u);
  CHECK(all(*memory, 0, 32, 5));
  child.kill_and_reap();
  CHECK(!memory->held_by_others(0));
  CHECK_EQ(memory->purge(0, 32), 32 * memory->unit());
}

TEST(a_process_is_named_for_good) {
  const auto memory = make();
  Shared* words = shared_words();
  {
    Child child([&] {
      const auto other = attach(memory->fd());
      words->word[0] = other->me();
      stop_here();
      return 0;
    });
    REQUIRE(child.wait_stopped());
    CHECK(words->word[0] != 0 && words->word[0] != memory->me());
    CHECK(!memory->is_dead(words->word[0]));
    CHECK(!memory->is_dead(memory->me()));
    child.kill_and_reap();
  }
  CHECK(memory->is_dead(words->word[0]));
  CHECK(memory->is_dead(0x1234'5678'9abc'def0));
}

TEST(a_purger_that_dies_or_stops_with_an_extent_in_hand) {
  for (const bool dies : {true, false}) {
    const auto memory = make();
    hold(*memory, 0);
    split(*memory, 0, 32);
    fill(*memory, 0, 6);
    fill(*memory, 32, 7);
    memory->drop(0);
    Child child([&] {
      const auto other = attach(memory->fd());
      at_stage(Stage::kMarked, stop_here);
      other->purge(0, 32);
      return 0;
    });
    REQUIRE(child.wait_stopped());
    bool lost = false;
    CHECK(memory->try_hold(0, &lost).code == Code::kRegionBusy);
    CHECK(memory->hold(0, &lost).code == Code::kRegionBusy);
    if (dies) {
      child.kill_and_reap();
    } else {
      child.resume();
      CHECK_EQ(child.reap(), 0);
    }
    CHECK(memory->hold(0, &lost).ok());
    CHECK(lost);
    CHECK(all(*memory, 0, 32, 0));
    CHECK(all(*memory, 32, kUnits - 32, 7));
  }
}

// Between a look at the span and the mark the unit may have become another's follower.
TEST(a_purger_that_comes_late_to_what_follows_by_now_takes_nothing) {
  for (const bool dies : {false, true}) {
    const auto memory = make();
    hold(*memory, 0);
    split(*memory, 0, 32);
    fill(*memory, 0, 1);
    fill(*memory, 32, 2);
    memory->drop(32);
    Child child([&] {
      const auto other = attach(memory->fd());
      at_stage(Stage::kBeforeMark, stop_here);
      const uint64_t bytes = other->purge(32, 32);
      return bytes == 0 ? 0 : 1;
    });
    REQUIRE(child.wait_stopped());
    hold(*memory, 32);
    merge(*memory, 0, 32);
    memory->drop(32);
    if (dies) {
      child.kill_and_reap();
    } else {
      child.resume();
      CHECK_EQ(child.reap(), 0);
    }
    CHECK(all(*memory, 0, 32, 1));
    CHECK(all(*memory, 32, 32, 2));
  }
}

// One that dies between its mark and the step back leaves the follower's word as its purger.
TEST(a_dead_purger_of_what_follows_costs_nobody_his_bytes) {
  const auto memory = make();
  hold(*memory, 0);
  fill(*memory, 0, 3);
  const Control& tables = *memory->region()->tables();
  store_seq_cst(tables.word(32), purging_word(7, life_word(Phase::kActive, 1, 1)));
  bool lost = false;
  CHECK(memory->hold(32, &lost).ok());
  CHECK(all(*memory, 0, kUnits, 3));
  memory->drop(32);
  split(*memory, 0, 32);
  CHECK(all(*memory, 0, kUnits, 3));
}

// One process cuts and joins extents that it holds, and looks at their bytes; others purge all that they can, all the time.
TEST(purgers_take_nothing_that_is_held_while_extents_are_cut_and_joined) {
  const auto memory = make();
  std::vector<std::unique_ptr<Child>> purgers;
  Shared* words = shared_words();
  for (int i = 0; i < 2; ++i) {
    purgers.push_back(std::make_unique<Child>([&] {
      const auto other = attach(memory->fd());
      while (words->word[0] == 0) {
        other->purge(0, kUnits);
        ++words->word[1];
      }
      return 0;
    }));
  }
  uint64_t kept = 0, gone = 0;
  unsigned seed = 1;
  for (int round = 0; round < 3000 || (words->word[1] < 3000 && round < 300'000); ++round) {
    const auto next = [&] { return seed = seed * 1664525u + 1013904223u, seed >> 8; };
    const uint32_t at = 1 + next() % (kUnits - 1);
    const char value = static_cast<char>(1 + next() % 100);
    hold(*memory, 0);
    split(*memory, 0, at);
    fill(*memory, 0, value);
    fill(*memory, at, value + 1);
    const uint32_t generation = memory->generation(at);
    memory->drop(at);
    if (!all(*memory, 0, at, value)) CHECK(false);
    hold(*memory, at);
    if (!all(*memory, 0, at, value)) CHECK(false);
    // Whole, or gone and told.
    const bool told = memory->generation(at) != generation;
    if (!all(*memory, at, kUnits - at, told ? 0 : static_cast<char>(value + 1))) CHECK(false);
    ++(told ? gone : kept);
    merge(*memory, 0, at);
    memory->drop(at);
    if (!all(*memory, 0, at, value)) CHECK(false);
    memory->drop(0);
  }
  words->word[0] = 1;
  for (const auto& purger : purgers) CHECK_EQ(purger->reap(), 0);
  CHECK(gone > 0);
  CHECK(kept > 0);
}

TEST(a_plain_region_and_a_pool_are_not_taken_for_each_other) {
  const auto memory = make();
  const Result<std::unique_ptr<Region>> as_plain =
      test_backend().attach(Fd(dup(memory->fd())), options_of(RegionKind::kPlain));
  CHECK(as_plain.status().code == Code::kUntrustedFd);
  const Result<std::unique_ptr<Region>> as_cache =
      test_backend().attach(Fd(dup(memory->fd())), options_of(RegionKind::kCache));
  CHECK(as_cache.status().code == Code::kUntrustedFd);
  const Result<std::unique_ptr<Region>> plain = test_backend().create(options_of(RegionKind::kPlain));
  CHECK(plain.ok());
  CHECK(test_backend().attach(Fd(dup(plain.value()->fd())), options_of(RegionKind::kPool)).status().code ==
        Code::kUntrustedFd);
}

TEST(reads_without_a_hold_know_of_the_leaders_losses) {
  const auto memory = make();
  hold(*memory, 0);
  split(*memory, 0, 8);
  fill(*memory, 0, 8);
  memory->drop(0);
  ReadTicket ticket;
  CHECK(memory->begin_read(0, &ticket).ok());
  CHECK(ticket.valid);
  CHECK(memory->end_read(0, ticket));
  CHECK(memory->begin_read(0, &ticket).ok());
  memory->purge(0, 1);
  CHECK(!memory->end_read(0, ticket));
}

TEST(the_reclaimer_takes_extents_whole_by_their_priority_and_age) {
  const auto memory = make(true);
  if (memory->region()->backend() != std::string("memfd")) SKIP("the kernel's business");
  hold(*memory, 0);
  split(*memory, 0, 16, Priority::kPrecious);
  split(*memory, 16, 16, Priority::kNormal);
  split(*memory, 32, 16, Priority::kNormal);
  for (const uint64_t u : {0, 16, 32, 48}) fill(*memory, u, 1);
  memory->set_span(48, 16, Priority::kCheap);
  for (const uint64_t u : {0, 32}) memory->drop(u);
  nap_ms(120);  // for two moments to count as two
  for (const uint64_t u : {16, 48}) memory->drop(u);
  const uint64_t extent = 16 * memory->unit();
  const auto free_bytes = [&](uint64_t want) {
    const uint64_t before = pressure::watcher_stats().wakeups;
    pressure::demand(want);
    for (int i = 0; i < 30'000; ++i) {
      pressure::look();
      const pressure::WatcherStats now = pressure::watcher_stats();
      if (now.wakeups >= before + 2 && now.outstanding == 0) return;
      nap_ms(1);
    }
    CHECK(false);
  };
  const auto gone = [&](uint64_t u) { return all(*memory, u, 16, 0); };
  free_bytes(extent / 2);
  CHECK(gone(48));
  CHECK(all(*memory, 0, 48, 1));
  free_bytes(extent);
  CHECK(gone(32));
  CHECK(all(*memory, 0, 32, 1));
  free_bytes(extent);
  CHECK(gone(16));
  CHECK(all(*memory, 0, 16, 1));
  free_bytes(extent);
  CHECK(gone(0));
}
