// One end of a connected unix stream socket: what the system calls do with frames. No call here ever blocks,
// and none changes the flags of the open file description, which others may share (an inherited stdio
// socket).
#pragma once

#include <sys/types.h>
#include <sys/uio.h>

#include "core/channel/frame.h"
#include "core/channel/spin.h"
#include "core/platform/fd.h"

namespace ashmem_compat::channel {

struct Peer {
  pid_t pid = 0;
  uid_t uid = 0;
  gid_t gid = 0;
};

struct Pair {
  Fd first;
  Fd second;
};
Result<Pair> make_pair();

// A duplicate of `fd`, which stays the caller's. kUntrustedFd unless it is a connected unix stream socket.
Result<Fd> adopt(int fd);

// The process at the other end, as it was when the connection was made.
Result<Peer> peer_of(int fd);

enum class Read { kFrame, kNothingYet };

// Reads up to the end of the frame that `reader` is in. kChannelClosed: the stream ended between two frames.
// kBadMessage: it ended inside one, or carries something else; nothing more can be read from it.
Result<Read> read_frame(int fd, FrameReader& reader);
// The same, but looks again for the time that `budget` grants when nothing is there at first.
Result<Read> read_frame_soon(int fd, FrameReader& reader, SpinBudget& budget);

// Gives the kernel what it takes now: the number of bytes, 0 if it takes none. The descriptors go with the
// first byte. kChannelClosed: the peer is gone. kTooManyFds: too many are under way (ETOOMANYREFS).
Result<size_t> send_some(int fd, const iovec* pieces, size_t piece_count, const int* fds, size_t fd_count);

}  // namespace ashmem_compat::channel
