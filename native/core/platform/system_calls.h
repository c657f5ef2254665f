// System calls by number, where a libc may lack the wrapper, and a safe way to find out whether the kernel has them.
#pragma once

#include <sys/types.h>
#include <sys/uio.h>

#include <cstddef>
#include <cstdint>

namespace ashmem_compat {

// memfd_create(2). bionic has a wrapper only from API 30.
int raw_memfd_create(const char* name, unsigned flags);

// getrandom(2), without waiting. bionic has a wrapper only from API 28. The bytes written, or -1.
ssize_t raw_getrandom(void* buffer, size_t size);

// pidfd_open(2), Linux 5.3. Not for a thread that may be under a seccomp filter: ask by try_call first.
int raw_pidfd_open(pid_t pid, unsigned flags);
// pidfd_getfd(2), Linux 5.6: a descriptor of our own for the open file that is `fd` there, close-on-exec. The same goes for it.
int raw_pidfd_getfd(int pidfd, int fd);
// process_madvise(2), Linux 5.10. The bytes advised, or -1. The same goes for it.
ssize_t raw_process_madvise(int pidfd, const iovec* ranges, size_t count, int advice, unsigned flags);

// What became of a trial.
struct Trial {
  bool killed = false;  // by a signal: a seccomp filter raised SIGSYS
  int error = 0;        // errno, 0: the call worked
  int signal = 0;       // try_apart() only: which signal, if killed
};

// Runs `call(argument)`, which returns an errno or 0, so that SIGSYS from a seccomp filter cannot hurt this process: in a
// short-lived child, if the process is under a filter at all. `call` may make raw system calls and read memory given to
// it, nothing else. The child has file descriptors of its own, and mostly this process's memory: a mapping that `call` made
// when it was killed stays. No child is left behind.
Trial try_call(int (*call)(void*), void* argument);

// The same for a call that may be anything: always in a child, which has memory of its own but for mappings that are shared. All
// signals but SIGSYS are held off in it; it should set a timer of its own.
Trial try_apart(int (*call)(void*), void* argument);

}  // namespace ashmem_compat
