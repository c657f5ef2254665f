// Processes that use one cache and die anywhere in it, by their own hand at every stage of every operation and by others' at any moment. What
// is got is always what somebody set under that key, whole; and in the end nothing is lost for good.
//
// ASHMEM_COMPAT_CHAOS_SECONDS (3) and ASHMEM_COMPAT_CHAOS_SEED (1).
#include <random>

#include "native/caches.h"

using namespace ashmem_compat;
using namespace ashmem_compat::testing;

namespace {

constexpr uint64_t kCapacity = 2 << 20;
constexpr int kKeys = 60;
constexpr int kWorkers = 4;
constexpr auto kStages = static_cast<unsigned>(Stage::kRebuilding) + 1;

enum Word { kStop, kViolations, kOperations, kHits, kDeaths, kRefusals, kFills };

uint64_t number(const char* variable, uint64_t otherwise) {
  const char* text = getenv(variable);
  return text && *text ? strtoull(text, nullptr, 10) : otherwise;
}

// A value: salt and key number, then bytes that both determine.
void write_value(char* to, uint64_t size, uint64_t salt, uint64_t key) {
  std::minstd_rand random(static_cast<uint32_t>(salt * 31 + key) | 1);
  for (uint64_t i = 0; i < size; ++i) to[i] = static_cast<char>(random() >> 8);
  const uint64_t head[2] = {salt, key};
  memcpy(to, head, sizeof head);
}
bool good_value(const char* from, uint64_t size, uint64_t key) {
  uint64_t head[2];
  if (size < sizeof head) return false;
  memcpy(head, from, sizeof head);
  std::string expected(size, '\0');
  write_value(&expected[0], size, head[0], head[1]);
  return head[1] == key && memcmp(expected.data(), from, size) == 0;
}

class Worker {
 public:
  Worker(int fd, Shared* shared, uint64_t seed) : shared_(shared), random_(seed) {
    alarm(300);  // a hang is a failure
    cache_ = attach_cache(fd, 200);
    if (random_() % 3 != 0) {
      at_stage(static_cast<Stage>(random_() % kStages), die_here, 1 + static_cast<int>(random_() % 100));
    }
  }

  int run() {
    while (shared_->word[kStop] == 0) {
      step();
      count(kOperations);
    }
    return 0;
  }

 private:
  void count(Word which) { __atomic_fetch_add(&shared_->word[which], 1, __ATOMIC_RELAXED); }
  void violation(const char* what, int key) {
    fprintf(stderr, "VIOLATION: %s of key %d, pid %d\n", what, key, static_cast<int>(getpid()));
    count(kViolations);
  }
  void check(const CacheItem& item, int key, const char* what) {
    const std::string k = name(key);
    if (item.key_length != k.size() || memcmp(item.key(), k.data(), k.size()) != 0)
      return violation(what, key);
    if (!good_value(item.value(), item.value_length, static_cast<uint64_t>(key))) violation(what, key);
  }
  // Of what may fail: because others are in the way, or hold all.
  bool allowed(const Status& s) {
    if (s.ok()) return true;
    count(kRefusals);
    if (s.code != Code::kRegionBusy && s.code != Code::kNoSpace)
      violation("an error", static_cast<int>(s.code));
    return false;
  }

  uint64_t some_size() {
    const uint64_t most = random_() % 10 == 0 ? 400'000 : random_() % 3 == 0 ? 20'000 : 600;
    return 16 + random_() % most;
  }

  bool reserve(int key, CacheItem* item) {
    const std::string k = name(key);
    const uint64_t size = some_size();
    if (!allowed(cache_->reserve(key_of(k), size, 0, Priority::kNormal, item))) return false;
    write_value(item->value(), size, random_(), static_cast<uint64_t>(key));
    return true;
  }

