// Pressure stall information, with real stalls: in a cgroup of our own, so that nobody else's are counted.
#include "native/check.h"
#include "native/limited_cgroup.h"
#include "native/pressure_gauges.h"

using namespace ashmem_compat;
using namespace ashmem_compat::testing;

namespace {

constexpr int kHangMs = 60'000;

// Microseconds in which some task of a cgroup has waited for memory. Reading it is what a second reader does: not while a trigger is
// to be shown to work.
uint64_t stalled(const std::string& file) {
  const std::string text = read_text(file);
  const size_t at = text.find("total=");
  return at == std::string::npos ? 0 : strtoull(text.c_str() + at + 6, nullptr, 10);
}

// A cgroup that is too small for what its processes read, and one of them that reads it.
class Stalls {
 public:
  // A little larger than the limit: pages that are read again long after they were dropped are no loss to the kernel, and no stall.
  Stalls() : file_(32 * kMiB) {
    if (file_.valid()) group_ = LimitedCgroup::make(24 * kMiB);
    if (group_ && !group_->tree().empty()) file_name_ = group_->tree() + "/memory.pressure";
    if (!file_name_.empty() && read_text(file_name_).find("total=") == std::string::npos) file_name_.clear();
  }
  bool possible() const { return !file_name_.empty(); }
  const std::string& file_name() const { return file_name_; }
  const LimitedCgroup& group() const { return *group_; }

  // v1: code that does not fit, and is waited for again and again. v2: memory above memory.high, for which the kernel makes each
  // further page wait, however slow or fast the machine is.
  void begin() {
    if (group_->is_v2() && !group_->set_high(8 * kMiB)) abort();
    for (std::unique_ptr<Child>& reader : readers_) {
      reader = group_->run([this] {
        if (!group_->is_v2()) file_.run_through(1, 0);
        GrowingMemfd kept;
        kept.grow(5 * kMiB);
        for (;;) {
          GrowingMemfd given_back;
          given_back.grow(kMiB);
        }
      });
    }
  }
  void end() {
    for (std::unique_ptr<Child>& reader : readers_) reader.reset();
    if (group_->is_v2()) write_text(group_->folder() + "/memory.high", "max");
  }
  // About as much as makes the first event of a trigger come.
  void begin_small() {
    readers_[0] = group_->run([this] { file_.run_through(64, 10); });
  }

 private:
  BigFile file_;
  std::unique_ptr<LimitedCgroup> group_;
  std::string file_name_;
  std::unique_ptr<Child> readers_[2];
};

// The gauge of the cgroup that the calling process is in.
Gauges open_stalls() { return source_named("psi")->open(); }

// Whether a trigger is armed.
bool waits(Gauge* gauge) {
  std::vector<pollfd> fds;
  gauge->wait_for(&fds);
  return !fds.empty();
}

// Calls of the read(2) kind that this process has made, without the one that asks. -1: not told.
long reads_made() {
  const std::string text = read_text("/proc/self/io");
  const size_t at = text.find("syscr: ");
  return at == std::string::npos ? -1 : atol(text.c_str() + at + 7);
}

void become_nobody() {
  if (setresgid(65534, 65534, 65534) != 0 || setresuid(65534, 65534, 65534) != 0) abort();
}

}  // namespace

TEST(an_armed_trigger_notices_stalls_and_its_file_is_not_read_before) {
  Stalls stalls;
  if (!stalls.possible()) SKIP("no cgroup with a limit and a memory.pressure can be made here");
  const auto child = stalls.group().run([&] {
    const Gauges gauges = open_stalls();
    Gauge* const gauge = gauge_at(gauges, stalls.file_name());
    REQUIRE(gauge);
    if (!waits(gauge)) SKIP("");
    const long before = reads_made();
    const long own = reads_made() - before;
    for (int i = 0; i < 100; ++i) {
      CHECK(look(gauge).guarded);
      wait_and_wake(gauge, 0);
    }
    if (before >= 0) CHECK(reads_made() - before <= 2 * own + 4);
    stalls.begin();
    Level level = Level::kNone;
    const uint64_t give_up = clock_ms() + kHangMs;
    while (level == Level::kNone && clock_ms() < give_up) {
      // Only events: while it is guarded nobody need look.
      if (wait_and_wake(gauge, kHangMs) > 0) level = look(gauge).level;
    }
    CHECK(level != Level::kNone);
    // Polled now, so nothing is armed; it gets worse while there are stalls, and ends when they do.
    CHECK(!waits(gauge));
    while (look(gauge).level < Level::kMedium && clock_ms() < give_up) nap_ms(20);
    CHECK(look(gauge).level >= Level::kMedium);
    CHECK(!waits(gauge));
    stalls.end();
    while (!look(gauge).guarded && clock_ms() < give_up) nap_ms(50);
    CHECK(waits(gauge));
    CHECK_EQ(look(gauge).level, Level::kNone);
  });
  const int result = child->reap();
  if (result == 77) SKIP("no trigger may be armed here");
  CHECK_EQ(result, 0);
}

