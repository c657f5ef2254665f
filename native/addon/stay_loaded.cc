#include "addon/stay_loaded.h"

#include <dlfcn.h>

namespace ashmem_compat::addon {

void stay_loaded() {
  static const bool once = [] {
    Dl_info info{};
    if (::dladdr(reinterpret_cast<void*>(&stay_loaded), &info) != 0 && info.dli_fname != nullptr) {
      ::dlopen(info.dli_fname, RTLD_NOW | RTLD_NODELETE);
    }
    return true;
  }();
  static_cast<void>(once);
}

}  // namespace ashmem_compat::addon
