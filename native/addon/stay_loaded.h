#pragma once

namespace ashmem_compat::addon {

// When the only user of the addon is a worker, Node unloads it with the worker. From the first call on the addon stays: to be called before
// a thread or a signal handler of the core's is started, which run its code for as long as the process lives.
void stay_loaded();

}  // namespace ashmem_compat::addon
