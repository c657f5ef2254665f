// Backends whose kernel discards by itself: K1 to K5 of docs/protocol.md, with processes that are killed and stopped inside each, and a
// kernel that is made to discard for real.
#include <errno.h>

#include "core/backends/vrange_call.h"
#include "native/check.h"
#include "native/processes.h"
#include "native/seccomp.h"
#include "vrange/control.h"

using namespace ashmem_compat;
using namespace ashmem_compat::testing;

namespace {

const uint64_t kPage = page_size();
constexpr char kDropCaches[] = "/proc/sys/vm/drop_caches";

// Under a supervisor that plays the kernel, its order does what the file does elsewhere.
bool supervised() { return getenv("ASHMEM_COMPAT_TEST_VRANGE_PURGE") != nullptr; }

bool can_discard() { return supervised() || access(kDropCaches, W_OK) == 0; }

// Makes the kernel discard everything that is unpinned, of every region: its shrinker goes from the longest unpinned to the latest, so
// when it has taken a region that was unpinned last of all, it has taken the others. That one is large and one unit, because the kernel
// does not look at a list of a few pages.
bool discard_by_kernel() {
  if (supervised()) return vrange_purge() >= 0;
  static std::unique_ptr<Region> last;
  static pid_t owner = 0;
  RegionOptions options;
  options.size = 16u << 20;
  options.granularity = options.size;
  if (owner != getpid()) {
    last.release();  // of the process that this one was forked from: not ours to close
    last = std::move(test_backend().create(options).value());
    owner = getpid();
  }
  for (int i = 0; i < 200; ++i) {
    last->mapping()->data()[0] = 1;  // what was never there is not lost
    if (unpin(*last, 0, options.size) != Code::kOk) return false;
    Fd file(open(kDropCaches, O_WRONLY));
    if (write(file.get(), "2", 1) != 1) return false;
    if (pin(*last, 0, options.size).purged) return true;
  }
  return false;
}

constexpr uint64_t kUnits = 8;

// Eight units of sevens, all unpinned.
std::unique_ptr<Region> filled_region(uint32_t busy_ms = 1000, uint32_t max_processes = 0) {
  auto a = make_region(kUnits * kPage, max_processes, busy_ms);
  fill(*a, 0, kUnits * kPage, 7);
  unpin(*a, 0, kUnits * kPage);
  return a;
}

const Stage kKernelStages[] = {Stage::kGivenUp, Stage::kBeforeKernelPin, Stage::kKernelPinned,
                               Stage::kBeforeKernelUnpin, Stage::kKernelUnpinned};

std::string at(Stage stage, int nth) {
  return "at stage " + std::to_string(static_cast<int>(stage)) + ", time " + std::to_string(nth);
}

// Pins each unit by itself: whatever is not told as lost must be whole. Gives the number of losses, or -1.
int losses(Region& region, const std::string& when) {
  int lost = 0;
  for (uint64_t u = 0; u < kUnits; ++u) {
    const Pinned pinned = pin(region, u * kPage, kPage);
    if (pinned.code != Code::kOk) {
      check::fail(__FILE__, __LINE__,
                  "a pin failed with " + std::to_string(static_cast<int>(pinned.code)) + " " + when);
      return -1;
    }
    if (pinned.purged) {
      ++lost;
    } else if (!all(region, u * kPage, kPage, 7)) {
      check::fail(__FILE__, __LINE__, "unit " + std::to_string(u) + " was lost in silence " + when);
      return -1;
    }
  }
  return lost;
}

// What passes through K1 and K2 of every unit, and through a purge of the first two.
void use(Region& region) {
  pin(region, 2 * kPage, 6 * kPage);
  unpin(region, 2 * kPage, 6 * kPage);
  purge(region, 0, 2 * kPage);
}

}  // namespace

TEST(a_kernel_that_discards_is_here) {
  if (!kernel_discards()) SKIP("the kernel does not discard regions of this backend");
  if (!can_discard()) SKIP("only root may write to /proc/sys/vm/drop_caches");
  auto a = filled_region();
  CHECK(discard_by_kernel());
  CHECK(pin(*a, 0, kUnits * kPage).purged);
  CHECK(all(*a, 0, kUnits * kPage, 0));
}

