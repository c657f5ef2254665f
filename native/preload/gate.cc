#include "preload/gate.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

namespace ashmem_preload {
namespace {

int owner = 0;  // the thread inside, by its number in the kernel
sigset_t signals_before_fork;

int self() { return static_cast<int>(syscall(SYS_gettid)); }

// A child of vfork may have been killed inside, in our memory.
bool is_gone(int thread) {
  const int error = errno;
  const bool gone = syscall(SYS_tkill, thread, 0) != 0 && errno == ESRCH;
  errno = error;
  return gone;
}

}  // namespace

void enter_gate() {
  const int me = self();
  constexpr int kLongest = 60'000;  // naps: a minute at least
  for (int naps = 0;; ++naps) {
    int inside = 0;
    if (__atomic_compare_exchange_n(&owner, &inside, me, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED)) return;
    if ((naps > 10 && is_gone(inside)) || naps > kLongest) {
      if (__atomic_compare_exchange_n(&owner, &inside, me, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED)) return;
    }
    const timespec nap = {0, naps < 20 ? 20'000 : 1'000'000};
    syscall(SYS_nanosleep, &nap, nullptr);
  }
}

void leave_gate() { __atomic_store_n(&owner, 0, __ATOMIC_RELEASE); }

namespace {

void before_fork() {
  sigset_t all;
  sigfillset(&all);
  sigset_t before;
  pthread_sigmask(SIG_SETMASK, &all, &before);
  enter_gate();
  signals_before_fork = before;
}

void after_fork() {
  const sigset_t before = signals_before_fork;
  leave_gate();
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

__attribute__((constructor)) void at_load() { pthread_atfork(before_fork, after_fork, after_fork); }

}  // namespace
}  // namespace ashmem_preload
