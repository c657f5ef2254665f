#include "core/pressure/sources/sources.h"

namespace ashmem_compat::pressure {

const std::vector<const Source*>& all_sources() {
  // Never destroyed: the watcher's thread runs to the very end.
  static const auto& all = *new std::vector<const Source*>{
      cgroup_v2_source(), cgroup_v1_source(),      psi_source(), meminfo_source(), major_faults_source(),
      ashmem_source(),    service_manager_source()};
  return all;
}

}  // namespace ashmem_compat::pressure