TEST(a_false_event_raises_no_level) {
  Stalls stalls;
  if (!stalls.possible()) SKIP("no cgroup with a limit and a memory.pressure can be made here");
  const auto child = stalls.group().run([&] {
    const Gauges gauges = open_stalls();
    Gauge* const gauge = gauge_at(gauges, stalls.file_name());
    REQUIRE(gauge);
    std::vector<pollfd> fds;
    gauge->wait_for(&fds);
    if (fds.empty()) SKIP("");
    // One that the kernel never sent.
    fds[0].revents = POLLPRI;
    gauge->woken(fds[0]);
    Reading reading = look(gauge);
    CHECK_EQ(reading.level, Level::kNone);
    CHECK(reading.guarded);
    CHECK(waits(gauge));
    // Those that it may send after a few milliseconds of stall.
    const uint64_t before = stalled(stalls.file_name());
    stalls.begin_small();
    for (int i = 0; i < 20; ++i) {
      if (wait_and_wake(gauge, 100) == 0) continue;
      reading = look(gauge);
      const uint64_t growth = stalled(stalls.file_name()) - before;
      fprintf(stderr, "an event after %.1f ms of stall, level %d\n", static_cast<double>(growth) / 1000,
              static_cast<int>(reading.level));
      if (growth >= 35'000) break;
      CHECK_EQ(reading.level, Level::kNone);
    }
  });
  const int result = child->reap();
  if (result == 77) SKIP("no trigger may be armed here");
  CHECK_EQ(result, 0);
}

TEST(without_the_right_to_a_trigger_the_sums_are_polled) {
  Stalls stalls;
  if (!stalls.possible()) SKIP("no cgroup with a limit and a memory.pressure can be made here");
  const auto child = stalls.group().run([&] {
    become_nobody();
    const Gauges gauges = open_stalls();
    Gauge* const gauge = gauge_at(gauges, stalls.file_name());
    REQUIRE(gauge);
    CHECK(!waits(gauge));
    Reading reading = look(gauge);
    CHECK_EQ(reading.level, Level::kNone);
    CHECK(!reading.guarded);
  });
  CHECK_EQ(child->reap(), 0);
  // The same, but with the right to start what stalls.
  const auto other = stalls.group().run([&] {
    stalls.begin();
    if (setresuid(65534, 65534, 0) != 0) abort();
    const Gauges gauges = open_stalls();
    if (setresuid(0, 0, 0) != 0) abort();
    Gauge* const gauge = gauge_at(gauges, stalls.file_name());
    REQUIRE(gauge);
    CHECK(!waits(gauge));
    const uint64_t give_up = clock_ms() + kHangMs;
    while (look(gauge).level < Level::kMedium && clock_ms() < give_up) {
      CHECK(!look(gauge).guarded);
      nap_ms(20);
    }
    CHECK(look(gauge).level >= Level::kMedium);
    CHECK(!waits(gauge));
    stalls.end();
    while (look(gauge).level != Level::kNone && clock_ms() < give_up) nap_ms(50);
    CHECK_EQ(look(gauge).level, Level::kNone);
    CHECK(!waits(gauge));
  });
  CHECK_EQ(other->reap(), 0);
}

TEST(the_file_that_the_service_manager_names_is_left_to_it) {
  Stalls stalls;
  if (!stalls.possible()) SKIP("no cgroup with a limit and a memory.pressure can be made here");
  const auto child = stalls.group().run([&] {
    setenv("MEMORY_PRESSURE_WATCH", stalls.file_name().c_str(), 1);
    setenv("MEMORY_PRESSURE_WRITE", "c29tZSAzNTAwMCA1MDAwMDAA", 1);  // "some 35000 500000" and a NUL
    CHECK(!gauge_at(open_stalls(), stalls.file_name()));
    CHECK(source_named("service-manager")->probe().available);
    const Gauges gauges = source_named("service-manager")->open();
    if (gauges.empty()) SKIP("");
    Gauge* const gauge = gauges[0].get();
    CHECK_EQ(gauge->where(), stalls.file_name());
    CHECK_EQ(look(gauge).level, Level::kNone);
    CHECK(look(gauge).guarded);
    CHECK_EQ(wait_and_wake(gauge, 0), 0);
    stalls.begin();
    CHECK_EQ(wait_and_wake(gauge, kHangMs), 1);
    stalls.end();
    const uint64_t now = clock_ms();
    CHECK_EQ(look(gauge, now).level, Level::kMedium);
    unsetenv("MEMORY_PRESSURE_WATCH");
  });
  const int result = child->reap();
  if (result == 77) SKIP("no trigger may be armed here");
  CHECK_EQ(result, 0);
}
