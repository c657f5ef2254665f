// Caches for JavaScript: the calls that take what they need from the mailbox and leave there what they found. lib/cache checks types.

#include <cstring>

#include "addon/array_buffer.h"
#include "addon/cache_table.h"
#include "addon/environment.h"
#include "addon/hot_calls.h"

namespace ashmem_compat::addon {
namespace {

using Pin = CacheHandle::Pin;

// In mailbox[2] after a call.
constexpr double kError = -1;
constexpr double kNo = 0;
constexpr double kYes = 1;

napi_value fail(CacheTable& table, const Status& status) {
  table.last = status;
  table.mailbox[2] = kError;
  return nullptr;
}

napi_value answer(CacheTable& table, const Status& status, bool yes) {
  if (!status.ok()) return fail(table, status);
  table.mailbox[2] = yes ? kYes : kNo;
  return nullptr;
}

const Status kGone = Status::Of(Code::kRegionClosed, "the cache is closed");

// [3] pin, [4] where the value is, [5] its length, [6] that of the meta behind the key, [7] that of the key behind the value, [8] when it expires in
// ms of CLOCK_MONOTONIC, or 0, [9] its record, [10] its version.
void show(CacheTable& table, CacheHandle& handle, const CacheItem& item, Pin::Kind kind) {
  table.mailbox[2] = kYes;
  table.mailbox[3] = handle.add(item, kind);
  table.mailbox[4] = static_cast<double>(item.value() - handle.cache->pool().memory().data());
  table.mailbox[5] = static_cast<double>(item.value_length);
  table.mailbox[6] = item.meta_length;
  table.mailbox[7] = item.key_length;
  table.mailbox[8] = static_cast<double>(item.expires);
  table.mailbox[9] = item.block.ref.id;
  table.mailbox[10] = static_cast<double>(item.version);
}

uint64_t expiry(double ttl_ms) {
  const uint64_t ttl = whole(ttl_ms);
  return ttl != 0 ? now_ms() + ttl : 0;
}

FillTicket ticket_in(const CacheTable& table) {
  return {static_cast<uint32_t>(whole(table.mailbox[5])), whole(table.mailbox[6])};
}

// [3]: whether it counts as a use.
napi_value get(napi_env env, napi_callback_info info) {
  CacheTable& table = table_of<CacheTable>(env, info);
  CacheHandle* handle = table.handle();
  if (!handle) return fail(table, kGone);
  CacheItem item;
  bool found = false;
  const Status status = handle->cache->get(table.key_in(), table.mailbox[3] != 0, &item, &found);
  if (status.ok() && found) {
    show(table, *handle, item, Pin::kHeld);
    return nullptr;
  }
  return answer(table, status, false);
}

// [9] [10] record and version, as they were left there. Then [2] 2 if there is another entry now, or none.
napi_value get_again(napi_env env, napi_callback_info info) {
  CacheTable& table = table_of<CacheTable>(env, info);
  CacheHandle* handle = table.handle();
  if (!handle) return fail(table, kGone);
  CacheItem item;
  bool found = false;
  bool same = false;
  const Status status = handle->cache->get_again(static_cast<uint32_t>(whole(table.mailbox[9])),
                                                 whole(table.mailbox[10]), &item, &found, &same);
  if (status.ok() && found) {
    show(table, *handle, item, Pin::kHeld);
    return nullptr;
  }
  answer(table, status, false);
  if (status.ok() && !same) table.mailbox[2] = 2;
  return nullptr;
}

// [3]: the pin.
napi_value release(napi_env env, napi_callback_info info) {
  CacheTable& table = table_of<CacheTable>(env, info);
  CacheHandle* handle = table.handle();
  CacheItem* item = handle ? handle->find(table.mailbox[3], Pin::kHeld) : nullptr;
  if (!item) return nullptr;
  handle->cache->release(*item);
  handle->forget(table.mailbox[3]);
  return nullptr;
}

napi_value has(napi_env env, napi_callback_info info) {
  CacheTable& table = table_of<CacheTable>(env, info);
  CacheHandle* handle = table.handle();
  bool found = false;
  const Status status = handle ? handle->cache->has(table.key_in(), &found) : kGone;
  return answer(table, status, found);
}

napi_value remove(napi_env env, napi_callback_info info) {
  CacheTable& table = table_of<CacheTable>(env, info);
  CacheHandle* handle = table.handle();
  bool removed = false;
  const Status status = handle ? handle->cache->remove(table.key_in(), &removed) : kGone;
  return answer(table, status, removed);
}

napi_value begin_read(napi_env env, napi_callback_info info) {
  CacheTable& table = table_of<CacheTable>(env, info);
  CacheHandle* handle = table.handle();
  if (!handle) return fail(table, kGone);
  CacheItem item;
  bool found = false;
  const Status status = handle->cache->begin_read(table.key_in(), &item, &found);
  if (!status.ok() || !found) return answer(table, status, false);
  show(table, *handle, item, Pin::kRead);
  return nullptr;
}

// [3]: the read.
napi_value end_read(napi_env env, napi_callback_info info) {
  CacheTable& table = table_of<CacheTable>(env, info);
  CacheHandle* handle = table.handle();
  CacheItem* item = handle ? handle->find(table.mailbox[3], Pin::kRead) : nullptr;
  const bool good = item && handle->cache->end_read(*item);
  if (item) handle->forget(table.mailbox[3]);
  table.mailbox[2] = good ? kYes : kNo;
  return nullptr;
}

// [1]: the record to go on with, before and after.
napi_value next(napi_env env, napi_callback_info info) {
  CacheTable& table = table_of<CacheTable>(env, info);
  CacheHandle* handle = table.handle();
  if (!handle) return fail(table, kGone);
  uint32_t record = static_cast<uint32_t>(whole(table.mailbox[1]));
  CacheItem item;
  bool found = false;
  const Status status = handle->cache->next(&record, &item, &found);
  table.mailbox[1] = record;
  if (!status.ok() || !found) return answer(table, status, false);
  show(table, *handle, item, Pin::kHeld);
  return nullptr;
}

struct Bytes {
  const char* data = nullptr;
  size_t length = 0;
};

Bytes bytes_of(napi_env env, napi_value value) {
  napi_typedarray_type type;
  void* data = nullptr;
  Bytes bytes;
  if (napi_get_typedarray_info(env, value, &type, &bytes.length, &data, nullptr, nullptr) != napi_ok)
    return {};
  bytes.data = static_cast<const char*>(data);
  return bytes;
}

// Who publishes what he has written, in [4].
enum Publish { kSet = 0, kSetAndHold = 1, kFill = 2 };

// [2] 2 for a fill that others have overtaken.
napi_value publish_item(CacheTable& table, CacheHandle& handle, CacheItem& item, double ttl, double how) {
  Cache& cache = *handle.cache;
  Status status;
  Cache::Filled filled = Cache::Filled::kPublished;
  if (how == kFill) {
    status = cache.publish_fill(table.key_in(), ticket_in(table), &item, expiry(ttl), &filled);
  } else {
    status = cache.publish(table.key_in(), &item, expiry(ttl));
  }
  if (!status.ok()) {
    cache.abandon(item, false);
    return fail(table, status);
  }
  if (how == kSet) {
    cache.release(item);
    table.mailbox[2] = kYes;
    return nullptr;
  }
  show(table, handle, item, Pin::kHeld);
  if (filled == Cache::Filled::kPrivate) table.mailbox[2] = 2;
  return nullptr;
}

// (bytes, meta or undefined): [2] ttl, [3] priority, [4] Publish, [5] [6] the ticket of a fill.
napi_value put(napi_env env, napi_callback_info info) {
  size_t argc = 2;
  napi_value arguments[2];
  void* data = nullptr;
  napi_get_cb_info(env, info, &argc, arguments, nullptr, &data);
  CacheTable& table = *static_cast<CacheTable*>(data);
  CacheHandle* handle = table.handle();
  if (!handle) return fail(table, kGone);
  const Bytes value = bytes_of(env, arguments[0]);
  const Bytes meta = bytes_of(env, arguments[1]);
  if (meta.length > UINT32_MAX) return fail(table, Status::Of(Code::kValueTooLarge, "meta is too large"));
  CacheItem item;
  const Status status =
      handle->cache->reserve(table.key_in(), value.length, static_cast<uint32_t>(meta.length),
                             priority_of(static_cast<uint32_t>(whole(table.mailbox[3]))), &item);
  if (!status.ok()) return fail(table, status);
  if (value.length != 0) memcpy(item.value(), value.data, value.length);
  if (meta.length != 0) memcpy(item.meta(), meta.data, meta.length);
  return publish_item(table, *handle, item, table.mailbox[2], table.mailbox[4]);
}

// (meta or undefined): [2] length of the value, [3] priority.
napi_value reserve(napi_env env, napi_callback_info info) {
  size_t argc = 1;
  napi_value argument;
  void* data = nullptr;
  napi_get_cb_info(env, info, &argc, &argument, nullptr, &data);
  CacheTable& table = *static_cast<CacheTable*>(data);
  CacheHandle* handle = table.handle();
  if (!handle) return fail(table, kGone);
  const Bytes meta = bytes_of(env, argument);
  if (meta.length > UINT32_MAX) return fail(table, Status::Of(Code::kValueTooLarge, "meta is too large"));
  CacheItem item;
  const Status status =
      handle->cache->reserve(table.key_in(), whole(table.mailbox[2]), static_cast<uint32_t>(meta.length),
                             priority_of(static_cast<uint32_t>(whole(table.mailbox[3]))), &item);
  if (!status.ok()) return fail(table, status);
  if (meta.length != 0) memcpy(item.meta(), meta.data, meta.length);
  show(table, *handle, item, Pin::kHeld);
  return nullptr;
}

// [3] the pin of reserve(), [2] ttl, [4] Publish.
napi_value publish(napi_env env, napi_callback_info info) {
  CacheTable& table = table_of<CacheTable>(env, info);
  CacheHandle* handle = table.handle();
  CacheItem* found = handle ? handle->find(table.mailbox[3], Pin::kHeld) : nullptr;
  if (!found) return fail(table, kGone);
  CacheItem item = *found;
  handle->forget(table.mailbox[3]);
  return publish_item(table, *handle, item, table.mailbox[2], table.mailbox[4]);
}

// [3] the pin of reserve().
napi_value abandon(napi_env env, napi_callback_info info) {
  CacheTable& table = table_of<CacheTable>(env, info);
  CacheHandle* handle = table.handle();
  CacheItem* item = handle ? handle->find(table.mailbox[3], Pin::kHeld) : nullptr;
  if (!item) return nullptr;
  handle->cache->abandon(*item, false);
  handle->forget(table.mailbox[3]);
  return nullptr;
}

// [4] 1: also if it seems to be there, [6] the token of a fill to take over, or 0. Then [2] 0 it is there, 1 it is the caller's to fill, 2 others
// are at it; [5] [6] the ticket.
napi_value begin_fill(napi_env env, napi_callback_info info) {
  CacheTable& table = table_of<CacheTable>(env, info);
  CacheHandle* handle = table.handle();
  if (!handle) return fail(table, kGone);
  FillTicket ticket;
  Cache::Begin outcome = Cache::Begin::kThere;
  const Status status = handle->cache->begin_fill(table.key_in(), whole(table.mailbox[6]),
                                                  table.mailbox[4] == 1, &ticket, &outcome);
  if (!status.ok()) return fail(table, status);
  table.mailbox[2] = static_cast<double>(outcome);
  table.mailbox[5] = ticket.slot;
  table.mailbox[6] = static_cast<double>(ticket.token);
  return nullptr;
}

// [5] [6] the ticket.
napi_value end_fill(napi_env env, napi_callback_info info) {
  CacheTable& table = table_of<CacheTable>(env, info);
  CacheHandle* handle = table.handle();
  if (handle) handle->cache->end_fill(ticket_in(table));
  return nullptr;
}

// [3] a number for the wait, [5] [6] the ticket. onFillOver is called with the number and 0: it is over, 1: its filler is dead, 2: it is stuck.
napi_value wait(napi_env env, napi_callback_info info) {
  CacheTable& table = table_of<CacheTable>(env, info);
  CacheHandle* handle = table.handle();
  if (!handle) return fail(table, kGone);
  return answer(table, handle->waits->add(whole(table.mailbox[3]), ticket_in(table)), true);
}

// [4]: 1 for the first wait of a call.
napi_value count_wait(napi_env env, napi_callback_info info) {
  CacheTable& table = table_of<CacheTable>(env, info);
  CacheHandle* handle = table.handle();
  if (handle) handle->cache->count_wait();
  return nullptr;
}

napi_value unwait(napi_env env, napi_callback_info info) {
  CacheTable& table = table_of<CacheTable>(env, info);
  CacheHandle* handle = table.handle();
  if (handle) handle->waits->remove(whole(table.mailbox[3]));
  return nullptr;
}

napi_value clear(napi_env env, napi_callback_info info) {
  CacheTable& table = table_of<CacheTable>(env, info);
  CacheHandle* handle = table.handle();
  return answer(table, handle ? handle->cache->clear() : kGone, true);
}

napi_value purge_stale(napi_env env, napi_callback_info info) {
  CacheTable& table = table_of<CacheTable>(env, info);
  CacheHandle* handle = table.handle();
  bool any = false;
  const Status status = handle ? handle->cache->purge_stale(&any) : kGone;
  return answer(table, status, any);
}

// Then [3] bytes.
napi_value purge(napi_env env, napi_callback_info info) {
  CacheTable& table = table_of<CacheTable>(env, info);
  CacheHandle* handle = table.handle();
  const Status status = handle ? handle->cache->pool().usable() : kGone;
  table.mailbox[3] = status.ok() ? static_cast<double>(handle->cache->purge()) : 0;
  return answer(table, status, true);
}

// Then [3] entries.
napi_value count(napi_env env, napi_callback_info info) {
  CacheTable& table = table_of<CacheTable>(env, info);
  CacheHandle* handle = table.handle();
  if (!handle) return fail(table, kGone);
  table.mailbox[3] = handle->cache->count();
  return answer(table, Status::Ok(), true);
}

// [4] offset, [5] length: an ArrayBuffer, or undefined.
napi_value window(napi_env env, napi_callback_info info) {
  CacheTable& table = table_of<CacheTable>(env, info);
  CacheHandle* handle = table.handle();
  if (!handle) return nullptr;
  return array_buffer_over(env, handle->cache->pool().memory().region()->mapping(), whole(table.mailbox[4]),
                           whole(table.mailbox[5]), table.uncharges);
}

napi_value close(napi_env env, napi_callback_info info) {
  CacheHandle* handle = table_of<CacheTable>(env, info).handle();
  if (handle) handle->close();
  return nullptr;
}

}  // namespace

void CacheHandle::close() {
  if (!cache) return;
  waits.reset();
  for (const Pin& pin : pins) {
    if (pin.kind == Pin::kHeld) cache->release(pin.item);
  }
  pins.clear();
  free_pins.clear();
  cache->close();
  cache.reset();
}

void register_cache_calls(Napi::Env env, Napi::Object exports, CacheTable* table) {
  const struct {
    const char* name;
    napi_callback call;
  } calls[] = {
      {"cacheGet", get},
      {"cacheGetAgain", get_again},
      {"cacheRelease", release},
      {"cacheHas", has},
      {"cacheRemove", remove},
      {"cacheBeginRead", begin_read},
      {"cacheEndRead", end_read},
      {"cacheNext", next},
      {"cachePut", put},
      {"cacheReserve", reserve},
      {"cachePublish", publish},
      {"cacheAbandon", abandon},
      {"cacheBeginFill", begin_fill},
      {"cacheEndFill", end_fill},
      {"cacheWait", wait},
      {"cacheUnwait", unwait},
      {"cacheCountWait", count_wait},
      {"cacheClear", clear},
      {"cachePurgeStale", purge_stale},
      {"cachePurge", purge},
      {"cacheCount", count},
      {"cacheWindow", window},
      {"closeCache", close},
  };
  for (const auto& one : calls) {
    napi_value function = nullptr;
    napi_create_function(env, one.name, NAPI_AUTO_LENGTH, one.call, table, &function);
    exports.Set(one.name, Napi::Value(env, function));
  }
}

}  // namespace ashmem_compat::addon
