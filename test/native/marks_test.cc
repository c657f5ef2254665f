// Watermarks, levels over time, and the lease: what needs no memory to be short.
#include "core/pressure/marks.h"
#include "core/pins/lease.h"
#include "native/check.h"

using namespace ashmem_compat;
using namespace ashmem_compat::pressure;

namespace {

constexpr uint64_t kMiB = uint64_t{1} << 20;

Reading bytes(uint64_t limit, uint64_t available) {
  Reading reading;
  reading.limit = limit;
  reading.available = available;
  return reading;
}

Reading stall(Level level) {
  Reading reading;
  reading.level = level;
  return reading;
}

}  // namespace

TEST(default_marks_are_a_part_of_the_limit_within_bounds) {
  const auto medium_of = [](uint64_t limit) {
    const Marks marks = default_marks(limit);
    CHECK_EQ(marks.low, 2 * marks.medium);
    CHECK_EQ(marks.critical, marks.medium / 2);
    CHECK(marks.low <= limit);
    return marks.medium;
  };
  CHECK_EQ(medium_of(256 * kMiB), 16 * kMiB);
  CHECK_EQ(medium_of(1024 * kMiB), 64 * kMiB);
  CHECK_EQ(medium_of(128 * kMiB), 16 * kMiB);
  CHECK_EQ(medium_of(64 * kMiB), 8 * kMiB);
  CHECK_EQ(medium_of(uint64_t{1} << 40), 256 * kMiB);
  CHECK_EQ(medium_of(8), uint64_t{1});
}

TEST(a_level_begins_below_its_mark) {
  const Marks marks = default_marks(256 * kMiB);
  const auto level_at = [&](uint64_t available) { return level_of(bytes(256 * kMiB, available), marks); };
  CHECK_EQ(level_at(32 * kMiB), Level::kNone);
  CHECK_EQ(level_at(32 * kMiB - 1), Level::kLow);
  CHECK_EQ(level_at(16 * kMiB), Level::kLow);
  CHECK_EQ(level_at(16 * kMiB - 1), Level::kMedium);
  CHECK_EQ(level_at(8 * kMiB - 1), Level::kCritical);
  CHECK_EQ(level_at(0), Level::kCritical);
  CHECK_EQ(shortfall(bytes(256 * kMiB, 16 * kMiB), marks), uint64_t{0});
  CHECK_EQ(shortfall(bytes(256 * kMiB, 15 * kMiB), marks), 5 * kMiB);
  CHECK_EQ(shortfall(stall(Level::kCritical), marks), uint64_t{0});
}

TEST(a_level_rises_at_once_and_falls_when_it_has_stayed_away) {
  const Marks marks = default_marks(256 * kMiB);
  LevelKeeper keeper;
  const auto see = [&](uint64_t available, uint64_t now_ms) {
    return keeper.update(bytes(256 * kMiB, available), marks, now_ms);
  };
  CHECK_EQ(see(100 * kMiB, 0), Level::kNone);
  CHECK_EQ(see(15 * kMiB, 1), Level::kMedium);
  CHECK_EQ(see(7 * kMiB, 2), Level::kCritical);
  CHECK_EQ(see(12 * kMiB, 3), Level::kCritical);   // too soon
  CHECK_EQ(see(9 * kMiB, 600), Level::kCritical);  // too near
  CHECK_EQ(see(12 * kMiB, 601), Level::kMedium);
  CHECK_EQ(see(19 * kMiB, 2000), Level::kMedium);
  CHECK_EQ(see(20 * kMiB, 2001), Level::kLow);
  CHECK_EQ(see(15 * kMiB, 2002), Level::kMedium);
  CHECK_EQ(see(200 * kMiB, 2501), Level::kMedium);
  CHECK_EQ(see(200 * kMiB, 2502), Level::kNone);
}

TEST(a_mark_near_the_limit_can_be_left_too) {
  Marks marks;
  marks.low = 170 * kMiB;
  marks.medium = marks.critical = kMiB;
  LevelKeeper keeper;
  CHECK_EQ(keeper.update(bytes(200 * kMiB, 160 * kMiB), marks, 0), Level::kLow);
  CHECK_EQ(keeper.update(bytes(200 * kMiB, 180 * kMiB), marks, 1000), Level::kLow);
  CHECK_EQ(keeper.update(bytes(200 * kMiB, 199 * kMiB), marks, 2000), Level::kNone);
  marks.medium = 190 * kMiB;
  CHECK(shortfall(bytes(200 * kMiB, 100 * kMiB), marks) <= 100 * kMiB);
}

TEST(a_stall_holds_its_level_for_a_moment_too) {
  LevelKeeper keeper;
  CHECK_EQ(keeper.update(stall(Level::kLow), {}, 0), Level::kLow);
  CHECK_EQ(keeper.update(stall(Level::kNone), {}, 499), Level::kLow);
  CHECK_EQ(keeper.update(stall(Level::kNone), {}, 500), Level::kNone);
}

TEST(a_lease_is_one_holders_until_it_lapses) {
  uint64_t word = 0;
  CHECK(!leased_to_another(&word, 1000, 1, 5));
  CHECK(take_lease(&word, 1000, 1, 5));
  CHECK(leased_to_another(&word, 1004, 2, 5));
  CHECK(!take_lease(&word, 1004, 2, 5));
  CHECK(take_lease(&word, 1004, 1, 5));
  CHECK(!take_lease(&word, 1008, 2, 5));
  CHECK(take_lease(&word, 1009, 2, 5));
  CHECK(!take_lease(&word, 1010, 1, 5));
}

TEST(a_lease_from_the_future_or_with_no_sense_stops_nobody) {
  uint64_t word = 0;
  CHECK(take_lease(&word, 1'000'000, 1, 5));
  CHECK(take_lease(&word, 10, 2, 5));
  word = ~uint64_t{0};
  CHECK(take_lease(&word, 123'456, 2, 5));
}
