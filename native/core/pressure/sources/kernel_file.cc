#include "core/pressure/sources/kernel_file.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

namespace ashmem_compat::pressure {

bool KernelFile::open(const std::string& path, int flags) {
  fd_.reset(::open(path.c_str(), flags | O_CLOEXEC));
  return fd_.valid();
}

bool KernelFile::read(char* text, size_t size) const {
  ssize_t got = 0;
  do {
    // One call: these files are made whole when they are read at offset 0, and a second call would make them again.
    got = pread(fd_.get(), text, size - 1, 0);
  } while (got < 0 && errno == EINTR);
  if (got < 0) return false;
  text[got] = 0;
  return true;
}

bool KernelFile::read_number(uint64_t* value) const {
  char text[32];
  if (!read(text, sizeof text)) return false;
  if (strncmp(text, "max", 3) == 0) {
    *value = kUnknown;
    return true;
  }
  char* end = text;
  *value = strtoull(text, &end, 10);
  if (end == text) return false;
  // cgroup v1 says "no limit" as the largest number of pages that it can count, in bytes.
  if (*value >= uint64_t{1} << 60) *value = kUnknown;
  return true;
}

bool find_number(const char* text, const char* name, uint64_t* value) {
  const size_t length = strlen(name);
  for (const char* line = text; line; line = strchr(line, '\n')) {
    if (*line == '\n') ++line;
    if (strncmp(line, name, length) != 0) continue;
    char* end = nullptr;
    *value = strtoull(line + length, &end, 10);
    return end != line + length;
  }
  return false;
}

}  // namespace ashmem_compat::pressure
