// Caches for JavaScript: making them, and the calls that are not hot.

#include "addon/cache_table.h"
#include "addon/environment.h"
#include "addon/own_fd.h"
#include "addon/stay_loaded.h"

namespace ashmem_compat::addon {

void register_cache_calls(Napi::Env env, Napi::Object exports, CacheTable* table);

namespace {

const Status kGone = Status::Of(Code::kRegionClosed, "the cache is closed");

// What JavaScript holds a cache by. What it is goes into the mailbox: [0] its number, [1] capacity, [2] entries at most, [3] 1 if it is shared, plus 2
// if it can only be read, [4] bytes of the window that covers all.
Napi::Value finish(Napi::Env env, Result<std::unique_ptr<Cache>> made, uint32_t fill_timeout_ms) {
  Environment& environment = Environment::of(env);
  if (!made.ok()) {
    environment.raise(env, made.status());
    return env.Undefined();
  }
  stay_loaded();  // for the thread that waits for fills
  CacheTable& table = *environment.caches;
  auto* handle = new CacheHandle();
  handle->table = environment.caches;
  handle->cache = std::move(made.value());
  handle->waits =
      std::make_unique<CacheWaits>(environment.news, *handle->cache, handle->table.get(), fill_timeout_ms);
  handle->id = table.add(handle);
  PoolMemory& memory = handle->cache->pool().memory();
  table.mailbox[0] = static_cast<double>(handle->id);
  table.mailbox[1] = static_cast<double>(handle->cache->capacity());
  table.mailbox[2] = handle->cache->max_entries();
  table.mailbox[3] = (memory.shared() ? 1 : 0) + (handle->cache->read_only() ? 2 : 0);
  table.mailbox[4] = static_cast<double>(memory.region()->mapping()->length());
  return Napi::External<CacheHandle>::New(env, handle, [](Napi::Env, CacheHandle* handle) {
    handle->close();
    handle->table->remove(handle->id);
    delete handle;
  });
}

// (name, capacity, maxEntries or 0, backend or "", shared, maxProcesses or 0, busyTimeout, reclaimer, fillTimeout)
Napi::Value create_cache(const Napi::CallbackInfo& info) {
  CacheOptions options;
  options.name = info[0].As<Napi::String>().Utf8Value();
  options.capacity = static_cast<uint64_t>(info[1].As<Napi::Number>().DoubleValue());
  options.max_entries = info[2].As<Napi::Number>().Uint32Value();
  options.backend = info[3].As<Napi::String>().Utf8Value();
  options.scope = info[4].As<Napi::Boolean>().Value() ? Scope::kShared : Scope::kProcess;
  options.max_processes = info[5].As<Napi::Number>().Uint32Value();
  options.busy_timeout_ms = info[6].As<Napi::Number>().Uint32Value();
  options.reclaimer = info[7].As<Napi::Boolean>().Value();
  return finish(info.Env(), Cache::create(options), info[8].As<Napi::Number>().Uint32Value());
}

// (fd, backend or "", busyTimeout, reclaimer, fillTimeout)
Napi::Value attach_cache(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  CacheOptions options;
  options.backend = info[1].As<Napi::String>().Utf8Value();
  options.busy_timeout_ms = info[2].As<Napi::Number>().Uint32Value();
  options.reclaimer = info[3].As<Napi::Boolean>().Value();
  Result<Fd> fd = own_fd(info[0].As<Napi::Number>().Int32Value());
  if (!fd.ok()) return finish(env, fd.status(), 0);
  return finish(env, Cache::attach(std::move(fd.value()), options), info[4].As<Napi::Number>().Uint32Value());
}

CacheHandle* handle_of(const Napi::CallbackInfo& info) {
  return Environment::of(info.Env()).caches->handle();
}

Napi::Value stats(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  CacheHandle* handle = handle_of(info);
  CacheStats stats;
  const Status status = handle ? handle->cache->stats(&stats) : kGone;
  if (!status.ok()) {
    Environment::of(env).raise(env, status);
    return env.Undefined();
  }
  const PoolStats& pool = stats.pool;
  const CacheCounters& counters = stats.counters;
  const struct {
    const char* name;
    uint64_t value;
  } numbers[] = {
      {"entries", stats.entries},  {"maxEntries", stats.max_entries}, {"capacity", handle->cache->capacity()},
      {"used", pool.allocated},    {"hits", counters.hits},           {"misses", counters.misses},
      {"fills", counters.fills},   {"waits", counters.waits},         {"evicted", counters.evicted},
      {"purged", counters.purged}, {"refilled", counters.refilled},   {"expired", counters.expired},
      {"pinned", pool.pinned},     {"resident", pool.resident},       {"discarded", pool.discarded},
  };
  Napi::Object result = Napi::Object::New(env);
  for (const auto& n : numbers) result.Set(n.name, static_cast<double>(n.value));
  const double waste = pool.allocated > pool.live ? static_cast<double>(pool.allocated - pool.live) : 0;
  result.Set("fragmentation", pool.live != 0 ? waste / static_cast<double>(pool.live) : 0);
  return result;
}

Napi::Value error(const Napi::CallbackInfo& info) {
  Environment& environment = Environment::of(info.Env());
  return environment.make_error(info.Env(), environment.caches->last);
}

Napi::Value cache_fd(const Napi::CallbackInfo& info) {
  CacheHandle* handle = handle_of(info);
  return Napi::Number::New(info.Env(), handle ? handle->cache->pool().memory().fd() : -1);
}

Napi::Value cache_name(const Napi::CallbackInfo& info) {
  CacheHandle* handle = handle_of(info);
  return Napi::String::New(info.Env(), handle ? handle->cache->pool().memory().region()->name() : "");
}

Napi::Value cache_backend(const Napi::CallbackInfo& info) {
  CacheHandle* handle = handle_of(info);
  return Napi::String::New(info.Env(), handle ? handle->cache->pool().memory().region()->backend() : "");
}

// ((wait, why) => void), once.
void on_fill_over(const Napi::CallbackInfo& info) {
  CacheTable& table = *Environment::of(info.Env()).caches;
  if (table.on_fill_over == nullptr) napi_create_reference(info.Env(), info[0], 1, &table.on_fill_over);
}

Napi::Value now(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), static_cast<double>(now_ms()));
}

}  // namespace

