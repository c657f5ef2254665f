#include "core/platform/stage.h"

namespace ashmem_compat {
#ifdef ASHMEM_COMPAT_STAGES
void (*stage_hook)(Stage) = nullptr;
#endif
}  // namespace ashmem_compat
