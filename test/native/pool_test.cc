// A pool's blocks: where they go, who may have them, and what becomes of their room.
#include <random>
#include <thread>

#include "native/pools.h"

using namespace ashmem_compat;
using namespace ashmem_compat::testing;

namespace {

const uint64_t kPage = page_size();
constexpr uint64_t kMiB = uint64_t{1} << 20;

Block must_alloc(Pool& pool, uint64_t size, Priority priority = Priority::kNormal) {
  Block block;
  CHECK_EQ(pool.alloc(size, priority, &block).code, Code::kOk);
  return block;
}

}  // namespace

TEST(a_class_holds_its_sizes_and_wastes_an_eighth_at_most) {
  for (const uint64_t unit : {uint64_t{4096}, uint64_t{16384}, uint64_t{65536}}) {
    const SizeClasses classes(unit);
    for (uint64_t size = 1; size <= 20 * unit; size += size < 5000 ? 1 : 61) {
      if (!classes.wants_slab(size)) {
        CHECK((classes.units_of(size) * unit - size) * 8 <= classes.units_of(size) * unit);
        continue;
      }
      const uint32_t c = classes.class_of(size);
      REQUIRE(classes.valid(c));
      REQUIRE(classes.size_of(c) >= size);
      if (size > unit / kBlocksPerUnit) REQUIRE((classes.size_of(c) - size) * 9 <= classes.size_of(c));
      REQUIRE(c == 0 || classes.size_of(c - 1) < size);
      REQUIRE(classes.slab_blocks(c) >= 1 && classes.slab_words(c) <= classes.slab_units(c));
      REQUIRE(classes.slab_units(c) <= kMaxSlabUnits);
    }
  }
}

