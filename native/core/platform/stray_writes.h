// Copy-on-write for mappings that cannot have it: what a private mapping does for a file, done in a handler of SIGSEGV for
// a device whose private mappings are empty. A write to a page that can only be read gets a copy of the page in its place.
#pragma once

#include <cstddef>

namespace ashmem_compat {

// From here on a write to base .. base + length, mapped readable, no longer ends the process. Faults elsewhere go to the
// handler that was there before.
void guard_stray_writes(char* base, size_t length);

// To be called before the addresses are given back.
void end_stray_writes(char* base);

}  // namespace ashmem_compat
