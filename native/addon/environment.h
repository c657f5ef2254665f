// What the addon keeps per Node environment (the main thread, or one worker): nothing here is shared between threads.
#pragma once

#include <napi.h>

#include <memory>

#include "core/status.h"

namespace ashmem_compat::addon {

class NewsBridge;
class PoolTable;
class RegionTable;
class CacheTable;

class Environment {
 public:
  static Environment& of(Napi::Env env) { return *env.GetInstanceData<Environment>(); }

  // lib/native.ts gives the function that turns a core Status into the package's own error classes.
  void set_error_factory(Napi::Function factory) { error_factory_ = Napi::Persistent(factory); }

  // The error for `status`, as a JavaScript value; and the same, thrown in `env`. `status` must not be Ok.
  Napi::Value make_error(Napi::Env env, const Status& status);
  void raise(Napi::Env env, const Status& status);

  std::shared_ptr<RegionTable> regions;
  std::shared_ptr<PoolTable> pools;
  std::shared_ptr<NewsBridge> news;
  std::shared_ptr<CacheTable> caches;

 private:
  Napi::FunctionReference error_factory_;
};

// Each part of the addon adds its functions and classes to the exports.
void register_region(Napi::Env env, Napi::Object exports);
void register_channel(Napi::Env env, Napi::Object exports);
void register_optimistic(Napi::Env env, Napi::Object exports);
void register_pool(Napi::Env env, Napi::Object exports);
void register_pressure(Napi::Env env, Napi::Object exports);
void register_others(Napi::Env env, Napi::Object exports);
void register_probe(Napi::Env env, Napi::Object exports);
void register_reclaim(Napi::Env env, Napi::Object exports);
void register_cache(Napi::Env env, Napi::Object exports);

}  // namespace ashmem_compat::addon
