// The parts of the cache that are code over arrays: hash, index, policy, fills. Each is given nonsense too.
#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <map>
#include <memory>
#include <random>
#include <set>
#include <thread>
#include <vector>

#include "core/cache/fill_watch.h"
#include "core/cache/fills.h"
#include "core/cache/index.h"
#include "core/cache/policy.h"
#include "core/cache/siphash.h"
#include "core/platform/clock.h"
#include "native/check.h"

using namespace ashmem_compat;

TEST(siphash_gives_the_values_of_its_authors) {
  // vectors_sip64 of the reference implementation: key 00..0f, inputs 00, 00 01, ... of 0 to 15 bytes; in part.
  char input[16];
  for (int i = 0; i < 16; ++i) input[i] = static_cast<char>(i);
  const HashKey key{0x0706050403020100u, 0x0f0e0d0c0b0a0908u};
  CHECK_EQ((siphash<2, 4>(key, input, 0)), uint64_t{0x726fdb47dd0e0e31u});
  CHECK_EQ((siphash<2, 4>(key, input, 1)), uint64_t{0x74f839c593dc67fdu});
  CHECK_EQ((siphash<2, 4>(key, input, 7)), uint64_t{0xab0200f58b01d137u});
  CHECK_EQ((siphash<2, 4>(key, input, 8)), uint64_t{0x93f5f5799a932462u});
  CHECK_EQ((siphash<2, 4>(key, input, 15)), uint64_t{0xa129ca6149be45e5u});
}

namespace {

struct IndexArrays {
  explicit IndexArrays(uint32_t entries)
      : slots(CacheIndex::slots_for(entries)), index(slots.data(), slots.size(), entries, &moves) {}
  std::vector<uint64_t> slots;
  uint64_t moves = 0;
  CacheIndex index;
  uint32_t find(uint64_t hash, uint32_t wanted) {
    return index.find(hash, [wanted](uint32_t e) { return e == wanted; });
  }
};

uint64_t mixed(uint64_t x) {
  x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
  x = (x ^ x >> 27) * 0x94d049bb133111ebu;
  return x ^ x >> 31;
}

}  // namespace

TEST(index_finds_what_is_there_and_nothing_else) {
  constexpr uint32_t kEntries = 500;
  std::mt19937_64 random(7);
  IndexArrays a(kEntries);
  std::map<uint32_t, uint64_t> there;
  for (int step = 0; step < 200'000; ++step) {
    const uint32_t entry = static_cast<uint32_t>(random() % kEntries);
    const auto found = there.find(entry);
    if (found == there.end()) {
      // A few homes for all, at the end of the table, so that runs are long and go round.
      const uint64_t hash = (random() % 8 == 0 ? ~uint64_t{0} - (random() % 4 << 32) : mixed(random()));
      CHECK(a.index.insert(hash, entry));
      there[entry] = hash;
    } else {
      CHECK(a.index.remove(found->second, entry));
      CHECK(!a.index.remove(found->second, entry));
      there.erase(found);
    }
    if (step % 1000 == 0) {
      for (uint32_t e = 0; e < kEntries; ++e) {
        const auto it = there.find(e);
        if (it != there.end()) CHECK_EQ(a.find(it->second, e), e);
      }
      CHECK_EQ(static_cast<size_t>(
                   std::count_if(a.slots.begin(), a.slots.end(), [](uint64_t w) { return w != 0; })),
               there.size());
      CHECK_EQ(a.moves % 2, uint64_t{0});
    }
  }
}

