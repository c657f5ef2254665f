// The laws of pinning between processes that are stopped and killed at every stage. docs/protocol.md names the stages.
#include <linux/sched.h>
#include <sched.h>
#include <sys/syscall.h>
#include <thread>

#include "core/platform/process_identity.h"
#include "native/check.h"
#include "native/processes.h"

using namespace ashmem_compat;
using namespace ashmem_compat::testing;

namespace {

const uint64_t kPage = page_size();

}  // namespace

// ---- law 1: what a living process has pinned is never discarded

TEST(law1_a_purge_passes_over_what_others_hold) {
  auto a = make_region(4 * kPage);
  Shared* shared = shared_words();
  Child child([&] {
    auto b = attach_or_exit(a->fd());
    pin(*b, kPage, kPage);
    fill(*b, kPage, kPage, 1);
    stop_here();
    const bool good = all(*b, kPage, kPage, 1);
    unpin(*b, kPage, kPage);
    shared->word[0] = 1;
    return good ? 0 : 1;
  });
  REQUIRE(child.wait_stopped());
  unpin(*a, 0, 4 * kPage);
  CHECK_EQ(purge(*a, 0, 4 * kPage), 3 * kPage);
  child.resume();
  CHECK_EQ(child.reap(), 0);
  CHECK_EQ(purge(*a, 0, 4 * kPage), kPage);
}

TEST(law1_a_purger_that_sleeps_before_its_discard_wakes_to_nobodys_harm) {
  // The trap: it was stopped between the mark and the discard, and discards whenever it wakes.
  auto a = make_region(8 * kPage, 0, 50);
  fill(*a, 0, 8 * kPage, 1);
  unpin(*a, 0, 8 * kPage);
  Child child([&] {
    auto b = attach_or_exit(a->fd());
    at_stage(Stage::kMarked, stop_here);
    return purge(*b, 0, 8 * kPage) == 8 * kPage ? 0 : 1;
  });
  REQUIRE(child.wait_stopped());
  CHECK_EQ(pin(*a, 0, kPage).code, Code::kRegionBusy);  // law 6: an error after a bounded wait
  CHECK_EQ(purge(*a, 0, 8 * kPage), uint64_t{0});
  CHECK_EQ(unpin(*a, 0, kPage), Code::kNotPinned);  // the failed pin holds nothing
  child.resume();
  CHECK_EQ(child.reap(), 0);
  CHECK(pin(*a, 0, 8 * kPage).purged);
}

TEST(law1_a_delayed_recoverer_does_not_clear_the_next_owners_bit) {
  // One process judges the owner of slot 1 dead and is stopped just before it clears the bit; then somebody else wants a slot.
  auto a = make_region(2 * kPage, 4);
  unpin(*a, 0, 2 * kPage);
  Child dead([&] {
    auto b = attach_or_exit(a->fd());  // slot 1
    pin(*b, 0, kPage);
    stop_here();
    return 0;
  });
  REQUIRE(dead.wait_stopped());
  Child recoverer([&] {
    auto b = attach_or_exit(a->fd());  // slot 2
    stop_here();
    at_stage(Stage::kBeforeClear, stop_here);
    purge(*b, 0, kPage);
    return 0;
  });
  REQUIRE(recoverer.wait_stopped());
  dead.kill_and_reap();
  recoverer.resume();
  REQUIRE(recoverer.wait_stopped());  // it is about to clear slot 1's bit

  Shared* shared = shared_words();
  Child third([&] {
    auto b = attach_or_exit(a->fd());  // slot 3
    stop_here();
    return 0;
  });
  REQUIRE(third.wait_stopped());
  Child next([&] {
    // The only slot without a living owner is slot 1, and the recoverer has a hazard on it.
    Result<std::unique_ptr<Region>> made = try_attach(a->fd());
    shared->word[0] = static_cast<uint64_t>(made.status().code);
    return 0;
  });
  CHECK_EQ(next.reap(), 0);
  CHECK_EQ(shared->word[0], static_cast<uint64_t>(Code::kRegionBusy));

  recoverer.resume();
  CHECK_EQ(recoverer.reap(), 0);
  Child last([&] {
    auto b = attach_or_exit(a->fd());
    if (pin(*b, 0, kPage).code != Code::kOk) return 1;
    stop_here();
    return 0;
  });
  REQUIRE(last.wait_stopped());
  CHECK_EQ(purge(*a, 0, kPage), uint64_t{0});
  last.resume();
  CHECK_EQ(last.reap(), 0);
}

