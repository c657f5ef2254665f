#include "core/pressure/sources/service_address.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <cstdint>

namespace ashmem_compat::pressure {
namespace {

int value_of(char c) {
  if (c >= 'A' && c <= 'Z') return c - 'A';
  if (c >= 'a' && c <= 'z') return c - 'a' + 26;
  if (c >= '0' && c <= '9') return c - '0' + 52;
  return c == '+' ? 62 : c == '/' ? 63 : -1;
}

}  // namespace

bool decode_base64(const std::string& text, std::string* bytes) {
  bytes->clear();
  if (text.size() % 4 != 0) return false;
  for (size_t i = 0; i < text.size(); i += 4) {
    const bool last = i + 4 == text.size();
    const int padding = last && text[i + 3] == '=' ? (text[i + 2] == '=' ? 2 : 1) : 0;
    uint32_t group = 0;
    for (int j = 0; j < 4; ++j) {
      const int value = j >= 4 - padding ? 0 : value_of(text[i + static_cast<size_t>(j)]);
      if (value < 0) return false;
      group = group << 6 | static_cast<uint32_t>(value);
    }
    for (int j = 0; j < 3 - padding; ++j) *bytes += static_cast<char>(group >> (16 - 8 * j) & 0xff);
  }
  return true;
}

ServiceAddress service_address() {
  ServiceAddress address;
  const char* watch = getenv("MEMORY_PRESSURE_WATCH");
  const char* write = getenv("MEMORY_PRESSURE_WRITE");
  if (!watch || !*watch) {
    address.reason = "MEMORY_PRESSURE_WATCH is not set";
    return address;
  }
  address.path = watch;
  if (address.path == "/dev/null") {
    address.reason = "MEMORY_PRESSURE_WATCH is /dev/null: the service manager has switched it off";
  } else if (address.path[0] != '/') {
    address.reason = "MEMORY_PRESSURE_WATCH is not an absolute path: " + address.path;
  } else if (write && !decode_base64(write, &address.write)) {
    address.reason = "MEMORY_PRESSURE_WRITE is not Base64";
  } else if (stat(watch, &address.st) != 0) {
    address.reason = "MEMORY_PRESSURE_WATCH: " + address.path + ": " + strerror(errno);
  } else if (!S_ISREG(address.st.st_mode) && !S_ISFIFO(address.st.st_mode) && !S_ISSOCK(address.st.st_mode)) {
    address.reason = "MEMORY_PRESSURE_WATCH is neither a file, a FIFO nor a socket: " + address.path;
  } else {
    address.usable = true;
  }
  return address;
}

bool is_service_file(int fd) {
  const ServiceAddress address = service_address();
  struct stat st;
  return address.usable && fstat(fd, &st) == 0 && st.st_dev == address.st.st_dev &&
         st.st_ino == address.st.st_ino;
}

}  // namespace ashmem_compat::pressure
