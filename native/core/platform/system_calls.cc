#include "core/platform/system_calls.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/platform/page.h"

#ifndef SYS_memfd_create
#if defined(__x86_64__)
#define SYS_memfd_create 319
#elif defined(__i386__)
#define SYS_memfd_create 356
#elif defined(__aarch64__)
#define SYS_memfd_create 279
#elif defined(__arm__)
#define SYS_memfd_create 385
#else
#error "the number of memfd_create on this architecture"
#endif
#endif

// The same on every architecture, as all numbers since 424 are.
#ifndef SYS_pidfd_open
#define SYS_pidfd_open 434
#endif
#ifndef SYS_process_madvise
#define SYS_process_madvise 440
#endif

namespace ashmem_compat {
namespace {

static_assert(sizeof(off_t) == 8,
              "files of regions pass 2 GiB in 32-bit processes too: -D_FILE_OFFSET_BITS=64");

[[noreturn]] void run_in_child(int (*call)(void*), void* argument) {
  // Our handlers (Node's, a crash reporter's) must not run in the child: the default action ends it, without a core file.
  signal(SIGSYS, SIG_DFL);
  const rlimit none{0, 0};
  setrlimit(RLIMIT_CORE, &none);
  const int error = call(argument);
  _exit(error > 0 && error < 255 ? error : error == 0 ? 0 : 255);
}

}  // namespace

int raw_memfd_create(const char* name, unsigned flags) {
  return static_cast<int>(syscall(SYS_memfd_create, name, flags));
}

ssize_t raw_getrandom(void* buffer, size_t size) {
  return syscall(SYS_getrandom, buffer, size, 1 /* GRND_NONBLOCK */);
}

int raw_pidfd_open(pid_t pid, unsigned flags) {
  return static_cast<int>(syscall(SYS_pidfd_open, pid, flags));
}

ssize_t raw_process_madvise(int pidfd, const iovec* ranges, size_t count, int advice, unsigned flags) {
  return syscall(SYS_process_madvise, pidfd, ranges, count, advice, flags);
}

Trial try_call(int (*call)(void*), void* argument) {
  Trial trial;
  kernel_page_size();  // computed once, and not for the first time in a child that may have copied a lock on it
  const int filter = prctl(PR_GET_SECCOMP, 0, 0, 0, 0);
  // EINVAL: a kernel without seccomp (or qemu-user, which has none to offer) filters nothing.
  if (filter == 0 || (filter < 0 && errno == EINVAL)) {
    trial.error = call(argument);
    return trial;
  }
  // A copy of the process and not a sharer of its memory: before Linux 5.16 the core dump that SIGSYS begins kills whoever
  // shares it. Without an exit signal, so that no SIGCHLD handler of the application sees it. The child runs with all
  // other signals held off.
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  sigdelset(&all, SIGSYS);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  const long child = syscall(SYS_clone, 0, 0, 0, 0, 0);
  if (child == 0) run_in_child(call, argument);
  const int clone_error = errno;
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  if (child < 0) {
    trial.error = clone_error;
    return trial;
  }
  int status = 0;
  pid_t waited = 0;
  do {
    waited = waitpid(static_cast<pid_t>(child), &status, __WALL);
  } while (waited < 0 && errno == EINTR);
  trial.killed = waited == child && WIFSIGNALED(status);
  trial.error = trial.killed ? ENOSYS : waited == child ? WEXITSTATUS(status) : ECHILD;
  return trial;
}

}  // namespace ashmem_compat
