// Sources: arch/*/entry/syscalls/*.tbl, arch/arm/tools/syscall.tbl and include/uapi/asm-generic/unistd.h of Linux up to 7.0.
#include "core/platform/assigned_calls.h"

#include <stdlib.h>

namespace ashmem_compat {
namespace {

struct Assigned {
  long first, last;
  unsigned version, patch;  // the release that has the first of them; 0: taken as every kernel's
};

constexpr Assigned kOfThisArchitecture[] = {
#if defined(__x86_64__)
    {0, 334, 0, 0},
    {335, 335, 6, 11},  // uretprobe
    {336, 336, 6, 18},  // uprobe
    {512, 547, 0, 0},   // x32
#elif defined(__aarch64__)
    {0, 294, 0, 0},
#elif defined(__i386__)
    {0, 386, 0, 0},
    {393, 423, 0, 0},
#elif defined(__arm__)
    {0, 423, 0, 0},
#else
    {0, 423, 0, 0},
#endif
};

// From 424 on numbers are the same on all of them.
constexpr Assigned kCommon[] = {
    {424, 450, 0, 0},  {451, 451, 6, 5},  {452, 453, 6, 6},  {454, 456, 6, 7},
    {457, 461, 6, 8},  {462, 462, 6, 10}, {463, 466, 6, 13}, {467, 467, 6, 15},
    {468, 469, 6, 17}, {470, 470, 6, 19}, {471, 471, 7, 0},
};

template <size_t kCount>
bool has(const Assigned (&table)[kCount], long number, unsigned long version, unsigned long patch) {
  for (const Assigned& range : table) {
    if (number < range.first || number > range.last) continue;
    if (version > range.version || (version == range.version && patch >= range.patch)) return true;
  }
  return false;
}

}  // namespace

bool is_assigned_call(long number, const char* release) {
  char* end = nullptr;
  const unsigned long version = strtoul(release, &end, 10);
  const unsigned long patch = *end == '.' ? strtoul(end + 1, nullptr, 10) : 0;
  return has(kOfThisArchitecture, number, version, patch) || has(kCommon, number, version, patch);
}

}  // namespace ashmem_compat
