// Pools of blocks for JavaScript. Arguments come through the mailbox; lib/pool checks types.

#include "addon/array_buffer.h"
#include "addon/environment.h"
#include "addon/hot_calls.h"
#include "addon/own_fd.h"
#include "addon/pool_table.h"
#include "addon/region_table.h"
#include "addon/stay_loaded.h"

namespace ashmem_compat::addon {
namespace {

const Status kGone = Status::Of(Code::kRegionClosed, "the pool is closed");
const Status kFreed = Status::Of(Code::kBlockFreed, "the block has been freed");

// The block that the mailbox names, or why there is none.
Status block_of(PoolTable& table, PoolHandle** pool, PoolBlock** block) {
  *pool = table.handle();
  *block = nullptr;
  if (!*pool) return kGone;
  if (Status s = (*pool)->pool().usable(false); !s.ok()) return s;
  *block = (*pool)->at(table.mailbox[1]);
  return *block ? Status::Ok() : kFreed;
}

// mailbox: pool, size, priority. mailbox[1]: the block's number.
napi_value alloc(napi_env env, napi_callback_info info) {
  PoolTable& table = table_of<PoolTable>(env, info);
  PoolHandle* pool = table.handle();
  size_t index = 0;
  const Status status = pool
                            ? pool->alloc(whole(table.mailbox[1]),
                                          priority_of(static_cast<uint32_t>(whole(table.mailbox[2]))), &index)
                            : kGone;
  table.mailbox[1] = static_cast<double>(index);
  return outcome(env, table, status);
}

// mailbox: pool, handle. mailbox[1]: the block's number; [2]: its size; [3]: its priority.
napi_value find(napi_env env, napi_callback_info info) {
  PoolTable& table = table_of<PoolTable>(env, info);
  PoolHandle* pool = table.handle();
  size_t index = 0;
  const Status status = pool ? pool->find(table.mailbox[1], &index) : kGone;
  if (!pool || !status.ok()) return outcome(env, table, status);
  const Block& block = pool->at(static_cast<double>(index))->block;
  table.mailbox[1] = static_cast<double>(index);
  table.mailbox[2] = static_cast<double>(block.size);
  table.mailbox[3] = static_cast<double>(block.priority);
  return nullptr;
}

// All of these: mailbox: pool, block.

// undefined: kept; 0: purged; else a code.
napi_value pin(napi_env env, napi_callback_info info) {
  PoolTable& table = table_of<PoolTable>(env, info);
  PoolHandle* pool = nullptr;
  PoolBlock* block = nullptr;
  Status status = block_of(table, &pool, &block);
  bool lost = false;
  if (block) status = pool->pin(*block, &lost);
  return status.ok() && lost ? number(env, 0) : outcome(env, table, status);
}

napi_value unpin(napi_env env, napi_callback_info info) {
  PoolTable& table = table_of<PoolTable>(env, info);
  PoolHandle* pool = nullptr;
  PoolBlock* block = nullptr;
  Status status = block_of(table, &pool, &block);
  if (block) status = pool->unpin(*block);
  return outcome(env, table, status);
}

// mailbox[2]: how often the object has pinned it.
napi_value pins(napi_env env, napi_callback_info info) {
  PoolTable& table = table_of<PoolTable>(env, info);
  PoolHandle* pool = nullptr;
  PoolBlock* block = nullptr;
  const Status status = block_of(table, &pool, &block);
  table.mailbox[2] = block ? block->pins : 0;
  return outcome(env, table, status);
}

napi_value free_block(napi_env env, napi_callback_info info) {
  PoolTable& table = table_of<PoolTable>(env, info);
  PoolHandle* pool = table.handle();
  return outcome(env, table, pool ? pool->free(table.mailbox[1]) : kGone);
}

// mailbox[2]: the handle.
napi_value share(napi_env env, napi_callback_info info) {
  PoolTable& table = table_of<PoolTable>(env, info);
  PoolHandle* pool = nullptr;
  PoolBlock* block = nullptr;
  Status status = block_of(table, &pool, &block);
  if (block) status = pool->share(*block, &table.mailbox[2]);
  return outcome(env, table, status);
}

napi_value forget(napi_env env, napi_callback_info info) {
  PoolTable& table = table_of<PoolTable>(env, info);
  if (PoolHandle* pool = table.handle()) pool->forget(table.mailbox[1]);
  return nullptr;
}

// A read that holds nothing. mailbox[2], [3]: the ticket, 0 and -1 if the bytes are not there; they come back with the end, whose answer is in
// mailbox[2]: 1 if the bytes were there throughout. The generations' sum is a u64, and goes as two halves.
napi_value begin_read(napi_env env, napi_callback_info info) {
  PoolTable& table = table_of<PoolTable>(env, info);
  PoolHandle* pool = nullptr;
  PoolBlock* block = nullptr;
  Status status = block_of(table, &pool, &block);
  ReadTicket ticket;
  if (block) status = pool->pool().begin_read(block->block, &ticket);
  table.mailbox[2] = static_cast<double>(ticket.generations >> 32);
  table.mailbox[3] = ticket.valid ? static_cast<double>(ticket.generations & 0xffffffff) : -1;
  return outcome(env, table, status);
}

napi_value end_read(napi_env env, napi_callback_info info) {
  PoolTable& table = table_of<PoolTable>(env, info);
  PoolHandle* pool = nullptr;
  PoolBlock* block = nullptr;
  ReadTicket ticket;
  ticket.valid = table.mailbox[3] >= 0;
  ticket.generations = whole(table.mailbox[2]) << 32 | whole(table.mailbox[3]);
  block_of(table, &pool, &block);
  const bool unspoilt = block && pool->pool().end_read(block->block, ticket);
  table.mailbox[2] = unspoilt ? 1 : 0;
  return nullptr;
}

// An ArrayBuffer over the block's bytes, or undefined.
napi_value block_buffer(napi_env env, napi_callback_info info) {
  PoolTable& table = table_of<PoolTable>(env, info);
  PoolHandle* pool = nullptr;
  PoolBlock* block = nullptr;
  block_of(table, &pool, &block);
  if (!block) return nullptr;
  PoolMemory& memory = pool->pool().memory();
  return array_buffer_over(env, memory.region()->mapping(),
                           static_cast<uint64_t>(block->block.bytes - memory.data()), block->block.size,
                           Environment::of(env).regions->uncharges);
}

// mailbox: pool. mailbox[1]: bytes discarded.
napi_value purge(napi_env env, napi_callback_info info) {
  PoolTable& table = table_of<PoolTable>(env, info);
  PoolHandle* pool = table.handle();
  const Status status = pool ? pool->pool().usable() : kGone;
  if (pool && status.ok()) table.mailbox[1] = static_cast<double>(pool->pool().purge());
  return outcome(env, table, status);
}

napi_value close_pool(napi_env env, napi_callback_info info) {
  PoolTable& table = table_of<PoolTable>(env, info);
  if (PoolHandle* pool = table.handle()) pool->close(true);
  return nullptr;
}

napi_value pool_fd(napi_env env, napi_callback_info info) {
  PoolHandle* pool = table_of<PoolTable>(env, info).handle();
  return number(env, pool && pool->pool().usable(false).ok() ? pool->pool().memory().fd() : -1);
}

// ---- the slower calls

Napi::Value take_error(const Napi::CallbackInfo& info) {
  Environment& environment = Environment::of(info.Env());
  return environment.make_error(info.Env(), environment.pools->last);
}

Napi::Value stats(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  Environment& environment = Environment::of(env);
  PoolHandle* pool = environment.pools->handle();
  PoolStats stats;
  const Status status = pool ? pool->pool().stats(&stats) : kGone;
  if (!status.ok()) {
    environment.raise(env, status);
    return env.Undefined();
  }
  Napi::Object result = Napi::Object::New(env);
  const std::pair<const char*, uint64_t> fields[] = {
      {"capacity", stats.capacity},   {"live", stats.live},     {"allocated", stats.allocated},
      {"pinned", stats.pinned},       {"purged", stats.purged}, {"resident", stats.resident},
      {"discarded", stats.discarded}, {"blocks", stats.blocks}, {"maxBlocks", stats.max_blocks},
      {"doomed", stats.doomed}};
  for (const auto& [name, value] : fields) result.Set(name, static_cast<double>(value));
  return result;
}

Napi::Value pool_name(const Napi::CallbackInfo& info) {
  PoolHandle* pool = Environment::of(info.Env()).pools->handle();
  return Napi::String::New(info.Env(), pool ? pool->pool().memory().region()->name() : "");
}

Napi::Value pool_backend(const Napi::CallbackInfo& info) {
  PoolHandle* pool = Environment::of(info.Env()).pools->handle();
  return Napi::String::New(info.Env(), pool ? pool->pool().memory().region()->backend() : "");
}

// What JavaScript holds a pool by. mailbox: its number, capacity, the most blocks, and 1 if it is shared, plus 2 if it is read-only.
Napi::Value finish(Napi::Env env, Result<std::unique_ptr<Pool>> made) {
  Environment& environment = Environment::of(env);
  if (!made.ok()) {
    environment.raise(env, made.status());
    return env.Undefined();
  }
  PoolTable& table = *environment.pools;
  auto* handle = new PoolHandle(std::move(made.value()));
  handle->table = environment.pools;
  handle->id = table.add(handle);
  table.mailbox[0] = static_cast<double>(handle->id);
  table.mailbox[1] = static_cast<double>(handle->pool().capacity());
  table.mailbox[2] = handle->pool().max_blocks();
  table.mailbox[3] = (handle->pool().memory().shared() ? 1 : 0) + (handle->pool().read_only() ? 2 : 0);
  return Napi::External<PoolHandle>::New(env, handle, [](Napi::Env, PoolHandle* handle) {
    handle->table->remove(handle->id);
    delete handle;
  });
}

// (name, capacity, maxBlocks or 0, backend or "", shared, maxProcesses or 0, busyTimeout in ms, reclaimer)
Napi::Value create_pool(const Napi::CallbackInfo& info) {
  PoolOptions options;
  options.name = info[0].As<Napi::String>().Utf8Value();
  options.capacity = static_cast<uint64_t>(info[1].As<Napi::Number>().DoubleValue());
  options.max_blocks = info[2].As<Napi::Number>().Uint32Value();
  options.backend = info[3].As<Napi::String>().Utf8Value();
  options.scope = info[4].As<Napi::Boolean>().Value() ? Scope::kShared : Scope::kProcess;
  options.max_processes = info[5].As<Napi::Number>().Uint32Value();
  options.busy_timeout_ms = info[6].As<Napi::Number>().Uint32Value();
  options.reclaimer = info[7].As<Napi::Boolean>().Value();
  if (options.reclaimer) stay_loaded();
  return finish(info.Env(), Pool::create(options));
}

// (fd, backend or "", busyTimeout in ms, reclaimer)
Napi::Value attach_pool(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  PoolOptions options;
  options.backend = info[1].As<Napi::String>().Utf8Value();
  options.busy_timeout_ms = info[2].As<Napi::Number>().Uint32Value();
  options.reclaimer = info[3].As<Napi::Boolean>().Value();
  if (options.reclaimer) stay_loaded();
  Result<Fd> fd = own_fd(info[0].As<Napi::Number>().Int32Value());
  if (!fd.ok()) return finish(env, fd.status());
  return finish(env, Pool::attach(std::move(fd.value()), options));
}

}  // namespace

void register_pool(Napi::Env env, Napi::Object exports) {
  Environment& environment = Environment::of(env);
  environment.pools = std::make_shared<PoolTable>();
  PoolTable* table = environment.pools.get();
  // The mailbox lives as long as JavaScript can reach it, which may be longer than the environment's data.
  auto* keep = new std::shared_ptr<PoolTable>(environment.pools);
  Napi::ArrayBuffer mailbox = Napi::ArrayBuffer::New(
      env, table->mailbox, sizeof table->mailbox,
      [](Napi::Env, void*, std::shared_ptr<PoolTable>* kept) { delete kept; }, keep);
  exports.Set("poolMailbox", Napi::Float64Array::New(env, 4, mailbox, 0));

  const std::pair<const char*, napi_callback> calls[] = {
      {"poolAlloc", alloc},      {"poolFind", find},           {"poolPin", pin},
      {"poolUnpin", unpin},      {"poolPins", pins},           {"poolFree", free_block},
      {"poolShare", share},      {"poolForget", forget},       {"poolBeginRead", begin_read},
      {"poolEndRead", end_read}, {"poolBuffer", block_buffer}, {"poolPurge", purge},
      {"poolClose", close_pool}, {"poolFd", pool_fd}};
  for (const auto& [name, call] : calls) {
    napi_value function = nullptr;
    napi_create_function(env, name, NAPI_AUTO_LENGTH, call, table, &function);
    exports.Set(name, Napi::Value(env, function));
  }
  exports.Set("takePoolError", Napi::Function::New(env, take_error));
  exports.Set("poolStats", Napi::Function::New(env, stats));
  exports.Set("poolName", Napi::Function::New(env, pool_name));
  exports.Set("poolBackend", Napi::Function::New(env, pool_backend));
  exports.Set("createPool", Napi::Function::New(env, create_pool));
  exports.Set("attachPool", Napi::Function::New(env, attach_pool));
}

}  // namespace ashmem_compat::addon
