// Which cgroups this process is in, as folders that can be opened: its own and those above it, as far as they are mounted here.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace ashmem_compat::pressure {

enum class Hierarchy { kV1Memory, kV2 };

// The own cgroup first, then its parents up to the mount. Where the own one is not to be seen below any mount, as in a
// container that was given a part of the tree, the mount point alone: what is mounted there is the container's. Empty if the
// hierarchy is not mounted. The paths are given by tests.
std::vector<std::string> own_cgroups(Hierarchy hierarchy, const char* cgroup = "/proc/self/cgroup",
                                     const char* mountinfo = "/proc/self/mountinfo");

// A number that changes when the process is moved to another cgroup, in any hierarchy. 0 if it cannot be told. Who keeps it to
// compare takes it *before* opening the sources: a move in between is then seen the next time. About 5 us.
uint64_t cgroup_membership();

}  // namespace ashmem_compat::pressure
