// One process: counting, nesting, losses told once to every object, threads, closing.
#include "core/region.h"

#include <atomic>
#include <thread>

#include "core/backends/selector.h"
#include "native/check.h"
#include "native/processes.h"

using namespace ashmem_compat;
using namespace ashmem_compat::testing;

namespace {
const uint64_t kPage = page_size();
std::unique_ptr<Region> attach(Region& region) {
  Result<std::unique_ptr<Region>> made = try_attach(region.fd());
  return made.ok() ? std::move(made.value()) : nullptr;
}
}  // namespace

TEST(the_creator_holds_everything_at_first) {
  auto a = make_region(8 * kPage);
  CHECK(is_pinned(*a, 0, 8 * kPage));
  CHECK_EQ(purge(*a, 0, 8 * kPage), uint64_t{0});
  CHECK_EQ(unpin(*a, 0, 8 * kPage), Code::kOk);
  CHECK(!is_pinned(*a, 0, 8 * kPage));
  CHECK_EQ(unpin(*a, 0, kPage), Code::kNotPinned);
}

TEST(attaching_pins_nothing) {
  auto a = make_region(8 * kPage);
  auto b = attach(*a);
  REQUIRE(b);
  CHECK_EQ(unpin(*b, 0, kPage), Code::kNotPinned);
  unpin(*a, 0, 8 * kPage);
  CHECK(!is_pinned(*b, 0, kPage));
}

TEST(pins_nest_and_need_as_many_unpins) {
  auto a = make_region(4 * kPage);
  CHECK_EQ(pin(*a, 0, 2 * kPage).code, Code::kOk);
  CHECK_EQ(unpin(*a, 0, 4 * kPage), Code::kOk);
  CHECK(is_pinned(*a, 0, 2 * kPage));
  CHECK(!is_pinned(*a, kPage, 2 * kPage));
  CHECK_EQ(purge(*a, 0, 4 * kPage), 2 * kPage);
  CHECK_EQ(unpin(*a, 0, 4 * kPage), Code::kNotPinned);
  CHECK(is_pinned(*a, 0, 2 * kPage));  // a failed unpin changes nothing
  CHECK_EQ(unpin(*a, 0, 2 * kPage), Code::kOk);
  CHECK_EQ(purge(*a, 0, 4 * kPage), 2 * kPage);
}

TEST(a_process_holds_a_unit_while_any_of_its_objects_does) {
  auto a = make_region(kPage);
  auto b = attach(*a);
  auto c = attach(*a);
  pin(*b, 0, kPage);
  pin(*c, 0, kPage);
  unpin(*a, 0, kPage);
  unpin(*b, 0, kPage);
  CHECK_EQ(purge(*a, 0, kPage), uint64_t{0});
  c->close();
  CHECK_EQ(purge(*a, 0, kPage), kPage);
}

TEST(a_loss_is_told_once_to_every_object_and_where) {
  auto a = make_region(8 * kPage);
  auto b = attach(*a);
  unpin(*a, 0, 8 * kPage);
  CHECK_EQ(purge(*a, 2 * kPage, 2 * kPage), 2 * kPage);
  CHECK_EQ(purge(*a, 5 * kPage, kPage), kPage);
  auto late = attach(*a);  // attached after the loss
  for (Region* region : {a.get(), b.get()}) {
    bool purged = false;
    std::vector<ByteRange> lost;
    CHECK(region->pin(0, 8 * kPage, &purged, &lost).ok());
    CHECK(purged);
    REQUIRE(lost.size() == 2);
    CHECK_EQ(lost[0].offset, 2 * kPage);
    CHECK_EQ(lost[0].length, 2 * kPage);
    CHECK_EQ(lost[1].offset, 5 * kPage);
    CHECK_EQ(lost[1].length, kPage);
    CHECK(!pin(*region, 0, 8 * kPage).purged);  // and not again
  }
  CHECK(!pin(*late, 0, 8 * kPage).purged);  // somebody has pinned it since
}

