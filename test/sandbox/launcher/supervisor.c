// Plays the security module: judges the calls whose outcome depends on the file behind an fd or a path, and counts processes.
//
// The caller could change a path between the look and the kernel's own: this is a likeness for tests, and keeps nobody in.

#define _GNU_SOURCE
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sandbox.h"

enum { kGoOn = 0 };  // a verdict is an errno, or this: the kernel decides

static bool leads_to_memfd(const char* link) {
  char target[64];
  const ssize_t length = readlink(link, target, sizeof target - 1);
  if (length < 0) return false;
  target[length] = 0;
  return strncmp(target, "/memfd:", 7) == 0;
}

static bool fd_is_memfd(pid_t thread, int fd) {
  char link[64];
  snprintf(link, sizeof link, "/proc/%d/fd/%d", thread, fd);
  return leads_to_memfd(link);
}

// The process that a thread belongs to.
static pid_t process_of(pid_t thread) {
  char path[64], line[256];
  snprintf(path, sizeof path, "/proc/%d/status", thread);
  FILE* file = fopen(path, "re");
  int process = thread;
  while (file && fgets(line, sizeof line, file)) {
    if (sscanf(line, "Tgid: %d", &process) == 1) break;
  }
  if (file) fclose(file);
  return process;
}

static bool read_text(pid_t thread, unsigned long address, char* out, size_t size) {
  size_t have = 0;
  while (have < size) {
    // Up to the end of a page at a time: the next one may not be mapped.
    size_t want = 4096 - (address + have) % 4096;
    if (want > size - have) want = size - have;
    struct iovec to = {out + have, want};
    struct iovec from = {(void*)(address + have), want};
    const ssize_t got = process_vm_readv(thread, &to, 1, &from, 1, 0);
    if (got <= 0) return false;
    if (memchr(out + have, 0, (size_t)got)) return true;
    have += (size_t)got;
  }
  return false;
}

static const char* after(const char* path, const char* start) {
  const size_t length = strlen(start);
  return strncmp(path, start, length) == 0 && (path[length] == 0 || path[length] == '/') ? path + length
                                                                                         : NULL;
}

// The path as the supervisor has to write it to reach the same file. False where it can lead neither to an fd nor to /proc.
static bool in_proc(pid_t thread, int folder, const char* path, char* out, size_t size) {
  char whole[8192];
  if (*path == '/') {
    snprintf(whole, sizeof whole, "%s", path);
  } else {
    char link[64];
    if (folder == AT_FDCWD)
      snprintf(link, sizeof link, "/proc/%d/cwd", thread);
    else
      snprintf(link, sizeof link, "/proc/%d/fd/%d", thread, folder);
    char base[4096];
    const ssize_t length = readlink(link, base, sizeof base - 1);
    if (length < 0) return false;
    base[length] = 0;
    snprintf(whole, sizeof whole, "%s/%s", base, path);
  }
  const char* rest;
  if ((rest = after(whole, "/proc/self"))) {
    snprintf(out, size, "/proc/%d%s", process_of(thread), rest);
  } else if ((rest = after(whole, "/proc/thread-self"))) {
    snprintf(out, size, "/proc/%d/task/%d%s", process_of(thread), thread, rest);
  } else if ((rest = after(whole, "/dev/fd"))) {
    snprintf(out, size, "/proc/%d/fd%s", process_of(thread), rest);
  } else if (after(whole, "/dev/stdin") || after(whole, "/dev/stdout") || after(whole, "/dev/stderr")) {
    snprintf(out, size, "/proc/%d/fd/%d", process_of(thread), whole[8] == 'i' ? 0 : whole[8] == 'o' ? 1 : 2);
  } else if (after(whole, "/proc")) {
    snprintf(out, size, "%s", whole);
  } else {
    return false;
  }
  return true;
}

static bool path_is_memfd(const char* path) {
  const int fd = open(path, O_PATH | O_CLOEXEC);
  if (fd < 0) return false;
  char link[32];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  const bool found = leads_to_memfd(link);
  close(fd);
  return found;
}

