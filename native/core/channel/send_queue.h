// Frames that the kernel has not taken yet, in their order.
#pragma once

#include <deque>
#include <vector>

#include "core/channel/stream.h"

namespace ashmem_compat::channel {

class SendQueue {
 public:
  enum class Outcome { kSent, kQueued };

  // Hands over at once what the kernel takes, and keeps a copy of the rest, with duplicates of the
  // descriptors: the caller may close its own when this returns. On failure nothing of the frame was sent;
  // `bad_fd` is then the index of a descriptor that is not open, or fd_count.
  Result<Outcome> send(int socket, Kind kind, const uint8_t* payload, size_t length, const int* fds,
                       size_t fd_count, size_t& bad_fd);

  // Sends on, until the kernel takes no more. How the oldest frame ended is told by calling `done(Status)`,
  // once per frame, in order. After kChannelClosed every frame has been told so.
  template <typename Done>
  void flush(int socket, Done&& done) {
    bool more = true;
    while (more && !frames_.empty()) {
      Status status = Status::Ok();
      const Step step = push_oldest(socket, status);
      if (step == Step::kBlocked) return;
      frames_.pop_front();
      done(status);
      if (step == Step::kBroken) {
        fail_all(status, done);
        more = false;
      }
    }
  }

  // Drops all frames; `done(status)` for each.
  template <typename Done>
  void fail_all(Status status, Done&& done) {
    while (!frames_.empty()) {
      frames_.pop_front();
      done(status);
    }
  }

  bool empty() const { return frames_.empty(); }

 private:
  enum class Step { kDone, kBlocked, kBroken };

  struct Frame {
    Bytes bytes;  // from here on: header and payload, as far as they are not sent
    size_t size = 0;
    size_t sent = 0;
    std::vector<Fd> fds;  // empty when they are on their way
  };

  Step push_oldest(int socket, Status& status);

  std::deque<Frame> frames_;
};

}  // namespace ashmem_compat::channel
