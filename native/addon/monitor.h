// A listener of the pressure watcher, as JavaScript has it.
#pragma once

#include <napi.h>

#include <memory>
#include <mutex>

#include "addon/news_bridge.h"
#include "core/pressure/watcher.h"

namespace ashmem_compat::addon {

// Owned by a JavaScript external. Keeps its callback, and with it whoever the callback refers to, until it is closed.
class Monitor final : public pressure::Listener, public NewsSource {
 public:
  explicit Monitor(std::shared_ptr<NewsBridge> bridge) : bridge_(std::move(bridge)) {}
  Monitor(const Monitor&) = delete;
  Monitor& operator=(const Monitor&) = delete;
  ~Monitor() { close(); }

  // Once. `callback` is given each verdict, except those that a newer one overtakes. Nothing is held after a failure.
  Status open(const pressure::ListenOptions& options, Napi::Function callback);
  // Safe to repeat. From here on the callback is not called.
  void close();
  // Whether it keeps the event loop alive while it is open.
  void hold(bool on);
  // A fresh one; the newest that was heard, once it is closed.
  napi_value verdict(napi_env env);

  void on_pressure(const pressure::Verdict& verdict, bool changed) override;
  void deliver(napi_env env) override;
  void silence() override;

 private:
  struct Heard {
    pressure::Verdict verdict;
    uint64_t at_us = 0;  // when, by CLOCK_MONOTONIC
    bool told = true;    // to JavaScript
  };
  static napi_value to_js(napi_env env, const Heard& heard);

  const std::shared_ptr<NewsBridge> bridge_;
  bool open_ = false;
  bool held_ = false;
  Napi::FunctionReference callback_;
  std::mutex mutex_;  // guards heard_
  Heard heard_;
};

}  // namespace ashmem_compat::addon
