// The gauges of cgroups, in real cgroups with real limits.
#include "native/check.h"
#include "native/limited_cgroup.h"
#include "native/pressure_gauges.h"

using namespace ashmem_compat;
using namespace ashmem_compat::testing;
using pressure::kUnknown;

namespace {

constexpr Marks kMarks = {48 * kMiB, 32 * kMiB, 16 * kMiB};

bool has_swap() {
  const std::string swaps = read_text("/proc/swaps");
  return swaps.find('\n') + 1 < swaps.size();
}

// Reads and waits as the watcher would after an event: not again before it may.
void rest(Gauge* gauge, const Reading& reading) {
  if (reading.again_ms == 0) return;
  nap_ms(static_cast<long>(reading.again_ms));
  look(gauge);
}

}  // namespace

// A threshold's event is there as soon as the memory is charged, so nothing is waited for.
TEST(an_event_comes_before_each_mark_of_v1) {
  const auto group = LimitedCgroup::make(128 * kMiB);
  if (!group) SKIP(kNoLimitedCgroup);
  if (group->is_v2()) SKIP("cgroup v2 has no thresholds");
  const auto child = group->run([&] {
    const Gauges gauges = source_named("cgroup-v1")->open();
    Gauge* const gauge = gauge_at(gauges, group->folder());
    REQUIRE(gauge);
    gauge->set_marks(kMarks);
    Reading reading = look(gauge);
    CHECK(reading.guarded);
    CHECK_EQ(reading.limit, 128 * kMiB);
    wait_and_wake(gauge, 0);
    rest(gauge, look(gauge));
    GrowingMemfd memory;
    std::vector<uint64_t> at;  // which available an event has told of
    bool awake = false;
    uint64_t last = reading.available;
    for (int step = 0; step < 118; ++step) {
      memory.grow(kMiB);
      if (wait_and_wake(gauge, 0) > 0) {
        awake = true;
        reading = look(gauge);
        at.push_back(reading.available);
        // Reclaim sends hundreds of events a second: none of those is waited for until it is time to look again.
        CHECK(reading.again_ms <= 10 && !reading.guarded);
        std::vector<pollfd> fds;
        gauge->wait_for(&fds);
        CHECK_EQ(fds.size(), size_t{reading.again_ms > 0 ? 1u : 2u});
        rest(gauge, reading);
      }
      reading = look(gauge);
      CHECK(reading.available <= last + kMiB);
      last = reading.available;
      if (reading.guarded) CHECK(reading.available > kMarks.low);
      if (reading.available <= kMarks.low) CHECK(awake);
    }
    CHECK(last < kMarks.critical);
    // One for each mark, at it or a little before.
    for (const uint64_t mark : {kMarks.low, kMarks.medium, kMarks.critical}) {
      bool told = false;
      for (const uint64_t available : at)
        told = told || (available <= mark + 8 * kMiB && available + 3 * kMiB >= mark);
      CHECK(told);
    }
    CHECK(gauge->shared_memory() >= memory.size() - 2 * kMiB);
    CHECK(gauge->shared_memory() <= 128 * kMiB);
  });
  CHECK_EQ(child->reap(), 0);
  CHECK_EQ(group->oom_kills(), uint64_t{0});
}

TEST(available_falls_with_usage) {
  const auto group = LimitedCgroup::make(96 * kMiB);
  if (!group) SKIP(kNoLimitedCgroup);
  const auto child = group->run([&] {
    const Gauges gauges = source_named(group->source())->open();
    Gauge* const gauge = gauge_at(gauges, group->folder());
    REQUIRE(gauge);
    CHECK(gauge->of_cgroup());
    gauge->set_marks(kMarks);
    const uint64_t before = look(gauge).available;
    CHECK(before > 80 * kMiB);
    GrowingMemfd memory;
    memory.grow(64 * kMiB);
    const uint64_t after = look(gauge).available;
    CHECK(after <= before - 62 * kMiB);
    CHECK(after + 70 * kMiB >= before);
  });
  CHECK_EQ(child->reap(), 0);
}

