// A peer that writes anything into the annex and the control area while others use the cache: they may get errors and misses, but do not crash,
// hang, or leave the memory of the cache.
#include <random>

#include "native/caches.h"

using namespace ashmem_compat;
using namespace ashmem_compat::testing;

namespace {

// One of everything.
void use(Cache& cache, std::mt19937_64& random) {
  const std::string key = name(static_cast<int>(random() % 30));
  CacheItem item;
  bool found = false;
  // What is found must lie in the cache, whatever the tables say: reading all of it is the test.
  const auto read = [&](const CacheItem& one) {
    volatile uint64_t sum = 0;
    const uint64_t bytes = one.value_length + one.key_length + one.meta_length;
    for (uint64_t i = 0; i < bytes; i += 64) sum = sum + static_cast<unsigned char>(one.value()[i]);
    if (bytes != 0) sum = sum + static_cast<unsigned char>(one.value()[bytes - 1]);
  };
  switch (random() % 9) {
    case 0: set(cache, key, std::string(random() % 3 ? random() % 500 : random() % 60'000, 'v')); break;
    case 1:
      if (cache.get(key_of(key), true, &item, &found).ok() && found) {
        read(item);
        cache.release(item);
      }
      break;
    case 2: cache.remove(key_of(key), &found); break;
    case 3:
      if (cache.begin_read(key_of(key), &item, &found).ok() && found) {
        read(item);
        cache.end_read(item);
      }
      break;
    case 4: {
      FillTicket ticket;
      Cache::Begin outcome;
      if (cache.begin_fill(key_of(key), random() % 2, random() % 2, &ticket, &outcome).ok() &&
          outcome == Cache::Begin::kMine) {
        cache.end_fill(ticket);
      }
      break;
    }
    case 5: {
      uint32_t record = static_cast<uint32_t>(random() % 300);
      if (cache.next(&record, &item, &found).ok() && found) {
        read(item);
        cache.release(item);
      }
      break;
    }
    case 6: {
      CacheStats s;
      cache.stats(&s);
      break;
    }
    case 7:
      random() % 4 == 0 ? static_cast<void>(cache.clear()) : static_cast<void>(cache.purge_stale(&found));
      break;
    default: cache.purge();
  }
}

// `words`: where to write. Numbers that are likely to be taken for something, and others.
void scribble(char* base, size_t length, std::mt19937_64& random) {
  const size_t at = static_cast<size_t>(random() % (length / 8)) * 8;
  uint64_t value = random();
  switch (random() % 5) {
    case 0: value &= 0xff; break;
    case 1: value &= 0x0000ffff'0000ffffu; break;
    case 2: value = 0; break;
    case 3: memcpy(&value, base + random() % (length / 8) * 8, 8); break;
    default: break;
  }
  memcpy(base + at, &value, 8);
}

}  // namespace

TEST(nonsense_in_the_annex_harms_nobody) {
  const uint64_t seconds = getenv("ASHMEM_COMPAT_CHAOS_SECONDS")
                               ? strtoull(getenv("ASHMEM_COMPAT_CHAOS_SECONDS"), nullptr, 10)
                               : 3;
  const char* seed = getenv("ASHMEM_COMPAT_CHAOS_SEED");
  const uint64_t first = seed ? strtoull(seed, nullptr, 10) : 1;
  for (uint64_t round = 0; round < 2 * seconds; ++round) {
    const auto cache = make_cache(1 << 20, 100, Scope::kShared, 30);
    const int fd = fd_of(*cache);
    Child scribbler([&, round] {
      std::mt19937_64 random(first * 1000 + round);
      RawControl control(fd);
      const auto mine = attach_cache(fd);
      Pool& pool = mine->pool();
      for (;;) {
        for (int n = 0; n < 20; ++n) {
          // Mostly the cache's own tables, but those of the pool too.
          if (random() % 4 != 0) {
            scribble(pool.extra(), static_cast<size_t>(pool.extra_size()), random);
          } else {
            scribble(pool.memory().annex(), static_cast<size_t>(pool.memory().annex_size()), random);
          }
        }
        if (round % 2) scribble(control.base(), control.length(), random);
        nap_ms(0);
      }
      return 0;
    });
    Child user([&] {
      alarm(120);
      std::mt19937_64 random(first * 2000 + round);
      const auto mine = attach_cache(fd, 30);
      const uint64_t end = now_ms() + 500;
      while (now_ms() < end) use(*mine, random);
      return 0;
    });
    const int status = user.reap();
    // It may have been refused before it began: then there was nothing to use.
    if (status != 0 && status != 90)
      fprintf(stderr, "round %d ended with %d\n", static_cast<int>(round), status);
    CHECK(status == 0 || status == 90);
    scribbler.kill_and_reap();
  }
}
