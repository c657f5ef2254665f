// The reclaimer in earnest: in a cgroup that has a limit and no swap, with a neighbour that takes memory at full speed.
#include <sys/mman.h>

#include "core/pressure/watcher.h"
#include "native/check.h"
#include "native/limited_cgroup.h"
#include "native/processes.h"

using namespace ashmem_compat;
using namespace ashmem_compat::testing;

namespace {

constexpr uint64_t kLimit = 256 * kMiB;
constexpr uint64_t kIdle = 200 * kMiB;
constexpr uint64_t kHeld = 4 * kMiB;

std::unique_ptr<Region> make(uint64_t size, bool reclaimer) {
  RegionOptions options;
  options.size = size;
  options.reclaimer = reclaimer;
  Result<std::unique_ptr<Region>> made = create_region("memfd", Scope::kShared, options);
  CHECK(made.ok());
  return std::move(made.value());
}

// So that a unit that is 'kept' can be told from one that was lost without a word.
void write_numbers(Region& region) {
  char* data = region.mapping()->data();
  const uint64_t unit = region.granularity();
  for (uint64_t at = 0; at < region.size(); at += unit)
    memset(data + at, static_cast<int>(at / unit % 255 + 1), unit);
}

// Bytes lost; every kept byte must be what was written.
uint64_t check_numbers(Region& region) {
  std::vector<ByteRange> lost;
  bool any = false;
  CHECK(region.pin(0, region.size(), &any, &lost).ok());
  const char* data = region.mapping()->data();
  const uint64_t unit = region.granularity();
  uint64_t bytes = 0;
  size_t next = 0;
  for (uint64_t at = 0; at < region.size(); at += unit) {
    while (next < lost.size() && lost[next].offset + lost[next].length <= at) ++next;
    if (next < lost.size() && lost[next].offset <= at) {
      bytes += unit;
      continue;
    }
    const char expected = static_cast<char>(at / unit % 255 + 1);
    if (data[at] != expected || data[at + unit - 1] != expected)
      check::fail(__FILE__, __LINE__, "a kept unit has other bytes");
  }
  CHECK(region.unpin(0, region.size()).ok());
  return bytes;
}

int take(uint64_t bytes) {
  void* data = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (data == MAP_FAILED) return 1;
  memset(data, 1, bytes);
  return 0;
}

// A process that has the region, and reclaims it.
std::unique_ptr<Child> user_of(int fd, void (*prepare)() = nullptr) {
  return std::make_unique<Child>([fd, prepare] {
    RegionOptions options;
    options.reclaimer = true;
    const Result<std::unique_ptr<Region>> own = attach_region("memfd", Fd(dup(fd)), options);
    if (!own.ok()) return 1;
    if (prepare) prepare();
    pressure::look();
    raise(SIGSTOP);  // there
    for (;;) pause();
    return 0;
  });
}

struct Outcome {
  uint64_t lost = 0;
};

// In a cgroup: `users` processes with a region, and a neighbour that takes `bytes`. What is checked is that everybody lives, that what is
// pinned stays, and what is kept is whole.
Outcome live_through(const LimitedCgroup& group, int users, uint64_t bytes,
                     void (*prepare_first)() = nullptr) {
  Shared* shared = shared_words();
  const auto all = group.run([&] {
    const auto region = make(kIdle, users == 0);
    const auto held = make(kHeld, users == 0);
    write_numbers(*region);
    write_numbers(*held);
    std::vector<std::unique_ptr<Child>> others;
    for (int i = 0; i < users; ++i) {
      others.push_back(user_of(region->fd(), i == 0 ? prepare_first : nullptr));
      CHECK(others.back()->wait_stopped());
      others.back()->resume();
    }
    CHECK(region->unpin(0, region->size()).ok());
    Child neighbour([bytes] { return take(bytes); });
    CHECK_EQ(neighbour.reap(), 0);
    for (const auto& other : others) CHECK(kill(other->pid(), 0) == 0);
    CHECK_EQ(check_numbers(*held), uint64_t{0});
    shared->word[0] = check_numbers(*region);
  });
  CHECK_EQ(all->reap(), 0);
  CHECK_EQ(group.oom_kills(), uint64_t{0});
  return {shared->word[0]};
}

}  // namespace

TEST(without_the_reclaimer_the_kernel_kills) {
  const auto group = LimitedCgroup::make(kLimit);
  if (!group) SKIP(kNoLimitedCgroup);
  const auto all = group->run([] {
    const auto region = make(kIdle, false);
    write_numbers(*region);
    CHECK(region->unpin(0, region->size()).ok());
    Child neighbour([] { return take(150 * kMiB); });
    CHECK_EQ(neighbour.reap(), 0);
  });
  CHECK(all->reap() != 0);
  CHECK(group->oom_kills() > 0);
}

TEST(a_neighbour_at_full_speed_is_survived) {
  const auto group = LimitedCgroup::make(kLimit);
  if (!group) SKIP(kNoLimitedCgroup);
  const Outcome outcome = live_through(*group, 0, 150 * kMiB);
  CHECK(outcome.lost >= 90 * kMiB && outcome.lost < kIdle);
}

