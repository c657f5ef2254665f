// What the service manager has put into the environment: MEMORY_PRESSURE_WATCH and MEMORY_PRESSURE_WRITE
// (https://systemd.io/MEMORY_PRESSURE/).
#pragma once

#include <sys/stat.h>

#include <string>

namespace ashmem_compat::pressure {

struct ServiceAddress {
  bool usable = false;
  std::string reason;  // if not: why
  std::string path;
  std::string write;  // what to write after opening, may be empty and may have NULs
  struct stat st = {};
};

ServiceAddress service_address();

// Whether the service manager names this open file. Two readers of one PSI file starve each other.
bool is_service_file(int fd);

// False if `text` is not Base64 (RFC 4648, padded).
bool decode_base64(const std::string& text, std::string* bytes);

}  // namespace ashmem_compat::pressure