TEST(a_purged_unit_that_nobody_pinned_is_told_to_late_comers_too) {
  auto a = make_region(2 * kPage);
  unpin(*a, 0, 2 * kPage);
  purge(*a, 0, 2 * kPage);
  auto late = attach(*a);
  CHECK(pin(*late, 0, kPage).purged);
}

TEST(an_object_that_vanishes_unclosed_passes_the_loss_on_and_one_that_is_closed_does_not) {
  for (bool alone : {true, false}) {
    for (bool closed : {true, false}) {
      auto a = make_region(kPage);
      const int fd = dup(a->fd());
      unpin(*a, 0, kPage);
      purge(*a, 0, kPage);
      a->close();
      auto refiller = attach_or_exit(fd);
      auto other = alone ? nullptr : attach_or_exit(fd);
      CHECK(pin(*refiller, 0, kPage).purged);
      if (closed) refiller->close();
      refiller.reset();
      auto late = attach_or_exit(fd);
      CHECK_EQ(pin(*late, 0, kPage).purged, !closed);
      ::close(fd);
    }
  }
}

TEST(discarded_bytes_read_as_zeros_and_take_no_memory) {
  auto a = make_region(64 * kPage);
  memset(a->mapping()->data(), 7, 64 * kPage);
  unpin(*a, 0, 64 * kPage);
  CHECK_EQ(purge(*a, 0, 64 * kPage), 64 * kPage);
  RegionStats stats;
  CHECK(a->stats(&stats).ok());
  CHECK_EQ(stats.resident, uint64_t{0});
  CHECK_EQ(stats.purged, 64 * kPage);
  CHECK_EQ(a->mapping()->data()[5], 0);
  CHECK_EQ(purge(*a, 0, 64 * kPage), uint64_t{0});  // a second purge finds nothing
}

TEST(a_look_at_discarded_bytes_costs_memory_only_until_the_next_purge) {
  auto a = make_region(64 * kPage);
  unpin(*a, 0, 64 * kPage);
  purge(*a, 0, 64 * kPage);
  volatile char* bytes = a->mapping()->data();
  for (uint64_t page = 3; page < 60; page += 2) CHECK_EQ(bytes[page * kPage], 0);
  RegionStats stats;
  a->stats(&stats);
  CHECK(stats.resident > 0);
  CHECK_EQ(purge(*a, 0, 64 * kPage), uint64_t{0});  // nothing was lost that had not been lost before
  a->stats(&stats);
  CHECK_EQ(stats.resident, uint64_t{0});
  CHECK(pin(*a, 0, 64 * kPage).purged);
}

TEST(the_last_unit_may_be_cut_short) {
  auto a = make_region(2 * kPage + 100);
  CHECK_EQ(unpin(*a, 2 * kPage, 100), Code::kOk);
  CHECK_EQ(purge(*a, 2 * kPage, 100), uint64_t{100});
  CHECK_EQ(pin(*a, 2 * kPage, kPage).code, Code::kInvalidRange);
  CHECK_EQ(pin(*a, 2 * kPage, 50).code, Code::kInvalidRange);
  CHECK_EQ(pin(*a, kPage / 2, kPage).code, Code::kInvalidRange);
  CHECK_EQ(pin(*a, 0, 0).code, Code::kInvalidRange);
  CHECK_EQ(pin(*a, UINT64_MAX - kPage + 1, kPage).code, Code::kInvalidRange);
  CHECK(pin(*a, 2 * kPage, 100).purged);
}

TEST(large_units) {
  RegionOptions options;
  options.size = 10 * kPage;
  options.granularity = 4 * kPage;
  auto made = test_backend().create(options);
  REQUIRE(made.ok());
  Region& a = *made.value();
  CHECK_EQ(unpin(a, 4 * kPage, 6 * kPage), Code::kOk);
  CHECK_EQ(unpin(a, kPage, kPage), Code::kInvalidRange);
  CHECK_EQ(purge(a, 0, 10 * kPage), 6 * kPage);
}