// ---- law 2: the pins of the dead are gone when somebody meets them

TEST(law2_a_killed_process_holds_nothing) {
  auto a = make_region(4 * kPage);
  unpin(*a, 0, 4 * kPage);
  Child child([&] {
    auto b = attach_or_exit(a->fd());
    pin(*b, 0, 4 * kPage);
    stop_here();
    return 0;
  });
  REQUIRE(child.wait_stopped());
  CHECK(is_pinned(*a, 0, 4 * kPage));
  child.kill_and_reap();
  CHECK(!is_pinned(*a, 0, 4 * kPage));
  CHECK_EQ(purge(*a, 0, 4 * kPage), 4 * kPage);
}

TEST(law2_a_zombie_holds_nothing) {
  auto a = make_region(kPage);
  unpin(*a, 0, kPage);
  Child child([&] {
    auto b = attach_or_exit(a->fd());
    pin(*b, 0, kPage);
    die_here();
    return 0;
  });
  siginfo_t info;
  CHECK(waitid(P_PID, static_cast<id_t>(child.pid()), &info, WEXITED | WNOWAIT) == 0);  // dead, not reaped
  CHECK_EQ(purge(*a, 0, kPage), kPage);
  child.reap();
}

TEST(law2_a_dead_leader_whose_threads_live_still_holds) {
  auto a = make_region(kPage);
  unpin(*a, 0, kPage);
  Shared* shared = shared_words();
  Child child([&] {
    static std::unique_ptr<Region> b;
    b = attach_or_exit(a->fd());
    pin(*b, 0, kPage);
    std::thread([shared] {
      shared->word[0] = 1;
      while (shared->word[1] == 0) nap_ms(1);
      _exit(0);
    }).detach();
    syscall(SYS_exit, 0);  // the leader alone
    return 1;
  });
  while (shared->word[0] == 0) nap_ms(1);
  // Wait until the leader is seen as a zombie.
  for (int i = 0; i < 1000; ++i) {
    char path[64];
    char text[512] = {};
    snprintf(path, sizeof path, "/proc/%d/stat", static_cast<int>(child.pid()));
    Fd stat(open(path, O_RDONLY));
    if (stat.valid() && read(stat.get(), text, sizeof text - 1) > 0 && strstr(text, ") Z")) break;
    nap_ms(1);
  }
  CHECK(is_pinned(*a, 0, kPage));
  CHECK_EQ(purge(*a, 0, kPage), uint64_t{0});
  shared->word[1] = 1;
  child.reap();
  CHECK_EQ(purge(*a, 0, kPage), kPage);
}

TEST(law2_the_creators_initial_hold_dies_with_it) {
  int pipe_fds[2];
  CHECK(pipe(pipe_fds) == 0);
  Shared* shared = shared_words();
  Child creator([&] {
    auto b = make_region(4 * kPage);
    fill(*b, 0, 4 * kPage, 1);
    shared->word[0] = static_cast<uint64_t>(b->fd());
    stop_here();
    return 0;
  });
  REQUIRE(creator.wait_stopped());
  // pidfd_getfd is one of the ways an fd travels (law 7).
  if (!has_call(434) || !has_call(438)) SKIP("pidfd_getfd is not allowed here");
  const int pidfd = static_cast<int>(syscall(434 /* pidfd_open */, creator.pid(), 0));
  const int fd = static_cast<int>(syscall(438 /* pidfd_getfd */, pidfd, shared->word[0], 0));
  if (fd < 0) SKIP("pidfd_getfd is not allowed here");
  auto a = attach_or_exit(fd);
  CHECK(is_pinned(*a, 0, 4 * kPage));
  CHECK_EQ(purge(*a, 0, 4 * kPage), uint64_t{0});
  pin(*a, 0, kPage);
  creator.kill_and_reap();
  CHECK_EQ(purge(*a, 0, 4 * kPage), 3 * kPage);
  CHECK(all(*a, 0, kPage, 1));
  ::close(fd);
  ::close(pidfd);
}