TEST(four_processes_do_the_work_once) {
  const auto group = LimitedCgroup::make(kLimit);
  if (!group) SKIP(kNoLimitedCgroup);
  const Outcome outcome = live_through(*group, 4, 90 * kMiB);
  // 38 MiB are more than there is, and a sixteenth and a quarter of it is to stay free.
  fprintf(stderr, "lost %llu MiB\n", static_cast<unsigned long long>(outcome.lost / kMiB));
  CHECK(outcome.lost >= 38 * kMiB && outcome.lost <= 2 * (38 + 20) * kMiB);
}

TEST(reclaimers_that_are_killed_half_way_are_replaced) {
  const auto group = LimitedCgroup::make(kLimit);
  if (!group) SKIP(kNoLimitedCgroup);
  Shared* shared = shared_words();
  const auto all = group->run([&] {
    const auto region = make(kIdle, false);
    write_numbers(*region);
    // Whoever of them begins dies of it. Each leaves units behind that somebody was purging.
    std::vector<std::unique_ptr<Child>> users;
    for (int i = 0; i < 3; ++i) {
      users.push_back(user_of(region->fd(), [] { at_stage(Stage::kDiscarded, die_here); }));
    }
    users.push_back(user_of(region->fd()));
    for (const auto& user : users) {
      CHECK(user->wait_stopped());
      user->resume();
    }
    CHECK(region->unpin(0, region->size()).ok());
    Child neighbour([] { return take(150 * kMiB); });
    CHECK_EQ(neighbour.reap(), 0);
    shared->word[0] = check_numbers(*region);
    CHECK(kill(users.back()->pid(), 0) == 0);
  });
  CHECK_EQ(all->reap(), 0);
  CHECK_EQ(group->oom_kills(), uint64_t{0});
  CHECK(shared->word[0] >= 90 * kMiB);
}

TEST(a_reclaimer_that_is_stopped_half_way_does_not_stop_the_others) {
  const auto group = LimitedCgroup::make(kLimit);
  if (!group) SKIP(kNoLimitedCgroup);
  const auto all = group->run([&] {
    const auto region = make(kIdle, false);
    write_numbers(*region);
    const auto frozen = user_of(region->fd(), [] { at_stage(Stage::kMarked, stop_here, 3); });
    const auto other = user_of(region->fd());
    for (Child* user : {frozen.get(), other.get()}) {
      CHECK(user->wait_stopped());
      user->resume();
    }
    CHECK(region->unpin(0, region->size()).ok());
    Child neighbour([] { return take(150 * kMiB); });
    CHECK_EQ(neighbour.reap(), 0);
    frozen->resume();
  });
  CHECK_EQ(all->reap(), 0);
  CHECK_EQ(group->oom_kills(), uint64_t{0});
}

// Memory belongs to the cgroup of whoever touched it first: this region's is none of the cgroup that is short.
TEST(a_region_that_is_charged_elsewhere_is_not_wasted) {
  const auto group = LimitedCgroup::make(64 * kMiB);
  if (!group) SKIP(kNoLimitedCgroup);
  const auto region = make(128 * kMiB, false);
  write_numbers(*region);
  CHECK(region->unpin(0, region->size()).ok());
  const int fd = region->fd();
  const auto child = group->run([fd] {
    RegionOptions options;
    options.reclaimer = true;
    const Result<std::unique_ptr<Region>> own = attach_region("memfd", Fd(dup(fd)), options);
    CHECK(own.ok());
    const uint64_t bytes = 57 * kMiB;
    void* data = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    memset(data, 1, bytes);
    // Many looks, all of them at a cgroup that is short of memory.
    for (int i = 0; i < 20; ++i) {
      pressure::look();
      nap_ms(10);
    }
  });
  CHECK_EQ(child->reap(), 0);
  const uint64_t lost = check_numbers(*region);
  // What it takes to find out, for each second; and it did try.
  CHECK(lost >= 8 * kMiB && lost <= 32 * kMiB);
}

TEST(page_cache_is_not_taken_for_need) {
  const auto group = LimitedCgroup::make(kLimit);
  if (!group) SKIP(kNoLimitedCgroup);
  char path[] = "/var/tmp/ashmem-compat-cache-XXXXXX";
  const int file = mkstemp(path);
  if (file < 0) SKIP("no file can be made in /var/tmp");
  unlink(path);
  static char block[1 << 20];
  memset(block, 1, sizeof block);
  constexpr int kBlocks = 400;
  for (int i = 0; i < kBlocks; ++i) {
    if (write(file, block, sizeof block) != static_cast<ssize_t>(sizeof block)) {
      close(file);
      SKIP("no room for a file of 400 MiB in /var/tmp");
    }
  }
  fsync(file);
  posix_fadvise(file, 0, 0, POSIX_FADV_DONTNEED);
  Shared* shared = shared_words();
  const auto all = group->run([&] {
    const auto region = make(kIdle, true);
    write_numbers(*region);
    CHECK(region->unpin(0, region->size()).ok());
    Child neighbour([file] {
      for (int i = 0; i < kBlocks; ++i) {
        if (pread(file, block, sizeof block, static_cast<off_t>(i) << 20) <= 0) return 1;
      }
      return 0;
    });
    CHECK_EQ(neighbour.reap(), 0);
    shared->word[0] = check_numbers(*region);
  });
  close(file);
  CHECK_EQ(all->reap(), 0);
  CHECK(shared->word[0] <= kIdle / 10);
}
