#include "core/channel/stream.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cstring>
#include <ctime>

namespace ashmem_compat::channel {
namespace {

#ifndef SCM_PIDFD
#define SCM_PIDFD 0x04
#endif

// Room for the descriptors of one message, and for the credentials and pidfd that somebody who shares the
// socket may have asked for: without room for them the kernel would drop descriptors.
constexpr size_t kControlSize = CMSG_SPACE(sizeof(int) * kMaxFds) + CMSG_SPACE(64) + CMSG_SPACE(sizeof(int));

int option(int fd, int name) {
  int value = -1;
  socklen_t size = sizeof value;
  return ::getsockopt(fd, SOL_SOCKET, name, &value, &size) == 0 ? value : -1;
}

void take_control(msghdr& message, FrameReader& reader) {
  bool truncated = (message.msg_flags & MSG_CTRUNC) != 0;
  for (cmsghdr* c = CMSG_FIRSTHDR(&message); c != nullptr; c = CMSG_NXTHDR(&message, c)) {
    if (c->cmsg_level != SOL_SOCKET || c->cmsg_len < CMSG_LEN(0)) continue;
    const size_t count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    int fds[kMaxFds];
    if (c->cmsg_type == SCM_RIGHTS && count <= kMaxFds) {
      std::memcpy(fds, CMSG_DATA(c), count * sizeof(int));
      reader.add_fds(fds, count, truncated);
      truncated = false;
    } else if (c->cmsg_type == SCM_PIDFD && count == 1) {
      std::memcpy(fds, CMSG_DATA(c), sizeof(int));
      Fd unwanted(fds[0]);
    }
  }
  if (truncated) reader.add_fds(nullptr, 0, true);
}

Status ended(const FrameReader& reader, int error) {
  const char* syscall = error != 0 ? "recvmsg" : nullptr;
  if (reader.at_boundary()) return {Code::kChannelClosed, error, syscall, "the peer has closed the channel"};
  return {Code::kBadMessage, error, syscall, "the stream ended inside a message"};
}

uint64_t now() {
  timespec time;
  ::clock_gettime(CLOCK_MONOTONIC, &time);
  return static_cast<uint64_t>(time.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(time.tv_nsec);
}

}  // namespace

Result<Pair> make_pair() {
  int fds[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) != 0) return Status::System("socketpair");
  return Pair{Fd(fds[0]), Fd(fds[1])};
}

Result<Fd> adopt(int fd) {
  Fd copy(::fcntl(fd, F_DUPFD_CLOEXEC, 0));
  if (!copy.valid()) {
    return Status::System("fcntl", errno == EBADF ? Code::kUntrustedFd : Code::kSystem,
                          "no open file descriptor");
  }
  sockaddr_un name;
  socklen_t size = sizeof name;
  if (option(copy.get(), SO_DOMAIN) != AF_UNIX || option(copy.get(), SO_TYPE) != SOCK_STREAM ||
      ::getpeername(copy.get(), reinterpret_cast<sockaddr*>(&name), &size) != 0) {
    return Status::Of(Code::kUntrustedFd, "the descriptor is not a connected unix stream socket");
  }
  return copy;
}

Result<Peer> peer_of(int fd) {
  ucred credentials{};
  socklen_t size = sizeof credentials;
  if (::getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &size) != 0)
    return Status::System("getsockopt");
  return Peer{credentials.pid, credentials.uid, credentials.gid};
}

Result<Read> read_frame(int fd, FrameReader& reader) {
  alignas(cmsghdr) char control[kControlSize];
  while (!reader.complete()) {
    const FrameReader::Space space = reader.space();
    if (space.size == 0) return Status{Code::kSystem, ENOMEM, "malloc", "no memory for the message"};
    iovec piece{space.data, space.size};
    msghdr message{};
    message.msg_iov = &piece;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    const ssize_t count = ::recvmsg(fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    if (count < 0) {
      if (errno == EINTR) continue;
      if (errno == EAGAIN || errno == EWOULDBLOCK) return Read::kNothingYet;
      if (errno == ECONNRESET) return ended(reader, errno);
      return Status::System("recvmsg");
    }
    if (message.msg_controllen != 0 || (message.msg_flags & MSG_CTRUNC) != 0) take_control(message, reader);
    if (count == 0) return ended(reader, 0);
    const Status status = reader.commit(static_cast<size_t>(count));
    if (!status.ok()) return status;
  }
  return Read::kFrame;
}

Result<Read> read_frame_soon(int fd, FrameReader& reader, SpinBudget& budget) {
  Result<Read> result = read_frame(fd, reader);
  if (!result.ok() || result.value() == Read::kFrame) return result;
  const uint32_t nanoseconds = budget.grant();
  if (nanoseconds == 0) return result;
  const uint64_t end = now() + nanoseconds;
  while (result.ok() && result.value() == Read::kNothingYet && now() < end) {
    ::sched_yield();  // the peer may be waiting for this very processor
    result = read_frame(fd, reader);
  }
  budget.tell(result.ok() && result.value() == Read::kFrame);
  return result;
}

Result<size_t> send_some(int fd, const iovec* pieces, size_t piece_count, const int* fds, size_t fd_count) {
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int) * kMaxFds)];
  msghdr message{};
  message.msg_iov = const_cast<iovec*>(pieces);
  message.msg_iovlen = piece_count;
  if (fd_count > 0) {
    message.msg_control = control;
    message.msg_controllen = CMSG_SPACE(sizeof(int) * fd_count);
    std::memset(control, 0, message.msg_controllen);
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int) * fd_count);
    std::memcpy(CMSG_DATA(header), fds, sizeof(int) * fd_count);
  }
  for (;;) {
    const ssize_t count = ::sendmsg(fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (count >= 0) return static_cast<size_t>(count);
    switch (errno) {
      case EINTR: continue;
      case EAGAIN: return size_t{0};
      case EPIPE:
      case ECONNRESET:
      case ENOTCONN:
        return Status::System("sendmsg", Code::kChannelClosed, "the peer has closed the channel");
      case ETOOMANYREFS:
        return Status::System("sendmsg", Code::kTooManyFds, "too many descriptors are under way unread");
      default: return Status::System("sendmsg");
    }
  }
}

}  // namespace ashmem_compat::channel
