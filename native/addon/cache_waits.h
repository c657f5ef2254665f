// What one cache object waits for: fills of others. Brings the news that they are over to JavaScript.
#pragma once

#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "addon/news_bridge.h"
#include "core/cache/cache.h"
#include "core/cache/fill_watch.h"

namespace ashmem_compat::addon {

class CacheTable;

// All but on_over() belongs to the environment's own thread.
class CacheWaits final : public FillWatch::Listener, public NewsSource {
 public:
  // `cache` and `table` must outlive it.
  CacheWaits(std::shared_ptr<NewsBridge> bridge, Cache& cache, CacheTable* table, uint32_t fill_timeout_ms)
      : bridge_(std::move(bridge)),
        table_(table),
        watch_(
            cache.fills(), [&cache](uint64_t owner) { return cache.is_dead(owner); }, fill_timeout_ms, this) {
  }
  ~CacheWaits();

  // While it waits, the event loop has a reason to run. kSystem.
  Status add(uint64_t id, const FillTicket& ticket);
  void remove(uint64_t id);

  void on_over(uint64_t id, FillWatch::Why why) override;
  void deliver(napi_env env) override;
  void silence() override;

 private:
  void settle(size_t waits);

  const std::shared_ptr<NewsBridge> bridge_;
  CacheTable* const table_;
  bool added_ = false;
  size_t waiting_ = 0;
  std::mutex mutex_;  // guards over_
  std::vector<std::pair<uint64_t, FillWatch::Why>> over_;
  FillWatch watch_;  // last: its thread ends before the rest
};

}  // namespace ashmem_compat::addon
