#include "addon/array_buffer.h"

namespace ashmem_compat::addon {
namespace {

// One of the two finalizers that keep the addresses of an ArrayBuffer valid: that of the backing store, which threads of
// Node may hold on to, and that of the object, which they hold on to after it was detached.
struct BufferHold {
  std::shared_ptr<Mapping> mapping;
  int64_t charged;
};

void drop_buffer_hold(napi_env env, void*, void* hint) {
  BufferHold* hold = static_cast<BufferHold*>(hint);
  int64_t total = 0;
  if (hold->charged != 0) napi_adjust_external_memory(env, hold->charged, &total);
  delete hold;
}

}  // namespace

napi_value array_buffer_over(napi_env env, const std::shared_ptr<Mapping>& mapping, uint64_t offset,
                             uint64_t length, bool uncharges) {
  if (offset > mapping->length() || length > mapping->length() - offset) return nullptr;
  const int64_t charge = uncharges ? static_cast<int64_t>(length) : 0;
  auto* by_store = new BufferHold{mapping, charge};
  napi_value buffer = nullptr;
  if (napi_create_external_arraybuffer(env, mapping->data() + offset, static_cast<size_t>(length),
                                       drop_buffer_hold, by_store, &buffer) != napi_ok) {
    delete by_store;
    return nullptr;
  }
  // The engine counts these bytes as its own and would collect garbage to be rid of them; they are the system's.
  int64_t total = 0;
  if (charge != 0) napi_adjust_external_memory(env, -charge, &total);
  auto* by_object = new BufferHold{mapping, 0};
  if (napi_add_finalizer(env, buffer, mapping->data(), drop_buffer_hold, by_object, nullptr) != napi_ok)
    delete by_object;
  return buffer;
}

}  // namespace ashmem_compat::addon
