// Law 3 where several hold a unit that somebody was told to refill: in other processes, in one, and half-way through a pin.
#include <thread>

#include "native/check.h"
#include "native/processes.h"

using namespace ashmem_compat;
using namespace ashmem_compat::testing;

namespace {

const uint64_t kPage = page_size();

// Four units, all unpinned, the first of them purged.
std::unique_ptr<Region> with_first_unit_lost(uint32_t max_processes = 0) {
  auto a = make_region(4 * kPage, max_processes, 50);
  memset(a->mapping()->data(), 7, 4 * kPage);
  unpin(*a, 0, 4 * kPage);
  purge(*a, 0, kPage);
  return a;
}

// Asks a process that attaches now whether the first unit is lost.
bool late_comer_is_told(Region& region) {
  Child late([&] {
    auto b = attach_or_exit(region.fd());
    const Pinned pinned = pin(*b, 0, kPage);
    return pinned.code == Code::kOk && pinned.purged ? 0 : 1;
  });
  return late.reap() == 0;
}

// A process that holds the fourth unit in the middle of a purge.
std::unique_ptr<Child> sleeping_purger(Region& region) {
  auto child = std::make_unique<Child>([&] {
    auto b = attach_or_exit(region.fd());
    at_stage(Stage::kMarked, stop_here);
    purge(*b, 3 * kPage, kPage);
    return 0;
  });
  return child->wait_stopped() ? std::move(child) : nullptr;
}

// Waits until a pin of everything has taken the first three units and waits for the fourth.
void wait_until_half_pinned(Region& region) {
  RawControl control(region.fd());
  const auto held = [&] {
    return state_of(load_acquire(control.word(2))) != UnitState::kPurging && control.any_holder_bit(2);
  };
  while (!held()) nap_ms(1);
}

}  // namespace

TEST(a_pin_that_waits_has_not_taken_the_loss_from_others) {
  auto a = with_first_unit_lost();
  auto sleeper = sleeping_purger(*a);
  REQUIRE(sleeper);
  Child failing([&] {
    auto b = attach_or_exit(a->fd(), 300);
    return pin(*b, 0, 4 * kPage).code == Code::kRegionBusy ? 0 : 1;
  });
  wait_until_half_pinned(*a);
  CHECK(late_comer_is_told(*a));
  CHECK_EQ(failing.reap(), 0);
  CHECK(late_comer_is_told(*a));
  sleeper->resume();
  sleeper->reap();
}

TEST(nor_from_objects_of_its_own_process) {
  auto a = with_first_unit_lost();
  auto sleeper = sleeping_purger(*a);
  REQUIRE(sleeper);
  auto failing = attach_or_exit(a->fd(), 300);
  Code code = Code::kOk;
  std::thread thread([&] { code = pin(*failing, 0, 4 * kPage).code; });
  wait_until_half_pinned(*a);
  auto other = attach_or_exit(a->fd());
  CHECK(pin(*other, 0, kPage).purged);
  thread.join();
  CHECK_EQ(code, Code::kRegionBusy);
  other.reset();  // it has not filled anything
  CHECK(late_comer_is_told(*a));
  sleeper->resume();
  sleeper->reap();
}

TEST(a_dead_refiller_is_noticed_also_by_a_process_that_holds_the_unit) {
  auto a = with_first_unit_lost();
  auto late = attach_or_exit(a->fd());
  Child refiller([&] {
    auto b = attach_or_exit(a->fd());
    if (!pin(*b, 0, kPage).purged) return 1;
    stop_here();
    return 0;
  });
  REQUIRE(refiller.wait_stopped());
  pin(*a, 0, kPage);  // this process holds it as well, beside the refiller
  refiller.kill_and_reap();
  CHECK(pin(*late, 0, kPage).purged);
}

TEST(the_promise_to_refill_belongs_to_an_object) {
  auto a = with_first_unit_lost();
  auto refiller = attach_or_exit(a->fd());
  CHECK(pin(*refiller, 0, kPage).purged);
  auto sibling = attach_or_exit(a->fd());
  CHECK(!pin(*sibling, 0, kPage).purged);
  refiller.reset();  // gone without a word
  unpin(*sibling, 0, kPage);
  CHECK(late_comer_is_told(*a));
}

TEST(and_is_kept_whatever_a_sibling_does) {
  auto a = with_first_unit_lost();
  auto refiller = attach_or_exit(a->fd());
  CHECK(pin(*refiller, 0, kPage).purged);
  auto sibling = attach_or_exit(a->fd());
  pin(*sibling, 0, kPage);
  unpin(*refiller, 0, kPage);  // filled
  sibling.reset();
  CHECK(!late_comer_is_told(*a));
}

TEST(a_purge_does_not_forget_a_dead_refiller_with_a_row) {
  if (!room_for_processes(60)) SKIP("60 processes at once are not to be had here");
  auto a = with_first_unit_lost(64);
  const auto sleepers = idle_processes(a->fd(), 59);
  const auto holder = [&] {
    auto b = attach_or_exit(a->fd());
    pin(*b, 0, kPage);
    stop_here();
    return 0;
  };
  Child refiller(holder);
  REQUIRE(refiller.wait_stopped());
  Child second(holder);
  REQUIRE(second.wait_stopped());
  refiller.kill_and_reap();
  CHECK_EQ(purge(*a, 0, kPage), uint64_t{0});
  CHECK(late_comer_is_told(*a));
}

TEST(an_orphaned_refill_is_no_less_lost_when_its_discard_fails) {
  auto a = with_first_unit_lost();
  RawControl control(a->fd());
  *control.word(0) = unit_word(UnitState::kRefilling, kReleased);  // refilling, and nobody holds it
  static int fd;
  fd = a->fd();
  at_stage(Stage::kMarked, [] { refuse_discards(fd); });
  purge(*a, 0, 4 * kPage);
  end_refusal();
  stage_hook = nullptr;
  CHECK(pin(*a, 0, kPage).purged);
}
