// The ashmem driver: its calls, and where it is to be found. Nothing here knows of regions.
//
// Sources: drivers/staging/android/ashmem.c and uapi/ashmem.h (Linux up to 5.17), the same in Android's kernels.
#pragma once

#include <cstdint>
#include <string>

#include "core/platform/fd.h"
#include "core/status.h"

namespace ashmem_compat::ashmem {

// Pages at or above this offset can be neither pinned nor unpinned: the calls take 32 bits.
constexpr uint64_t kPinLimit = 0xfffff000;

// Where areas come from. `number` 0, 1, ... until it is null: the device nodes, and what Android's library opens.
const char* source_name(int number);
// Whether the source is there at all. To be called before open_area(), and not in a child that is a copy of this process.
bool prepare(int source);
bool is_library(int source);
// A new area of `size` bytes, or an invalid Fd with errno. kLibrary may give a memfd as well: see is_area().
Fd open_area(int source, const char* name, uint64_t size);

// An open file of the driver, and not of something that looks like it: a character device that answers its questions.
bool is_area(int fd);

// The whole 64 bits, where libc's ioctl() would give an int; negative with errno on failure.
int64_t size_of(int fd);
// PROT_READ, PROT_WRITE, PROT_EXEC: what a new mapping may be; negative with errno.
int64_t protection_of(int fd);
bool set_protection(int fd, int protection);
std::string name_of(int fd);

// Ranges in bytes, whole pages. -1 with errno; else pin: 1 if some of it was purged since its unpin; is_pinned: 0 if some of it is unpinned.
int pin(int fd, uint64_t offset, uint64_t length);
int unpin(int fd, uint64_t offset, uint64_t length);
int is_pinned(int fd, uint64_t offset, uint64_t length);

}  // namespace ashmem_compat::ashmem
