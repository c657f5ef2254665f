/* For sources that include Android's <cutils/ashmem.h>. */
#include <ashmem_compat/ashmem.h>
