// System calls by number, where a libc may lack the wrapper, and a safe way to find out whether the kernel has them.
#pragma once

#include <cstdint>

namespace ashmem_compat {

// memfd_create(2). bionic has a wrapper only from API 30.
int raw_memfd_create(const char* name, unsigned flags);

// What became of a trial.
struct Trial {
  bool killed = false;  // by a signal: a seccomp filter raised SIGSYS
  int error = 0;        // errno, 0: the call worked
};

// Runs `call(argument)`, which returns an errno or 0, so that SIGSYS from a seccomp filter cannot hurt this process: in a
// short-lived child, if the process is under a filter at all. `call` may make raw system calls and read memory given to
// it, nothing else. No child is left behind.
Trial try_call(int (*call)(void*), void* argument);

}  // namespace ashmem_compat