// The pid in /proc/PID/cgroup or /proc/PID/task/TID/cgroup, or 0.
static int whose_cgroup(const char* path) {
  int process = 0, task = 0, end = 0;
  if (sscanf(path, "/proc/%d/cgroup%n", &process, &end) == 1 && end && !path[end]) return process;
  if (sscanf(path, "/proc/%d/task/%d/cgroup%n", &process, &task, &end) == 2 && end && !path[end])
    return process;
  return 0;
}

// Answers an open with an fd of a file that reads as an app's /proc/PID/cgroup does. False if that cannot be.
static bool give_cgroup(const struct policy* policy, int listener, __u64 id, int process, bool cloexec) {
  const int file = open("/dev", O_TMPFILE | O_RDWR | O_CLOEXEC, 0444);
  if (file < 0) return false;
  for (const char* at = policy->cgroup; *at;) {
    if (at[0] == '%' && at[1] == 'd') {
      dprintf(file, "%d", process);
      at += 2;
    } else if (at[0] == '\\' && at[1] == 'n') {
      dprintf(file, "\n");
      at += 2;
    } else {
      dprintf(file, "%c", *at++);
    }
  }
  dprintf(file, "\n");
  char link[32];
  snprintf(link, sizeof link, "/proc/self/fd/%d", file);
  const int reader = open(link, O_RDONLY | O_CLOEXEC);
  close(file);
  if (reader < 0) return false;
  struct seccomp_notif_addfd give = {.id = id,
                                     .flags = SECCOMP_ADDFD_FLAG_SEND,
                                     .srcfd = (__u32)reader,
                                     .newfd_flags = cloexec ? O_CLOEXEC : 0};
  const int given = ioctl(listener, SECCOMP_IOCTL_NOTIF_ADDFD, &give);
  close(reader);
  return given >= 0;
}

static bool is_zombie(const char* pid) {
  char path[300], text[256];
  snprintf(path, sizeof path, "/proc/%s/stat", pid);
  const int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return true;
  const ssize_t length = read(fd, text, sizeof text - 1);
  close(fd);
  if (length <= 0) return true;
  text[length] = 0;
  const char* end = strrchr(text, ')');
  return end && end[1] == ' ' && (end[2] == 'Z' || end[2] == 'X');
}

// Living processes of the app, but for the first.
static int count_children(void) {
  int count = 0;
  DIR* folder = opendir("/proc");
  if (!folder) return 0;
  for (struct dirent* entry; (entry = readdir(folder));) {
    if (isdigit((unsigned char)entry->d_name[0]) && strcmp(entry->d_name, "1") && !is_zombie(entry->d_name))
      ++count;
  }
  closedir(folder);
  return count - 1;
}

// What asks for a file's attributes is no ioctl to the security module, nor is what only concerns the fd.
static bool harmless_ioctl(unsigned request) {
  switch (request) {
    case FIONREAD:
    case FIGETBSZ:
    case FS_IOC_GETFLAGS:
    case FS_IOC_GETVERSION:
    case FIONBIO:
    case FIOASYNC: return true;
    default: return false;
  }
}

static int judge_path(pid_t thread, int folder, unsigned long address, char* where, size_t size) {
  char path[4096];
  *where = 0;
  if (!address || !read_text(thread, address, path, sizeof path)) return kGoOn;
  if (!in_proc(thread, folder, path, where, size)) return kGoOn;
  return path_is_memfd(where) ? EACCES : kGoOn;
}

// Names a forbidden call once.
static void observe(const struct policy* policy, int call) {
  static bool seen[1024];
  if (is_listed(policy, call) || call < 0 || call >= 1024 || seen[call]) return;
  seen[call] = true;
  fprintf(stderr, "sandbox: forbidden call %d\n", call);
}

