// Memory that a program gave to an ioctl: copied as the kernel would, with EFAULT for what cannot be touched.
#pragma once

#include <stddef.h>

namespace ashmem_preload {

bool copy_from_user(void* to, const void* from, size_t bytes);
bool copy_to_user(void* to, const void* from, size_t bytes);

// A string with its NUL, of which at most `room` bytes are read. Cut off and terminated if it is longer. False: a fault
// before the NUL.
bool string_from_user(char* to, const char* from, size_t room);

}  // namespace ashmem_preload
