/* The C API: libcutils' ashmem_* functions and the NDK's ASharedMemory_*, on a region of ashmem-compat. A C program that
 * was written for Android builds with these and runs on plain Linux, where its regions are purgeable memory that it can
 * share with other such programs and with Node (SharedRegion.fromFd). docs/c-api.md says what differs from Android.
 *
 * Functions return -1 with errno for a failure, unless they say otherwise. They may be called from any thread. mmap,
 * munmap and close are the program's own calls; the data begins at offset 0.
 *
 * Pins. A region is pinned by the process that made it, and by nobody else. Within a process one unpin undoes any number
 * of pins, as with the device; among processes pins are counted, so that what this process has pinned stays until this
 * process unpins it, closes its last fd of the region, or ends. A child of fork() has pinned nothing until it pins.
 *
 * The library keeps what it knows of a region until the first call after the process has closed its last fd of it (in a
 * process with more than 32 regions: until a few calls later). */
#ifndef ASHMEM_COMPAT_ASHMEM_H
#define ASHMEM_COMPAT_ASHMEM_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#ifndef ASHMEM_NAME_LEN
#define ASHMEM_NAME_LEN 256
#define ASHMEM_NAME_DEF "dev/ashmem"
#define ASHMEM_NOT_PURGED 0
#define ASHMEM_WAS_PURGED 1
#define ASHMEM_IS_UNPINNED 0
#define ASHMEM_IS_PINNED 1
#endif

/* An fd of a new region of `size` bytes, zeros, all of it pinned by this process; close-on-exec. `name` may be null. */
int ashmem_create_region(const char* name, size_t size);

/* 1 if the fd is a region, else 0. */
int ashmem_valid(int fd);

/* The size as it was asked for, or -1: EBADF, or ENOTTY if the fd is no region. */
int ashmem_get_size_region(int fd);

/* Takes rights away from later mappings: without PROT_WRITE, this fd, its copies that the library has seen and whoever
 * gets one of them from now on can only read. EINVAL for rights that were taken away before. Taking away PROT_READ or
 * PROT_EXEC alone is accepted and not enforced. */
int ashmem_set_prot_region(int fd, int prot);

/* Pins a range: ASHMEM_WAS_PURGED if some of it was discarded since this process had it pinned (or first met the region),
 * else ASHMEM_NOT_PURGED. Offset and length in whole pages; a length of 0 is everything from the offset on. EINVAL for a
 * range that is not; EPERM through an fd that can only be read; EBUSY if another process is discarding the range and does
 * not finish. */
int ashmem_pin_region(int fd, size_t offset, size_t len);

/* Unpins a range: ASHMEM_IS_UNPINNED. What this process had not pinned is left as it is. */
int ashmem_unpin_region(int fd, size_t offset, size_t len);

/* Not Android's: discards what nobody has pinned of a range, now. The number of bytes, or -1. */
int64_t ashmem_compat_purge_region(int fd, size_t offset, size_t len);

/* The NDK's names for the same. */

/* As ashmem_create_region; -EINVAL for a size of 0. */
int ASharedMemory_create(const char* name, size_t size);
/* The size, or 0 if the fd is no region. */
size_t ASharedMemory_getSize(int fd);
int ASharedMemory_setProt(int fd, int prot);

#ifdef __cplusplus
}
#endif

#endif