TEST(what_the_page_cache_has_is_available_until_others_take_it) {
  const BigFile file(80 * kMiB);
  if (!file.valid()) SKIP("no large file to read");
  const auto group = LimitedCgroup::make(64 * kMiB);
  if (!group) SKIP(kNoLimitedCgroup);
  const auto child = group->run([&] {
    const Gauges gauges = source_named(group->source())->open();
    Gauge* const gauge = gauge_at(gauges, group->folder());
    REQUIRE(gauge);
    gauge->set_marks({16 * kMiB, 8 * kMiB, 4 * kMiB});
    file.read_all();
    Reading reading = look(gauge);
    CHECK(group->usage() > 48 * kMiB);  // or there is nothing to tell from used memory
    CHECK(reading.available > 48 * kMiB);
    CHECK(!reading.guarded || group->usage() < 48 * kMiB);
    // v1 sends events of the reclaim that a neighbour's memory takes.
    while (wait_and_wake(gauge, 0) > 0) rest(gauge, look(gauge));
    rest(gauge, look(gauge));
    GrowingMemfd memory;
    int events = 0;
    for (int step = 0; step < 40; ++step) {
      memory.grow(kMiB);
      events += wait_and_wake(gauge, 0);
      rest(gauge, look(gauge));
    }
    reading = look(gauge);
    CHECK(reading.available < 26 * kMiB);
    if (!group->is_v2()) CHECK(events > 0);
    CHECK(gauge->shared_memory() >= 38 * kMiB);
  });
  CHECK_EQ(child->reap(), 0);
  CHECK_EQ(group->oom_kills(), uint64_t{0});
}

TEST(a_tighter_limit_above_has_a_gauge_of_its_own) {
  const auto parent = LimitedCgroup::make(64 * kMiB);
  if (!parent) SKIP(kNoLimitedCgroup);
  const auto group = LimitedCgroup::make(128 * kMiB, parent.get());
  REQUIRE(group);
  const auto child = group->run([&] {
    const Gauges gauges = source_named(group->source())->open();
    Gauge* const own = gauge_at(gauges, group->folder());
    Gauge* const above = gauge_at(gauges, parent->folder());
    REQUIRE(own && above);
    CHECK(gauges[0].get() == own);
    GrowingMemfd memory;
    memory.grow(40 * kMiB);
    own->set_marks(kMarks);
    above->set_marks(kMarks);
    const Reading near = look(own);
    const Reading tight = look(above);
    CHECK_EQ(near.limit, 128 * kMiB);
    CHECK_EQ(tight.limit, 64 * kMiB);
    CHECK(near.available > 64 * kMiB);
    CHECK(tight.available < 26 * kMiB);
    // What a sibling uses is missing above, and nowhere else.
    const auto sibling = LimitedCgroup::make(128 * kMiB, parent.get());
    REQUIRE(sibling);
    const auto other = sibling->run([] {
      GrowingMemfd more;
      more.grow(12 * kMiB);
      stop_here();
    });
    CHECK(other->wait_stopped());
    CHECK(look(above).available <= tight.available - 10 * kMiB);
    CHECK(look(own).available + 4 * kMiB >= near.available);
  });
  CHECK_EQ(child->reap(), 0);
}

TEST(a_limit_may_change_come_and_go) {
  const auto group = LimitedCgroup::make(128 * kMiB);
  if (!group) SKIP(kNoLimitedCgroup);
  const auto child = group->run([&] {
    const Gauges gauges = source_named(group->source())->open();
    Gauge* const gauge = gauge_at(gauges, group->folder());
    REQUIRE(gauge);
    gauge->set_marks(kMarks);
    uint64_t now = clock_ms();
    CHECK_EQ(look(gauge, now).limit, 128 * kMiB);
    CHECK(group->set_limit(80 * kMiB));
    now += 1000;
    CHECK_EQ(look(gauge, now).limit, 80 * kMiB);
    Reading reading = look(gauge, now += 1000);
    CHECK(reading.available <= 80 * kMiB);
    if (!group->is_v2()) {
      // The thresholds have moved along.
      CHECK(reading.guarded);
      wait_and_wake(gauge, 0);
      look(gauge, now += 1000);
      look(gauge, now += 1000);
      GrowingMemfd memory;
      memory.grow(40 * kMiB);
      CHECK(wait_and_wake(gauge, 0) > 0);
      look(gauge, now += 1000);
    } else {
      CHECK(group->set_high(64 * kMiB));
      CHECK_EQ(look(gauge, now += 1000).limit, 64 * kMiB);
      CHECK(write_text(group->folder() + "/memory.high", "max"));
    }
    CHECK(write_text(group->folder() + (group->is_v2() ? "/memory.max" : "/memory.limit_in_bytes"),
                     group->is_v2() ? "max" : "-1"));
    reading = look(gauge, now += 1000);
    CHECK_EQ(reading.limit, uint64_t{0});
    CHECK_EQ(reading.available, kUnknown);
    CHECK(group->set_limit(100 * kMiB));
    CHECK_EQ(look(gauge, now += 1000).limit, 100 * kMiB);
  });
  CHECK_EQ(child->reap(), 0);
}

