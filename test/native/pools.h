// Pools for tests: made, attached to, and looked at for what must always be true of them.
#pragma once

#include <string.h>

#include <memory>
#include <vector>

#include "core/pool/pool.h"
#include "native/check.h"
#include "native/processes.h"

namespace ashmem_compat::testing {

inline PoolOptions pool_options(uint64_t capacity = 0, uint32_t busy_ms = 1000) {
  PoolOptions options;
  options.name = "test-pool";
  options.backend = test_backend().name();
  options.capacity = capacity;
  options.busy_timeout_ms = busy_ms;
  return options;
}

inline std::unique_ptr<Pool> must(Result<std::unique_ptr<Pool>> made) {
  if (!made.ok()) {
    fprintf(stderr, "pool: code %d errno %d %s\n", static_cast<int>(made.status().code), made.status().error,
            made.status().detail ? made.status().detail : "");
    _exit(90);
  }
  return std::move(made.value());
}
inline std::unique_ptr<Pool> make_pool(uint64_t capacity, uint32_t busy_ms = 1000) {
  return must(Pool::create(pool_options(capacity, busy_ms)));
}
inline std::unique_ptr<Pool> attach_pool(int fd, uint32_t busy_ms = 1000) {
  return must(Pool::attach(Fd(fcntl(fd, F_DUPFD_CLOEXEC, 0)), pool_options(0, busy_ms)));
}
inline std::unique_ptr<Pool> attach_pool(Pool& pool, uint32_t busy_ms = 1000) {
  return attach_pool(pool.memory().fd(), busy_ms);
}
inline std::unique_ptr<Pool> private_pool(uint64_t capacity) {
  PoolOptions options;
  options.scope = Scope::kProcess;
  options.capacity = capacity;
  return must(Pool::create(options));
}

inline PoolStats stats_of(Pool& pool) {
  PoolStats stats;
  const Status status = pool.stats(&stats);
  CHECK_EQ(status.code, Code::kOk);
  return stats;
}

// Nothing has leaked: without a block the pool is one extent again.
inline void check_empty(Pool& pool) {
  const PoolStats stats = stats_of(pool);
  CHECK_EQ(stats.blocks, uint64_t{0});
  CHECK_EQ(stats.live, uint64_t{0});
  CHECK_EQ(stats.allocated, uint64_t{0});
  Block all;
  CHECK_EQ(pool.alloc(pool.capacity(), Priority::kNormal, &all).code, Code::kOk);
  pool.drop(all);
  CHECK_EQ(pool.free(all.ref).code, Code::kOk);
}

// Bytes that tell whose they are.
inline void write_pattern(const Block& block, uint64_t seed) {
  const uint64_t word = seed * 0x9e3779b97f4a7c15u + 1;
  uint64_t i = 0;
  for (; i + 8 <= block.size; i += 8) {
    const uint64_t value = word ^ i;
    memcpy(block.bytes + i, &value, 8);
  }
  for (; i < block.size; ++i) block.bytes[i] = static_cast<char>(word >> 8 ^ i);
}
inline bool has_pattern(const Block& block, uint64_t seed) {
  const uint64_t word = seed * 0x9e3779b97f4a7c15u + 1;
  uint64_t i = 0;
  for (; i + 8 <= block.size; i += 8) {
    uint64_t value;
    memcpy(&value, block.bytes + i, 8);
    if (value != (word ^ i)) return false;
  }
  for (; i < block.size; ++i) {
    if (block.bytes[i] != static_cast<char>(word >> 8 ^ i)) return false;
  }
  return true;
}

inline Code hold_code(Pool& pool, Block* block, bool* lost) { return pool.hold(block, lost).code; }

}  // namespace ashmem_compat::testing
