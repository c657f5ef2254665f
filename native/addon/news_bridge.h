// Carries the news of the pressure watcher's thread into one Node environment (the main thread, or one worker).
#pragma once

#include <node_api.h>

#include <cstdint>
#include <mutex>
#include <unordered_set>
#include <vector>

#include "core/status.h"

namespace ashmem_compat::addon {

// A thing that has news for JavaScript. It keeps the newest itself: several may be told in one.
class NewsSource {
 public:
  // Tells what is new, which may be nothing. An exception of what it calls is left pending.
  virtual void deliver(napi_env env) = 0;
  // The environment goes down. When this returns, no post() for it is under way or will come.
  virtual void silence() = 0;

 protected:
  ~NewsSource() = default;

 private:
  friend class NewsBridge;
  bool queued_ = false;  // guarded by the bridge's mutex
};

// All news of one turn of the event loop travel in one call of one thread-safe function. It keeps the process alive only while somebody
// holds it. Everything but post() belongs to the environment's own thread.
class NewsBridge {
 public:
  explicit NewsBridge(napi_env env) : env_(env) {}
  NewsBridge(const NewsBridge&) = delete;
  NewsBridge& operator=(const NewsBridge&) = delete;

  // From here on `source` may post. kSystem: the environment gives no way, or goes down.
  Status add(NewsSource* source);
  // No deliver() comes any more. It must not post any more either.
  void remove(NewsSource* source);

  // One deliver() of `source` will come. Any thread; waits for nobody.
  void post(NewsSource* source);

  // `function` sees to it that deliver() is called, later in the same turn. A thread-safe function that told the news itself would go on as
  // long as some come in meanwhile, and with a slow listener nothing else would get its turn.
  void set_scheduler(napi_value function);
  void deliver(napi_env env);

  // While there are more holds than releases, the event loop has a reason to run.
  void hold();
  void release();

 private:
  Status start();
  void shut_down();
  static void call_js(napi_env env, napi_value function, void* context, void* data);

  const napi_env env_;
  napi_threadsafe_function function_ = nullptr;
  napi_ref scheduler_ = nullptr;
  bool shut_down_ = false;
  uint32_t holds_ = 0;
  std::unordered_set<NewsSource*> sources_;
  std::mutex mutex_;                // guards queue_
  std::vector<NewsSource*> queue_;  // those with news
  std::vector<NewsSource*> batch_;  // those being delivered; kept for its memory
};

}  // namespace ashmem_compat::addon
