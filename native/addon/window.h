// ArrayBuffers over memory that is not the engine's.
#pragma once

#include <node_api.h>

#include <memory>

#include "core/mapping.h"

namespace ashmem_compat::addon {

// `length` bytes of the mapping from `offset`, which must lie in it; null where the engine refuses. It keeps the addresses valid, not the bytes.
// `uncharges`: the engine may be told that the bytes are not its own (RegionTable::uncharges).
napi_value window_of(napi_env env, const std::shared_ptr<Mapping>& mapping, uint64_t offset, uint64_t length,
                     bool uncharges);

}  // namespace ashmem_compat::addon