TEST(law2_a_process_that_became_another_program_holds_nothing) {
  auto a = make_region(kPage);
  unpin(*a, 0, kPage);
  Shared* shared = shared_words();
  Child child([&] {
    static std::unique_ptr<Region> b;
    b = attach_or_exit(a->fd());
    pin(*b, 0, kPage);
    shared->word[0] = 1;
    stop_here();
    execlp("sleep", "sleep", "100", nullptr);
    return 1;
  });
  REQUIRE(child.wait_stopped());
  CHECK(is_pinned(*a, 0, kPage));
  if (own_identity().image == 0) SKIP("/proc/PID/stat does not show where a stack starts");
  child.resume();
  bool held = true;
  for (int i = 0; i < 5000 && held; ++i) {
    nap_ms(1);
    held = is_pinned(*a, 0, kPage);
  }
  CHECK(!held);
  CHECK_EQ(purge(*a, 0, kPage), kPage);
}

TEST(law2_a_recycled_pid_is_another_process) {
  auto a = make_region(kPage);
  unpin(*a, 0, kPage);
  Child child([&] {
    auto b = attach_or_exit(a->fd());
    pin(*b, 0, kPage);
    stop_here();
    return 0;
  });
  REQUIRE(child.wait_stopped());
  const pid_t pid = child.pid();
  nap_ms(30);  // start times have ticks of 10 ms
  child.kill_and_reap();
  pid_t wanted[1] = {pid};
  clone_args args{};
  args.exit_signal = SIGCHLD;
  args.set_tid = reinterpret_cast<uint64_t>(wanted);
  args.set_tid_size = 1;
  const long again = syscall(SYS_clone3, &args, sizeof args);
  if (again == 0) {
    for (;;) pause();
  }
  if (again < 0) SKIP("clone3 with set_tid needs CAP_CHECKPOINT_RESTORE");
  CHECK_EQ(again, static_cast<long>(pid));
  CHECK(!is_pinned(*a, 0, kPage));
  CHECK_EQ(purge(*a, 0, kPage), kPage);
  kill(pid, SIGKILL);
  waitpid(pid, nullptr, 0);
}

TEST(law2_a_process_of_another_pid_namespace_counts_as_alive) {
  auto a = make_region(2 * kPage);
  unpin(*a, 0, 2 * kPage);
  Shared* shared = shared_words();
  Child outer([&] {
    if (unshare(CLONE_NEWPID) != 0 && unshare(CLONE_NEWUSER | CLONE_NEWPID) != 0) {
      shared->word[0] = 2;
      return 0;
    }
    Child inner([&] {
      // pid 1 in here: outside, that is init. And a pid that exists nowhere outside must not matter either.
      auto b = attach_or_exit(a->fd());
      pin(*b, 0, kPage);
      if (own_identity().start_time != 0) return 3;  // this /proc is not ours to read
      shared->word[0] = 1;
      for (;;) pause();
      return 0;
    });
    const int status = inner.reap();
    return status == 3 ? 3 : 0;
  });
  for (int i = 0; i < 10000 && shared->word[0] == 0; ++i) nap_ms(1);
  if (shared->word[0] == 2) SKIP("no right to make a PID namespace");
  REQUIRE(shared->word[0] == 1);
  CHECK(is_pinned(*a, 0, kPage));
  CHECK_EQ(purge(*a, 0, 2 * kPage), kPage);
  // It cannot be judged even after its death: still alive to us.
  outer.kill_and_reap();
  nap_ms(50);
  CHECK_EQ(purge(*a, 0, kPage), uint64_t{0});
}

TEST(law2_seen_from_inside_a_pid_namespace_the_outside_counts_as_alive) {
  auto a = make_region(kPage);  // held by us, outside
  Child outer([&] {
    if (unshare(CLONE_NEWPID) != 0 && unshare(CLONE_NEWUSER | CLONE_NEWPID) != 0) return 77;
    Child inner([&] {
      auto b = attach_or_exit(a->fd());
      return purge(*b, 0, kPage) == 0 && is_pinned(*b, 0, kPage) ? 0 : 1;
    });
    return inner.reap();
  });
  const int status = outer.reap();
  if (status == 77) SKIP("no right to make a PID namespace");
  CHECK_EQ(status, 0);
}

