// A listening unix socket that owns its name: takes over the file of a dead server, never that of a living
// one, and removes its own file and no other.
#pragma once

#include <sys/types.h>

#include <string>
#include <string_view>

#include "core/platform/fd.h"
#include "core/status.h"

namespace ashmem_compat::channel {

class Listener {
 public:
  Listener() = default;
  Listener(Listener&&) = default;
  Listener& operator=(Listener&& other) noexcept;
  ~Listener() { close(); }

  // kAddressInUse: a living server has the name, or the path is no socket. kRegionBusy: another process is
  // just listening on a path in the same directory; try again soon.
  static Result<Listener> open(std::string_view path);

  // An invalid Fd: nobody waits. kSystem with EMFILE and its like: somebody waits, and there is no room now.
  Result<Fd> accept();

  int fd() const { return socket_.get(); }
  // Who has connected and was not accepted is cut off. The file goes before the socket does: as long as the
  // socket lives nobody takes the file for a dead server's, so what is found there under our inode is ours.
  void close();

 private:
  Fd socket_;
  Fd directory_;      // of the path, so that a later chdir() does not matter; none for an abstract name
  std::string name_;  // of the file in there
  dev_t device_ = 0;
  ino_t inode_ = 0;
};

// kSystem with EAGAIN: the server's queue is full; try again soon.
Result<Fd> connect_to(std::string_view path);

}  // namespace ashmem_compat::channel
