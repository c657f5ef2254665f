#include "core/channel/listener.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "core/channel/address.h"

namespace ashmem_compat::channel {
namespace {

// Whether a socket is bound to the file, listening or not. Asked with the wrong socket type, the kernel
// answers without a connection being made: ECONNREFUSED when no socket has the file, EPROTOTYPE when a stream
// socket has it. So the server never sees the question, and one that is between its bind and its listen
// counts as alive.
bool is_dead(const Address& address) {
  const Fd probe(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  return probe.valid() && ::connect(probe.get(), address.get(), address.size) != 0 && errno == ECONNREFUSED;
}

// Makes way for a bind. Under the lock of the directory: nobody else is between this and its bind.
Status clear_stale(const Address& address, int directory, const char* name) {
  struct stat info;
  if (::fstatat(directory, name, &info, AT_SYMLINK_NOFOLLOW) != 0) {
    return errno == ENOENT ? Status::Ok() : Status::System("fstatat");
  }
  if (!S_ISSOCK(info.st_mode)) return Status::Of(Code::kAddressInUse, "the path exists and is not a socket");
  if (!is_dead(address)) return Status::Of(Code::kAddressInUse, "a server is listening there already");
  if (::unlinkat(directory, name, 0) != 0 && errno != ENOENT) return Status::System("unlinkat");
  return Status::Ok();
}

Status bind_and_listen(int socket, const Address& address) {
  if (::bind(socket, address.get(), address.size) != 0) {
    if (errno == EADDRINUSE) {
      return Status::System("bind", Code::kAddressInUse, "a server is listening there already");
    }
    return Status::System("bind");
  }
  return ::listen(socket, SOMAXCONN) == 0 ? Status::Ok() : Status::System("listen");
}

// Holds the flock of a directory. It is an ordinary advisory lock; the kernel drops it if we die.
class DirectoryLock {
 public:
  explicit DirectoryLock(int directory) : directory_(directory) {
    held_ = ::flock(directory, LOCK_EX | LOCK_NB) == 0;
  }
  DirectoryLock(const DirectoryLock&) = delete;
  DirectoryLock& operator=(const DirectoryLock&) = delete;
  ~DirectoryLock() {
    if (held_) ::flock(directory_, LOCK_UN);
  }
  bool held() const { return held_; }

 private:
  int directory_;
  bool held_ = false;
};

}  // namespace

Result<Listener> Listener::open(std::string_view path) {
  Result<Address> parsed = parse_address(path);
  if (!parsed.ok()) return parsed.status();
  const Address& address = parsed.value();

  Listener listener;
  // Non-blocking, because accept4 has no flag for a single call; nobody shares this socket.
  listener.socket_.reset(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!listener.socket_.valid()) return Status::System("socket");
  if (address.abstract()) {
    const Status status = bind_and_listen(listener.fd(), address);
    if (!status.ok()) return status;
    return listener;
  }

  const size_t slash = path.rfind('/');
  const std::string parent(slash == std::string_view::npos ? "." : slash == 0 ? "/" : path.substr(0, slash));
  std::string name(slash == std::string_view::npos ? path : path.substr(slash + 1));
  if (name.empty()) return Status::Of(Code::kAddressInUse, "the path exists and is not a socket");
  Fd directory(::open(parent.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!directory.valid()) return Status::System("open");

  const DirectoryLock lock(directory.get());
  if (!lock.held()) {
    if (errno == EWOULDBLOCK || errno == EINTR) {
      return Status::System("flock", Code::kRegionBusy,
                            "another server is just opening in the same directory");
    }
    return Status::System("flock");
  }
  Status status = clear_stale(address, directory.get(), name.c_str());
  if (status.ok()) status = bind_and_listen(listener.fd(), address);
  if (!status.ok()) return status;

  struct stat info;
  if (::fstatat(directory.get(), name.c_str(), &info, AT_SYMLINK_NOFOLLOW) != 0)
    return Status::System("fstatat");
  listener.device_ = info.st_dev;
  listener.inode_ = info.st_ino;
  listener.name_ = std::move(name);
  listener.directory_ = std::move(directory);
  return listener;
}

Result<Fd> Listener::accept() {
  for (;;) {
    Fd connection(::accept4(socket_.get(), nullptr, nullptr, SOCK_CLOEXEC));
    if (connection.valid()) return connection;
    if (errno == EAGAIN || errno == EWOULDBLOCK) return Fd();
    if (errno != EINTR && errno != ECONNABORTED) return Status::System("accept4");
  }
}

Listener& Listener::operator=(Listener&& other) noexcept {
  if (this == &other) return *this;
  close();
  socket_ = std::move(other.socket_);
  directory_ = std::move(other.directory_);
  name_ = std::move(other.name_);
  device_ = other.device_;
  inode_ = other.inode_;
  return *this;
}

void Listener::close() {
  if (!socket_.valid()) return;
  struct stat info;
  if (directory_.valid() && ::fstatat(directory_.get(), name_.c_str(), &info, AT_SYMLINK_NOFOLLOW) == 0 &&
      info.st_dev == device_ && info.st_ino == inode_) {
    ::unlinkat(directory_.get(), name_.c_str(), 0);
  }
  directory_.reset();
  socket_.reset();
}

Result<Fd> connect_to(std::string_view path) {
  Result<Address> parsed = parse_address(path);
  if (!parsed.ok()) return parsed.status();
  const Address& address = parsed.value();
  Fd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!socket.valid()) return Status::System("socket");
  if (::connect(socket.get(), address.get(), address.size) != 0) {
    if (errno == ENOENT || errno == ECONNREFUSED) {
      return Status::System("connect", Code::kSystem, "no server is listening there");
    }
    return Status::System("connect");
  }
  // Blocking again, as a program expects that inherits it or shares it.
  const int flags = ::fcntl(socket.get(), F_GETFL);
  if (flags < 0 || ::fcntl(socket.get(), F_SETFL, flags & ~O_NONBLOCK) != 0) return Status::System("fcntl");
  return socket;
}

}  // namespace ashmem_compat::channel