TEST(memory_high_is_a_limit_and_meeting_it_an_event) {
  const auto group = LimitedCgroup::make(128 * kMiB);
  if (!group) SKIP(kNoLimitedCgroup);
  if (!group->is_v2()) SKIP("cgroup v1 has no memory.high");
  const auto child = group->run([&] {
    CHECK(group->set_high(48 * kMiB));
    const Gauges gauges = source_named("cgroup-v2")->open();
    Gauge* const gauge = gauge_at(gauges, group->folder());
    REQUIRE(gauge);
    gauge->set_marks({16 * kMiB, 8 * kMiB, 4 * kMiB});
    Reading reading = look(gauge);
    CHECK_EQ(reading.limit, 48 * kMiB);
    CHECK(!reading.guarded);
    // None before the limit is met, and the ones that were are not told again.
    GrowingMemfd memory;
    memory.grow(24 * kMiB);
    CHECK_EQ(wait_and_wake(gauge, 0), 0);
    memory.grow(26 * kMiB);
    CHECK_EQ(wait_and_wake(gauge, 60'000), 1);
    std::vector<pollfd> fds;
    gauge->wait_for(&fds);
    CHECK(fds.empty());  // before it was read
    reading = look(gauge);
    CHECK(reading.available < 2 * kMiB);
    CHECK(reading.again_ms > 0);
  });
  CHECK_EQ(child->reap(), 0);
  CHECK_EQ(group->oom_kills(), uint64_t{0});
}

TEST(a_moved_process_is_noticed_and_a_removed_cgroup) {
  auto group = LimitedCgroup::make(64 * kMiB);
  const auto next = LimitedCgroup::make(64 * kMiB);
  if (!group || !next) SKIP(kNoLimitedCgroup);
  const std::string folder = group->folder();
  const auto child = group->run([&] {
    const uint64_t membership = pressure::cgroup_membership();
    CHECK(membership != 0);
    CHECK_EQ(pressure::cgroup_membership(), membership);
    const Gauges gauges = source_named(group->source())->open();
    Gauge* const gauge = gauge_at(gauges, folder);
    REQUIRE(gauge);
    gauge->set_marks({16 * kMiB, 8 * kMiB, 4 * kMiB});
    look(gauge);
    CHECK(next->enter());
    CHECK(pressure::cgroup_membership() != membership);
    const Gauges anew = source_named(group->source())->open();
    CHECK(gauge_at(anew, next->folder()));
    CHECK(!gauge_at(anew, folder));
    CHECK_EQ(rmdir(folder.c_str()), 0);
    // Its event, if there is one, is taken away; then there is nothing to read.
    wait_and_wake(gauge, 0);
    Reading reading;
    CHECK(!gauge->read(clock_ms() + 1000, &reading));
    CHECK(!gauge->read(clock_ms() + 2000, &reading));
    for (int i = 0; i < 3; ++i) wait_and_wake(gauge, 0);
  });
  CHECK_EQ(child->reap(), 0);
}

TEST(without_swap_stalls_stay_silent_while_the_limit_comes_near) {
  if (has_swap()) SKIP("there is swap");
  const auto group = LimitedCgroup::make(96 * kMiB);
  if (!group) SKIP(kNoLimitedCgroup);
  if (group->tree().empty()) SKIP("no memory.pressure of a cgroup's own");
  const auto child = group->run([&] {
    const Gauges gauges = source_named(group->source())->open();
    Gauge* const gauge = gauge_at(gauges, group->folder());
    REQUIRE(gauge);
    const Gauges psi = source_named("psi")->open();
    Gauge* const stalls = gauge_at(psi, group->tree() + "/memory.pressure");
    if (!stalls) SKIP("no pressure stall information");
    gauge->set_marks(kMarks);
    GrowingMemfd memory;
    Reading reading = look(gauge);
    bool passed[3] = {false, false, false};
    // To 8 MiB below the limit.
    while (reading.available > 8 * kMiB && memory.size() < 96 * kMiB) {
      memory.grow(kMiB);
      reading = look(gauge);
      passed[0] |= reading.available < kMarks.low;
      passed[1] |= reading.available < kMarks.medium;
      passed[2] |= reading.available < kMarks.critical;
      wait_and_wake(stalls, 0);
      CHECK_EQ(look(stalls).level, Level::kNone);
    }
    CHECK(passed[0] && passed[1] && passed[2]);
  });
  CHECK_EQ(child->reap(), 0);
  CHECK_EQ(group->oom_kills(), uint64_t{0});
}