TEST(a_death_inside_the_kernels_calls_is_never_silent) {
  if (!kernel_discards() || !can_discard()) SKIP("no kernel that can be made to discard");
  for (const Stage stage : kKernelStages) {
    for (int nth : {1, 2, 4}) {
      for (bool discards : {false, true}) {
        for (bool attached : {false, true}) {
          auto a = filled_region();
          Child child([&] {
            auto b = attach_or_exit(a->fd());
            at_stage(stage, die_here, nth);
            use(*b);
            return 0;
          });
          child.reap();
          if (discards) CHECK(discard_by_kernel());
          const std::string when = at(stage, nth) + (discards ? ", discarded" : "");
          // The object that was there before, or one for which the generations say nothing.
          std::unique_ptr<Region> late = attached ? nullptr : attach_or_exit(a->fd());
          losses(attached ? *a : *late, when);
        }
      }
    }
  }
}

TEST(nothing_is_reported_lost_that_a_dead_process_was_only_unpinning) {
  if (!kernel_discards()) SKIP("the kernel does not discard regions of this backend");
  for (const Stage stage : {Stage::kGivenUp, Stage::kBeforeKernelUnpin, Stage::kKernelUnpinned}) {
    auto a = filled_region();
    Child child([&] {
      auto b = attach_or_exit(a->fd());
      pin(*b, 0, kUnits * kPage);
      at_stage(stage, die_here);
      unpin(*b, 0, kUnits * kPage);
      return 0;
    });
    CHECK_EQ(child.reap(), -SIGKILL);
    // Without pressure the kernel discards nothing.
    CHECK_EQ(losses(*a, at(stage, 1)), 0);
  }
}

TEST(the_kernels_answer_is_not_lost_with_who_asked) {
  if (!kernel_discards() || !can_discard()) SKIP("no kernel that can be made to discard");
  auto a = filled_region();
  CHECK(discard_by_kernel());
  Child child([&] {
    auto b = attach_or_exit(a->fd());
    at_stage(Stage::kKernelPinned, die_here);
    pin(*b, 0, kPage);  // the kernel says 'purged', to this process and to nobody ever again
    return 0;
  });
  CHECK_EQ(child.reap(), -SIGKILL);
  auto late = attach_or_exit(a->fd());
  CHECK(pin(*a, 0, kPage).purged);
  fill(*a, 0, kPage, 7);
  CHECK_EQ(pin(*late, 0, kPage).code, Code::kOk);
  CHECK_EQ(losses(*a, "after the answer was lost"), 7);
}

TEST(what_nobody_alive_holds_can_be_discarded_after_the_next_meeting) {
  if (!kernel_discards() || !can_discard()) SKIP("no kernel that can be made to discard");
  enum Meeting { kUnpin, kPurge, kAttach };
  for (const Stage stage : {Stage::kTaken, Stage::kGivenUp, Stage::kBeforeKernelPin, Stage::kKernelPinned,
                            Stage::kBeforeKernelUnpin, Stage::kKernelUnpinned}) {
    for (const Meeting meeting : {kUnpin, kPurge, kAttach}) {
      auto a = filled_region();
      Child child([&] {
        auto b = attach_or_exit(a->fd());
        if (stage == Stage::kTaken) {
          pin(*b, 0, kUnits * kPage);
          die_here();
        }
        at_stage(stage, die_here);
        pin(*b, 0, kUnits * kPage);
        unpin(*b, 0, kUnits * kPage);
        return 0;
      });
      CHECK_EQ(child.reap(), -SIGKILL);
      if (meeting == kUnpin) {
        CHECK_EQ(pin(*a, 0, kUnits * kPage).code, Code::kOk);
        fill(*a, 0, kUnits * kPage, 7);  // vrange calls lost what was there, and nothing else
        CHECK_EQ(unpin(*a, 0, kUnits * kPage), Code::kOk);
      } else if (meeting == kPurge) {
        purge(*a, 0, kPage);
        purge(*a, kPage, 7 * kPage);
      } else {
        Child next([&] {
          auto b = attach_or_exit(a->fd());
          return 0;
        });
        CHECK_EQ(next.reap(), 0);
      }
      CHECK(discard_by_kernel());
      RegionStats stats;
      CHECK(a->stats(&stats).ok());
      if (stats.resident != 0 || stats.purged != kUnits * kPage) {
        check::fail(__FILE__, __LINE__,
                    at(stage, 1) + ", meeting " + std::to_string(meeting) + ": resident " +
                        std::to_string(stats.resident) + ", purged " + std::to_string(stats.purged));
      }
      CHECK(pin(*a, 0, kUnits * kPage).purged);
    }
  }
}

