#include "core/channel/address.h"

#include <cstring>

namespace ashmem_compat::channel {

Result<Address> parse_address(std::string_view path) {
  const bool abstract = !path.empty() && path[0] == '\0';
  if (path.size() > kMaxPath + (abstract ? 1 : 0)) {
    return Status::Of(Code::kOutOfRange, "a socket name is at most 107 bytes long");
  }
  // An empty name, abstract or not, would make the kernel invent one.
  if (path.size() <= (abstract ? 1u : 0u))
    return Status::Of(Code::kOutOfRange, "a socket name must not be empty");
  if (!abstract && path.find('\0') != std::string_view::npos) {
    return Status::Of(Code::kOutOfRange, "a socket path must not contain a NUL after its first byte");
  }
  Address address{};
  address.name.sun_family = AF_UNIX;
  std::memcpy(address.name.sun_path, path.data(), path.size());
  // The length of an abstract name is part of it; that of a path counts its NUL.
  address.size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + path.size() + (abstract ? 0 : 1));
  return address;
}

}  // namespace ashmem_compat::channel
