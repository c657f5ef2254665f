/* The interface of the ashmem device, for systems whose kernel headers have none: numbers and structures of the driver
 * of Linux 3.3 to 5.17. A program includes <linux/ashmem.h> as it would on Android. */
#ifndef ASHMEM_COMPAT_LINUX_ASHMEM_H
#define ASHMEM_COMPAT_LINUX_ASHMEM_H

#include <linux/ioctl.h>
#include <linux/types.h>
#include <stddef.h>

#define ASHMEM_NAME_LEN 256
#define ASHMEM_NAME_DEF "dev/ashmem"

/* What ASHMEM_PIN returns. */
#define ASHMEM_NOT_PURGED 0
#define ASHMEM_WAS_PURGED 1

/* What ASHMEM_UNPIN and ASHMEM_GET_PIN_STATUS return. */
#define ASHMEM_IS_UNPINNED 0
#define ASHMEM_IS_PINNED 1

struct ashmem_pin {
  __u32 offset; /* bytes, a multiple of the page size */
  __u32 len;    /* the same; 0: to the end */
};

#define __ASHMEMIOC 0x77

#define ASHMEM_SET_NAME _IOW(__ASHMEMIOC, 1, char[ASHMEM_NAME_LEN])
#define ASHMEM_GET_NAME _IOR(__ASHMEMIOC, 2, char[ASHMEM_NAME_LEN])
#define ASHMEM_SET_SIZE _IOW(__ASHMEMIOC, 3, size_t)
#define ASHMEM_GET_SIZE _IO(__ASHMEMIOC, 4)
#define ASHMEM_SET_PROT_MASK _IOW(__ASHMEMIOC, 5, unsigned long)
#define ASHMEM_GET_PROT_MASK _IO(__ASHMEMIOC, 6)
#define ASHMEM_PIN _IOW(__ASHMEMIOC, 7, struct ashmem_pin)
#define ASHMEM_UNPIN _IOW(__ASHMEMIOC, 8, struct ashmem_pin)
#define ASHMEM_GET_PIN_STATUS _IO(__ASHMEMIOC, 9)
#define ASHMEM_PURGE_ALL_CACHES _IO(__ASHMEMIOC, 10)

#endif