TEST(a_protected_fd_gives_readers) {
  auto a = make_region(4 * kPage);
  memset(a->mapping()->data(), 9, 4 * kPage);
  auto before = attach(*a);
  CHECK(a->protect().ok());
  auto reader = attach(*a);
  REQUIRE(reader);
  CHECK(reader->read_only() && !before->read_only() && !a->read_only());
  CHECK_EQ(pin(*reader, 0, kPage).code, Code::kReadOnly);
  CHECK_EQ(unpin(*reader, 0, kPage), Code::kReadOnly);
  CHECK_EQ(purge(*reader, 0, kPage), ~uint64_t{0});
  reader->mapping()->data()[0] = 1;  // stays with the reader
  CHECK_EQ(a->mapping()->data()[0], 9);
  ReadTicket ticket;
  CHECK(reader->begin_read(kPage, kPage, &ticket).ok());
  CHECK(reader->end_read(kPage, kPage, ticket));
  CHECK(reader->begin_read(kPage, kPage, &ticket).ok() && ticket.valid);
  unpin(*a, 0, 4 * kPage);
  if (makes_memfds() && !may_open_again(a->fd())) {
    // Sealed, for want of a second open file: nobody writes, and nobody discards.
    CHECK(!a->purgeable() && !before->purgeable() && !reader->purgeable());
    CHECK_EQ(purge(*before, 0, 4 * kPage), uint64_t{0});
    CHECK(reader->end_read(kPage, kPage, ticket));
    CHECK(all(*reader, kPage, kPage, 9));
    SKIP("a memfd may not be opened again here: that a protected region stays purgeable");
  }
  CHECK_EQ(purge(*before, 0, 4 * kPage), 4 * kPage);  // discarding goes on
  CHECK(!reader->end_read(kPage, kPage, ticket));
  CHECK(reader->begin_read(kPage, kPage, &ticket).ok() && !ticket.valid);
  pin(*a, kPage, kPage);
  CHECK(reader->begin_read(kPage, kPage, &ticket).ok() && ticket.valid);
}

TEST(a_read_bracket_notices_a_loss_that_was_refilled_meanwhile) {
  auto a = make_region(kPage);
  auto b = attach(*a);
  ReadTicket ticket;
  CHECK(b->begin_read(0, kPage, &ticket).ok() && ticket.valid);
  unpin(*a, 0, kPage);
  purge(*a, 0, kPage);
  pin(*a, 0, kPage);
  unpin(*a, 0, kPage);
  CHECK(!b->end_read(0, kPage, ticket));
}

TEST(closing_gives_pins_back_and_leaks_nothing) {
  const int before = open_fds();
  for (int i = 0; i < 50; ++i) {
    auto a = make_region(16 * kPage);
    auto b = attach(*a);
    pin(*b, 0, 4 * kPage);
    unpin(*a, 0, 16 * kPage);
    const char* bytes = b->mapping()->data();
    const std::shared_ptr<Mapping> held = b->mapping();
    held->data()[0] = 5;
    CHECK(is_pinned(*a, 0, 4 * kPage));
    b->close();
    CHECK(b->closed());
    CHECK_EQ(bytes[0], 0);  // the addresses stay valid while somebody holds the mapping
    CHECK(!is_pinned(*a, 0, kPage));
    CHECK_EQ(pin(*b, 0, kPage).code, Code::kRegionClosed);
  }
  CHECK_EQ(open_fds(), before);
}

