/* What libashmem_preload.so answers on an area beyond the driver's ioctls. The driver says ENOTTY. */
#ifndef ASHMEM_COMPAT_PRELOAD_H
#define ASHMEM_COMPAT_PRELOAD_H

#include <linux/ioctl.h>

/* Discards the given number of unpinned ranges of the area, those that were unpinned longest ago first. Returns how many
 * pages that was. Needs no privilege: who holds the fd may do it. */
#define ASHMEM_COMPAT_PURGE_OLDEST _IOW(0x77, 0x50, unsigned long)

#endif
