// The sources, each in the file of its name.
#pragma once

#include "core/pressure/gauge.h"

namespace ashmem_compat::pressure {

const Source* cgroup_v2_source();
const Source* cgroup_v1_source();
const Source* psi_source();
const Source* meminfo_source();
const Source* major_faults_source();
const Source* ashmem_source();
const Source* service_manager_source();

}  // namespace ashmem_compat::pressure