TEST(the_creators_hold_ends_with_its_object_even_if_others_of_the_process_live) {
  auto a = make_region(8 * kPage);
  auto b = attach(*a);
  pin(*b, 0, kPage);
  a->close();
  CHECK(is_pinned(*b, 0, kPage));
  CHECK(!is_pinned(*b, kPage, kPage));
  CHECK_EQ(purge(*b, 0, 8 * kPage), 7 * kPage);
  const int fd = dup(b->fd());
  b->close();
  auto c = attach_or_exit(fd);
  CHECK(!is_pinned(*c, 0, kPage));
  CHECK_EQ(purge(*c, 0, 8 * kPage), kPage);
  ::close(fd);
}

TEST(sealing_against_writes_ends_purging_and_says_so) {
  if (!makes_memfds()) SKIP("only memfds have seals");
  auto a = make_region(4 * kPage);
  auto b = attach(*a);
  unpin(*a, 0, 4 * kPage);
  CHECK(a->purgeable());
  CHECK(fcntl(a->fd(), F_ADD_SEALS, 0x0010 /* F_SEAL_FUTURE_WRITE */) == 0);
  CHECK(!a->purgeable());
  CHECK_EQ(purge(*b, 0, 4 * kPage), uint64_t{0});
  CHECK(!pin(*a, 0, 4 * kPage).purged);
  auto late = attach(*a);
  REQUIRE(late);
  CHECK(late->read_only());
}

TEST(a_discard_that_fails_loses_nothing) {
  // Between the question whether it can be purged and the discard, it no longer can.
  auto a = make_region(4 * kPage);
  memset(a->mapping()->data(), 3, 4 * kPage);
  unpin(*a, 0, 4 * kPage);
  static int fd;
  static int refusal;
  fd = a->fd();
  at_stage(Stage::kMarked, [] { refusal = refuse_discards(fd); });
  uint64_t bytes = 1;
  const Status status = a->purge(0, 4 * kPage, &bytes);
  stage_hook = nullptr;
  if (refusal == 0) SKIP("only root may lock all its memory");
  CHECK_EQ(status.code, Code::kSystem);
  end_refusal();
  CHECK_EQ(status.error, refusal);
  CHECK_EQ(bytes, uint64_t{0});
  CHECK(!pin(*a, 0, 4 * kPage).purged);
  CHECK_EQ(a->mapping()->data()[0], 3);
}

TEST(threads_of_a_process_share_one_place_in_the_region) {
  auto a = make_region(64 * kPage, 1);  // one slot only
  std::atomic<int> wrong{0};
  std::atomic<bool> stop{false};
  std::vector<std::thread> threads;
  unpin(*a, 0, 64 * kPage);
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      Result<std::unique_ptr<Region>> made = try_attach(a->fd());
      if (!made.ok()) {
        ++wrong;
        return;
      }
      Region& mine = *made.value();
      for (int i = 0; i < 20000; ++i) {
        // Each thread writes its own byte of a unit that all of them pin and unpin.
        const uint64_t unit = static_cast<uint64_t>(i) % 64;
        volatile char* byte = mine.mapping()->data() + unit * kPage + t;
        if (pin(mine, unit * kPage, kPage).code != Code::kOk) ++wrong;
        *byte = static_cast<char>(i);
        sched_yield();
        if (*byte != static_cast<char>(i)) ++wrong;
        if (unpin(mine, unit * kPage, kPage) != Code::kOk) ++wrong;
      }
    });
  }
  std::thread purger([&] {
    auto made = try_attach(a->fd());
    while (!stop) purge(*made.value(), 0, 64 * kPage);
  });
  for (std::thread& thread : threads) thread.join();
  stop = true;
  purger.join();
  CHECK_EQ(wrong.load(), 0);
  CHECK(!is_pinned(*a, 0, kPage));
  RegionStats stats;
  a->stats(&stats);
  CHECK_EQ(stats.pinned, uint64_t{0});
}

