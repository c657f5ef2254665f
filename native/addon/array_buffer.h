// ArrayBuffers over memory that is mapped, without a copy.
#pragma once

#include <node_api.h>

#include <memory>

#include "core/mapping.h"

namespace ashmem_compat::addon {

// Over `length` bytes from `offset` of the mapping, whose addresses it keeps valid, or null where there are none such or the engine refuses.
// `uncharges`: RegionTable::uncharges.
napi_value array_buffer_over(napi_env env, const std::shared_ptr<Mapping>& mapping, uint64_t offset,
                             uint64_t length, bool uncharges);

}  // namespace ashmem_compat::addon
