#include "core/platform/system_calls.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <memory>

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

namespace ashmem_compat {
namespace {

struct ChildTask {
  int (*call)(void*);
  void* argument;
  int error;
};

int run_in_child(void* p) {
  // Our handlers (Node's, a crash reporter's) must not run in the child: the default action ends it, and only it. It has
  // its own table of handlers, as CLONE_SIGHAND is not set.
  signal(SIGSYS, SIG_DFL);
  ChildTask* task = static_cast<ChildTask*>(p);
  task->error = task->call(task->argument);
  _exit(0);
}

}  // namespace

int raw_memfd_create(const char* name, unsigned flags) {
  return static_cast<int>(syscall(SYS_memfd_create, name, flags));
}

Trial try_call(int (*call)(void*), void* argument) {
  Trial trial;
  if (prctl(PR_GET_SECCOMP, 0, 0, 0, 0) == 0) {
    trial.error = call(argument);
    return trial;
  }
  constexpr size_t kStack = size_t{64} * 1024;
  std::unique_ptr<char[]> stack(new char[kStack]);
  ChildTask task{call, argument, 0};
  // As vfork: no copy of the address space, and we sleep until the child is gone. Without an exit signal, so that no
  // SIGCHLD handler of the application sees it. Signals are held off, for the child would run our handlers on our memory.
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  sigdelset(&all, SIGSYS);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  const int child = clone(run_in_child, stack.get() + kStack - 64, CLONE_VM | CLONE_VFORK, &task);
  const int clone_error = errno;
  int status = 0;
  int waited = 0;
  if (child > 0) {
    do {
      waited = waitpid(child, &status, __WALL);
    } while (waited < 0 && errno == EINTR);
  }
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  if (child < 0) {
    trial.error = clone_error;
  } else if (waited == child && WIFSIGNALED(status)) {
    trial.killed = true;
    trial.error = ENOSYS;
  } else {
    trial.error = task.error;
  }
  return trial;
}

}  // namespace ashmem_compat