TEST(law2_slots_of_the_dead_are_used_again) {
  auto a = make_region(4 * kPage, 3);
  unpin(*a, 0, 4 * kPage);
  for (int i = 0; i < 100; ++i) {
    Child child([&] {
      auto b = attach_or_exit(a->fd());
      if (pin(*b, 0, 2 * kPage).code != Code::kOk) return 1;
      die_here();
      return 0;
    });
    CHECK_EQ(child.reap(), -SIGKILL);
  }
  CHECK_EQ(purge(*a, 0, 4 * kPage), 4 * kPage);
}

TEST(law2_the_next_owner_of_a_slot_inherits_no_pins) {
  auto a = make_region(4 * kPage, 2);  // ours and one more
  unpin(*a, 0, 4 * kPage);
  Child dead([&] {
    auto b = attach_or_exit(a->fd());
    pin(*b, 0, 4 * kPage);
    die_here();
    return 0;
  });
  dead.reap();
  Child next([&] {
    auto b = attach_or_exit(a->fd());
    stop_here();
    return unpin(*b, 0, kPage) == Code::kNotPinned ? 0 : 1;
  });
  REQUIRE(next.wait_stopped());
  CHECK(!is_pinned(*a, 0, kPage));
  CHECK_EQ(purge(*a, 0, 4 * kPage), 4 * kPage);
  next.resume();
  CHECK_EQ(next.reap(), 0);
}

TEST(law2_a_forked_child_holds_nothing_and_takes_nothing_away) {
  auto a = make_region(2 * kPage);
  Child child([&] {
    if (pin(*a, 0, kPage).code != Code::kForked) return 1;
    if (unpin(*a, 0, kPage) != Code::kForked) return 2;
    a.reset();  // closing the inherited object
    return 0;
  });
  CHECK_EQ(child.reap(), 0);
  CHECK(is_pinned(*a, 0, 2 * kPage));
  CHECK_EQ(purge(*a, 0, 2 * kPage), uint64_t{0});
  // The child attaches for itself with the inherited fd (law 7), and its end is its own.
  Child second([&] {
    auto b = attach_or_exit(a->fd());
    pin(*b, 0, kPage);
    stop_here();
    return 0;
  });
  REQUIRE(second.wait_stopped());
  unpin(*a, 0, 2 * kPage);
  CHECK_EQ(purge(*a, 0, 2 * kPage), kPage);
  second.kill_and_reap();
  CHECK_EQ(purge(*a, 0, 2 * kPage), kPage);
}

// ---- law 3: a loss is told before the bytes can be read, wherever somebody died

TEST(law3_death_at_any_stage_of_anything_is_never_silent) {
  const Stage stages[] = {Stage::kSlotClaimed, Stage::kSweeping,  Stage::kHazardSet,  Stage::kBeforeClear,
                          Stage::kMarked,      Stage::kDiscarded, Stage::kBeforeTake, Stage::kTaken,
                          Stage::kRefilling,   Stage::kBeforeGive};
  for (Stage stage : stages) {
    for (int nth : {1, 2, 3}) {
      auto a = make_region(8 * kPage, 3);
      fill(*a, 0, 8 * kPage, 1);
      unpin(*a, 0, 8 * kPage);
      Child first([&] {  // leaves bits of a dead process behind, so that the next has something to recover
        auto b = attach_or_exit(a->fd());
        pin(*b, 0, 8 * kPage);
        die_here();
        return 0;
      });
      first.reap();
      Child second([&] {
        at_stage(stage, die_here, nth);
        auto b = attach_or_exit(a->fd());
        purge(*b, 0, 4 * kPage);
        pin(*b, 0, 8 * kPage);  // is told, and would refill
        fill(*b, 0, 4 * kPage, 1);
        unpin(*b, 0, 8 * kPage);
        purge(*b, 0, 2 * kPage);
        return 0;
      });
      second.reap();
      // A late comer, for whom the generations say nothing.
      Child third([&] {
        auto b = attach_or_exit(a->fd());
        for (uint64_t u = 0; u < 8; ++u) {
          const Pinned pinned = pin(*b, u * kPage, kPage);
          if (pinned.code != Code::kOk) return 1;
          if (!pinned.purged && !all(*b, u * kPage, kPage, 1)) return 2;
          if (pinned.purged) fill(*b, u * kPage, kPage, 1);
          unpin(*b, u * kPage, kPage);
        }
        return 0;
      });
      const int status = third.reap();
      if (status != 0) {
        check::fail(__FILE__, __LINE__,
                    "death at stage " + std::to_string(static_cast<int>(stage)) + ", time " +
                        std::to_string(nth) + ": exit status " + std::to_string(status));
      }
      CHECK_EQ(purge(*a, 0, 8 * kPage), 8 * kPage);
    }
  }
}