// An errno or kGoOn; -1: answered already.
static int judge(const struct policy* policy, int listener, const struct seccomp_notif* asked) {
  const pid_t thread = (pid_t)asked->pid;
  const __u64* arguments = asked->data.args;
  char where[8300];
  switch (asked->data.nr) {
    case SYS_clone:
    case SYS_fork:
    case SYS_vfork: return count_children() >= policy->children ? EAGAIN : kGoOn;
    case SYS_ioctl:
      if (harmless_ioctl((unsigned)arguments[1])) return kGoOn;
      return fd_is_memfd(thread, (int)arguments[0]) ? EACCES : kGoOn;
    case SYS_fcntl:
    case SYS_flock:
    case SYS_fchmod:
    case SYS_fchown:
    case SYS_fsetxattr:
    case SYS_fremovexattr: return fd_is_memfd(thread, (int)arguments[0]) ? EACCES : kGoOn;
    case SYS_utimensat:
      if (arguments[1] == 0) return fd_is_memfd(thread, (int)arguments[0]) ? EACCES : kGoOn;
      return judge_path(thread, (int)arguments[0], arguments[1], where, sizeof where);
    case SYS_fchmodat: return judge_path(thread, (int)arguments[0], arguments[1], where, sizeof where);
    case SYS_truncate:
    case SYS_chmod: return judge_path(thread, AT_FDCWD, arguments[0], where, sizeof where);
    case SYS_creat:
    case SYS_open:
    case SYS_openat: {
      const bool at = asked->data.nr == SYS_openat;
      const int verdict =
          judge_path(thread, at ? (int)arguments[0] : AT_FDCWD, arguments[at], where, sizeof where);
      const int process = whose_cgroup(where);
      if (verdict != kGoOn || !process || asked->data.nr == SYS_creat) return verdict;
      const __u64 flags = arguments[at + 1];
      if ((flags & O_ACCMODE) != O_RDONLY || access(where, R_OK) != 0) return kGoOn;
      return give_cgroup(policy, listener, asked->id, process, flags & O_CLOEXEC) ? -1 : EACCES;
    }
    default: observe(policy, asked->data.nr); return kGoOn;
  }
}

int supervise(const struct policy* policy, int listener, pid_t child) {
  struct seccomp_notif_sizes sizes;
  if (syscall(SYS_seccomp, SECCOMP_GET_NOTIF_SIZES, 0, &sizes) != 0) give_up("sizes of notifications");
  const size_t asked_size =
      sizes.seccomp_notif > sizeof(struct seccomp_notif) ? sizes.seccomp_notif : sizeof(struct seccomp_notif);
  const size_t reply_size = sizes.seccomp_notif_resp > sizeof(struct seccomp_notif_resp)
                                ? sizes.seccomp_notif_resp
                                : sizeof(struct seccomp_notif_resp);
  struct seccomp_notif* asked = calloc(1, asked_size);
  struct seccomp_notif_resp* reply = calloc(1, reply_size);

  sigset_t deaths;
  sigemptyset(&deaths);
  sigaddset(&deaths, SIGCHLD);
  sigprocmask(SIG_BLOCK, &deaths, NULL);
  // Who asks waits anyway: the kernel may wake us on its processor. Linux 6.6; a headers' age is no reason to wait longer.
  ioctl(listener, _IOW('!', 4, __u64), 1ul /* SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP */);
  struct pollfd heard[] = {{listener, POLLIN, 0},
                           {signalfd(-1, &deaths, SFD_CLOEXEC | SFD_NONBLOCK), POLLIN, 0}};
  for (;;) {
    // The first process may have ended before the signal was held back.
    int status = 0;
    for (pid_t ended; (ended = waitpid(-1, &status, WNOHANG)) > 0;) {
      if (ended == child) return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    }
    if (poll(heard, 2, -1) < 0 && errno != EINTR) give_up("poll");
    if (heard[1].revents) {
      struct signalfd_siginfo ignored;
      while (read(heard[1].fd, &ignored, sizeof ignored) > 0) {
      }
    }
    if (!(heard[0].revents & POLLIN)) continue;
    memset(asked, 0, asked_size);
    if (ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, asked) != 0) continue;  // its caller was killed meanwhile
    const int verdict = judge(policy, listener, asked);
    if (verdict < 0) continue;
    memset(reply, 0, reply_size);
    reply->id = asked->id;
    if (verdict == kGoOn)
      reply->flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
    else
      reply->error = -verdict;
    ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, reply);  // fails if the caller was killed meanwhile
  }
}
