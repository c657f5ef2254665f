// Chaos in a pool: processes allocate, write, share, hold, check, refill, free and purge, are stopped, and die anywhere.
//
// Usage: pool_chaos_test [PART-OF-A-NAME]; POOL_CHAOS_SECONDS and POOL_CHAOS_SEED choose how long (default 4, over four seeds) and where to begin.
//
// What a block's bytes have to be follows from its name, so that nobody need be asked: whoever shares a block has written them, whoever is told
// of a loss writes them again, and who is told nothing must find them. A death before a block is shared frees it; a death before it is refilled
// leaves it lost.
#include <random>

#include "native/pools.h"

using namespace ashmem_compat;
using namespace ashmem_compat::testing;

namespace {

enum Counter { kStop, kViolations, kChecked, kLost, kShared, kFreed, kBusy, kFull };

constexpr int kWorkers = 5;

uint64_t seed_of(const Block& block) { return uint64_t{block.ref.id} << 32 | block.ref.generation; }

class Worker {
 public:
  Worker(int fd, Shared* shared, uint64_t seed) : fd_(fd), shared_(shared), random_(seed) {}

  int run() {
    alarm(120);  // a hang is a failure, not a long run
    attach();
    if (random_() % 2 == 0) {
      at_stage(static_cast<Stage>(random_() % (static_cast<unsigned>(Stage::kRebuilding) + 1)), die_here,
               1 + static_cast<int>(random_() % 200));
    }
    while (shared_->word[kStop] == 0) step();
    for (Block& block : held_) pool_->drop(block);
    return 0;
  }

 private:
  void count(Counter which) { __atomic_fetch_add(&shared_->word[which], uint64_t{1}, __ATOMIC_RELAXED); }
  void violation(const char* what, const Block& block, const Status& status = {}) {
    fprintf(stderr, "VIOLATION %s, block %u.%u, unit %u, size %llu, code %d, pid %d\n", what, block.ref.id,
            block.ref.generation, block.unit, static_cast<unsigned long long>(block.size),
            static_cast<int>(status.code), getpid());
    count(kViolations);
  }

  void attach() {
    for (;;) {
      auto made = Pool::attach(Fd(fcntl(fd_, F_DUPFD_CLOEXEC, 0)), pool_options(0, 50));
      if (made.ok()) {
        held_.clear();
        pool_ = std::move(made.value());
        return;
      }
      if (made.status().code != Code::kRegionBusy) violation("attach", {}, made.status());
      nap_ms(1);
    }
  }
  // False: try another time.
  bool bearable(const Status& status, const char* what, const Block& block) {
    if (status.ok() || status.code == Code::kBlockFreed) return status.ok();
    if (status.code == Code::kRegionBusy) {
      count(kBusy);
    } else if (status.code == Code::kNoSpace) {
      count(kFull);
    } else {
      violation(what, block, status);
    }
    return false;
  }

  void step() {
    switch (random_() % 20) {
      case 0:
        if (random_() % 8 == 0) {
          for (Block& block : held_) pool_->drop(block);
          attach();
        }
        return;
      case 1: pool_->purge(); return;
      case 2:
        if (!held_.empty()) let_go(random_() % held_.size());
        return;
      case 3:
      case 4:
      case 5:
      case 6:
      case 7: make(); return;
      case 8:
      case 9:
      case 10:
      case 11: free_one(); return;
      case 12: {
        PoolStats stats;
        if (random_() % 8 == 0) bearable(pool_->stats(&stats), "stats", {});
        return;
      }
      default: use();
    }
  }

  void let_go(size_t at) {
    if (!has_pattern(held_[at], seed_of(held_[at]))) violation("lost while held", held_[at]);
    pool_->drop(held_[at]);
    held_[at] = held_.back();
    held_.pop_back();
  }