TEST(law3_a_refiller_that_dies_passes_the_loss_on) {
  auto a = make_region(kPage);
  unpin(*a, 0, kPage);
  purge(*a, 0, kPage);
  Child refiller([&] {
    auto b = attach_or_exit(a->fd());
    if (!pin(*b, 0, kPage).purged) return 1;
    stop_here();  // told, not refilled
    return 0;
  });
  REQUIRE(refiller.wait_stopped());
  auto while_filling = attach_or_exit(a->fd());
  CHECK(!pin(*while_filling, 0, kPage).purged);  // somebody alive has pinned it since
  while_filling->close();
  refiller.kill_and_reap();
  auto late = attach_or_exit(a->fd());
  CHECK(pin(*late, 0, kPage).purged);
}

TEST(law3_a_pin_that_fails_half_way_takes_no_loss_with_it) {
  auto a = make_region(4 * kPage, 0, 20);
  unpin(*a, 0, 4 * kPage);
  purge(*a, 0, kPage);
  Child sleeper([&] {
    auto b = attach_or_exit(a->fd());
    at_stage(Stage::kMarked, stop_here);
    purge(*b, 3 * kPage, kPage);
    return 0;
  });
  REQUIRE(sleeper.wait_stopped());
  Child failing([&] {
    auto b = attach_or_exit(a->fd(), 20);
    return pin(*b, 0, 4 * kPage).code == Code::kRegionBusy ? 0 : 1;
  });
  CHECK_EQ(failing.reap(), 0);
  auto late = attach_or_exit(a->fd());
  CHECK(pin(*late, 0, kPage).purged);
  CHECK_EQ(pin(*a, 0, 4 * kPage).code, Code::kRegionBusy);
  CHECK(pin(*a, 0, kPage).purged);  // also an object that was told in vain is told again
  sleeper.resume();
  sleeper.reap();
}

TEST(law3_a_purger_killed_inside_its_discard_is_finished_by_the_next) {
  for (Stage stage : {Stage::kMarked, Stage::kDiscarded}) {
    auto a = make_region(8 * kPage);
    fill(*a, 0, 8 * kPage, 1);
    unpin(*a, 0, 8 * kPage);
    Child purger([&] {
      auto b = attach_or_exit(a->fd());
      at_stage(stage, die_here);
      purge(*b, 0, 8 * kPage);
      return 0;
    });
    CHECK_EQ(purger.reap(), -SIGKILL);
    CHECK_EQ(purge(*a, 0, 4 * kPage), 4 * kPage);         // by a purge
    const Pinned pinned = pin(*a, 4 * kPage, 4 * kPage);  // by a pin
    CHECK(pinned.code == Code::kOk && pinned.purged);
    CHECK(all(*a, 0, 8 * kPage, 0));
  }
}

// ---- law 6: the frozen delay others for a bounded time

TEST(law6_a_frozen_holder_or_attacher_stops_nobody) {
  auto a = make_region(2 * kPage, 4, 50);
  Child attacher([&] {
    at_stage(Stage::kSlotClaimed, stop_here);
    auto b = attach_or_exit(a->fd());
    return 0;
  });
  REQUIRE(attacher.wait_stopped());
  Child holder([&] {
    auto b = attach_or_exit(a->fd());
    at_stage(Stage::kTaken, stop_here);
    pin(*b, 0, kPage);
    return 0;
  });
  REQUIRE(holder.wait_stopped());
  unpin(*a, 0, 2 * kPage);
  CHECK_EQ(pin(*a, 0, 2 * kPage).code, Code::kOk);
  unpin(*a, 0, 2 * kPage);
  CHECK_EQ(purge(*a, 0, 2 * kPage), kPage);
  Child other([&] {
    auto b = attach_or_exit(a->fd());
    return pin(*b, 0, 2 * kPage).code == Code::kOk ? 0 : 1;
  });
  CHECK_EQ(other.reap(), 0);
  for (Child* child : {&attacher, &holder}) {
    child->resume();
    CHECK_EQ(child->reap(), 0);
  }
  CHECK(!is_pinned(*a, 0, kPage));
}

