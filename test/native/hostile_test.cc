// Law 5: a peer that writes random bytes over everything shared can lose us data or make a call fail. It cannot crash us,
// hang us, or make us touch memory outside the region.
#include <random>

#include "core/platform/system_calls.h"
#include "native/check.h"
#include "native/processes.h"

using namespace ashmem_compat;
using namespace ashmem_compat::testing;

namespace {

const uint64_t kPage = page_size();

// Everything that can be done with a region, at random, until so many calls were answered. Any answer will do; what counts
// is that there is one.
int use(int fd, unsigned seed, int answers) {
  std::mt19937 random(seed);
  std::unique_ptr<Region> region;
  for (int answered = 0; answered < answers;) {
    if (!region || random() % 50 == 0) {
      Result<std::unique_ptr<Region>> made = try_attach(fd, 2);
      if (!made.ok()) {
        const Code code = made.status().code;
        if (code != Code::kUntrustedFd && code != Code::kTooManyProcesses && code != Code::kRegionBusy)
          return 10;
        region.reset();
        continue;
      }
      region = std::move(made.value());
    }
    const uint64_t units = region->size() / kPage;
    const uint64_t first = random() % units;
    const uint64_t count = 1 + random() % (units - first);
    ReadTicket ticket;
    RegionStats stats;
    switch (random() % 8) {
      case 0:
      case 1: pin(*region, first * kPage, count * kPage); break;
      case 2:
      case 3: unpin(*region, first * kPage, count * kPage); break;
      case 4: purge(*region, first * kPage, count * kPage); break;
      case 5: is_pinned(*region, first * kPage, count * kPage); break;
      case 6:
        region->begin_read(first * kPage, count * kPage, &ticket);
        region->end_read(first * kPage, count * kPage, ticket);
        break;
      case 7: region->stats(&stats); break;
    }
    memset(region->mapping()->data() + first * kPage, 1, kPage);
    ++answered;
  }
  return 0;
}

// Random words all over the control area (the data is anybody's anyway). Words that look legal do more harm than noise.
void scribble(const RawControl& control, std::mt19937_64& random, pid_t alive) {
  const uint64_t words =
      (control.length() - kHeaderSize) / 8;  // a broken header only keeps others from attaching at all
  uint64_t* base = reinterpret_cast<uint64_t*>(control.base());
  const Header& header = control.header();
  for (int i = 0; i < 200; ++i) {
    const uint64_t r = random();
    switch (r % 6) {
      case 0: __atomic_store_n(base + random() % words, random(), __ATOMIC_RELAXED); break;
      case 1:
        __atomic_store_n(control.word(random() % header.unit_count), random() & random(), __ATOMIC_RELAXED);
        break;
      case 2: {  // purging by the owner of some slot
        const uint32_t slot = static_cast<uint32_t>(random() % 64);
        const uint64_t life = slot < header.slot_count ? control.slot(slot)->life : random();
        __atomic_store_n(control.word(random() % header.unit_count), purging_word(slot, life),
                         __ATOMIC_RELAXED);
        break;
      }
      case 3: {  // a slot owned by a living stranger, or by nobody
        Slot* slot = control.slot(static_cast<uint32_t>(random() % header.slot_count));
        const uint64_t identity =
            make_identity(static_cast<uint32_t>(random() % 16), static_cast<uint32_t>(alive), random());
        __atomic_store_n(&slot->life, life_word(static_cast<Phase>(random() % 4), random(), identity),
                         __ATOMIC_RELAXED);
        break;
      }
      case 4:
        __atomic_store_n(&control.slot(static_cast<uint32_t>(random() % header.slot_count))->hazard,
                         random() % 70, __ATOMIC_RELAXED);
        break;
      case 5: __atomic_store_n(control.namespaces() + random() % 15, random(), __ATOMIC_RELAXED); break;
    }
  }
}

void survive(uint32_t max_processes, unsigned seed, int rounds) {
  auto a = make_region(64 * kPage, max_processes, 2);
  unpin(*a, 0, 64 * kPage);
  const int fd = a->fd();
  Child hostile([&] {
    RawControl control(fd);
    std::mt19937_64 random(seed);
    for (;;) {
      scribble(control, random, getpid());
      if (random() % 16 == 0) nap_ms(1);
    }
    return 0;
  });
  std::vector<std::unique_ptr<Child>> users;
  for (unsigned i = 0; i < 3; ++i) {
    users.push_back(std::make_unique<Child>([&, i] {
      alarm(120);  // the hang that must not be
      return use(fd, seed * 10 + i, rounds);
    }));
  }
  for (auto& user : users) CHECK_EQ(user->reap(), 0);
  hostile.kill_and_reap();
}

}  // namespace

TEST(users_survive_a_peer_that_scribbles_over_everything) {
  for (unsigned seed = 1; seed <= 4; ++seed) survive(0, seed, 3000);
}

TEST(and_so_they_do_with_rows_and_with_one_slot) {
  survive(200, 5, 2000);
  survive(1, 6, 500);
}