  void make() {
    Block block;
    const uint64_t size = 1 + (random_() % 120'000 >> random_() % 12);
    if (!bearable(pool_->alloc(size, static_cast<Priority>(random_() % 3), &block), "alloc", block)) return;
    write_pattern(block, seed_of(block));
    if (random_() % 8 != 0) {
      const Status status = pool_->share(block);
      if (status.ok()) {
        count(kShared);
      } else if (status.code != Code::kBlockFreed) {  // by somebody who was quick
        bearable(status, "share", block);
      }
    } else if (random_() % 2 == 0) {
      pool_->drop(block);
      bearable(pool_->free(block.ref), "free an own one", block);
      return;
    }
    keep_or_drop(block);
  }

  // Some other block, if there is one that others may know.
  bool pick(Block* block) {
    const uint32_t end = pool_->records_end();
    for (int i = 0; i < 50 && end > 0; ++i) {
      bool shared = false;
      if (pool_->block_at(static_cast<uint32_t>(random_() % end), block, &shared) && shared) return true;
    }
    return false;
  }

  void use() {
    Block block;
    if (!pick(&block)) return;
    bool lost = false;
    if (!bearable(pool_->hold(&block, &lost), "hold", block)) return;
    if (lost) {
      count(kLost);
      write_pattern(block, seed_of(block));
      pool_->refilled(block);
    } else {
      count(kChecked);
      if (!has_pattern(block, seed_of(block))) violation("kept and not what it was", block);
    }
    keep_or_drop(block);
  }

  void keep_or_drop(const Block& block) {
    held_.push_back(block);
    if (random_() % 4 != 0 || held_.size() > 12) let_go(held_.size() - 1);
    if (held_.size() > 8) let_go(random_() % held_.size());
  }

  void free_one() {
    Block block;
    if (!pick(&block)) return;
    if (bearable(pool_->free(block.ref), "free", block)) count(kFreed);
  }

  const int fd_;
  Shared* const shared_;
  std::mt19937_64 random_;
  std::unique_ptr<Pool> pool_;
  std::vector<Block> held_;
};

void chaos(uint64_t seed, double seconds) {
  auto pool = make_pool(uint64_t{2} << 20, 200);
  const int fd = pool->memory().fd();
  Shared* shared = shared_words();
  std::mt19937_64 random(seed);
  std::vector<std::unique_ptr<Child>> workers(kWorkers);
  uint64_t deaths = 0;
  const auto start = [&](size_t i) {
    const uint64_t own = random();
    workers[i] = std::make_unique<Child>([=] { return Worker(fd, shared, own).run(); });
  };
  for (size_t i = 0; i < workers.size(); ++i) start(i);
  timespec from, now;
  clock_gettime(CLOCK_MONOTONIC, &from);
  do {
    nap_ms(static_cast<long>(random() % 10));
    const size_t i = random() % workers.size();
    switch (random() % 4) {
      case 0: workers[i]->signal(SIGKILL); break;
      case 1:
        workers[i]->signal(SIGSTOP);
        nap_ms(static_cast<long>(random() % 30));
        workers[i]->signal(SIGCONT);
        break;
      default: break;
    }
    for (size_t k = 0; k < workers.size(); ++k) {
      siginfo_t ended{};
      waitid(P_PID, static_cast<id_t>(workers[k]->pid()), &ended, WEXITED | WNOHANG | WNOWAIT);
      if (ended.si_pid == 0) continue;
      CHECK_EQ(workers[k]->reap(), -SIGKILL);
      ++deaths;
      start(k);
    }
    clock_gettime(CLOCK_MONOTONIC, &now);
  } while (static_cast<double>(now.tv_sec - from.tv_sec) +
               static_cast<double>(now.tv_nsec - from.tv_nsec) * 1e-9 <
           seconds);
  shared->word[kStop] = 1;
  for (auto& worker : workers) {
    const int ended = worker->reap();
    CHECK(ended == 0 || ended == -SIGKILL);
  }
  printf(
      "        seed %llu: %llu deaths, %llu shared, %llu freed, %llu checked, %llu lost, %llu busy, %llu "
      "full\n",
      static_cast<unsigned long long>(seed), static_cast<unsigned long long>(deaths),
      static_cast<unsigned long long>(shared->word[kShared]),
      static_cast<unsigned long long>(shared->word[kFreed]),
      static_cast<unsigned long long>(shared->word[kChecked]),
      static_cast<unsigned long long>(shared->word[kLost]),
      static_cast<unsigned long long>(shared->word[kBusy]),
      static_cast<unsigned long long>(shared->word[kFull]));
  CHECK_EQ(shared->word[kViolations], uint64_t{0});
  CHECK(shared->word[kChecked] > 0 && shared->word[kShared] > 0 && shared->word[kFreed] > 0);
  stats_of(*pool);  // what the dead never shared goes
  for (uint32_t id = 0; id < pool->records_end(); ++id) {
    Block block;
    bool told = false;
    if (!pool->block_at(id, &block, &told)) continue;
    bool lost = false;
    REQUIRE(pool->hold(&block, &lost).ok());
    if (!lost && told) CHECK(has_pattern(block, seed_of(block)));
    pool->drop(block);
    CHECK(told);
    CHECK(pool->free(block.ref).ok());
  }
  check_empty(*pool);
}

}  // namespace

TEST(processes_that_die_anywhere_leave_a_pool_that_is_whole) {
  const char* seconds = getenv("POOL_CHAOS_SECONDS");
  const char* seed = getenv("POOL_CHAOS_SEED");
  const double each = (seconds ? atof(seconds) : 4) / 4;
  const uint64_t first = seed ? strtoull(seed, nullptr, 10) : 1;
  for (uint64_t i = 0; i < 4; ++i) chaos(first + i, each);
}
