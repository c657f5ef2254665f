#include "vrange/supervisor.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <deque>
#include <map>
#include <vector>

#include "vrange/control.h"
#include "vrange/model.h"

namespace ashmem_compat::testing {
namespace {

const uint64_t kPage = static_cast<uint64_t>(sysconf(_SC_PAGESIZE));

#ifdef SYS_mmap2
constexpr int kMmap = SYS_mmap2;
#else
constexpr int kMmap = SYS_mmap;
#endif

// From here on the call of this thread and its children is for whoever holds the fd that is returned; -1 with errno.
int listen_for_calls() {
  sock_filter program[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, static_cast<unsigned>(kVrangeNumber), 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF),
      // What ends a mapping ends its marks: munmap(), and mmap() in the place of another.
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_munmap, 3, 0),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, kMmap, 0, 3),
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, args[3])),
      BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, MAP_FIXED, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  const sock_fprog all = {sizeof program / sizeof *program, program};
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return -1;
  return static_cast<int>(
      syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &all));
}

bool send_fd(int socket, int fd) {
  char byte = 0;
  iovec data = {&byte, 1};
  alignas(cmsghdr) char room[CMSG_SPACE(sizeof fd)] = {0};
  msghdr message{};
  message.msg_iov = &data;
  message.msg_iovlen = 1;
  message.msg_control = room;
  message.msg_controllen = sizeof room;
  cmsghdr* header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(sizeof fd);
  memcpy(CMSG_DATA(header), &fd, sizeof fd);
  return sendmsg(socket, &message, 0) == 1;
}

int receive_fd(int socket) {
  char byte = 0;
  iovec data = {&byte, 1};
  alignas(cmsghdr) char room[CMSG_SPACE(sizeof(int))] = {0};
  msghdr message{};
  message.msg_iov = &data;
  message.msg_iovlen = 1;
  message.msg_control = room;
  message.msg_controllen = sizeof room;
  int fd = -1;
  if (recvmsg(socket, &message, MSG_CMSG_CLOEXEC) != 1) return -1;
  if (const cmsghdr* header = CMSG_FIRSTHDR(&message)) memcpy(&fd, CMSG_DATA(header), sizeof fd);
  return fd;
}

struct Scripted {
  Deed deed;
  int mode;
  unsigned times;
  uint64_t value;
};

class Supervisor {
 public:
  explicit Supervisor(const Supervision& how) : how_(how), model_(how.likeness != Likeness::kNoFiles) {}

  // For a call that is the kernel's to answer.
  void notice_end_of_mapping(const seccomp_notif& asked) {
    model_.forget(static_cast<pid_t>(asked.pid), asked.data.args[0], asked.data.args[1]);
  }

  // What the call returns; false: it is not answered at all.
  bool answer(const seccomp_notif& asked, long* result) {
    const __u64* a = asked.data.args;
    const pid_t thread = static_cast<pid_t>(asked.pid);
    const int mode = static_cast<int>(a[2]);
    switch (static_cast<Order>(mode)) {
      case Order::kPurge: *result = static_cast<long>(model_.purge(a[1])); return true;
      case Order::kCalls: *result = calls_; return true;
      case Order::kScript:
        script_.push_back({static_cast<Deed>(a[0] & 255), static_cast<int>(a[0] >> 8 & 255),
                           static_cast<unsigned>(a[0] >> 16), a[1]});
        *result = 0;
        return true;
    }
    ++calls_;
    if (how_.likeness == Likeness::kHangs) return false;
    if (how_.likeness == Likeness::kEndsCaller) {
      kill(thread, SIGKILL);
      return false;
    }
    *result = vrange(thread, a[0], a[1], mode, how_.flags ? a[3] : 0, how_.flags ? a[4] : a[3]);
    return true;
  }

 private:
  bool next_deed(int mode, Scripted* found) {
    for (auto it = script_.begin(); it != script_.end(); ++it) {
      if (it->mode != kAnyMode && it->mode != mode) continue;
      *found = *it;
      if (--it->times == 0) script_.erase(it);
      return true;
    }
    return false;
  }

  static bool write_int(pid_t thread, uint64_t address, int value) {
    const iovec from = {&value, sizeof value};
    const iovec to = {reinterpret_cast<void*>(address), sizeof value};
    return process_vm_writev(thread, &from, 1, &to, 1, 0) == static_cast<ssize_t>(sizeof value);
  }

