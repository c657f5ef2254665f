// Regions for JavaScript. Arguments of the hot calls come through the mailbox; lib/region checks types.

#include "addon/array_buffer.h"
#include "addon/environment.h"
#include "addon/hot_calls.h"
#include "addon/own_fd.h"
#include "addon/purge_news.h"
#include "addon/region_table.h"
#include "addon/stay_loaded.h"
#include "core/backends/selector.h"

namespace ashmem_compat::addon {
namespace {

const Status kGone = Status::Of(Code::kRegionClosed, "the region is closed");

napi_value pin_into(napi_env env, RegionTable& table, std::vector<ByteRange>* lost) {
  Region* region = table.region();
  if (!region) return outcome(env, table, kGone);
  bool purged = false;
  const Status status = region->pin(table.offset(), table.length(), &purged, lost);
  if (status.ok() && purged) return number(env, 0);
  return outcome(env, table, status);
}

// undefined: kept; 0: purged; else a code.
napi_value pin(napi_env env, napi_callback_info info) {
  return pin_into(env, table_of<RegionTable>(env, info), nullptr);
}

napi_value pin_lost(napi_env env, napi_callback_info info) {
  RegionTable& table = table_of<RegionTable>(env, info);
  table.lost.clear();
  return pin_into(env, table, &table.lost);
}

napi_value unpin(napi_env env, napi_callback_info info) {
  RegionTable& table = table_of<RegionTable>(env, info);
  Region* region = table.region();
  return outcome(env, table, region ? region->unpin(table.offset(), table.length()) : kGone);
}

// A call that does nothing, registered like the hot ones: what the benchmark compares them with.
napi_value nothing(napi_env, napi_callback_info) { return nullptr; }

// mailbox[3]: 1 if pinned.
napi_value pinned(napi_env env, napi_callback_info info) {
  RegionTable& table = table_of<RegionTable>(env, info);
  Region* region = table.region();
  bool answer = false;
  const Status status = region ? region->pinned(table.offset(), table.length(), &answer) : kGone;
  table.mailbox[3] = answer ? 1 : 0;
  return outcome(env, table, status);
}

// mailbox[3]: bytes discarded.
napi_value purge(napi_env env, napi_callback_info info) {
  RegionTable& table = table_of<RegionTable>(env, info);
  Region* region = table.region();
  uint64_t bytes = 0;
  const Status status = region ? region->purge(table.offset(), table.length(), &bytes) : kGone;
  table.mailbox[3] = static_cast<double>(bytes);
  return outcome(env, table, status);
}

// mailbox[3]: 1 if the ticket is valid; the ticket's generations come and go as two halves in mailbox[1], [2] of end_read.
napi_value begin_read(napi_env env, napi_callback_info info) {
  RegionTable& table = table_of<RegionTable>(env, info);
  Region* region = table.region();
  ReadTicket ticket;
  const Status status = region ? region->begin_read(table.offset(), table.length(), &ticket) : kGone;
  if (!status.ok()) return outcome(env, table, status);
  if (!ticket.valid) return nullptr;
  napi_value result = nullptr;
  napi_create_bigint_uint64(env, ticket.generations, &result);
  return result;
}

napi_value end_read(napi_env env, napi_callback_info info) {
  size_t argc = 1;
  napi_value argument = nullptr;
  void* data = nullptr;
  napi_get_cb_info(env, info, &argc, &argument, nullptr, &data);
  RegionTable& table = *static_cast<RegionTable*>(data);
  Region* region = table.region();
  ReadTicket ticket;
  bool lossless = false;
  ticket.valid = napi_get_value_bigint_uint64(env, argument, &ticket.generations, &lossless) == napi_ok;
  table.mailbox[3] = region && region->end_read(table.offset(), table.length(), ticket) ? 1 : 0;
  return nullptr;
}

napi_value protect(napi_env env, napi_callback_info info) {
  RegionTable& table = table_of<RegionTable>(env, info);
  Region* region = table.region();
  return outcome(env, table, region ? region->protect() : kGone);
}

napi_value close_region(napi_env env, napi_callback_info info) {
  RegionTable& table = table_of<RegionTable>(env, info);
  RegionHandle* handle = table.handle(table.mailbox[0]);
  // ArrayBuffers over the region are not detached: Node's zlib, for one, takes a buffer whose length changes under it for
  // a fatal error. They read zeros from now on.
  if (!handle) return nullptr;
  if (handle->holes) handle->holes->close();
  handle->region->close();
  handle->watch.reset();
  return nullptr;
}

napi_value region_fd(napi_env env, napi_callback_info info) {
  Region* region = table_of<RegionTable>(env, info).region();
  return number(env, region ? region->fd() : -1);
}

napi_value region_purgeable(napi_env env, napi_callback_info info) {
  Region* region = table_of<RegionTable>(env, info).region();
  napi_value result = nullptr;
  napi_get_boolean(env, region && !region->closed() && region->purgeable(), &result);
  return result;
}

napi_value priority(napi_env env, napi_callback_info info) {
  Region* region = table_of<RegionTable>(env, info).region();
  return number(env, static_cast<double>(region ? region->priority() : Priority::kNormal));
}

// mailbox[1]: the priority, as the core counts.
napi_value set_priority(napi_env env, napi_callback_info info) {
  RegionTable& table = table_of<RegionTable>(env, info);
  Region* region = table.region();
  const auto wanted = static_cast<Priority>(table.offset());
  return outcome(env, table, region ? region->set_priority(wanted) : kGone);
}

napi_value unwatch_purges(napi_env env, napi_callback_info info) {
  RegionTable& table = table_of<RegionTable>(env, info);
  RegionHandle* handle = table.handle(table.mailbox[0]);
  if (handle) handle->watch.reset();
  return nullptr;
}

// ---- the slower calls, by node-addon-api

// (callback): the region's one, called for each change of what was discarded until unwatchPurges().
Napi::Value watch_purges(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  Environment& environment = Environment::of(env);
  RegionTable& table = *environment.regions;
  RegionHandle* handle = table.handle(table.mailbox[0]);
  Status status = kGone;
  if (handle) {
    auto watch = std::make_unique<PurgeNews>(environment.news, handle->region.get());
    status = watch->open(info[0].As<Napi::Function>());
    if (status.ok()) handle->watch = std::move(watch);
  }
  if (!status.ok()) environment.raise(env, status);
  return env.Undefined();
}

Napi::Value take_error(const Napi::CallbackInfo& info) {
  Environment& environment = Environment::of(info.Env());
  return environment.make_error(info.Env(), environment.regions->last);
}

Napi::Value lost_ranges(const Napi::CallbackInfo& info) {
  const std::vector<ByteRange>& lost = Environment::of(info.Env()).regions->lost;
  Napi::Array pairs = Napi::Array::New(info.Env(), lost.size() * 2);
  for (size_t i = 0; i < lost.size(); ++i) {
    pairs.Set(static_cast<uint32_t>(2 * i), static_cast<double>(lost[i].offset));
    pairs.Set(static_cast<uint32_t>(2 * i + 1), static_cast<double>(lost[i].length));
  }
  return pairs;
}

Napi::Value stats(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  Environment& environment = Environment::of(env);
  Region* region = environment.regions->region();
  RegionStats stats;
  const Status status = region ? region->stats(&stats) : kGone;
  if (!status.ok()) {
    environment.raise(env, status);
    return env.Undefined();
  }
  Napi::Object result = Napi::Object::New(env);
  result.Set("size", static_cast<double>(stats.size));
  result.Set("pinned", static_cast<double>(stats.pinned));
  result.Set("unpinned", static_cast<double>(stats.unpinned));
  result.Set("purged", static_cast<double>(stats.purged));
  result.Set("resident", static_cast<double>(stats.resident));
  return result;
}

// mailbox: region, offset, length of the window. An ArrayBuffer over those bytes, or undefined where the engine refuses.
napi_value array_buffer(napi_env env, napi_callback_info info) {
  RegionTable& table = table_of<RegionTable>(env, info);
  RegionHandle* handle = table.handle(table.mailbox[0]);
  if (!handle || !handle->region || handle->region->closed()) return nullptr;
  return array_buffer_over(env, handle->region->mapping(), table.offset(), table.length(), table.uncharges);
}

// ---- making

// What JavaScript holds a region by. What it is goes into the mailbox: its number, size, granularity, and in [3] 1 if it
// is shared, plus 2 if it is read-only, plus 4 if its pins are counted. An object with properties would cost more than the system calls.
Napi::Value wrap(Napi::Env env, std::unique_ptr<Region> region) {
  RegionTable& table = *Environment::of(env).regions;
  auto* handle = new RegionHandle{Environment::of(env).regions, 0, std::move(region), nullptr};
  handle->id = table.add(handle);
  table.mailbox[0] = static_cast<double>(handle->id);
  table.mailbox[1] = static_cast<double>(handle->region->size());
  table.mailbox[2] = static_cast<double>(handle->region->granularity());
  table.mailbox[3] = (handle->region->scope() == Scope::kShared ? 1 : 0) +
                     (handle->region->read_only() ? 2 : 0) + (handle->region->counted() ? 4 : 0);
  return Napi::External<RegionHandle>::New(env, handle, [](Napi::Env, RegionHandle* handle) {
    handle->watch.reset();
    handle->holes.reset();
    // Collected without close(): nobody has said that what was to be refilled is.
    handle->region.reset();
    handle->table->remove(handle->id);
    delete handle;
  });
}

Napi::Value region_name(const Napi::CallbackInfo& info) {
  Region* region = Environment::of(info.Env()).regions->region();
  return Napi::String::New(info.Env(), region ? region->name() : "");
}

Napi::Value region_backend(const Napi::CallbackInfo& info) {
  Region* region = Environment::of(info.Env()).regions->region();
  return Napi::String::New(info.Env(), region ? region->backend() : "");
}

Napi::Value finish(Napi::Env env, Result<std::unique_ptr<Region>> made) {
  if (made.ok()) return wrap(env, std::move(made.value()));
  Environment::of(env).raise(env, made.status());
  return env.Undefined();
}

// (name, size, backend or "", granularity or 0, shared, maxProcesses or 0, busyTimeout in ms, reclaimer)
Napi::Value create_region_js(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  RegionOptions options;
  options.name = info[0].As<Napi::String>().Utf8Value();
  options.size = static_cast<uint64_t>(info[1].As<Napi::Number>().DoubleValue());
  options.granularity = static_cast<uint64_t>(info[3].As<Napi::Number>().DoubleValue());
  options.max_processes = info[5].As<Napi::Number>().Uint32Value();
  options.busy_timeout_ms = info[6].As<Napi::Number>().Uint32Value();
  options.reclaimer = info[7].As<Napi::Boolean>().Value();
  if (options.reclaimer) stay_loaded();
  const Scope scope = info[4].As<Napi::Boolean>().Value() ? Scope::kShared : Scope::kProcess;
  return finish(env, create_region(info[2].As<Napi::String>().Utf8Value(), scope, options));
}

// (fd, backend or "", busyTimeout in ms, reclaimer)
Napi::Value attach_region_js(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  RegionOptions options;
  options.busy_timeout_ms = info[2].As<Napi::Number>().Uint32Value();
  options.reclaimer = info[3].As<Napi::Boolean>().Value();
  if (options.reclaimer) stay_loaded();
  Result<Fd> fd = own_fd(info[0].As<Napi::Number>().Int32Value());
  if (!fd.ok()) return finish(env, fd.status());
  return finish(env, attach_region(info[1].As<Napi::String>().Utf8Value(), std::move(fd.value()), options));
}

void add(Napi::Env env, Napi::Object exports, const char* name, napi_callback call, RegionTable* table) {
  napi_value function = nullptr;
  napi_create_function(env, name, NAPI_AUTO_LENGTH, call, table, &function);
  exports.Set(name, Napi::Value(env, function));
}

}  // namespace

void register_region(Napi::Env env, Napi::Object exports) {
  Environment& environment = Environment::of(env);
  environment.regions = std::make_shared<RegionTable>();
  RegionTable* table = environment.regions.get();
  const napi_node_version* version = nullptr;
  table->uncharges = napi_get_node_version(env, &version) == napi_ok && version->major <= 20;

  // The mailbox lives as long as JavaScript can reach it, which may be longer than the environment's data.
  auto* keep = new std::shared_ptr<RegionTable>(environment.regions);
  Napi::ArrayBuffer mailbox = Napi::ArrayBuffer::New(
      env, table->mailbox, sizeof table->mailbox,
      [](Napi::Env, void*, std::shared_ptr<RegionTable>* kept) { delete kept; }, keep);
  exports.Set("mailbox", Napi::Float64Array::New(env, 4, mailbox, 0));

  add(env, exports, "pin", pin, table);
  add(env, exports, "pinLost", pin_lost, table);
  add(env, exports, "unpin", unpin, table);
  add(env, exports, "nothing", nothing, table);
  add(env, exports, "pinned", pinned, table);
  add(env, exports, "purge", purge, table);
  add(env, exports, "beginRead", begin_read, table);
  add(env, exports, "endRead", end_read, table);
  add(env, exports, "protect", protect, table);
  add(env, exports, "closeRegion", close_region, table);
  add(env, exports, "regionFd", region_fd, table);
  add(env, exports, "regionPurgeable", region_purgeable, table);
  add(env, exports, "regionPriority", priority, table);
  add(env, exports, "setRegionPriority", set_priority, table);
  add(env, exports, "unwatchPurges", unwatch_purges, table);
  add(env, exports, "arrayBuffer", array_buffer, table);
  exports.Set("watchPurges", Napi::Function::New(env, watch_purges));
  exports.Set("takeError", Napi::Function::New(env, take_error));
  exports.Set("lostRanges", Napi::Function::New(env, lost_ranges));
  exports.Set("regionName", Napi::Function::New(env, region_name));
  exports.Set("regionBackend", Napi::Function::New(env, region_backend));
  exports.Set("regionStats", Napi::Function::New(env, stats));
  exports.Set("createRegion", Napi::Function::New(env, create_region_js));
  exports.Set("attachRegion", Napi::Function::New(env, attach_region_js));
}

}  // namespace ashmem_compat::addon
