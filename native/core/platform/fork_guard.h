// Tells a process from the children it forks: a child inherits our memory and mappings, but not our pins.
#pragma once

#include <cstdint>

namespace ashmem_compat {

// A number that is one value for the life of a process and another in every child made by fork or clone. Never 0 once
// current_process() was called. A plain load, so that pin and unpin can check it each time.
extern uint64_t* process_cookie;

uint64_t current_process();

// `process` is what current_process() returned.
inline bool same_process(uint64_t process) { return *process_cookie == process; }

}  // namespace ashmem_compat