  long vrange(pid_t thread, uint64_t start, uint64_t length, int mode, uint64_t flags, uint64_t purged_at) {
    if (how_.likeness != Likeness::kRefusesNothing && ((mode != 0 && mode != 1) || flags != 0))
      return -EINVAL;
    if (how_.likeness == Likeness::kRefusesNothing && (start % kPage != 0 || length < kPage)) return 0;
    if (start % kPage != 0 || length < kPage) return -EINVAL;
    const bool marks = mode == 1;
    if (how_.likeness == Likeness::kMarksNothing && marks) return -EINVAL;
    if (how_.likeness == Likeness::kUnmarksNothing && !marks) return -EINVAL;
    if (how_.likeness == Likeness::kOwnMappingOnly) {
      if (!marks && !marked_.count(start)) return -EINVAL;
      marked_[start] = true;
    }
    const bool tells = how_.likeness != Likeness::kLeavesFlag;
    if (tells && purged_at != 0 && !write_int(thread, purged_at, 0)) return -EFAULT;
    Scripted scripted{};
    bool purged = false;
    if (next_deed(mode, &scripted)) {
      if (scripted.deed == Deed::kErrno) return -static_cast<long>(scripted.value);
      if (scripted.deed == Deed::kReturn) return static_cast<long>(scripted.value);
      if (scripted.deed == Deed::kShort && scripted.value * kPage < length) length = scripted.value * kPage;
      if (scripted.deed == Deed::kClaim) purged = true;
      if (scripted.deed == Deed::kLose) model_.lose(thread, start, length);
      if (length == 0) return 0;
    }
    const long done = model_.change(thread, start, length, marks, &purged);
    if (marks && (how_.likeness == Likeness::kLosesInSilence || how_.likeness == Likeness::kHurries)) {
      model_.lose(thread, start, length);
    }
    if (how_.likeness == Likeness::kLosesInSilence) purged = false;
    if (how_.likeness == Likeness::kTouchesNeighbours) {
      const int zero = 0;
      write_int(thread, start + length, zero);
    }
    if (tells && purged && purged_at != 0) write_int(thread, purged_at, 1);
    return done;
  }

  const Supervision how_;
  VrangeModel model_;
  std::deque<Scripted> script_;
  std::map<uint64_t, bool> marked_;
  long calls_ = 0;
};

int supervise(const Supervision& how, int listener, pid_t child, int deaths) {
  seccomp_notif_sizes sizes;
  if (syscall(SYS_seccomp, SECCOMP_GET_NOTIF_SIZES, 0, &sizes) != 0) return 77;
  std::vector<char> room(sizes.seccomp_notif + sizeof(seccomp_notif));
  seccomp_notif* asked = reinterpret_cast<seccomp_notif*>(room.data());
  Supervisor supervisor(how);
  // Who asks waits anyway: the kernel may wake us on its processor (SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP, Linux 6.6).
  ioctl(listener, _IOW('!', 4, __u64), 1ul);
  pollfd heard[] = {{listener, POLLIN, 0}, {deaths, POLLIN, 0}};
  for (;;) {
    int status = 0;
    if (waitpid(child, &status, WNOHANG) == child) {
      return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
    }
    if (poll(heard, 2, -1) < 0 && errno != EINTR) return 70;
    signalfd_siginfo ignored;
    while (heard[1].revents && read(deaths, &ignored, sizeof ignored) > 0) {
    }
    if (!(heard[0].revents & POLLIN)) continue;
    memset(room.data(), 0, room.size());
    if (ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, asked) != 0) continue;  // its caller was killed meanwhile
    // As large as the kernel's may be, and more.
    union {
      seccomp_notif_resp reply;
      char room[256];
    } sent = {};
    sent.reply.id = asked->id;
    long result = 0;
    if (asked->data.nr != kVrangeNumber) {
      supervisor.notice_end_of_mapping(*asked);
      sent.reply.flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
    } else if (!supervisor.answer(*asked, &result)) {
      continue;
    } else if (result < 0) {
      sent.reply.error = static_cast<int>(result);
    } else {
      sent.reply.val = result;
    }
    ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &sent);  // fails if the caller was killed meanwhile
  }
}

}  // namespace

int run_supervised(const Supervision& how, const std::function<int()>& body) {
  fflush(nullptr);
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) return 70;
  sigset_t deaths;
  sigset_t before;
  sigemptyset(&deaths);
  sigaddset(&deaths, SIGCHLD);
  sigprocmask(SIG_BLOCK, &deaths, &before);
  const pid_t child = fork();
  if (child == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    sigprocmask(SIG_SETMASK, &before, nullptr);
    const int listener = listen_for_calls();
    if (listener < 0) _exit(77);
    if (!send_fd(ends[1], listener)) _exit(70);
    close(listener);
    close(ends[0]);
    close(ends[1]);
    _exit(body());
  }
  close(ends[1]);
  const int listener = child > 0 ? receive_fd(ends[0]) : -1;
  close(ends[0]);
  const int told = signalfd(-1, &deaths, SFD_CLOEXEC | SFD_NONBLOCK);
  int result = 70;
  if (listener >= 0) {
    result = supervise(how, listener, child, told);
    close(listener);
  } else if (child > 0) {
    int status = 0;
    waitpid(child, &status, 0);
    result = WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
  }
  close(told);
  sigprocmask(SIG_SETMASK, &before, nullptr);
  return result;
}

}  // namespace ashmem_compat::testing
