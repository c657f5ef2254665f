// ASHMEM_PURGE_ALL_CACHES: the driver has one list for the whole machine. Here it is every area whose fd this process may
// reach: its own, and those that /proc lets it open in other processes.
#pragma once

namespace ashmem_preload {

// How many pages there were to discard, or -EPERM.
long purge_all_caches();

}  // namespace ashmem_preload