TEST(a_purge_sees_a_death_that_has_only_just_happened) {
  if (!kernel_discards()) SKIP("the kernel does not discard regions of this backend");
  auto a = filled_region();
  int missed = 0;
  for (int i = 0; i < 50; ++i) {
    Child child([&] {
      auto b = attach_or_exit(a->fd());
      pin(*b, 0, kPage);
      stop_here();
      return 0;
    });
    REQUIRE(child.wait_stopped());
    pin(*a, 0, kPage);
    unpin(
        *a, 0,
        kPage);  // looks at the other holder, who is alive: that must not be remembered for longer than this
    child.kill_and_reap();
    if (purge(*a, 0, kPage) != kPage) ++missed;
    CHECK_EQ(pin(*a, 0, kPage).code, Code::kOk);
    fill(*a, 0, kPage, 7);
    unpin(*a, 0, kPage);
  }
  CHECK_EQ(missed, 0);
}

TEST(a_process_that_is_stopped_inside_delays_others_for_a_bounded_time_only) {
  if (!kernel_discards()) SKIP("the kernel does not discard regions of this backend");
  for (const Stage stage :
       {Stage::kBeforeKernelPin, Stage::kKernelPinned, Stage::kBeforeKernelUnpin, Stage::kKernelUnpinned}) {
    auto a = filled_region(50);
    Child child([&] {
      auto b = attach_or_exit(a->fd());
      at_stage(stage, stop_here);
      pin(*b, 0, 2 * kPage);
      unpin(*b, 0, 2 * kPage);
      return 0;
    });
    REQUIRE(child.wait_stopped());
    alarm(60);  // the hang that must not be
    CHECK_EQ(pin(*a, 0, kPage).code, Code::kRegionBusy);
    CHECK_EQ(pin(*a, 2 * kPage, 6 * kPage).code, Code::kOk);  // the others are not concerned
    CHECK_EQ(unpin(*a, 2 * kPage, 6 * kPage), Code::kOk);
    purge(*a, 0, kPage);
    ReadTicket ticket;
    CHECK(a->begin_read(0, kPage, &ticket).ok() && !ticket.valid);
    auto late = try_attach(a->fd(), 50);
    CHECK(late.ok());
    CHECK_EQ(unpin(*a, 0, kPage), Code::kNotPinned);  // the failed pin holds nothing
    child.resume();
    CHECK_EQ(child.reap(), 0);
    alarm(0);
    CHECK_EQ(losses(*a, at(stage, 1)), 0);
  }
}

TEST(one_that_is_stopped_inside_its_purge_harms_nobody_when_it_wakes) {
  if (!kernel_discards()) SKIP("the kernel does not discard regions of this backend");
  auto a = filled_region(50);
  Child child([&] {
    auto b = attach_or_exit(a->fd());
    at_stage(Stage::kMarked, stop_here);
    return purge(*b, 0, kUnits * kPage) == kUnits * kPage ? 0 : 1;
  });
  REQUIRE(child.wait_stopped());
  CHECK_EQ(pin(*a, 0, kPage).code, Code::kRegionBusy);
  child.resume();
  CHECK_EQ(child.reap(), 0);
  CHECK_EQ(losses(*a, "after a purge"), static_cast<int>(kUnits));
}

// A call of the driver's ends the process that makes it.
namespace {

// The call that pins and unpins in the kernel.
long kernel_call() { return on("vrange") ? vrange::proven().number : SYS_ioctl; }

}  // namespace