TEST(threads_that_attach_and_close_at_once_leave_nothing_behind) {
  auto a = make_region(4 * kPage);
  unpin(*a, 0, 4 * kPage);
  std::atomic<int> wrong{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 500; ++i) {
        auto made = try_attach(a->fd());
        if (!made.ok() || pin(*made.value(), 0, kPage).code != Code::kOk) ++wrong;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK_EQ(wrong.load(), 0);
  CHECK(!is_pinned(*a, 0, kPage));
}

TEST(units_of_16_and_64_kib_pages) {
  for (size_t page : {size_t{16384}, size_t{65536}}) {
    if (page < kernel_page_size()) continue;
    set_page_size_for_tests(page);
    auto a = make_region(4 * page + 1);
    CHECK_EQ(a->granularity(), page);
    memset(a->mapping()->data(), 1, 4 * page + 1);
    CHECK_EQ(unpin(*a, page, page), Code::kOk);
    CHECK_EQ(unpin(*a, 4096, 4096), Code::kInvalidRange);
    CHECK_EQ(purge(*a, 0, 4 * page + 1), page);
    auto b = attach(*a);
    REQUIRE(b);
    CHECK(pin(*b, page, page).purged);
    CHECK_EQ(b->mapping()->data()[page - 1], 1);
    CHECK_EQ(b->mapping()->data()[page], 0);
    set_page_size_for_tests(0);
  }
}

TEST(options_that_cannot_be_are_refused) {
  RegionOptions options;
  options.size = UINT64_MAX;
  CHECK_EQ(test_backend().create(options).status().code, Code::kOutOfRange);
  options.size = kPage;
  options.name = std::string(250, 'x');
  CHECK_EQ(test_backend().create(options).status().code, Code::kOutOfRange);
  options.name = std::string(249, 'x');
  CHECK(test_backend().create(options).ok());
  options.size = uint64_t{1} << 62;  // a legal number that no machine can map
  const Status status = test_backend().create(options).status();
  if (pins_32_bits()) {  // it has a limit of its own
    CHECK_EQ(status.code, Code::kOutOfRange);
    return;
  }
  CHECK_EQ(status.code, Code::kSystem);
  CHECK(status.error != 0 && status.syscall != nullptr);
}

TEST(a_region_larger_than_the_address_space_is_an_error_of_mmap) {
  if (sizeof(size_t) > 4) SKIP("64-bit address space");
  if (pins_32_bits()) SKIP("the kernel pins with 32-bit offsets: such a region is refused");
  RegionOptions options;
  for (const uint64_t size :
       {uint64_t{1} << 32, (uint64_t{1} << 32) - kPage, uint64_t{6} << 30, uint64_t{1} << 45}) {
    options.size = size;
    const Status status = test_backend().create(options).status();
    CHECK_EQ(status.code, Code::kSystem);
    CHECK_EQ(status.error, ENOMEM);
    CHECK_EQ(std::string(status.syscall), std::string("mmap"));
  }
}

TEST(a_region_larger_than_4_gib_costs_what_is_used_of_it) {
  if (sizeof(size_t) < 8) SKIP("32-bit address space");
  const uint64_t size = uint64_t{6} << 30;
  if (pins_32_bits()) {
    RegionOptions options;
    options.size = size;
    CHECK_EQ(test_backend().create(options).status().code, Code::kOutOfRange);
    const auto other = choose_backend("", Scope::kShared, options);
    CHECK(other.ok() && other.value() != &test_backend());
    SKIP("the kernel pins with 32-bit offsets: such a region is refused, and another backend takes it");
  }
  auto a = make_region(size);
  const uint64_t at = (uint64_t{5} << 30);
  a->mapping()->data()[at] = 42;
  auto b = attach(*a);
  REQUIRE(b);
  CHECK_EQ(b->mapping()->data()[at], 42);
  CHECK_EQ(unpin(*a, at, kPage), Code::kOk);
  CHECK_EQ(purge(*b, 0, size), kPage);
  CHECK(pin(*b, at, kPage).purged);
}
