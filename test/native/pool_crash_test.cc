// Processes that are killed and stopped at every stage of every operation of a pool: nothing leaks, and nothing that others have is touched.
#include "native/pools.h"

using namespace ashmem_compat;
using namespace ashmem_compat::testing;

namespace {

constexpr uint64_t kMiB = uint64_t{1} << 20;
const uint64_t kPage = page_size();
constexpr Stage kStages[] = {Stage::kPoolLocked, Stage::kPoolDirty,  Stage::kExtentHeld, Stage::kSplitting,
                             Stage::kSplit,      Stage::kMerging,    Stage::kMerged,     Stage::kSlabTaken,
                             Stage::kPlaced,     Stage::kDescribed,  Stage::kCommitted,  Stage::kDoomed,
                             Stage::kForgotten,  Stage::kRoomFreed,  Stage::kPoolClean,  Stage::kBeforeTake,
                             Stage::kTaken,      Stage::kBeforeGive, Stage::kMarked,     Stage::kDiscarded};

// Each is a sequence of operations by one process that ends with as many blocks as it began with.
struct Work {
  const char* name;
  void (*run)(Pool&);
};

void use(Pool& pool, uint64_t size, Block* block) {
  if (!pool.alloc(size, Priority::kNormal, block).ok()) _exit(91);
  memset(block->bytes, 0x55, block->size);
}
void end(Pool& pool, Block& block) {
  pool.drop(block);
  if (!pool.free(block.ref).ok()) _exit(92);
}

const Work kWorks[] = {
    {"extents",
     [](Pool& pool) {
       Block a, b, c;
       use(pool, 3 * kPage, &a);
       use(pool, 5 * kPage, &b);
       use(pool, 40 * kPage, &c);
       end(pool, a);
       end(pool, c);
       end(pool, b);  // between two that are free
     }},
    {"slabs",
     [](Pool& pool) {
       Block blocks[70];
       for (Block& block : blocks) use(pool, 64, &block);  // a slab and a bit
       for (Block& block : blocks) end(pool, block);
     }},
    {"shared",
     [](Pool& pool) {
       Block small, large;
       use(pool, 500, &small);
       use(pool, 9 * kPage, &large);
       if (!pool.share(small).ok() || !pool.share(large).ok()) _exit(93);
       end(pool, large);
       end(pool, small);
     }},
    {"doomed",
     [](Pool& pool) {
       Block block, again;
       use(pool, 20 * kPage, &block);
       pool.share(block);
       pool.free(block.ref);  // while it is held here
       use(pool, 20 * kPage, &again);
       pool.drop(block);
       PoolStats stats;
       pool.stats(&stats);  // gives its room back
       end(pool, again);
     }},
    {"purge",
     [](Pool& pool) {
       Block block;
       use(pool, 6 * kPage, &block);
       pool.drop(block);
       pool.purge();
       bool lost = false;
       if (!pool.hold(&block, &lost).ok() || !lost) _exit(94);
       pool.refilled(block);
       end(pool, block);
     }},
};

// Blocks that another process has, and holds.
struct Others {
  std::vector<Block> blocks;
  explicit Others(Pool& pool) {
    for (const uint64_t size :
         {uint64_t{64}, uint64_t{500}, kPage, 3 * kPage, 5 * kPage, 9 * kPage, uint64_t{70}}) {
      Block block;
      CHECK(pool.alloc(size, Priority::kNormal, &block).ok());
      write_pattern(block, blocks.size());
      pool.share(block);
      blocks.push_back(block);
    }
    // So that there are holes.
    end(pool, blocks[3]);
    blocks.erase(blocks.begin() + 3);
    for (size_t i = 0; i < blocks.size(); ++i) write_pattern(blocks[i], i);
  }
  bool intact() const {
    for (size_t i = 0; i < blocks.size(); ++i) {
      if (!has_pattern(blocks[i], i)) return false;
    }
    return true;
  }
  bool has(uint32_t id) const {
    for (const Block& block : blocks) {
      if (block.ref.id == id) return true;
    }
    return false;
  }
};

// Takes all there is, in small pieces and large, without hitting what others have; then frees all, and finds nothing missing.
void check_whole(Pool& pool, Others& others) {
  std::vector<Block> rest;
  for (const uint64_t size : {uint64_t{64}, uint64_t{400}, 2 * kPage, 30 * kPage}) {
    for (int i = 0; i < 20; ++i) {
      Block block;
      const Status status = pool.alloc(size, Priority::kNormal, &block);
      if (status.code == Code::kNoSpace) break;
      REQUIRE(status.ok());
      memset(block.bytes, 0xee, block.size);
      rest.push_back(block);
    }
  }
  CHECK(others.intact());
  for (Block& block : rest) end(pool, block);
  // What the dead had shared is there still, as it has to be.
  for (uint32_t id = 0; id < pool.records_end(); ++id) {
    Block block;
    bool shared = false;
    if (others.has(id) || !pool.block_at(id, &block, &shared)) continue;
    CHECK(shared);
    CHECK(pool.free(block.ref).ok());
  }
  CHECK(others.intact());
  for (Block& block : others.blocks) end(pool, block);
  check_empty(pool);
}

std::string place_of(const Work& work, Stage stage, int nth) {
  return std::string(work.name) + ", stage " + std::to_string(static_cast<int>(stage)) + ", time " +
         std::to_string(nth);
}
#define CHECK_AT(condition, where)                                                             \
  do {                                                                                         \
    if (!(condition))                                                                          \
      check::fail(__FILE__, __LINE__, std::string("not true: " #condition ", at ") + (where)); \
  } while (0)

// Early and late visits of a stage: all of the first few, then ever fewer.
int next_visit(int nth) { return nth < 8 ? nth + 1 : nth + nth / 4; }

template <typename Action>
int at_each_stage(Action action) {
  int reached = 0;
  for (const Work& work : kWorks) {
    for (const Stage stage : kStages) {
      for (int nth = 1;; nth = next_visit(nth)) {
        if (!action(work, stage, nth)) break;
        ++reached;
      }
    }
  }
  return reached;
}

// Kills a child at the visit; false if it came to its end instead.
bool killed_at(Pool& pool, const Work& work, Stage stage, int nth) {
  Child child([&] {
    auto mine = attach_pool(pool);
    at_stage(stage, die_here, nth);
    work.run(*mine);
    stage_hook = nullptr;
    mine->close();
    return 0;
  });
  const int ended = child.reap();
  if (ended != 0 && ended != -SIGKILL)
    check::fail(__FILE__, __LINE__, place_of(work, stage, nth) + ": " + std::to_string(ended));
  return ended == -SIGKILL;
}

}  // namespace

TEST(a_process_that_is_killed_anywhere_leaks_nothing_and_harms_nothing) {
  const int reached = at_each_stage([](const Work& work, Stage stage, int nth) {
    auto pool = make_pool(kMiB);
    Others others(*pool);
    const int before = check::failures;
    const bool killed = killed_at(*pool, work, stage, nth);
    check_whole(*pool, others);
    CHECK_AT(check::failures == before, place_of(work, stage, nth));
    return killed && check::failures == before;
  });
  printf("        killed at %d places\n", reached);
  CHECK(reached > 200);
}

TEST(one_pool_outlives_a_death_at_every_place) {
  auto pool = make_pool(kMiB);
  Others others(*pool);
  at_each_stage([&](const Work& work, Stage stage, int nth) { return killed_at(*pool, work, stage, nth); });
  check_whole(*pool, others);
}

TEST(who_puts_the_tables_in_order_may_die_as_well) {
  for (int nth = 1; nth <= 2; ++nth) {
    for (const Stage stage : {Stage::kSplit, Stage::kMerged, Stage::kDescribed, Stage::kForgotten}) {
      auto pool = make_pool(kMiB);
      Others others(*pool);
      CHECK(killed_at(*pool, kWorks[0], stage, 2));
      CHECK(killed_at(*pool, kWorks[0], Stage::kRebuilding, nth));
      CHECK(killed_at(*pool, kWorks[1], Stage::kRebuilding, nth));
      check_whole(*pool, others);
    }
  }
}

TEST(a_process_that_is_stopped_anywhere_delays_others_for_a_bounded_time) {
  int busy = 0;
  const int reached = at_each_stage([&](const Work& work, Stage stage, int nth) {
    if (nth > 2) return false;
    auto pool = make_pool(kMiB, 20);
    Others others(*pool);
    Child child([&] {
      auto mine = attach_pool(*pool);
      at_stage(stage, stop_here, nth);
      work.run(*mine);
      stage_hook = nullptr;
      mine->close();
      return 0;
    });
    int status = 0;
    CHECK_EQ(waitpid(child.pid(), &status, WUNTRACED), child.pid());
    if (!WIFSTOPPED(status)) {
      CHECK_AT(WIFEXITED(status) && WEXITSTATUS(status) == 0, place_of(work, stage, nth));
      return false;
    }
    Block block;
    const Code got = pool->alloc(3 * kPage, Priority::kNormal, &block).code;
    CHECK_AT(got == Code::kOk || got == Code::kRegionBusy, place_of(work, stage, nth));
    if (got == Code::kOk) {
      memset(block.bytes, 0xee, block.size);
    } else {
      ++busy;
    }
    bool lost = true;
    for (Block& other : others.blocks) {
      CHECK_AT(pool->hold(&other, &lost).ok() && !lost, place_of(work, stage, nth));
      pool->drop(other);
    }
    child.resume();
    CHECK_AT(child.reap() == 0, place_of(work, stage, nth));
    if (got == Code::kOk) end(*pool, block);
    check_whole(*pool, others);
    return true;
  });
  printf("        stopped at %d places, %d of them in the way of an allocation\n", reached, busy);
  CHECK(reached > 60 && busy > 20 && busy < reached);
}

TEST(a_lock_whose_owner_died_is_taken_over_at_once_by_one_of_many) {
  for (int round = 0; round < 20; ++round) {
    auto pool = make_pool(kMiB);
    CHECK(killed_at(*pool, kWorks[0], Stage::kSplit, 1));
    std::vector<std::unique_ptr<Child>> children;
    for (int i = 0; i < 4; ++i) {
      children.push_back(std::make_unique<Child>([&, i] {
        auto mine = attach_pool(*pool);
        for (int n = 0; n < 50; ++n) {
          Block block;
          use(*mine, 2 * kPage, &block);
          write_pattern(block, static_cast<uint64_t>(i));
          if (!has_pattern(block, static_cast<uint64_t>(i))) return 1;
          end(*mine, block);
        }
        return 0;
      }));
    }
    for (auto& child : children) CHECK_EQ(child->reap(), 0);
    check_empty(*pool);
  }
}
