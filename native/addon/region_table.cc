#include "addon/region_table.h"

namespace ashmem_compat::addon {

size_t RegionTable::add(RegionHandle* handle) {
  if (!free_.empty()) {
    const size_t id = free_.back();
    free_.pop_back();
    handles_[id] = handle;
    return id;
  }
  handles_.push_back(handle);
  return handles_.size() - 1;
}

void RegionTable::remove(size_t id) {
  handles_[id] = nullptr;
  free_.push_back(id);
}

void RegionHandle::remember(napi_env env, napi_value buffer) {
  if (buffers.size() >= forget_at) {
    std::vector<napi_ref> alive;
    for (napi_ref ref : buffers) {
      napi_value value = nullptr;
      if (napi_get_reference_value(env, ref, &value) == napi_ok && value != nullptr) {
        alive.push_back(ref);
      } else {
        napi_delete_reference(env, ref);
      }
    }
    buffers.swap(alive);
    forget_at = buffers.size() * 2 + 16;
  }
  napi_ref ref = nullptr;
  if (napi_create_reference(env, buffer, 0, &ref) == napi_ok) buffers.push_back(ref);
}

void RegionHandle::detach_buffers(napi_env env) {
  for (napi_ref ref : buffers) {
    napi_value buffer = nullptr;
    bool detached = true;
    if (napi_get_reference_value(env, ref, &buffer) == napi_ok && buffer != nullptr &&
        napi_is_detached_arraybuffer(env, buffer, &detached) == napi_ok && !detached) {
      napi_detach_arraybuffer(env, buffer);
    }
    napi_delete_reference(env, ref);
  }
  buffers.clear();
}

}  // namespace ashmem_compat::addon
