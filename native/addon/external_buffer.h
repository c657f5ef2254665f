// ArrayBuffers over mappings, whose addresses they keep valid.
#pragma once

#include "addon/region_table.h"

namespace ashmem_compat::addon {

// Over the bytes that offset and length in the mailbox name; null where the engine refuses, or they are not in it.
napi_value external_buffer(napi_env env, RegionTable& table, const std::shared_ptr<Mapping>& mapping);

}  // namespace ashmem_compat::addon
