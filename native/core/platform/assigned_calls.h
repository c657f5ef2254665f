// Which numbers of system calls Linux has given away, on this architecture.
#pragma once

#include <string>

namespace ashmem_compat {

// Whether a call of that number belongs to a kernel of this release ("6.1.0-25-amd64"), or to every kernel. False is no promise:
// kernels newer than this table have more, and distributions add those of later releases to theirs.
bool is_assigned_call(long number, const char* release);

// The smallest number that can be anything but another architecture's or the C library's.
constexpr long kHighestNumber = 4095;

}  // namespace ashmem_compat
