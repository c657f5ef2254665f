#include "core/reclaim/maps.h"

namespace ashmem_compat::reclaim {
namespace {

int digit_of(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  return c >= 'a' && c <= 'f' ? c - 'a' + 10 : 99;
}

// Moves `at` behind a number in `base` and the character `after`. Stricter than strtoull, which takes signs and spaces.
bool number(const char** at, unsigned base, char after, uint64_t* out) {
  const char* c = *at;
  uint64_t value = 0;
  for (; digit_of(*c) < static_cast<int>(base); ++c) {
    if (__builtin_mul_overflow(value, uint64_t{base}, &value)) return false;
    if (__builtin_add_overflow(value, static_cast<unsigned>(digit_of(*c)), &value)) return false;
  }
  if (c == *at || *c != after) return false;
  *at = c + 1;
  *out = value;
  return true;
}

}  // namespace

bool parse_maps_line(const char* line, MappingLine* out) {
  const char* at = line;
  uint64_t offset = 0;
  uint64_t major = 0;
  uint64_t minor = 0;
  if (!number(&at, 16, '-', &out->start) || !number(&at, 16, ' ', &out->end)) return false;
  while (*at != 0 && *at != ' ') ++at;  // permissions
  if (*at++ != ' ') return false;
  if (!number(&at, 16, ' ', &offset) || !number(&at, 16, ':', &major) || !number(&at, 16, ' ', &minor)) {
    return false;
  }
  // A space follows if there is a name or padding for one, else the end of the line.
  if (!number(&at, 10, ' ', &out->inode) && !number(&at, 10, 0, &out->inode)) return false;
  out->major = static_cast<uint32_t>(major);
  out->minor = static_cast<uint32_t>(minor);
  return out->start < out->end;
}

}  // namespace ashmem_compat::reclaim
