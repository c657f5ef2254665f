// One call at a time in this process, and no fork() during one: a child must not inherit the open file that holds the
// lock of an area. Nothing else depends on it, so who waits too long goes on.
#pragma once

namespace ashmem_preload {

void enter_gate();
void leave_gate();

}  // namespace ashmem_preload
