// Trials of system calls under filters: none hurts the process, whatever it does with SIGSYS and however the filter refuses.
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>

#include "core/platform/system_calls.h"
#include "native/check.h"
#include "native/processes.h"
#include "native/seccomp.h"

using namespace ashmem_compat;
using namespace ashmem_compat::testing;

namespace {

constexpr long kForbidden = 440;  // process_madvise

int call_forbidden(void*) { return syscall(kForbidden, -1, 0, 0, 0, 0) < 0 ? errno : 0; }
int succeed(void*) { return 0; }
int fail(void*) { return ENOTTY; }
int open_one(void*) { return open("/dev/null", O_RDONLY) < 0 ? errno : 0; }

bool child_left() { return waitpid(-1, nullptr, __WALL | WNOHANG) != -1; }

// An exit status: 0, or which check failed.
int try_all(int forbidden_error, bool forbidden_killed) {
  Trial trial = try_call(succeed, nullptr);
  if (trial.killed || trial.error != 0) return 1;
  trial = try_call(fail, nullptr);
  if (trial.killed || trial.error != ENOTTY) return 2;
  trial = try_call(call_forbidden, nullptr);
  if (trial.killed != forbidden_killed || trial.error != forbidden_error) return 3;
  // Another one after it, for what a death may leave behind.
  trial = try_call(succeed, nullptr);
  if (trial.killed || trial.error != 0) return 4;
  const int before = open_fds();
  try_call(open_one, nullptr);
  if (open_fds() != before) return 5;
  return child_left() ? 6 : 0;
}

int in_filter(unsigned action, int error, bool killed) {
  return filter_call(kForbidden, action) ? try_all(error, killed) : 90;
}

}  // namespace

TEST(however_a_filter_refuses) {
  const struct {
    unsigned action;
    int error;
    bool killed;
  } rows[] = {{SECCOMP_RET_TRAP, ENOSYS, true},
              {SECCOMP_RET_KILL_PROCESS, ENOSYS, true},
              {SECCOMP_RET_KILL_THREAD, ENOSYS, true},
              {SECCOMP_RET_ERRNO | ENOSYS, ENOSYS, false},
              {SECCOMP_RET_ERRNO | EPERM, EPERM, false}};
  const bool forbidden_before = !has_call(kForbidden);
  for (const auto& row : rows) {
    if (forbidden_before && !row.killed) continue;  // of two filters, the one that raises SIGSYS wins
    Child child([&] { return in_filter(row.action, row.error, row.killed); });
    CHECK_EQ(child.reap(), 0);
  }
}

TEST(whatever_the_process_does_with_the_signal) {
  Child handled([] {
    static bool ran = false;
    signal(SIGSYS, [](int) { ran = true; });
    const int failed = in_filter(SECCOMP_RET_TRAP, ENOSYS, true);
    if (failed != 0) return failed;
    if (ran) return 10;
    raise(SIGSYS);
    return ran ? 0 : 11;
  });
  CHECK_EQ(handled.reap(), 0);
  Child ignored([] {
    signal(SIGSYS, SIG_IGN);
    return in_filter(SECCOMP_RET_TRAP, ENOSYS, true);
  });
  CHECK_EQ(ignored.reap(), 0);
  Child blocked([] {
    sigset_t all;
    sigfillset(&all);
    sigprocmask(SIG_BLOCK, &all, nullptr);
    const int failed = in_filter(SECCOMP_RET_TRAP, ENOSYS, true);
    sigset_t now;
    sigprocmask(SIG_BLOCK, nullptr, &now);
    return failed != 0 ? failed : sigismember(&now, SIGSYS) && sigismember(&now, SIGUSR1) ? 0 : 12;
  });
  CHECK_EQ(blocked.reap(), 0);
}

TEST(in_several_threads_at_once) {
  Child child([] {
    if (!filter_call(kForbidden, SECCOMP_RET_TRAP)) return 90;
    static int failures = 0;
    pthread_t threads[4];
    for (pthread_t& thread : threads) {
      if (pthread_create(
              &thread, nullptr,
              [](void*) -> void* {
                for (int i = 0; i < 50; ++i) {
                  const Trial good = try_call(succeed, nullptr);
                  const Trial bad = try_call(call_forbidden, nullptr);
                  if (good.killed || good.error != 0 || !bad.killed)
                    __atomic_add_fetch(&failures, 1, __ATOMIC_RELAXED);
                }
                return nullptr;
              },
              nullptr) != 0) {
        return 91;
      }
    }
    for (const pthread_t thread : threads) pthread_join(thread, nullptr);
    return failures != 0 ? 1 : child_left() ? 2 : 0;
  });
  CHECK_EQ(child.reap(), 0);
}
