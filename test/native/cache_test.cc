// The cache, in one process and between several: what is set is got, what is purged is missed, what is held stays.
#include <algorithm>
#include <set>
#include <string>
#include <thread>

#include "native/caches.h"

using namespace ashmem_compat;
using namespace ashmem_compat::testing;

TEST(what_is_set_is_got_by_its_key_alone) {
  const auto cache = make_cache(1 << 20);
  CHECK_EQ(get(*cache, "a"), std::string(kMissing));
  CHECK_EQ(set(*cache, "a", "alpha", 0, "{\"x\":1}"), Code::kOk);
  CHECK_EQ(set(*cache, "b", "beta"), Code::kOk);
  CHECK_EQ(set(*cache, "", "nothing"), Code::kOk);
  CHECK_EQ(set(*cache, std::string("a\0b", 3), "with nul"), Code::kOk);
  CHECK_EQ(get(*cache, "a"), std::string("alpha"));
  CHECK_EQ(get(*cache, "b"), std::string("beta"));
  CHECK_EQ(get(*cache, ""), std::string("nothing"));
  CHECK_EQ(get(*cache, std::string("a\0b", 3)), std::string("with nul"));
  CacheItem item;
  bool found = false;
  CHECK(cache->get(key_of("a"), true, &item, &found).ok() && found);
  CHECK_EQ(std::string(item.meta(), item.meta_length), std::string("{\"x\":1}"));
  cache->release(item);
  CHECK_EQ(set(*cache, "a", "another"), Code::kOk);
  CHECK_EQ(get(*cache, "a"), std::string("another"));
  bool removed = false;
  CHECK(cache->remove(key_of("a"), &removed).ok() && removed);
  CHECK(cache->remove(key_of("a"), &removed).ok() && !removed);
  CHECK_EQ(get(*cache, "a"), std::string(kMissing));
  CHECK_EQ(cache->count(), 3u);
  CHECK(cache->clear().ok());
  CHECK_EQ(cache->count(), 0u);
  CHECK_EQ(get(*cache, "b"), std::string(kMissing));
  CHECK_EQ(stats(*cache).pool.blocks, uint64_t{0});
}

