#include "core/channel/send_queue.h"

#include <fcntl.h>
#include <sys/socket.h>

#include <cstring>

namespace ashmem_compat::channel {
namespace {

size_t first_bad(const int* fds, size_t count) {
  for (size_t i = 0; i < count; i++) {
    if (::fcntl(fds[i], F_GETFD) < 0) return i;
  }
  return count;
}

}  // namespace

Result<SendQueue::Outcome> SendQueue::send(int socket, Kind kind, const uint8_t* payload, size_t length,
                                           const int* fds, size_t fd_count, size_t& bad_fd) {
  bad_fd = fd_count;
  if (length > kMaxPayload) return Status::Of(Code::kMessageTooLarge, "the message is larger than 64 MiB");
  if (fd_count > kMaxFds) return Status::Of(Code::kTooManyFds, "one message carries at most 253 descriptors");

  uint8_t header[kHeaderSize];
  encode({kind, static_cast<uint16_t>(fd_count), static_cast<uint32_t>(length)}, header);
  const size_t size = kHeaderSize + length;
  size_t sent = 0;
  if (frames_.empty()) {
    const iovec pieces[2] = {{header, kHeaderSize}, {const_cast<uint8_t*>(payload), length}};
    Result<size_t> result = send_some(socket, pieces, length > 0 ? 2 : 1, fds, fd_count);
    if (!result.ok()) {
      if (result.status().error == EBADF) bad_fd = first_bad(fds, fd_count);
      return result.status();
    }
    sent = result.value();
    if (sent == size) return Outcome::kSent;
  }

  Frame frame;
  frame.size = size - sent;
  frame.bytes.reset(static_cast<uint8_t*>(std::malloc(frame.size)));
  if (!frame.bytes) {
    // Half a frame is out and its rest cannot be kept: the peer has to see an end, not the next frame.
    if (sent > 0) ::shutdown(socket, SHUT_WR);
    return Status{Code::kSystem, ENOMEM, "malloc", "no memory for the message"};
  }
  size_t at = 0;
  if (sent < kHeaderSize) {
    at = kHeaderSize - sent;
    std::memcpy(frame.bytes.get(), header + sent, at);
    sent = kHeaderSize;
  }
  if (length > sent - kHeaderSize) {
    std::memcpy(frame.bytes.get() + at, payload + (sent - kHeaderSize), length - (sent - kHeaderSize));
  }
  if (frame.size == size) {
    // All of them are looked at before the first is duplicated: a duplicate may get the number of one that is
    // not open.
    bad_fd = first_bad(fds, fd_count);
    if (bad_fd < fd_count) return Status{Code::kSystem, EBADF, "fcntl", nullptr};
    frame.fds.reserve(fd_count);
    for (size_t i = 0; i < fd_count; i++) {
      frame.fds.emplace_back(::fcntl(fds[i], F_DUPFD_CLOEXEC, 0));
      if (!frame.fds.back().valid()) return Status::System("fcntl");
    }
  }
  frames_.push_back(std::move(frame));
  return Outcome::kQueued;
}

SendQueue::Step SendQueue::push_oldest(int socket, Status& status) {
  Frame& frame = frames_.front();
  while (frame.sent < frame.size) {
    int fds[kMaxFds];
    const size_t fd_count = frame.fds.size();
    for (size_t i = 0; i < fd_count; i++) fds[i] = frame.fds[i].get();
    const iovec piece{frame.bytes.get() + frame.sent, frame.size - frame.sent};
    Result<size_t> result = send_some(socket, &piece, 1, fds, fd_count);
    if (!result.ok()) {
      status = result.status();
      // ETOOMANYREFS and the like refuse the frame whole, so the ones behind it may still go.
      if (status.code != Code::kChannelClosed && fd_count > 0) return Step::kDone;
      // Half a frame may be out: the peer has to see an end, not the next frame.
      ::shutdown(socket, SHUT_WR);
      return Step::kBroken;
    }
    if (result.value() == 0) return Step::kBlocked;
    frame.sent += result.value();
    frame.fds.clear();
  }
  return Step::kDone;
}

}  // namespace ashmem_compat::channel
