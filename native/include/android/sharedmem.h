/* For sources that include the NDK's <android/sharedmem.h>. */
#include <ashmem_compat/ashmem.h>
