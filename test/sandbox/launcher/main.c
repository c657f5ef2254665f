// Runs a command as an Android app would run it. Usage: launcher POLICY COMMAND ...
//
// Three processes: this one waits; the first process of a new PID namespace makes the view and supervises, as root, and so plays the
// other user's process that an app must not see; its child becomes the app's user and executes the command. When the command has
// ended, the namespace takes along whatever it left running.

#define _GNU_SOURCE
#include "sandbox.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

void give_up(const char* format, ...) {
  const int error = errno;
  va_list arguments;
  va_start(arguments, format);
  fputs("sandbox: skipped: ", stderr);
  vfprintf(stderr, format, arguments);
  fprintf(stderr, ": %s\n", strerror(error));
  va_end(arguments);
  _exit(77);
}

static void append(char** list, size_t* count, const char* value) {
  if (*count == kMaxPaths) {
    errno = E2BIG;
    give_up("%s", value);
  }
  list[(*count)++] = strdup(value);
}

static void number(int* list, size_t* count, const char* value) {
  if (*count == kMaxCalls) {
    errno = E2BIG;
    give_up("call %s", value);
  }
  list[(*count)++] = atoi(value);
}

// A line is a word, a space, and a value.
void read_policy(const char* path, struct policy* out) {
  memset(out, 0, sizeof *out);
  FILE* file = fopen(path, "re");
  if (!file) give_up("%s", path);
  char line[4096];
  while (fgets(line, sizeof line, file)) {
    line[strcspn(line, "\n")] = 0;
    char* value = strchr(line, ' ');
    if (!value) continue;
    *value++ = 0;
    if (!strcmp(line, "uid"))
      out->uid = (uid_t)atoi(value);
    else if (!strcmp(line, "children"))
      out->children = atoi(value);
    else if (!strcmp(line, "device"))
      snprintf(out->device, sizeof out->device, "%s", value);
    else if (!strcmp(line, "cgroup"))
      snprintf(out->cgroup, sizeof out->cgroup, "%s", value);
    else if (!strcmp(line, "observe"))
      out->observe = atoi(value) != 0;
    else if (!strcmp(line, "call"))
      number(out->calls, &out->call_count, value);
    else if (!strcmp(line, "unknown"))
      number(out->unknown, &out->unknown_count, value);
    else if (!strcmp(line, "hide"))
      append(out->hidden, &out->hidden_count, value);
    else if (!strcmp(line, "keep"))
      append(out->kept, &out->kept_count, value);
    else if (!strcmp(line, "scratch"))
      append(out->scratch, &out->scratch_count, value);
    else {
      errno = EINVAL;
      give_up("%s: %s", path, line);
    }
  }
  fclose(file);
}

bool is_listed(const struct policy* policy, int call) {
  for (size_t i = 0; i < policy->call_count; ++i) {
    if (policy->calls[i] == call) return true;
  }
  return false;
}

static int exit_status(pid_t child) {
  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static void send_fd(int to, int fd) {
  char byte = 0;
  union {
    char bytes[CMSG_SPACE(sizeof fd)];
    struct cmsghdr align;
  } control = {{0}};
  struct iovec bytes = {&byte, 1};
  struct msghdr message = {
      .msg_iov = &bytes, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
  struct cmsghdr* header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(sizeof fd);
  memcpy(CMSG_DATA(header), &fd, sizeof fd);
  if (sendmsg(to, &message, MSG_NOSIGNAL) != 1) give_up("handing over the listener");
}

// -1: the other end ended instead.
static int receive_fd(int from) {
  char byte;
  union {
    char bytes[CMSG_SPACE(sizeof(int))];
    struct cmsghdr align;
  } control = {{0}};
  struct iovec bytes = {&byte, 1};
  struct msghdr message = {
      .msg_iov = &bytes, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
  if (recvmsg(from, &message, MSG_CMSG_CLOEXEC) != 1) return -1;
  struct cmsghdr* header = CMSG_FIRSTHDR(&message);
  if (!header || header->cmsg_type != SCM_RIGHTS) return -1;
  int fd;
  memcpy(&fd, CMSG_DATA(header), sizeof fd);
  return fd;
}

static int first_process(const struct policy* policy, char** command) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  make_view(policy);
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) give_up("socketpair");
  const pid_t child = fork();
  if (child < 0) give_up("fork");
  if (child == 0) {
    const int listener = enter(policy);
    send_fd(ends[1], listener);
    close(listener);
    // The supervisor answers once it listens; what comes next it must judge.
    char byte;
    if (read(ends[1], &byte, 1) != 1) _exit(77);
    execvp(command[0], command);
    fprintf(stderr, "sandbox: %s: %s\n", command[0], strerror(errno));
    _exit(127);
  }
  close(ends[1]);
  const int listener = receive_fd(ends[0]);
  if (listener < 0) return exit_status(child);
  if (write(ends[0], "", 1) != 1) return exit_status(child);
  close(ends[0]);
  return supervise(policy, listener, child);
}

int main(int argc, char** argv) {
  if (argc < 3) {
    fprintf(stderr, "usage: %s POLICY COMMAND ...\n", argv[0]);
    return 2;
  }
  static struct policy policy;
  read_policy(argv[1], &policy);
  if (geteuid() != 0) {
    errno = EPERM;
    give_up("mounts and another user need root");
  }
  if (unshare(CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWIPC) != 0) give_up("namespaces of mounts and processes");
  const pid_t first = fork();
  if (first < 0) give_up("fork");
  if (first == 0) _exit(first_process(&policy, argv + 2));
  signal(SIGINT, SIG_IGN);
  return exit_status(first);
}
