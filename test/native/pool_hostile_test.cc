// A peer that writes what it likes into a pool's tables: it may lose us data and make calls fail, and no more.
#include <random>

#include "core/platform/clock.h"
#include "native/pools.h"

using namespace ashmem_compat;
using namespace ashmem_compat::testing;

namespace {

constexpr uint64_t kMiB = uint64_t{1} << 20;

// Values that would hurt whoever believed them.
uint64_t nasty(std::mt19937_64& random, uint64_t units) {
  switch (random() % 8) {
    case 0: return 0;
    case 1: return ~uint64_t{0};
    case 2: return random() % (units + 2);
    case 3: return (random() % (units + 2)) << 32 | random() % (units + 2);
    case 4:
      return place_word(random() % (units + 1), static_cast<uint32_t>(random() % 70),
                        static_cast<uint32_t>(random() % 100));
    case 5: return block_state(static_cast<uint32_t>(random() % 3), static_cast<BlockStatus>(random() % 5));
    case 6: return uint64_t{1} << random() % 64;
    default: return random();
  }
}

bool inside(Pool& pool, const Block& block) {
  const char* data = pool.memory().data();
  return block.bytes >= data && block.size <= pool.capacity() &&
         static_cast<uint64_t>(block.bytes - data) <= pool.capacity() - block.size;
}

// Everything that can be done to a pool; whatever comes of it, it comes.
void try_all(Pool& pool, std::mt19937_64& random, std::vector<Block>& held) {
  Block block;
  bool shared = false;
  bool lost = false;
  switch (random() % 8) {
    case 0:
    case 1:
    case 2:
      if (pool.alloc(1 + (random() % 100'000 >> random() % 12), static_cast<Priority>(random() % 3), &block)
              .ok()) {
        REQUIRE(inside(pool, block));
        memset(block.bytes, 1, block.size);
        if (random() % 2 == 0) pool.share(block);
        held.push_back(block);
      }
      return;
    case 3:
      if (held.empty()) return;
      pool.drop(held.back());
      pool.free(held.back().ref);
      held.pop_back();
      return;
    case 4:
      if (pool.block_at(static_cast<uint32_t>(random() % pool.max_blocks()), &block, &shared)) {
        REQUIRE(inside(pool, block));
        if (pool.try_hold(&block, &lost).ok()) {
          memset(block.bytes, 2, block.size);
          pool.refilled(block);
          pool.drop(block);
        }
        if (random() % 2 == 0) pool.free(block.ref);
      }
      return;
    case 5: {
      PoolStats stats;
      if (random() % 16 == 0) pool.stats(&stats);
      return;
    }
    case 6: pool.purge(); return;
    default: {
      ReadTicket ticket;
      if (!pool.block_at(static_cast<uint32_t>(random() % 64), &block, &shared)) return;
      REQUIRE(inside(pool, block));
      if (pool.begin_read(block, &ticket).ok()) pool.end_read(block, ticket);
    }
  }
}

// Runs `scribble` in a peer, over and over, while we work; then without it, over and over, one stroke at a time.
void beside(const std::function<void(std::mt19937_64&, Pool&, RawControl&)>& scribble) {
  alarm(240);  // a hang ends the program
  for (uint64_t seed = 1; seed <= 6; ++seed) {
    auto pool = make_pool(kMiB, 2);
    std::vector<Block> held;
    std::mt19937_64 random(seed);
    for (int i = 0; i < 60; ++i) try_all(*pool, random, held);
    Child peer([&] {
      auto mine = attach_pool(*pool);
      RawControl raw(pool->memory().fd());
      std::mt19937_64 own(seed + 100);
      for (;;) scribble(own, *mine, raw);
      return 0;
    });
    const uint64_t until = now_ms() + 700;
    while (now_ms() < until) try_all(*pool, random, held);
    peer.kill_and_reap();
    RawControl raw(pool->memory().fd());
    for (int i = 0; i < 1500; ++i) {
      if (i % 3 == 0) scribble(random, *pool, raw);
      // A lock of nobody's making would only make all of them wait.
      store_seq_cst(&reinterpret_cast<PoolHead*>(pool->memory().annex())->lock, uint64_t{0});
      try_all(*pool, random, held);
    }
    // Fds and other memory are as they were, and a pool that nobody writes over works.
    auto fresh = make_pool(kMiB);
    check_empty(*fresh);
  }
  alarm(0);
}

}  // namespace

TEST(a_peer_that_scribbles_over_the_annex_does_no_more_than_lose_data) {
  beside([](std::mt19937_64& random, Pool& pool, RawControl&) {
    auto* annex = reinterpret_cast<uint64_t*>(pool.memory().annex());
    const uint64_t words = pool.memory().annex_size() / 8;
    // Most of it where something stands: the head, and the first of each table.
    const uint64_t table = random() % 4;
    const uint64_t used = table == 0   ? random() % (sizeof(PoolHead) / 8)
                          : table == 1 ? kPoolHeadSize / 8 + random() % (100 * sizeof(BlockRecord) / 8)
                                       : random() % words;
    store_relaxed(annex + used, nasty(random, pool.memory().unit_count()));
  });
}

TEST(a_peer_that_scribbles_over_spans_and_all_else_does_no_more_than_lose_data) {
  beside([](std::mt19937_64& random, Pool& pool, RawControl& raw) {
    auto* words = reinterpret_cast<uint64_t*>(raw.base());
    store_relaxed(words + random() % ((raw.length() - kHeaderSize) / 8),
                  nasty(random, pool.memory().unit_count()));
  });
}

TEST(tables_that_contradict_the_records_are_made_anew) {
  auto pool = make_pool(kMiB);
  Block mine;
  CHECK(pool->alloc(5000, Priority::kNormal, &mine).ok());
  write_pattern(mine, 9);
  auto* head = reinterpret_cast<PoolHead*>(pool->memory().annex());
  for (uint32_t bin = 0; bin < kBins; ++bin) head->bins[bin] = 1 + bin % 3;
  memset(head->bin_map, 0xff, sizeof head->bin_map);
  memset(head->slabs, 1, sizeof head->slabs);
  head->free.first = 77777;
  std::vector<Block> blocks;
  for (const uint64_t size : {uint64_t{10}, uint64_t{3000}, uint64_t{20'000}, uint64_t{300'000}}) {
    Block block;
    CHECK(pool->alloc(size, Priority::kNormal, &block).ok());
    memset(block.bytes, 0xee, block.size);
    blocks.push_back(block);
  }
  CHECK(has_pattern(mine, 9));
  blocks.push_back(mine);
  for (Block& block : blocks) {
    pool->drop(block);
    CHECK(pool->free(block.ref).ok());
  }
  check_empty(*pool);
}