void register_cache(Napi::Env env, Napi::Object exports) {
  Environment& environment = Environment::of(env);
  environment.caches = std::make_shared<CacheTable>();
  CacheTable* table = environment.caches.get();
  const napi_node_version* version = nullptr;
  table->uncharges = napi_get_node_version(env, &version) == napi_ok && version->major <= 20;
  // Both live as long as JavaScript can reach them, which may be longer than the environment's data.
  const auto shared = [&](void* data, size_t bytes) {
    auto* keep = new std::shared_ptr<CacheTable>(environment.caches);
    return Napi::ArrayBuffer::New(
        env, data, bytes, [](Napi::Env, void*, std::shared_ptr<CacheTable>* kept) { delete kept; }, keep);
  };
  constexpr size_t kNumbers = sizeof table->mailbox / sizeof table->mailbox[0];
  exports.Set("cacheMailbox",
              Napi::Float64Array::New(env, kNumbers, shared(table->mailbox, sizeof table->mailbox), 0));
  exports.Set("cacheKey",
              Napi::Uint8Array::New(env, sizeof table->key, shared(table->key, sizeof table->key), 0));
  register_cache_calls(env, exports, table);
  exports.Set("createCache", Napi::Function::New(env, create_cache));
  exports.Set("attachCache", Napi::Function::New(env, attach_cache));
  exports.Set("cacheStats", Napi::Function::New(env, stats));
  exports.Set("cacheError", Napi::Function::New(env, error));
  exports.Set("cacheFd", Napi::Function::New(env, cache_fd));
  exports.Set("cacheName", Napi::Function::New(env, cache_name));
  exports.Set("cacheBackend", Napi::Function::New(env, cache_backend));
  exports.Set("onFillOver", Napi::Function::New(env, on_fill_over));
  exports.Set("monotonicMs", Napi::Function::New(env, now));
}

}  // namespace ashmem_compat::addon
