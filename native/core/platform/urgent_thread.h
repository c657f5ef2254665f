// For a thread that must not wait for its turn behind others that compute.
#pragma once

namespace ashmem_compat {

// Asks for the calling thread to be run soon after it wakes: by priority where that is allowed, else by short time slices, which a
// scheduler with deadlines (Linux 6.12) grants sooner. Does what it can.
void make_thread_urgent();

}  // namespace ashmem_compat