TEST(a_find_that_misses_what_moves_can_tell) {
  constexpr uint32_t kEntries = 64;
  IndexArrays a(kEntries);
  constexpr uint64_t kHash = uint64_t{5} << 32;
  // Entry 40 is there all the time; others with the same home come and go before it.
  for (uint32_t e = 0; e < 20; ++e) a.index.insert(kHash, e);
  a.index.insert(kHash, 40);
  std::atomic<bool> stop{false};
  std::atomic<uint64_t> unsettled{0}, lost{0}, found{0};
  std::thread reader([&] {
    while (!stop) {
      const uint64_t before = a.index.moves();
      if (a.find(kHash, 40) == 40) {
        ++found;
      } else if (!a.index.settled(before)) {
        ++unsettled;
      } else {
        ++lost;
      }
    }
  });
  for (uint32_t round = 0; round < 200'000 || found == 0; ++round) {
    const uint32_t e = round % 20;
    a.index.remove(kHash, e);
    a.index.insert(kHash, e);
  }
  stop = true;
  reader.join();
  CHECK_EQ(lost.load(), uint64_t{0});
}

TEST(index_survives_nonsense) {
  IndexArrays a(100);
  std::mt19937_64 random(1);
  for (int round = 0; round < 200; ++round) {
    for (uint64_t& w : a.slots) w = random();
    if (round % 2) std::fill(a.slots.begin(), a.slots.end(), random());
    a.index.insert(random(), 3);
    a.index.remove(a.slots[static_cast<size_t>(random() % a.slots.size())], 5);
    const uint32_t e = a.index.find(a.slots[0], [](uint32_t) { return true; });
    CHECK(e == CacheIndex::kNone || e < 100);
  }
  a.index.clear();
  a.index.filled();
  CHECK(a.index.insert(9, 1));
}

namespace {

struct PolicyArrays {
  PolicyArrays(uint32_t count, uint64_t capacity)
      : nodes(count),
        ghosts(Policy::ghosts_for(count)),
        policy(&state, nodes.data(), sizeof(PolicyNode), count, ghosts.data(), ghosts.size(), capacity) {}
  std::vector<PolicyNode> nodes;
  std::vector<uint64_t> ghosts;
  PolicyState state{};
  Policy policy;
};

}  // namespace

TEST(what_is_used_again_outlives_what_is_used_once) {
  PolicyArrays a(100, 100);
  for (uint32_t i = 0; i < 100; ++i) CHECK(a.policy.insert(i, 1, mixed(i)));
  for (uint32_t i = 0; i < 10; ++i) {
    for (int use = 0; use < 3; ++use) Policy::touch(a.policy.node(i * 7));
  }
  std::set<uint32_t> gone;
  for (int n = 0; n < 80; ++n) {
    uint32_t victim;
    REQUIRE(a.policy.candidate(&victim));
    REQUIRE(victim < 100);
    CHECK(a.policy.evict(victim, mixed(victim)));
    CHECK(gone.insert(victim).second);
  }
  for (uint32_t i = 0; i < 10; ++i) CHECK(gone.count(i * 7) == 0);
}

TEST(what_comes_back_soon_goes_to_the_main_queue) {
  PolicyArrays a(100, 100);
  for (uint32_t i = 0; i < 100; ++i) CHECK(a.policy.insert(i, 1, mixed(i)));
  uint32_t victim;
  CHECK(a.policy.candidate(&victim));
  CHECK_EQ(victim, 0u);
  CHECK(a.policy.evict(victim, mixed(0)));
  CHECK(a.policy.insert(0, 1, mixed(0)));
  CHECK_EQ(int{a.policy.node(0)->queue}, int{kMainQueue});
  CHECK(a.policy.remove(0));
  CHECK(a.policy.insert(0, 1, mixed(12345)));
  CHECK_EQ(int{a.policy.node(0)->queue}, int{kSmallQueue});
}

TEST(what_is_spared_is_not_offered_before_the_others) {
  PolicyArrays a(10, 10);
  for (uint32_t i = 0; i < 10; ++i) CHECK(a.policy.insert(i, 1, mixed(i)));
  std::set<uint32_t> offered;
  for (uint32_t i = 0; i < 10; ++i) {
    uint32_t victim;
    CHECK(a.policy.candidate(&victim));
    CHECK(offered.insert(victim).second);
    CHECK(a.policy.spare(victim));
  }
  CHECK_EQ(a.policy.weight(kMainQueue), uint64_t{10});
}