// ---- how many

TEST(sixty_processes_at_once_and_an_error_for_one_more) {
  for (uint32_t limit : {0u, 130u}) {
    const uint32_t most = limit == 0 ? 60 : limit;
    if (!room_for_processes(static_cast<int>(most))) SKIP("as many processes at once are not to be had here");
    auto a = make_region(4 * kPage, limit);
    unpin(*a, 0, 4 * kPage);
    std::vector<std::unique_ptr<Child>> children;
    for (uint32_t i = 1; i < most; ++i) {
      children.push_back(std::make_unique<Child>([&] {
        auto b = attach_or_exit(a->fd());
        if (pin(*b, 0, kPage).code != Code::kOk) return 1;
        stop_here();
        return unpin(*b, 0, kPage) == Code::kOk ? 0 : 2;
      }));
      REQUIRE(children.back()->wait_stopped());
    }
    Child one_too_many([&] { return try_attach(a->fd()).status().code == Code::kTooManyProcesses ? 0 : 1; });
    CHECK_EQ(one_too_many.reap(), 0);
    CHECK_EQ(purge(*a, 0, 4 * kPage), 3 * kPage);
    // All but the last give their pin back; it alone keeps the unit (with 130, its bit is in a row).
    for (size_t i = 0; i + 1 < children.size(); ++i) {
      children[i]->resume();
      CHECK_EQ(children[i]->reap(), 0);
    }
    CHECK_EQ(purge(*a, 0, kPage), uint64_t{0});
    children.back()->kill_and_reap();
    CHECK_EQ(purge(*a, 0, kPage), kPage);
    // Losses are told to who has a row as to the others.
    Child again([&] {
      auto b = attach_or_exit(a->fd());
      return pin(*b, 0, kPage).purged ? 0 : 1;
    });
    CHECK_EQ(again.reap(), 0);
  }
}

TEST(rows_obey_the_laws) {
  if (!room_for_processes(60)) SKIP("60 processes at once are not to be had here");
  // 62 slots: 60 sleepers fill the unit words, so that the next two processes have rows.
  auto a = make_region(4 * kPage, 62, 50);
  fill(*a, 0, 4 * kPage, 1);
  unpin(*a, 0, 4 * kPage);
  const auto sleepers = idle_processes(a->fd(), 59);
  Child holder([&] {
    auto b = attach_or_exit(a->fd());
    pin(*b, 0, kPage);
    stop_here();
    if (!all(*b, 0, kPage, 1)) return 1;
    unpin(*b, 0, kPage);
    stop_here();
    if (!pin(*b, 0, kPage).purged) return 2;  // told as the refiller
    stop_here();
    return 0;
  });
  REQUIRE(holder.wait_stopped());
  CHECK_EQ(purge(*a, 0, 2 * kPage), kPage);
  holder.resume();
  REQUIRE(holder.wait_stopped());
  CHECK_EQ(purge(*a, 0, kPage), kPage);
  holder.resume();
  REQUIRE(holder.wait_stopped());
  CHECK(is_pinned(*a, 0, kPage));
  holder.kill_and_reap();
  // It died while refilling: whoever comes next is told, also with a row.
  Child next([&] {
    auto b = attach_or_exit(a->fd());
    if (!pin(*b, 0, kPage).purged) return 1;
    fill(*b, 0, kPage, 2);
    unpin(*b, 0, kPage);
    const Pinned again = pin(*b, 0, kPage);
    return again.code == Code::kOk && !again.purged ? 0 : 2;
  });
  CHECK_EQ(next.reap(), 0);
  Child purger([&] {
    auto b = attach_or_exit(a->fd());
    at_stage(Stage::kMarked, stop_here);
    purge(*b, 2 * kPage, kPage);
    return 0;
  });
  REQUIRE(purger.wait_stopped());
  CHECK_EQ(pin(*a, 2 * kPage, kPage).code, Code::kRegionBusy);
  purger.kill_and_reap();
  CHECK(pin(*a, 2 * kPage, kPage).purged);
}