TEST(a_peer_cannot_move_the_tables_after_they_were_checked) {
  auto a = make_region(16 * kPage);
  auto b = attach_or_exit(a->fd());
  RawControl control(a->fd());
  Header lie = control.header();
  lie.words_offset = uint64_t{1} << 50;
  lie.unit_count = uint64_t{1} << 40;
  lie.size = uint64_t{1} << 52;
  lie.slot_count = 1000000;
  *control.shared_header() = lie;
  CHECK_EQ(b->size(), 16 * kPage);
  CHECK_EQ(pin(*b, 0, 16 * kPage).code, Code::kOk);
  CHECK_EQ(pin(*b, 16 * kPage, kPage).code, Code::kInvalidRange);
  CHECK_EQ(unpin(*b, 0, 16 * kPage), Code::kOk);
  Child fresh([&] { return try_attach(a->fd()).status().code == Code::kUntrustedFd ? 0 : 1; });
  CHECK_EQ(fresh.reap(), 0);
}

TEST(a_word_in_no_legal_form_is_healed_by_the_next_pin) {
  auto a = make_region(4 * kPage, 3, 20);
  unpin(*a, 0, 4 * kPage);
  RawControl control(a->fd());
  *control.word(0) = ~uint64_t{0};                                      // every bit, slots that do not exist
  *control.word(1) = unit_word(UnitState::kPurging, kReleased | 1023);  // a purger that does not exist
  *control.word(2) =
      unit_word(UnitState::kRefilling, kReleased | uint64_t{1} << 59);  // a holder that does not exist
  *control.word(3) = unit_word(UnitState::kReady, kReleased | kHolderBits);
  for (uint64_t unit = 0; unit < 4; ++unit) {
    CHECK_EQ(pin(*a, unit * kPage, kPage).code, Code::kOk);
    CHECK_EQ(unpin(*a, unit * kPage, kPage), Code::kOk);
  }
  CHECK_EQ(purge(*a, 0, 4 * kPage), 4 * kPage);
}

TEST(a_file_made_to_keep_an_attacher_busy_does_not) {
  // Hundreds of slots that look dead, each under the hazard of one that looks alive: no slot can be had, and every sweep
  // would be in vain.
  // Where the kernel discards, it counts all of an area as memory in use from the start.
  auto a = make_region(uint64_t{kernel_discards() ? 64u : 1024u} << 20, 1020);
  RawControl control(a->fd());
  for (uint32_t i = 1; i < 1020; ++i) {
    const bool alive = i % 2 == 1;
    const uint64_t identity = make_identity(alive ? kNamespaceUnknown : 0, alive ? 1 : 0, 1);
    control.slot(i)->life = life_word(Phase::kActive, 0, identity);
    if (alive) control.slot(i)->hazard = i + 2;
  }
  Child attacher([&] {
    alarm(60);  // the hang that must not be
    const Code code = try_attach(a->fd()).status().code;
    return code == Code::kRegionBusy || code == Code::kTooManyProcesses ? 0 : 1;
  });
  CHECK_EQ(attacher.reap(), 0);
}

TEST(a_hollow_file_of_terabytes_does_not_either) {
  if (!makes_memfds()) SKIP("only a memfd can be made by hand and be that large");
  for (int shift : {40, 44, 46}) {
    Result<Layout> made = make_layout(uint64_t{1} << shift, page_size(), 60);
    REQUIRE(made.ok());
    Header header{};
    made.value().version = header_version();
    fill_header(made.value(), &header);
    Fd fd(raw_memfd_create("hollow", 3));
    CHECK(ftruncate(fd.get(), static_cast<off_t>(made.value().file_size)) == 0);
    CHECK(pwrite(fd.get(), &header, sizeof header, static_cast<off_t>(made.value().header_offset)) ==
          sizeof header);
    CHECK(fcntl(fd.get(), F_ADD_SEALS, 6) == 0);
    Child attacher([&] {
      alarm(60);
      const Code code = try_attach(fd.get()).status().code;
      return code == Code::kOk || code == Code::kSystem ? 0 : 1;
    });
    CHECK_EQ(attacher.reap(), 0);
  }
}

TEST(a_word_overwritten_under_an_object_does_not_hang_its_sibling) {
  // A purger that does not exist, on a unit that this process holds: a second object's pin must come back.
  Child child([] {
    alarm(60);  // the hang that must not be
    auto a = make_region(2 * kPage, 0, 20);
    auto b = attach_or_exit(a->fd());
    RawControl control(a->fd());
    *control.word(0) = unit_word(UnitState::kPurging, kReleased | 1023);
    if (pin(*b, 0, kPage).code != Code::kOk) return 1;
    // And one that lives: for a bounded time only.
    *control.word(1) = purging_word(0, control.slot(0)->life);
    return pin(*b, kPage, kPage).code == Code::kRegionBusy ? 0 : 2;
  });
  CHECK_EQ(child.reap(), 0);
}