TEST(keys_and_values_of_all_sizes_fit) {
  const auto cache = make_cache(8 << 20);
  for (size_t size : {size_t{0}, size_t{1}, size_t{63}, size_t{64}, size_t{4095}, size_t{4096},
                      size_t{70'000}, size_t{3} << 20}) {
    const std::string value(size, static_cast<char>('a' + size % 26));
    CHECK_EQ(set(*cache, "value", value), Code::kOk);
    CHECK(get(*cache, "value") == value);
  }
  const std::string key(kMaxKey, 'k');
  CHECK_EQ(set(*cache, key, "long key"), Code::kOk);
  CHECK_EQ(get(*cache, key), std::string("long key"));
  // The whole capacity at once: everything else goes.
  const std::string whole(8 << 20, 'w');
  CHECK_EQ(set(*cache, "whole", whole), Code::kOk);
  CHECK(get(*cache, "whole") == whole);
  CHECK_EQ(cache->count(), 1u);
  CHECK_EQ(set(*cache, "more", std::string((8 << 20) + 5000, 'm')), Code::kValueTooLarge);
  CHECK(get(*cache, "whole") == whole);
}

TEST(a_full_cache_gives_up_what_is_used_least) {
  const auto cache = make_cache(1 << 20, 200);
  for (int i = 0; i < 1000; ++i) {
    CHECK_EQ(set(*cache, name(i), name(i)), Code::kOk);
    for (int k = 0; k < 3; ++k) get(*cache, name(i % 10));
  }
  CHECK_EQ(cache->count(), 200u);
  for (int i = 0; i < 10; ++i) CHECK_EQ(get(*cache, name(i)), name(i));
  CHECK_EQ(stats(*cache).counters.evicted, uint64_t{800});
  // The same by bytes.
  const std::string big(60'000, 'x');
  for (int i = 0; i < 100; ++i) CHECK_EQ(set(*cache, "big" + name(i), big), Code::kOk);
  CHECK(cache->count() < 60);
  CHECK(get(*cache, "big" + name(99)) == big);
}

TEST(what_is_held_stays_whatever_becomes_of_the_entry) {
  const auto cache = make_cache(1 << 20);
  const std::string value(300'000, 'v');
  CHECK_EQ(set(*cache, "held", value), Code::kOk);
  CacheItem item;
  bool found = false;
  REQUIRE(cache->get(key_of("held"), true, &item, &found).ok() && found);
  CHECK_EQ(set(*cache, "held", "other"), Code::kOk);
  for (int i = 0; i < 100; ++i) CHECK_EQ(set(*cache, name(i), std::string(50'000, 'n')), Code::kOk);
  cache->purge();
  CHECK(std::string(item.value(), item.value_length) == value);
  CHECK(cache->clear().ok());
  for (int i = 0; i < 100; ++i) CHECK_EQ(set(*cache, name(i), std::string(50'000, 'n')), Code::kOk);
  CHECK(std::string(item.value(), item.value_length) == value);
  cache->release(item);
  CHECK_EQ(set(*cache, "whole", std::string(1 << 20, 'w')), Code::kOk);
}

TEST(held_entries_are_not_given_up_and_can_fill_the_cache) {
  const auto cache = make_cache(1 << 20);
  std::vector<CacheItem> held;
  for (int i = 0; i < 16; ++i) {
    CHECK_EQ(set(*cache, name(i), std::string(60'000, static_cast<char>('a' + i))), Code::kOk);
    CacheItem item;
    bool found = false;
    CHECK(cache->get(key_of(name(i)), true, &item, &found).ok() && found);
    held.push_back(item);
  }
  CHECK_EQ(set(*cache, "more", std::string(200'000, 'x')), Code::kNoSpace);
  for (int i = 0; i < 16; ++i) CHECK_EQ(get(*cache, name(i)).size(), size_t{60'000});
  for (const CacheItem& item : held) cache->release(item);
  CHECK_EQ(set(*cache, "more", std::string(200'000, 'x')), Code::kOk);
}

TEST(a_purged_entry_is_a_miss_and_can_be_set_again) {
  const auto cache = make_cache(1 << 20);
  for (int i = 0; i < 10; ++i) CHECK_EQ(set(*cache, name(i), name(i)), Code::kOk);
  CHECK_EQ(set(*cache, "big", std::string(100'000, 'b')), Code::kOk);
  CHECK(cache->purge() > 100'000);
  CHECK_EQ(get(*cache, "big"), std::string(kMissing));
  CHECK_EQ(get(*cache, "big"), std::string(kMissing));
  for (int i = 0; i < 10; ++i) CHECK_EQ(get(*cache, name(i)), std::string(kMissing));
  CHECK_EQ(try_read(*cache, "big"), std::string(kMissing));
  CHECK_EQ(stats(*cache).counters.purged, uint64_t{11});
  for (int i = 0; i < 10; ++i) CHECK_EQ(set(*cache, name(i), "again"), Code::kOk);
  for (int i = 0; i < 10; ++i) CHECK_EQ(get(*cache, name(i)), std::string("again"));
  CHECK_EQ(stats(*cache).counters.refilled, uint64_t{10});
  bool any = false;
  CHECK(cache->purge_stale(&any).ok() && any);
  CHECK_EQ(cache->count(), 10u);
}

TEST(a_miss_of_what_is_purged_leaves_nothing_to_purge) {
  const auto cache = make_cache(1 << 20);
  const std::string value(64 << 10, 'v');
  CHECK_EQ(set(*cache, "a", value), Code::kOk);
  CHECK(cache->purge() >= value.size());
  CHECK_EQ(get(*cache, "a"), std::string(kMissing));
  CHECK_EQ(cache->purge(), uint64_t{0});
  CHECK_EQ(set(*cache, "a", value), Code::kOk);
  CHECK(get(*cache, "a") == value);
}

TEST(an_entry_expires) {
  const auto cache = make_cache(1 << 20);
  CHECK_EQ(set(*cache, "old", "old", now_ms() - 1), Code::kOk);
  CHECK_EQ(set(*cache, "young", "young", now_ms() + 1'000'000), Code::kOk);
  CHECK_EQ(get(*cache, "old"), std::string(kMissing));
  CHECK_EQ(try_read(*cache, "old"), std::string(kMissing));
  CHECK_EQ(get(*cache, "young"), std::string("young"));
  CHECK_EQ(stats(*cache).counters.expired, uint64_t{1});
  bool any = false;
  CHECK(cache->purge_stale(&any).ok() && any);
  CHECK_EQ(cache->count(), 1u);
}

TEST(a_read_without_a_hold_tells_of_a_change) {
  const auto cache = make_cache(1 << 20);
  CHECK_EQ(set(*cache, "k", "value"), Code::kOk);
  CHECK_EQ(try_read(*cache, "k"), std::string("value"));
  CacheItem item;
  bool found = false;
  for (int change = 0; change < 3; ++change) {
    REQUIRE(cache->begin_read(key_of("k"), &item, &found).ok() && found);
    bool removed;
    if (change == 0) set(*cache, "k", "value");
    if (change == 1) cache->remove(key_of("k"), &removed);
    if (change == 2) cache->purge();
    CHECK(!cache->end_read(item));
    set(*cache, "k", "value");
  }
}

TEST(all_entries_are_met_once_by_who_goes_through_them) {
  const auto cache = make_cache(1 << 20);
  std::set<std::string> keys;
  for (int i = 0; i < 100; ++i) {
    CHECK_EQ(set(*cache, name(i), "v"), Code::kOk);
    keys.insert(name(i));
  }
  uint32_t record = 0;
  for (;;) {
    CacheItem item;
    bool found = false;
    REQUIRE(cache->next(&record, &item, &found).ok());
    if (!found) break;
    CHECK_EQ(keys.erase(std::string(item.key(), item.key_length)), size_t{1});
    cache->release(item);
  }
  CHECK(keys.empty());
}

TEST(memory_of_one_process_holds_the_same_cache) {
  const auto cache = make_cache(1 << 20, 0, Scope::kProcess);
  for (int i = 0; i < 200; ++i)
    CHECK_EQ(set(*cache, name(i), std::string(10'000, static_cast<char>('a' + i % 26))), Code::kOk);
  CHECK(get(*cache, name(199)) == std::string(10'000, static_cast<char>('a' + 199 % 26)));
  CHECK(try_read(*cache, name(199)) == std::string(10'000, static_cast<char>('a' + 199 % 26)));
  CHECK(cache->purge() > 0);
  CHECK_EQ(get(*cache, name(199)), std::string(kMissing));
  CHECK_EQ(try_read(*cache, name(199)), std::string(kMissing));
  CHECK_EQ(set(*cache, name(199), "again"), Code::kOk);
  CHECK_EQ(get(*cache, name(199)), std::string("again"));
}

TEST(processes_share_entries_and_numbers) {
  const auto cache = make_cache(4 << 20);
  CHECK_EQ(set(*cache, "from parent", "p"), Code::kOk);
  const int fd = fd_of(*cache);
  Child child([fd] {
    const auto mine = attach_cache(fd);
    if (get(*mine, "from parent") != "p") return 1;
    if (set(*mine, "from child", "c") != Code::kOk) return 2;
    CacheItem item;
    bool found = false;
    if (!mine->get(key_of("from parent"), true, &item, &found).ok() || !found) return 3;
    stop_here();  // and holds it
    return 0;
  });
  CHECK(child.wait_stopped());
  CHECK_EQ(get(*cache, "from child"), std::string("c"));
  CHECK_EQ(stats(*cache).counters.hits, uint64_t{3});
  cache->purge();
  CHECK_EQ(get(*cache, "from parent"), std::string("p"));
  child.kill_and_reap();
  CHECK_EQ(stats(*cache).counters.hits, uint64_t{4});
  cache->purge();
  CHECK_EQ(get(*cache, "from parent"), std::string(kMissing));
}

TEST(a_child_of_fork_is_refused) {
  const auto cache = make_cache(1 << 20);
  CHECK_EQ(set(*cache, "a", "a"), Code::kOk);
  Child child([&] {
    CacheItem item;
    bool found;
    if (cache->get(key_of("a"), true, &item, &found).code != Code::kForked) return 1;
    return set(*cache, "b", "b") == Code::kForked ? 0 : 2;
  });
  CHECK_EQ(child.reap(), 0);
}

TEST(one_fills_for_all) {
  const auto cache = make_cache(1 << 20);
  FillTicket mine, other;
  Cache::Begin outcome;
  CHECK(cache->begin_fill(key_of("k"), 0, false, &mine, &outcome).ok());
  CHECK_EQ(outcome, Cache::Begin::kMine);
  CHECK(cache->begin_fill(key_of("k"), 0, false, &other, &outcome).ok());
  CHECK_EQ(outcome, Cache::Begin::kWait);
  CacheItem item;
  CHECK(cache->reserve(key_of("k"), 5, 0, Priority::kNormal, &item).ok());
  memcpy(item.value(), "12345", 5);
  Cache::Filled filled;
  CHECK(cache->publish_fill(key_of("k"), mine, &item, 0, &filled).ok());
  CHECK_EQ(filled, Cache::Filled::kPublished);
  cache->release(item);
  CHECK(cache->fills().over(other));
  CHECK(cache->begin_fill(key_of("k"), 0, false, &other, &outcome).ok());
  CHECK_EQ(outcome, Cache::Begin::kThere);
  CHECK_EQ(get(*cache, "k"), std::string("12345"));
  // Purged, it is filled again.
  cache->purge();
  CHECK(cache->begin_fill(key_of("k"), 0, false, &other, &outcome).ok());
  CHECK_EQ(outcome, Cache::Begin::kMine);
  CHECK_EQ(stats(*cache).counters.fills, uint64_t{2});
}

TEST(a_fill_that_was_overtaken_serves_its_own_caller_only) {
  const auto cache = make_cache(1 << 20);
  FillTicket mine;
  Cache::Begin outcome;
  CHECK(cache->begin_fill(key_of("k"), 0, false, &mine, &outcome).ok());
  CacheItem item;
  CHECK(cache->reserve(key_of("k"), 5, 0, Priority::kNormal, &item).ok());
  memcpy(item.value(), "stale", 5);
  CHECK_EQ(set(*cache, "k", "fresh"), Code::kOk);
  Cache::Filled filled;
  CHECK(cache->publish_fill(key_of("k"), mine, &item, 0, &filled).ok());
  CHECK_EQ(filled, Cache::Filled::kPrivate);
  CHECK_EQ(get(*cache, "k"), std::string("fresh"));
  for (int i = 0; i < 300; ++i) set(*cache, name(i), std::string(20'000, 'x'));
  CHECK_EQ(std::string(item.value(), 5), std::string("stale"));
  cache->release(item);
}

TEST(what_is_no_cache_is_refused) {
  PoolOptions options;
  options.capacity = 1 << 20;
  const Result<std::unique_ptr<Pool>> pool = Pool::create(options);
  REQUIRE(pool.ok());
  const int fd = pool.value()->memory().fd();
  CHECK_EQ(Cache::attach(Fd(fcntl(fd, F_DUPFD_CLOEXEC, 0)), {}).status().code, Code::kUntrustedFd);
  const auto cache = make_cache(1 << 20);
  PoolOptions as_pool;
  CHECK_EQ(Pool::attach(Fd(fcntl(fd_of(*cache), F_DUPFD_CLOEXEC, 0)), as_pool).status().code,
           Code::kUntrustedFd);
}
