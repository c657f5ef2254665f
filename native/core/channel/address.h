// Names of unix sockets: a path, or, after a NUL, a name in the abstract namespace.
#pragma once

#include <sys/socket.h>
#include <sys/un.h>

#include <cstddef>
#include <string_view>

#include "core/status.h"

namespace ashmem_compat::channel {

// In bytes. A path is followed by a NUL, an abstract name begins with one.
constexpr size_t kMaxPath = sizeof(sockaddr_un::sun_path) - 1;

struct Address {
  sockaddr_un name;
  socklen_t size;

  bool abstract() const { return name.sun_path[0] == '\0'; }
  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&name); }
};

// kOutOfRange: longer than kMaxPath (an abstract name: without its NUL), or empty, or a path with a NUL in
// it.
Result<Address> parse_address(std::string_view path);

}  // namespace ashmem_compat::channel
