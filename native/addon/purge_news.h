// The listener for discards of one region object, as JavaScript has it.
#pragma once

#include <napi.h>

#include <memory>
#include <mutex>

#include "addon/news_bridge.h"
#include "core/region.h"

namespace ashmem_compat::addon {

// Does not keep its callback: the JavaScript object of the region does, which is collected together with it.
class PurgeNews final : public PurgeListener, public NewsSource {
 public:
  // `region` must outlive it.
  PurgeNews(std::shared_ptr<NewsBridge> bridge, Region* region)
      : bridge_(std::move(bridge)), region_(region) {}
  PurgeNews(const PurgeNews&) = delete;
  PurgeNews& operator=(const PurgeNews&) = delete;
  ~PurgeNews();

  // Once. `callback` is given the bytes of DiscardTotals in their order, each time those since the last time. Errors of watch_purges().
  Status open(Napi::Function callback);

  void on_purge(const DiscardTotals& totals) override;
  void deliver(napi_env env) override;
  void silence() override;

 private:
  const std::shared_ptr<NewsBridge> bridge_;
  Region* const region_;
  bool open_ = false;
  Napi::FunctionReference callback_;
  DiscardTotals told_;  // to JavaScript
  std::mutex mutex_;    // guards heard_
  DiscardTotals heard_;
};

}  // namespace ashmem_compat::addon
