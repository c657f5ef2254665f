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

}  // namespace ashmem_compat::addon
