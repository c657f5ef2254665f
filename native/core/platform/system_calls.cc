#include "core/platform/system_calls.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
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
#ifndef SYS_pidfd_getfd
#define SYS_pidfd_getfd 438
#endif
#ifndef SYS_process_madvise
#define SYS_process_madvise 440
#endif

namespace ashmem_compat {
namespace {

static_assert(sizeof(off_t) == 8,
              "files of regions pass 2 GiB in 32-bit processes too: -D_FILE_OFFSET_BITS=64");

struct Call {
  int (*call)(void*);
  void* argument;
};

// What a child that shares our memory leaves there.
struct SharedCall : Call {
  bool done;
  int error;
};

constexpr int kRefused = 255;  // an exit status that is no errno

[[noreturn]] void end_refused(int) { _exit(kRefused); }

// As the kernel has it: libc's sigaction() may keep notes of its own, in memory that is also our parent's.
void on_refusal(void (*handler)(int)) {
  struct {
    void (*handler)(int);
    unsigned long flags;
    void (*restorer)(int);
    unsigned long mask[8 / sizeof(unsigned long)];
  } action = {handler, 0x04000000 /* SA_RESTORER, without which x86-64 delivers nothing */, handler, {}};
  syscall(SYS_rt_sigaction, SIGSYS, &action, nullptr, 8);
  const rlimit none{0, 0};
  setrlimit(RLIMIT_CORE, &none);
}

int run_sharing(void* shared) {
  SharedCall* call = static_cast<SharedCall*>(shared);
  // With a handler there is no core dump to begin.
  on_refusal(end_refused);
  call->error = call->call(call->argument);
  call->done = true;
  _exit(0);
}

[[noreturn]] void run_in_copy(const Call& call) {
  // Our handlers (Node's, a crash reporter's) must not run in the child.
  on_refusal(end_refused);
  const int error = call.call(call.argument);
  _exit(error > 0 && error < kRefused ? error : error == 0 ? 0 : kRefused - 1);
}

// Whether a child may share our memory and be killed. Before Linux 5.16 the core dump that a killing filter begins ends
// whoever shares it, and trying that would be too late. Android's filter kills nobody: it raises a signal that is caught.
bool may_share_memory() {
#ifdef __ANDROID__
  return true;
#else
  utsname system;
  if (uname(&system) != 0) return false;
  char* end = nullptr;
  const unsigned long version = strtoul(system.release, &end, 10);
  const unsigned long patch = *end == '.' ? strtoul(end + 1, nullptr, 10) : 0;
  return version > 5 || (version == 5 && patch >= 16);
#endif
}

// The child, or -1 and errno. Without an exit signal, so that no SIGCHLD handler of the application sees it.
long start_sharing(SharedCall* call) {
  // CLONE_VFORK: we wait, and so our frames may lend it a stack. To copy a process of 500 MB takes 50 ms and more.
  alignas(16) char stack[32 << 10];
  return clone(run_sharing, stack + sizeof stack, CLONE_VM | CLONE_VFORK, call);
}

}  // namespace

int raw_memfd_create(const char* name, unsigned flags) {
  return static_cast<int>(syscall(SYS_memfd_create, name, flags));
}

ssize_t raw_getrandom(void* buffer, size_t size) {
  return syscall(SYS_getrandom, buffer, size, 1 /* GRND_NONBLOCK */);
}

int raw_pidfd_getfd(int pidfd, int fd) { return static_cast<int>(syscall(SYS_pidfd_getfd, pidfd, fd, 0)); }

int raw_pidfd_open(pid_t pid, unsigned flags) {
  return static_cast<int>(syscall(SYS_pidfd_open, pid, flags));
}

ssize_t raw_process_madvise(int pidfd, const iovec* ranges, size_t count, int advice, unsigned flags) {
  return syscall(SYS_process_madvise, pidfd, ranges, count, advice, flags);
}

namespace {

Trial run_child(int (*call)(void*), void* argument, bool share) {
  Trial trial;
  // The child runs with all other signals held off.
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  sigdelset(&all, SIGSYS);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  SharedCall shared = {{call, argument}, false, 0};
  const long child = share ? start_sharing(&shared) : syscall(SYS_clone, 0, 0, 0, 0, 0);
  if (child == 0) run_in_copy(shared);
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
  if (share) {
    // It has ended when clone() returns, whoever reaps it.
    trial.killed = !shared.done;
    trial.error = trial.killed ? ENOSYS : shared.error;
  } else {
    trial.killed = waited == child && (WIFSIGNALED(status) || WEXITSTATUS(status) == kRefused);
    trial.signal = waited == child && WIFSIGNALED(status) ? WTERMSIG(status) : trial.killed ? SIGSYS : 0;
    trial.error = trial.killed ? ENOSYS : waited == child ? WEXITSTATUS(status) : ECHILD;
  }
  return trial;
}

}  // namespace

Trial try_call(int (*call)(void*), void* argument) {
  Trial trial;
  kernel_page_size();  // computed once, and not for the first time in a child that may have copied a lock on it
  const int filter = prctl(PR_GET_SECCOMP, 0, 0, 0, 0);
  // EINVAL: a kernel without seccomp (or qemu-user, which has none to offer) filters nothing.
  if (filter == 0 || (filter < 0 && errno == EINVAL)) {
    trial.error = call(argument);
    return trial;
  }
  return run_child(call, argument, may_share_memory());
}

Trial try_apart(int (*call)(void*), void* argument) {
  kernel_page_size();
  return run_child(call, argument, false);
}

}  // namespace ashmem_compat
