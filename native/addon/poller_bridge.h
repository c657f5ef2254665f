// Carries the poller's news from its thread into one Node environment (the main thread, or one worker).
#pragma once

#include <napi.h>

#include <memory>
#include <mutex>
#include <unordered_map>
#include <vector>

#include "core/channel/poller.h"

namespace ashmem_compat::addon {

// A thing with a socket that can be waited for.
class Pollable {
 public:
  virtual void on_ready(Napi::Env env) = 0;

 protected:
  ~Pollable() = default;
};

// All news of one turn travel in one call of one thread-safe function. It keeps the process alive only while
// somebody holds it. Everything but on_ready(watch, events) belongs to the environment's own thread.
class PollerBridge final : public channel::PollSink {
 public:
  explicit PollerBridge(Napi::Env env) : env_(env) {}
  PollerBridge(const PollerBridge&) = delete;
  PollerBridge& operator=(const PollerBridge&) = delete;

  // Arms `watch`, opening it first if need be: one on_ready() of `pollable` when any of `events` is there.
  Status arm(channel::Watch& watch, int fd, Pollable* pollable, uint32_t events);
  void disarm(channel::Watch& watch);

  // While there are more holds than releases, the event loop has a reason to run.
  void hold();
  void release();

  // The environment goes down: nothing is delivered from here on.
  void shut_down();

  void on_ready(uint64_t watch, uint32_t events) override;

 private:
  Status start();
  void deliver(Napi::Env env);
  static void call_js(napi_env env, napi_value function, void* context, void* data);

  Napi::Env env_;
  napi_threadsafe_function function_ = nullptr;
  bool shut_down_ = false;
  uint32_t holds_ = 0;
  std::unordered_map<uint64_t, std::pair<channel::Watch*, Pollable*>> pollables_;
  std::mutex mutex_;             // guards ready_
  std::vector<uint64_t> ready_;  // watches with news
  std::vector<uint64_t> batch_;  // those being delivered; kept for its memory
};

}  // namespace ashmem_compat::addon
