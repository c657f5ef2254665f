// A test may end the process before any store to shared memory: the n-th from now. Nothing in the library that ships.
#pragma once

namespace ashmem_preload {

#ifdef ASHMEM_COMPAT_STAGES
void stage();
#else
inline void stage() {}
#endif

}  // namespace ashmem_preload