TEST(policy_survives_nonsense) {
  std::mt19937_64 random(3);
  for (int round = 0; round < 2000; ++round) {
    PolicyArrays a(50, 1000);
    for (uint32_t i = 0; i < 50; ++i) a.policy.insert(i, 1 + static_cast<uint32_t>(random() % 40), mixed(i));
    for (int n = 0; n < 1 + round % 30; ++n) {
      char* p = random() % 4 == 0 ? reinterpret_cast<char*>(&a.state)
                                  : reinterpret_cast<char*>(&a.nodes[static_cast<size_t>(random() % 50)]);
      const uint32_t value =
          random() % 2 ? static_cast<uint32_t>(random() % 60) : static_cast<uint32_t>(random());
      memcpy(p + random() % 4 * 4, &value, 4);
    }
    for (int n = 0; n < 100; ++n) {
      uint32_t victim = 0;
      if (!a.policy.candidate(&victim) || victim == Policy::kNone) break;
      REQUIRE(victim < 50);
      const bool done = n % 3 ? a.policy.evict(victim, mixed(victim)) : a.policy.spare(victim);
      if (!done) break;
    }
    // Made anew, all are there again.
    a.policy.clear();
    for (uint32_t i = 0; i < 50; ++i) CHECK(a.policy.restore(i));
    std::set<uint32_t> gone;
    uint32_t victim = 0;
    while (a.policy.candidate(&victim) && victim != Policy::kNone && a.policy.evict(victim, 1))
      gone.insert(victim);
    CHECK_EQ(gone.size(), size_t{50});
  }
}

namespace {

struct FillArrays {
  FillArrays() : memory(new (std::align_val_t{64}) char[Fills::bytes()]()), fills(memory) {}
  ~FillArrays() { operator delete[](memory, std::align_val_t{64}); }
  char* memory;
  Fills fills;
  Fills::Begin begin(
      uint64_t hash, uint64_t me, FillTicket* t, uint64_t take_over = 0,
      std::function<bool(uint64_t)> dead = [](uint64_t) { return false; }) {
    return fills.begin(hash, me, now_ms(), take_over, dead, t);
  }
};

struct Heard : FillWatch::Listener {
  void on_over(uint64_t id, FillWatch::Why why) override {
    const std::lock_guard<std::mutex> guard(mutex);
    over[id] = why;
    condition.notify_all();
  }
  // Waits for it, however long.
  FillWatch::Why wait(uint64_t id) {
    std::unique_lock<std::mutex> guard(mutex);
    condition.wait(guard, [&] { return over.count(id) != 0; });
    return over[id];
  }
  std::mutex mutex;
  std::condition_variable condition;
  std::map<uint64_t, FillWatch::Why> over;
};

}  // namespace

TEST(one_fills_and_the_others_wait_for_that_fill) {
  FillArrays a;
  FillTicket mine, theirs, next;
  CHECK_EQ(a.begin(77, 1, &mine), Fills::Begin::kMine);
  CHECK_EQ(a.begin(77, 2, &theirs), Fills::Begin::kWait);
  CHECK_EQ(theirs.token, mine.token);
  CHECK_EQ(a.begin(78, 2, &next), Fills::Begin::kMine);
  CHECK_EQ(a.fills.active(), 2u);
  CHECK(!a.fills.over(theirs));
  CHECK(a.fills.end(mine));
  CHECK(!a.fills.end(mine));
  CHECK(a.fills.over(theirs));
  CHECK_EQ(a.begin(77, 2, &theirs), Fills::Begin::kMine);
  a.fills.overtake(77);
  CHECK(a.fills.over(theirs));
  CHECK(!a.fills.end(theirs));
  CHECK_EQ(a.fills.active(), 1u);
}