TEST(pins_beside_pins_make_no_call_of_the_driver) {
  if (!kernel_discards()) SKIP("no kernel that discards by itself");
  auto a = make_region(4 * kPage);
  const auto pairs = [](Region& region) {
    for (int i = 0; i < 1000; ++i) {
      if (pin(region, 0, 4 * kPage).code != Code::kOk || unpin(region, 0, 4 * kPage) != Code::kOk)
        return false;
      if (pin(region, 0, kPage).code != Code::kOk || unpin(region, 0, kPage) != Code::kOk) return false;
    }
    return true;
  };
  Child beside([&] {  // the creator's initial hold
    auto b = attach_or_exit(a->fd());
    return filter_call(kernel_call(), SECCOMP_RET_KILL) && pairs(*b) ? 0 : 1;
  });
  CHECK_EQ(beside.reap(), 0);
  CHECK(unpin(*a, 0, 4 * kPage) == Code::kOk);
  pin(*a, 0, 4 * kPage);
  Child beside_a_pin([&] {
    auto b = attach_or_exit(a->fd());
    return filter_call(kernel_call(), SECCOMP_RET_KILL) && pairs(*b) ? 0 : 1;
  });
  CHECK_EQ(beside_a_pin.reap(), 0);
  CHECK(unpin(*a, 0, 4 * kPage) == Code::kOk);
  Child nested([&]() -> int {
    auto b = attach_or_exit(a->fd());
    pin(*b, 0, 4 * kPage);
    _exit(filter_call(kernel_call(), SECCOMP_RET_KILL) && pairs(*b)
              ? 0
              : 1);  // what it holds at the end is not its to give back
  });
  CHECK_EQ(nested.reap(), 0);
  Child alone([&] {  // the filter bites: nobody holds the unit
    auto b = attach_or_exit(a->fd());
    return filter_call(kernel_call(), SECCOMP_RET_KILL) && pairs(*b) ? 0 : 1;
  });
  CHECK_EQ(alone.reap(), -SIGSYS);
}

TEST(one_process_unpins_and_another_goes_on_holding) {
  if (!kernel_discards() || !can_discard()) SKIP("no kernel that can be made to discard");
  // The other's unpin is stopped wherever the two could miss each other; ours comes in between.
  for (const Stage stage :
       {Stage::kBeforeGive, Stage::kGivenUp, Stage::kBeforeKernelUnpin, Stage::kKernelUnpinned}) {
    auto a = filled_region(50);
    Child other([&] {
      auto b = attach_or_exit(a->fd());
      pin(*b, 0, kUnits * kPage);
      at_stage(stage, stop_here);
      unpin(*b, 0, kUnits * kPage);
      return 0;
    });
    REQUIRE(other.wait_stopped());
    const Pinned pinned = pin(*a, 0, kUnits * kPage);
    if (stage == Stage::kBeforeGive || stage == Stage::kGivenUp) {
      CHECK(pinned.code == Code::kOk && !pinned.purged);
    } else {
      CHECK_EQ(pinned.code, Code::kRegionBusy);
    }
    other.resume();
    CHECK_EQ(other.reap(), 0);
    CHECK(discard_by_kernel());
    if (pinned.code == Code::kOk) {
      CHECK(all(*a, 0, kUnits * kPage, 7));
    } else {
      CHECK_EQ(losses(*a, at(stage, 1)), static_cast<int>(kUnits));
    }
  }
}

TEST(rows_keep_the_kernel_away_as_well) {
  if (!room_for_processes(60)) SKIP("60 processes at once are not to be had here");
  if (!kernel_discards() || !can_discard()) SKIP("no kernel that can be made to discard");
  auto a = filled_region(50, 64);
  const auto sleepers = idle_processes(a->fd(), 59);
  Child holder([&] {
    auto b = attach_or_exit(a->fd());
    if (pin(*b, 0, 2 * kPage).purged) return 1;
    stop_here();
    if (!all(*b, 0, 2 * kPage, 7)) return 2;
    unpin(*b, 0, 2 * kPage);
    stop_here();
    const Pinned again = pin(*b, 0, 2 * kPage);
    return again.code == Code::kOk && again.purged ? 0 : 3;
  });
  REQUIRE(holder.wait_stopped());
  pin(*a, kPage, 2 * kPage);
  unpin(*a, kPage, 2 * kPage);
  CHECK(discard_by_kernel());
  CHECK(all(*a, 0, 2 * kPage, 7));
  CHECK_EQ(purge(*a, 0, 2 * kPage), uint64_t{0});
  holder.resume();
  REQUIRE(holder.wait_stopped());
  CHECK(discard_by_kernel());
  holder.resume();
  CHECK_EQ(holder.reap(), 0);
  for (const Stage stage : kKernelStages) {
    Child dying([&] {
      auto b = attach_or_exit(a->fd());
      at_stage(stage, die_here);
      pin(*b, 4 * kPage, kPage);
      unpin(*b, 4 * kPage, kPage);
      return 0;
    });
    CHECK_EQ(dying.reap(), -SIGKILL);
    const Pinned pinned = pin(*a, 4 * kPage, kPage);
    CHECK(pinned.code == Code::kOk);
    CHECK(pinned.purged || all(*a, 4 * kPage, kPage, 7) || all(*a, 4 * kPage, kPage, 9));
    fill(*a, 4 * kPage, kPage, 9);
    unpin(*a, 4 * kPage, kPage);
  }
}
