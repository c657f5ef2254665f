#include "preload/next.h"

#include <dlfcn.h>

namespace ashmem_preload {
namespace {

Next all;
int resolved = 0;

void resolve() {
  // Threads that come here at once write the same values.
#define X(name, type) all.name##_ = reinterpret_cast<type>(dlsym(RTLD_NEXT, #name));
  ASHMEM_PRELOAD_FUNCTIONS(X)
#undef X
  __atomic_store_n(&resolved, 1, __ATOMIC_RELEASE);
}

// Early, so that no signal handler and no child of vfork is the first to need it.
__attribute__((constructor)) void at_load() { next(); }

}  // namespace

const Next& next() {
  if (!__atomic_load_n(&resolved, __ATOMIC_ACQUIRE)) resolve();
  return all;
}

}  // namespace ashmem_preload
