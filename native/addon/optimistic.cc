// Optimistic reads for JavaScript: the bracket around them, and the mapping in which touches of holes are noticed.
#include "core/optimistic.h"

#include "addon/array_buffer.h"
#include "addon/environment.h"
#include "addon/hot_calls.h"
#include "addon/region_table.h"

namespace ashmem_compat::addon {
namespace {

RegionHandle* open_handle(RegionTable& table) {
  RegionHandle* handle = table.handle(table.mailbox[0]);
  return handle && handle->region && !handle->region->closed() ? handle : nullptr;
}

const Status kGone = Status::Of(Code::kRegionClosed, "the region is closed");

// Makes the mapping, if there is none.
napi_value watch_holes(napi_env env, napi_callback_info info) {
  RegionTable& table = table_of<RegionTable>(env, info);
  RegionHandle* handle = open_handle(table);
  if (!handle) return outcome(env, table, kGone);
  if (handle->holes) return nullptr;
  Result<std::unique_ptr<HoleView>> made = HoleView::open(*handle->region);
  if (!made.ok()) return outcome(env, table, made.status());
  handle->holes = std::move(made.value());
  return nullptr;
}

// mailbox: region, offset, length. An ArrayBuffer over those bytes of the mapping, or undefined.
napi_value holes_buffer(napi_env env, napi_callback_info info) {
  RegionTable& table = table_of<RegionTable>(env, info);
  RegionHandle* handle = open_handle(table);
  if (!handle || !handle->holes) return nullptr;
  return array_buffer_over(env, handle->holes->mapping(), table.offset(), table.length(), table.uncharges);
}

// mailbox[3]: touches of holes in the mapping; 1 or 0 in [1]: whether the kernel answers touches of what it has discarded with SIGBUS.
napi_value touches(napi_env env, napi_callback_info info) {
  RegionTable& table = table_of<RegionTable>(env, info);
  RegionHandle* handle = open_handle(table);
  if (!handle) return outcome(env, table, kGone);
  table.mailbox[3] = handle->holes ? static_cast<double>(handle->holes->touches()) : 0;
  table.mailbox[1] = handle->region->touches_fault() ? 1 : 0;
  return nullptr;
}

// mailbox[3]: the number of the read, for endOptimistic().
napi_value begin_optimistic(napi_env env, napi_callback_info info) {
  RegionTable& table = table_of<RegionTable>(env, info);
  Region* region = table.region();
  if (!region) return outcome(env, table, kGone);
  if (table.reads == table.tickets.size()) table.tickets.emplace_back();
  const Status status = region->begin_optimistic(table.offset(), table.length(), &table.tickets[table.reads]);
  if (!status.ok()) return outcome(env, table, status);
  table.mailbox[3] = static_cast<double>(table.reads++);
  return nullptr;
}

// mailbox[3]: the number of the read. lostRanges() has what it lost.
napi_value end_optimistic(napi_env env, napi_callback_info info) {
  RegionTable& table = table_of<RegionTable>(env, info);
  Region* region = table.region();
  table.lost.clear();
  const size_t read = static_cast<size_t>(table.mailbox[3]);
  if (read >= table.reads) return outcome(env, table, kGone);
  table.reads = read;
  if (!region) return outcome(env, table, kGone);
  const Status status =
      region->end_optimistic(table.offset(), table.length(), table.tickets[read], &table.lost);
  return status.ok() ? nullptr : outcome(env, table, status);
}

void add(Napi::Env env, Napi::Object exports, const char* name, napi_callback call, RegionTable* table) {
  napi_value function = nullptr;
  napi_create_function(env, name, NAPI_AUTO_LENGTH, call, table, &function);
  exports.Set(name, Napi::Value(env, function));
}

}  // namespace

void register_optimistic(Napi::Env env, Napi::Object exports) {
  RegionTable* table = Environment::of(env).regions.get();
  add(env, exports, "watchHoles", watch_holes, table);
  add(env, exports, "holesBuffer", holes_buffer, table);
  add(env, exports, "touches", touches, table);
  add(env, exports, "beginOptimistic", begin_optimistic, table);
  add(env, exports, "endOptimistic", end_optimistic, table);
}

}  // namespace ashmem_compat::addon