TEST(blocks_of_all_sizes_do_not_overlap_and_their_room_comes_back) {
  for (const bool shared : {true, false}) {
    auto pool = shared ? make_pool(16 * kMiB) : private_pool(16 * kMiB);
    std::mt19937_64 random(1);
    std::vector<std::pair<Block, uint64_t>> blocks;
    for (uint64_t i = 0; i < 4000; ++i) {
      if (random() % 3 == 0 && !blocks.empty()) {
        const size_t at = random() % blocks.size();
        REQUIRE(has_pattern(blocks[at].first, blocks[at].second));
        pool->drop(blocks[at].first);
        REQUIRE(pool->free(blocks[at].first.ref).ok());
        blocks[at] = blocks.back();
        blocks.pop_back();
        continue;
      }
      const uint64_t size = 1 + (random() % 200'000 >> random() % 14);
      Block block;
      const Status status = pool->alloc(size, static_cast<Priority>(random() % 3), &block);
      if (status.code == Code::kNoSpace) continue;
      REQUIRE(status.ok());
      REQUIRE(block.size == size);
      write_pattern(block, i);
      blocks.push_back({block, i});
    }
    const PoolStats stats = stats_of(*pool);
    CHECK_EQ(stats.blocks, uint64_t{blocks.size()});
    CHECK_EQ(stats.pinned, stats.live);
    CHECK(stats.allocated >= stats.live && stats.allocated <= stats.capacity);
    for (auto& [block, seed] : blocks) {
      CHECK(has_pattern(block, seed));
      pool->drop(block);
      CHECK(pool->free(block.ref).ok());
    }
    check_empty(*pool);
  }
}

TEST(an_allocated_block_is_held_once_and_purged_when_let_go) {
  for (const bool shared : {true, false}) {
    auto pool = shared ? make_pool(kMiB) : private_pool(kMiB);
    for (const uint64_t size : {uint64_t{100}, kPage, 10 * kPage + 5}) {
      Block block = must_alloc(*pool, size);
      write_pattern(block, 7);
      pool->purge();
      CHECK(has_pattern(block, 7));
      pool->drop(block);
      bool lost = true;
      CHECK_EQ(hold_code(*pool, &block, &lost), Code::kOk);
      CHECK(!lost && has_pattern(block, 7));
      pool->drop(block);
      CHECK(pool->purge() >= size);
      CHECK(hold_code(*pool, &block, &lost) == Code::kOk && lost);
      pool->drop(block);
      // Nobody has said that it is filled again.
      CHECK(hold_code(*pool, &block, &lost) == Code::kOk && lost);
      write_pattern(block, 8);
      pool->refilled(block);
      pool->drop(block);
      CHECK(hold_code(*pool, &block, &lost) == Code::kOk && !lost);
      CHECK(has_pattern(block, 8));
      pool->drop(block);
      CHECK(pool->free(block.ref).ok());
    }
    check_empty(*pool);
  }
}

TEST(a_block_of_a_slab_tells_of_its_own_loss_only) {
  auto pool = make_pool(kMiB);
  Block a = must_alloc(*pool, 100);
  Block b = must_alloc(*pool, 100);
  REQUIRE(a.unit == b.unit);
  pool->drop(a);
  pool->drop(b);
  pool->purge();
  bool lost = false;
  CHECK(hold_code(*pool, &a, &lost) == Code::kOk && lost);
  write_pattern(a, 1);
  pool->refilled(a);
  Block c = must_alloc(*pool, 100);  // beside them, after the loss
  CHECK_EQ(c.unit, a.unit);
  CHECK(pool->whole(c));
  CHECK(hold_code(*pool, &b, &lost) == Code::kOk && lost);
  CHECK(pool->whole(a) && !pool->whole(b));
}

TEST(who_did_not_hear_of_a_loss_is_told_though_it_was_refilled) {
  auto pool = make_pool(kMiB);
  Block mine = must_alloc(*pool, 5000);
  pool->share(mine);
  Block other;
  CHECK(pool->find(mine.ref, &other).ok());
  pool->drop(mine);
  pool->purge();
  bool lost = false;
  CHECK(pool->hold(&other, &lost).ok() && lost);
  pool->refilled(other);
  pool->drop(other);
  CHECK(pool->hold(&other, &lost).ok() && !lost);
  CHECK(pool->hold(&mine, &lost).ok() && lost);
  pool->drop(mine);
  CHECK(pool->hold(&mine, &lost).ok() && !lost);
}

TEST(a_freed_block_is_found_by_nobody_and_its_name_is_not_used_again) {
  auto pool = make_pool(kMiB);
  Block block = must_alloc(*pool, 100);
  pool->share(block);
  const double handle = pool->handle_of(block.ref);
  pool->drop(block);
  CHECK(pool->free(block.ref).ok());
  CHECK_EQ(pool->free(block.ref).code, Code::kBlockFreed);
  bool lost = false;
  CHECK_EQ(hold_code(*pool, &block, &lost), Code::kBlockFreed);
  Block next = must_alloc(*pool, 100);
  CHECK_EQ(next.ref.id, block.ref.id);
  CHECK(pool->handle_of(next.ref) != handle);
  BlockRef ref;
  CHECK(pool->ref_of(handle, &ref));
  Block found;
  CHECK_EQ(pool->find(ref, &found).code, Code::kBlockFreed);
  for (const double bad : {-1.0, 0.5, 1e300, 9007199254740992.0}) CHECK(!pool->ref_of(bad, &ref));
}

TEST(a_freed_block_keeps_its_bytes_for_who_holds_it) {
  auto pool = make_pool(kMiB);
  for (const uint64_t size : {uint64_t{200}, 3 * kPage}) {
    Block block = must_alloc(*pool, size);
    write_pattern(block, 3);
    pool->share(block);
    Shared* shared = shared_words();
    Child child([&] {
      auto b = attach_pool(*pool);
      Block mine;
      bool lost = true;
      if (!b->find(block.ref, &mine).ok() || !b->hold(&mine, &lost).ok() || lost) return 1;
      stop_here();
      return has_pattern(mine, 3) ? 0 : 2;
    });
    REQUIRE(child.wait_stopped());
    pool->drop(block);
    CHECK(pool->free(block.ref).ok());
    CHECK_EQ(stats_of(*pool).doomed, uint64_t{1});
    // All the room that there is, and it is not among it.
    std::vector<Block> rest;
    Block more;
    while (pool->alloc(size, Priority::kNormal, &more).ok()) {
      memset(more.bytes, 0xee, more.size);
      rest.push_back(more);
    }
    child.resume();
    CHECK_EQ(child.reap(), 0);
    CHECK(pool->alloc(size, Priority::kNormal, &more).ok());  // its holder is gone
    rest.push_back(more);
    for (const Block& one : rest) {
      pool->drop(one);
      pool->free(one.ref);
    }
    check_empty(*pool);
    (void)shared;
  }
}

TEST(what_a_process_allocated_and_told_nobody_dies_with_it) {
  auto pool = make_pool(kMiB);
  Child child([&] {
    auto b = attach_pool(*pool);
    Block told, untold;
    b->alloc(300'000, Priority::kNormal, &told);
    b->share(told);
    b->alloc(300'000, Priority::kNormal, &untold);
    die_here();
    return 0;
  });
  CHECK_EQ(child.reap(), -SIGKILL);
  Block block;
  CHECK(pool->alloc(600'000, Priority::kNormal, &block).ok());
  CHECK_EQ(stats_of(*pool).blocks, uint64_t{2});
}

TEST(closing_frees_what_was_told_nobody) {
  auto pool = make_pool(kMiB);
  auto second = attach_pool(*pool);
  Block told = must_alloc(*second, 1000);
  second->share(told);
  second->drop(told);
  const Block untold = must_alloc(*second, 100'000);
  second->drop(untold);
  second->close();
  Block block;
  CHECK_EQ(second->alloc(1, Priority::kNormal, &block).code, Code::kRegionClosed);
  CHECK_EQ(stats_of(*pool).blocks, uint64_t{1});
}

// Or the reclaimer would look for memory there over and over.
TEST(what_has_no_memory_is_not_purged_in_vain) {
  const auto pool = make_pool(4 << 20);
  CHECK_EQ(pool->purge(), uint64_t{0});
  std::vector<Block> blocks;
  for (int i = 0; i < 8; ++i) blocks.push_back(must_alloc(*pool, 64 << 10));
  for (const Block& block : blocks) {
    write_pattern(block, 1);
    CHECK(pool->share(block).ok());
    pool->drop(block);
  }
  CHECK_EQ(pool->purge(), uint64_t{8} * (64 << 10));
  // Freed and joined, or found lost and left alone.
  for (size_t i = 0; i < blocks.size(); ++i) {
    if (i % 2 == 0) {
      CHECK(pool->free(blocks[i].ref).ok());
    } else {
      bool lost = false;
      CHECK(pool->hold(&blocks[i], &lost).ok() && lost);
      pool->drop_lost(blocks[i]);
    }
  }
  CHECK_EQ(pool->purge(), uint64_t{0});
}

TEST(two_objects_of_a_process_respect_each_others_holds) {
  auto pool = make_pool(kMiB);
  auto second = attach_pool(*pool);
  Block block = must_alloc(*pool, 100);
  write_pattern(block, 5);
  pool->share(block);
  Block seen;
  bool lost = false;
  CHECK(second->find(block.ref, &seen).ok());
  CHECK(second->hold(&seen, &lost).ok());
  pool->drop(block);
  CHECK(pool->free(block.ref).ok());
  for (int i = 0; i < 100; ++i) memset(must_alloc(*pool, 100).bytes, 0xee, 100);
  CHECK(has_pattern(seen, 5));
  second->drop(seen);
  CHECK_EQ(stats_of(*pool).blocks, uint64_t{100});
}

TEST(a_full_pool_says_so_and_takes_more_when_there_is_room) {
  auto pool = make_pool(kMiB);
  std::vector<Block> blocks;
  Block block;
  Status status;
  while ((status = pool->alloc(kPage * 4, Priority::kNormal, &block)).ok()) blocks.push_back(block);
  CHECK_EQ(status.code, Code::kNoSpace);
  CHECK_EQ(uint64_t{blocks.size()}, kMiB / (kPage * 4));
  CHECK_EQ(pool->alloc(0, Priority::kNormal, &block).code, Code::kOutOfRange);
  CHECK_EQ(pool->alloc(kMiB + 1, Priority::kNormal, &block).code, Code::kOutOfRange);
  for (size_t i = 0; i < blocks.size(); i += 2) {
    pool->drop(blocks[i]);
    pool->free(blocks[i].ref);
  }
  CHECK_EQ(pool->alloc(kPage * 5, Priority::kNormal, &block).code, Code::kNoSpace);
  CHECK(pool->alloc(kPage * 4, Priority::kNormal, &block).ok());
}

TEST(the_table_of_blocks_can_be_full_as_well) {
  PoolOptions options = pool_options(kMiB);
  options.max_blocks = 10;
  auto pool = must(Pool::create(options));
  for (int i = 0; i < 10; ++i) must_alloc(*pool, 1);
  Block block;
  CHECK_EQ(pool->alloc(1, Priority::kNormal, &block).code, Code::kNoSpace);
}

TEST(a_pool_is_no_region_and_a_region_no_pool) {
  auto pool = make_pool(kMiB);
  CHECK_EQ(try_attach(pool->memory().fd()).status().code, Code::kUntrustedFd);
  auto region = make_region(kMiB);
  const auto none = Pool::attach(Fd(dup(region->fd())), pool_options());
  CHECK_EQ(none.status().code, Code::kUntrustedFd);
  PoolOptions cache = pool_options();
  cache.kind = RegionKind::kCache;
  CHECK_EQ(Pool::attach(Fd(dup(pool->memory().fd())), cache).status().code, Code::kUntrustedFd);
}

TEST(who_may_only_read_reads_without_a_hold) {
  if (!may_open_again(make_pool(kMiB)->memory().fd())) SKIP("this system lets nobody open a memfd again");
  auto pool = make_pool(kMiB);
  Block block = must_alloc(*pool, 5000);
  write_pattern(block, 2);
  pool->share(block);
  char path[40];
  snprintf(path, sizeof path, "/proc/self/fd/%d", pool->memory().fd());
  auto reader = must(Pool::attach(Fd(open(path, O_RDONLY | O_CLOEXEC)), pool_options()));
  CHECK(reader->read_only());
  Block seen, none;
  CHECK_EQ(reader->alloc(1, Priority::kNormal, &none).code, Code::kReadOnly);
  REQUIRE(reader->find(block.ref, &seen).ok());
  bool lost = false;
  CHECK_EQ(hold_code(*reader, &seen, &lost), Code::kReadOnly);
  const auto reads = [&](bool purge) {
    ReadTicket ticket;
    if (!reader->begin_read(seen, &ticket).ok() || !ticket.valid) return false;
    const bool good = has_pattern(seen, 2);
    if (purge) pool->purge();
    return reader->end_read(seen, ticket) && good;
  };
  CHECK(reads(false));
  pool->drop(block);
  CHECK(reads(false));
  CHECK(!reads(true));
  CHECK(!reads(false));
  CHECK(pool->hold(&block, &lost).ok());
  write_pattern(block, 2);
  pool->refilled(block);
  CHECK(reads(false));
  pool->drop(block);
  pool->free(block.ref);
  CHECK(!reads(false));
}

TEST(threads_of_a_process_allocate_and_free_at_once) {
  auto pool = make_pool(8 * kMiB);
  std::vector<std::thread> threads;
  for (uint64_t t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      auto mine = t % 2 == 0 ? attach_pool(*pool) : nullptr;
      Pool& p = mine ? *mine : *pool;
      std::mt19937_64 random(t);
      for (int i = 0; i < 3000; ++i) {
        Block block;
        if (!p.alloc(1 + random() % 9000, Priority::kNormal, &block).ok()) continue;
        write_pattern(block, t);
        if (!has_pattern(block, t)) check::fail(__FILE__, __LINE__, "overwritten");
        p.drop(block);
        p.free(block.ref);
      }
    });
  }
  for (auto& thread : threads) thread.join();
  check_empty(*pool);
}