  void step() {
    const int key = static_cast<int>(random_() % kKeys);
    const std::string k = name(key);
    CacheItem item;
    bool found = false;
    switch (random_() % 12) {
      case 0:
      case 1:
      case 2:
        if (!reserve(key, &item)) return;
        if (random_() % 8 == 0) return cache_->abandon(item, false);
        if (allowed(cache_->publish(key_of(k), &item, random_() % 8 ? 0 : now_ms() + random_() % 20))) {
          check(item, key, "set");
          cache_->release(item);
        } else {
          cache_->abandon(item, false);
        }
        return;
      case 3: allowed(cache_->remove(key_of(k), &found)); return;
      case 4:
        if (random_() % 20 == 0) allowed(cache_->clear());
        if (random_() % 20 == 0) allowed(cache_->purge_stale(&found));
        if (random_() % 5 == 0) cache_->purge();
        return;
      case 5:
        if (cache_->begin_read(key_of(k), &item, &found).ok() && found) {
          const std::string copy(item.value(), item.value_length);
          if (cache_->end_read(item) && !good_value(copy.data(), copy.size(), static_cast<uint64_t>(key))) {
            violation("a read", key);
          }
        }
        return;
      case 6:
      case 7: {
        FillTicket ticket;
        Cache::Begin outcome;
        const uint64_t take_over = random_() % 4 == 0 ? last_waited_ : 0;
        if (!allowed(cache_->begin_fill(key_of(k), take_over, false, &ticket, &outcome))) return;
        if (outcome == Cache::Begin::kWait) {
          if (!ticket.none() && cache_->is_dead(cache_->fills().owner(ticket))) last_waited_ = ticket.token;
          return;
        }
        if (outcome != Cache::Begin::kMine) return;
        count(kFills);
        if (random_() % 6 == 0 || !reserve(key, &item)) return cache_->end_fill(ticket);
        Cache::Filled filled;
        if (allowed(cache_->publish_fill(key_of(k), ticket, &item, 0, &filled))) {
          check(item, key, "fill");
          cache_->release(item);
        } else {
          cache_->abandon(item, false);
          cache_->end_fill(ticket);
        }
        return;
      }
      case 8: {
        uint32_t record = static_cast<uint32_t>(random_() % 200);
        if (allowed(cache_->next(&record, &item, &found)) && found) cache_->release(item);
        return;
      }
      default:
        if (!allowed(cache_->get(key_of(k), true, &item, &found)) || !found) return;
        count(kHits);
        check(item, key, "get");
        held_.push_back({item, key});
        if (held_.size() < 4 + random_() % 8) return;
        // They have been kept for a while, during which everything happened to their keys.
        for (const auto& [one, its_key] : held_) {
          check(one, its_key, "held");
          cache_->release(one);
        }
        held_.clear();
    }
  }

  Shared* shared_;
  std::mt19937_64 random_;
  std::unique_ptr<Cache> cache_;
  std::vector<std::pair<CacheItem, int>> held_;
  uint64_t last_waited_ = 0;
};

}  // namespace

TEST(nothing_wrong_is_ever_got_and_nothing_is_lost_for_good) {
  Shared* shared = shared_words();
  const uint64_t seed = number("ASHMEM_COMPAT_CHAOS_SEED", 1);
  const uint64_t end = now_ms() + number("ASHMEM_COMPAT_CHAOS_SECONDS", 3) * 1000;
  std::mt19937_64 random(seed);
  const auto cache = make_cache(kCapacity, 300);
  const int fd = fd_of(*cache);
  std::unique_ptr<Child> workers[kWorkers];
  const auto start = [&](std::unique_ptr<Child>& worker) {
    const uint64_t its_seed = random();
    worker = std::make_unique<Child>([&, its_seed] { return Worker(fd, shared, its_seed).run(); });
  };
  for (auto& worker : workers) start(worker);
  while (now_ms() < end) {
    nap_ms(static_cast<long>(random() % 4));
    for (auto& worker : workers) {
      int status = 0;
      if (random() % 16 == 0) worker->signal(SIGKILL);
      if (random() % 16 == 0) {
        worker->signal(SIGSTOP);
        nap_ms(static_cast<long>(random() % 3));
        worker->signal(SIGCONT);
      }
      // A worker that has ended stays a zombie until it is reaped here.
      siginfo_t info{};
      if (waitid(P_PID, static_cast<id_t>(worker->pid()), &info, WEXITED | WNOHANG | WNOWAIT) == 0 &&
          info.si_pid != 0) {
        status = worker->reap();
        if (status != -SIGKILL) {
          fprintf(stderr, "a worker ended with %d, seed %llu\n", status,
                  static_cast<unsigned long long>(seed));
          CHECK(false);
        }
        shared->word[kDeaths] = shared->word[kDeaths] + 1;
        start(worker);
      }
    }
  }
  shared->word[kStop] = 1;
  for (auto& worker : workers) {
    worker->signal(SIGCONT);
    worker->signal(SIGKILL);
    worker->reap();
  }
  printf("seed %llu: %llu operations, %llu hits, %llu fills, %llu deaths, %llu refusals\n",
         static_cast<unsigned long long>(seed), static_cast<unsigned long long>(shared->word[kOperations]),
         static_cast<unsigned long long>(shared->word[kHits]),
         static_cast<unsigned long long>(shared->word[kFills]),
         static_cast<unsigned long long>(shared->word[kDeaths]),
         static_cast<unsigned long long>(shared->word[kRefusals]));
  CHECK_EQ(shared->word[kViolations], uint64_t{0});
  // Whatever they were at, all of it can be had again.
  for (int key = 0; key < kKeys; ++key) CHECK_EQ(set(*cache, name(key), "after"), Code::kOk);
  for (int key = 0; key < kKeys; ++key) {
    const std::string got = get(*cache, name(key));
    // A kernel that discards by itself may do so here too.
    if (!kernel_discards() || got != kMissing) CHECK_EQ(got, std::string("after"));
  }
  CHECK_EQ(stats(*cache).pool.blocks, uint64_t{cache->count()});
  CHECK_EQ(set(*cache, "whole", std::string(kCapacity, 'w')), Code::kOk);
  CHECK_EQ(cache->count(), 1u);
  CHECK_EQ(stats(*cache).pool.blocks, uint64_t{1});
}
