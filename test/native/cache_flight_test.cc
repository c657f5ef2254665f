// One fill for all processes that ask, though every first filler is killed. ASHMEM_COMPAT_FLIGHTS (60) keys.
#include <atomic>
#include <condition_variable>
#include <map>
#include <mutex>

#include "core/cache/fill_watch.h"
#include "native/caches.h"

using namespace ashmem_compat;
using namespace ashmem_compat::testing;

namespace {

constexpr int kProcesses = 8;

struct Board {
  volatile uint64_t fills, wrong, kills, longest_wait_ms;
  volatile uint32_t done[kProcesses];  // keys that each has got
  volatile uint32_t killed[4000];      // by key: whether its first filler is dead
};

struct Heard final : FillWatch::Listener {
  void on_over(uint64_t, FillWatch::Why why) override {
    const std::lock_guard<std::mutex> guard(mutex);
    last = why;
    told = true;
    condition.notify_all();
  }
  FillWatch::Why wait() {
    std::unique_lock<std::mutex> guard(mutex);
    condition.wait(guard, [this] { return told; });
    told = false;
    return last;
  }
  std::mutex mutex;
  std::condition_variable condition;
  bool told = false;
  FillWatch::Why last{};
};

void raise_to(volatile uint64_t* word, uint64_t value) {
  uint64_t seen = __atomic_load_n(word, __ATOMIC_RELAXED);
  while (seen < value &&
         !__atomic_compare_exchange_n(word, &seen, value, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {
  }
}

bool is_good(Cache& cache, const CacheItem& item, const std::string& key) {
  const bool good = std::string(item.value(), item.value_length) == "value of " + key;
  cache.release(item);
  return good;
}

// getOrFill() of one key, as lib/cache does it.
bool ask(Cache& cache, FillWatch& watch, Heard& heard, Board* board, int k) {
  const std::string key = name(k);
  uint64_t take_over = 0;
  for (;;) {
    CacheItem item;
    bool found = false;
    if (!cache.get(key_of(key), true, &item, &found).ok()) return false;
    if (found) return is_good(cache, item, key);
    FillTicket ticket;
    Cache::Begin outcome;
    if (!cache.begin_fill(key_of(key), take_over, false, &ticket, &outcome).ok()) return false;
    take_over = 0;
    if (outcome == Cache::Begin::kThere) continue;
    if (outcome == Cache::Begin::kWait) {
      const uint64_t since = now_ms();
      watch.add(1, ticket);
      if (heard.wait() != FillWatch::Why::kOver) take_over = ticket.token;
      raise_to(&board->longest_wait_ms, now_ms() - since);
      continue;
    }
    __atomic_fetch_add(&board->fills, 1, __ATOMIC_RELAXED);
    if (__atomic_exchange_n(&board->killed[k], 1u, __ATOMIC_RELAXED) == 0) die_here();
    nap_ms(1);
    const std::string value = "value of " + key;
    Cache::Filled filled;
    if (!cache.reserve(key_of(key), value.size(), 0, Priority::kNormal, &item).ok()) return false;
    memcpy(item.value(), value.data(), value.size());
    if (!cache.publish_fill(key_of(key), ticket, &item, 0, &filled).ok()) return false;
    return is_good(cache, item, key);
  }
}

}  // namespace

TEST(a_key_is_filled_twice_at_most_when_the_first_filler_is_killed) {
  const char* asked = getenv("ASHMEM_COMPAT_FLIGHTS");
  const int keys = asked && *asked ? atoi(asked) : 60;
  REQUIRE(keys > 0 && keys <= 4000);
  auto* board = static_cast<Board*>(
      mmap(nullptr, sizeof(Board), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
  const auto cache = make_cache(4 << 20, 5000);
  const int fd = fd_of(*cache);
  std::unique_ptr<Child> children[kProcesses];
  const auto start = [&](int p) {
    children[p] = std::make_unique<Child>([=] {
      alarm(300);
      const auto mine = attach_cache(fd);
      Heard heard;
      FillWatch watch(
          mine->fills(), [&mine](uint64_t owner) { return mine->is_dead(owner); }, 60'000, &heard);
      for (uint32_t k = board->done[p]; k < static_cast<uint32_t>(keys); ++k) {
        // All at once: nobody is further than the others.
        for (int other = 0; other < kProcesses; ++other) {
          while (board->done[other] < k) nap_ms(0);
        }
        if (!ask(*mine, watch, heard, board, static_cast<int>(k))) {
          __atomic_fetch_add(&board->wrong, 1, __ATOMIC_RELAXED);
        }
        board->done[p] = k + 1;
      }
      watch.stop();
      return 0;
    });
  };
  for (int p = 0; p < kProcesses; ++p) start(p);
  for (int left = kProcesses; left > 0;) {
    for (int p = 0; p < kProcesses; ++p) {
      siginfo_t info{};
      if (!children[p] ||
          waitid(P_PID, static_cast<id_t>(children[p]->pid()), &info, WEXITED | WNOHANG | WNOWAIT) != 0 ||
          info.si_pid == 0) {
        continue;
      }
      const int status = children[p]->reap();
      if (status == -SIGKILL) {
        board->kills = board->kills + 1;
        start(p);
      } else {
        CHECK_EQ(status, 0);
        children[p].reset();
        --left;
      }
    }
    nap_ms(1);
  }
  printf("%d keys, %llu fills, %llu fillers killed, longest wait %llu ms\n", keys,
         static_cast<unsigned long long>(board->fills), static_cast<unsigned long long>(board->kills),
         static_cast<unsigned long long>(board->longest_wait_ms));
  CHECK_EQ(board->wrong, uint64_t{0});
  CHECK_EQ(board->kills, static_cast<uint64_t>(keys));
  CHECK_EQ(board->fills, static_cast<uint64_t>(2 * keys));
  CHECK_EQ(stats(*cache).counters.fills, static_cast<uint64_t>(2 * keys));
}
