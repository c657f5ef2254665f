// One thread per process that waits for sockets on behalf of all Node environments (or other users) in it.
//
// A Watch asks for one event at a time: after it was delivered, or before the first arm(), the kernel reports
// nothing, not even a hang-up. So an idle channel costs nothing, whatever its peer does.
#pragma once

#include <cstdint>

#include "core/status.h"

namespace ashmem_compat::channel {

// Who is told. on_ready() runs on the poller's thread, with a lock held: it must not block, nor open or close
// a Watch.
class PollSink {
 public:
  virtual void on_ready(uint64_t watch, uint32_t events) = 0;

 protected:
  ~PollSink() = default;
};

class Poller;

// The wish of one thread to hear about one socket. Not thread-safe; the Poller behind it is.
class Watch {
 public:
  Watch() = default;
  Watch(const Watch&) = delete;
  Watch& operator=(const Watch&) = delete;
  ~Watch() { close(); }

  // Starts the poller's thread if there is none. Neither `fd` nor `sink` may go before close().
  Status open(int fd, PollSink* sink);
  // One on_ready() call when any of `events` (EPOLLIN, EPOLLOUT) or a hang-up is there. Replaces what was
  // armed before.
  Status arm(uint32_t events);
  // When this returns, no on_ready() call for this watch is running or will come.
  void close();

  bool is_open() const { return poller_ != nullptr; }
  uint64_t id() const { return id_; }

 private:
  Poller* poller_ = nullptr;
  uint64_t id_ = 0;
  int fd_ = -1;
  bool added_ = false;
};

}  // namespace ashmem_compat::channel
