#include "core/pressure/sources/sources.h"

namespace ashmem_compat::pressure {

const std::vector<const Source*>& all_sources() {
  static const std::vector<const Source*> all = {
      cgroup_v2_source(), cgroup_v1_source(),      psi_source(), meminfo_source(), major_faults_source(),
      ashmem_source(),    service_manager_source()};
  return all;
}

}  // namespace ashmem_compat::pressure