TEST(a_fill_is_taken_over_by_one_only) {
  FillArrays a;
  FillTicket first, second, third;
  CHECK_EQ(a.begin(5, 1, &first), Fills::Begin::kMine);
  CHECK_EQ(a.begin(5, 2, &second, first.token), Fills::Begin::kMine);
  CHECK_EQ(a.begin(5, 3, &third, first.token), Fills::Begin::kWait);
  CHECK_EQ(third.token, second.token);
  CHECK(!a.fills.end(first));
  CHECK(a.fills.end(second));
}

TEST(a_full_window_is_cleared_of_the_dead) {
  FillArrays a;
  FillTicket t;
  int taken = 0;
  while (a.begin(uint64_t{9} << 32 | static_cast<uint64_t>(taken + 1), 1, &t) == Fills::Begin::kMine) ++taken;
  CHECK_EQ(taken, 64);
  CHECK_EQ(a.begin(uint64_t{9} << 32 | 1000, 2, &t), Fills::Begin::kFull);
  CHECK_EQ(a.begin(uint64_t{9} << 32 | 1000, 2, &t, 0, [](uint64_t owner) { return owner == 1; }),
           Fills::Begin::kMine);
  CHECK_EQ(a.fills.active(), 64u);
}

TEST(who_waits_hears_of_the_end_of_death_and_of_being_stuck) {
  FillArrays a;
  Heard heard;
  std::atomic<uint64_t> dead{0};
  FillWatch watch(
      a.fills, [&](uint64_t owner) { return owner == dead; }, 600, &heard);
  FillTicket ended, died, stuck, none;
  CHECK_EQ(a.begin(1u << 21, 1, &ended), Fills::Begin::kMine);
  CHECK_EQ(a.begin(2u << 21, 2, &died), Fills::Begin::kMine);
  CHECK_EQ(a.begin(3u << 21, 3, &stuck), Fills::Begin::kMine);
  watch.add(1, ended);
  watch.add(2, died);
  watch.add(3, stuck);
  watch.add(4, none);
  CHECK(a.fills.end(ended));
  a.fills.announce();
  CHECK_EQ(heard.wait(1), FillWatch::Why::kOver);
  CHECK_EQ(heard.wait(4), FillWatch::Why::kOver);
  dead = 2;
  CHECK_EQ(heard.wait(2), FillWatch::Why::kDead);
  CHECK_EQ(heard.wait(3), FillWatch::Why::kStuck);
  // What is over already is told at once, and a second thread comes after the first has gone.
  watch.add(5, ended);
  CHECK_EQ(heard.wait(5), FillWatch::Why::kOver);
  watch.add(6, none);
  CHECK_EQ(heard.wait(6), FillWatch::Why::kOver);
  watch.stop();
}

TEST(who_has_been_removed_hears_nothing) {
  FillArrays a;
  Heard heard;
  constexpr uint64_t kNeverStuckMs = 3'600'000;
  FillWatch watch(
      a.fills, [](uint64_t) { return false; }, kNeverStuckMs, &heard);
  FillTicket fill;
  CHECK_EQ(a.begin(1u << 21, 1, &fill), Fills::Begin::kMine);
  watch.add(1, fill);
  watch.add(2, fill);
  watch.remove(1);
  CHECK(a.fills.end(fill));
  a.fills.announce();
  CHECK_EQ(heard.wait(2), FillWatch::Why::kOver);
  watch.stop();
  CHECK_EQ(heard.over.count(1), size_t{0});
}

TEST(fills_survive_nonsense) {
  std::mt19937_64 random(11);
  FillArrays a;
  for (int round = 0; round < 2000; ++round) {
    for (int n = 0; n < 200; ++n) {
      const uint64_t value = random() % 3 ? random() : random() % 4;
      memcpy(a.memory + random() % (Fills::bytes() / 8) * 8, &value, 8);
    }
    FillTicket t{static_cast<uint32_t>(random()), random()};
    a.fills.end(t);
    a.begin(random() % 5, 1, &t);
    a.fills.overtake(random() % 5);
    a.fills.announce();
  }
  a.fills.recount();
}
