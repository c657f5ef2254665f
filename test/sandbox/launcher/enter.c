// Becoming the app: its user, no rights, and the filter on its system calls.

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "sandbox.h"

#ifndef SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV
#define SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV (1UL << 5)
#endif

static struct sock_filter program[4096];
static unsigned short length;

static void add(unsigned short code, unsigned value, unsigned char yes, unsigned char no) {
  program[length++] = (struct sock_filter){code, yes, no, value};
}
static void load(size_t offset) { add(BPF_LD | BPF_W | BPF_ABS, (unsigned)offset, 0, 0); }
static void answer(unsigned action) { add(BPF_RET | BPF_K, action, 0, 0); }
static void answer_call(int call, unsigned action) {
  add(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)call, 0, 1);
  answer(action);
}

// What is told apart by an argument: where `call` is, the accumulator holds the number again on the way out.
static void judge_if(const struct policy* policy, int call, size_t argument, const unsigned* values,
                     unsigned char count) {
  if (!is_listed(policy, call)) return;
  add(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)call, 0, (unsigned char)(count + 3));
  load(offsetof(struct seccomp_data, args) + argument * sizeof(__u64));
  for (unsigned char i = 0; i < count; ++i) {
    add(BPF_JMP | BPF_JEQ | BPF_K, values[i], (unsigned char)(count - i), 0);
  }
  answer(SECCOMP_RET_ALLOW);
  answer(SECCOMP_RET_USER_NOTIF);
}

// Outside the list: SIGSYS. In it, and of no interest: allowed, which the kernel remembers per call. The rest is for the supervisor.
static void compile(const struct policy* policy) {
  load(offsetof(struct seccomp_data, arch));
  add(BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_X86_64, 1, 0);
  answer(SECCOMP_RET_TRAP);
  load(offsetof(struct seccomp_data, nr));
  for (size_t i = 0; i < policy->unknown_count; ++i)
    answer_call(policy->unknown[i], SECCOMP_RET_ERRNO | ENOSYS);

  // A new process is counted, a new thread is not.
  if (is_listed(policy, SYS_clone)) {
    add(BPF_JMP | BPF_JEQ | BPF_K, SYS_clone, 0, 4);
    load(offsetof(struct seccomp_data, args));
    add(BPF_JMP | BPF_JSET | BPF_K, CLONE_THREAD, 0, 1);
    answer(SECCOMP_RET_ALLOW);
    answer(SECCOMP_RET_USER_NOTIF);
  }
  static const unsigned locks[] = {F_GETLK,     F_SETLK,      F_SETLKW,  F_OFD_GETLK,
                                   F_OFD_SETLK, F_OFD_SETLKW, F_SETLEASE};
  judge_if(policy, SYS_fcntl, 1, locks, sizeof locks / sizeof *locks);
  static const int judged[] = {SYS_vfork,    SYS_fork,      SYS_open,         SYS_openat,   SYS_creat,
                               SYS_ioctl,    SYS_flock,     SYS_fchmod,       SYS_fchown,   SYS_chmod,
                               SYS_fchmodat, SYS_fsetxattr, SYS_fremovexattr, SYS_truncate, SYS_utimensat};
  for (size_t i = 0; i < sizeof judged / sizeof *judged; ++i) {
    if (is_listed(policy, judged[i])) answer_call(judged[i], SECCOMP_RET_USER_NOTIF);
  }
  for (size_t i = 0; i < policy->call_count; ++i) answer_call(policy->calls[i], SECCOMP_RET_ALLOW);
  answer(policy->observe ? SECCOMP_RET_USER_NOTIF : SECCOMP_RET_TRAP);
}

static void drop_rights(uid_t uid) {
  for (int right = 0; right < 64; ++right) prctl(PR_CAPBSET_DROP, right, 0, 0, 0);
  prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
  if (setgroups(0, NULL) != 0 || setresgid(uid, uid, uid) != 0 || setresuid(uid, uid, uid) != 0)
    give_up("uid %u", uid);
}

int enter(const struct policy* policy) {
  compile(policy);
  drop_rights(policy->uid);
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) give_up("no_new_privs");
  const struct sock_fprog filter = {length, program};
  // A signal must not break off a call that the supervisor is looking at: without it, open(2) would fail with EINTR.
  unsigned long flags = SECCOMP_FILTER_FLAG_NEW_LISTENER | SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV;
  int listener = (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &filter);
  if (listener < 0 && errno == EINVAL) {
    flags = SECCOMP_FILTER_FLAG_NEW_LISTENER;
    listener = (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &filter);
  }
  if (listener < 0) give_up("no user notification of system calls");
  return listener;
}
