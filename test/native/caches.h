// Caches for tests: making and attaching, and entries of strings.
#pragma once

#include <string>

#include "core/cache/cache.h"
#include "native/check.h"
#include "native/processes.h"

namespace ashmem_compat::testing {

inline std::unique_ptr<Cache> finish(Result<std::unique_ptr<Cache>> made, const char* what) {
  if (made.ok()) return std::move(made.value());
  const Status& s = made.status();
  fprintf(stderr, "%s: code %d errno %d %s\n", what, static_cast<int>(s.code), s.error,
          s.detail ? s.detail : "");
  _exit(90);
}

inline std::unique_ptr<Cache> make_cache(uint64_t capacity, uint32_t max_entries = 0,
                                         Scope scope = Scope::kShared, uint32_t busy_ms = 1000) {
  CacheOptions options;
  options.name = "test";
  options.capacity = capacity;
  options.max_entries = max_entries;
  options.scope = scope;
  options.busy_timeout_ms = busy_ms;
  if (scope == Scope::kShared) options.backend = test_backend().name();
  return finish(Cache::create(options), "create");
}

inline std::unique_ptr<Cache> attach_cache(int fd, uint32_t busy_ms = 1000) {
  CacheOptions options;
  options.busy_timeout_ms = busy_ms;
  return finish(Cache::attach(Fd(fcntl(fd, F_DUPFD_CLOEXEC, 0)), options), "attach");
}

inline int fd_of(Cache& cache) { return cache.pool().memory().fd(); }

// Of a string that stays where it is.
inline CacheKey key_of(const std::string& s) { return {s.data(), static_cast<uint32_t>(s.size())}; }

inline Code set(Cache& cache, const std::string& key, const std::string& value, uint64_t expires = 0,
                const std::string& meta = "") {
  CacheItem item;
  Status s =
      cache.reserve(key_of(key), value.size(), static_cast<uint32_t>(meta.size()), Priority::kNormal, &item);
  if (!s.ok()) return s.code;
  memcpy(item.value(), value.data(), value.size());
  memcpy(item.meta(), meta.data(), meta.size());
  s = cache.publish(key_of(key), &item, expires);
  if (!s.ok()) {
    cache.abandon(item, false);
  } else {
    cache.release(item);
  }
  return s.code;
}

constexpr char kMissing[] = "(missing)";

inline std::string get(Cache& cache, const std::string& key) {
  CacheItem item;
  bool found = false;
  if (!cache.get(key_of(key), true, &item, &found).ok()) return "(error)";
  if (!found) return kMissing;
  std::string value(item.value(), item.value_length);
  cache.release(item);
  return value;
}

inline std::string try_read(Cache& cache, const std::string& key) {
  CacheItem item;
  bool found = false;
  if (!cache.begin_read(key_of(key), &item, &found).ok()) return "(error)";
  if (!found) return kMissing;
  std::string value(item.value(), item.value_length);
  return cache.end_read(item) ? value : "(torn)";
}

inline CacheStats stats(Cache& cache) {
  CacheStats s;
  CHECK_EQ(cache.stats(&s).code, Code::kOk);
  return s;
}

inline std::string name(int i) { return "key " + std::to_string(i); }

}  // namespace ashmem_compat::testing
