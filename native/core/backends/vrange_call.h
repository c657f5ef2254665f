// vrange: a system call that Linux was offered and never took, under the number that the user gives. Nothing here knows of
// regions.
//
// Sources: the postings of March 2014 ("Volatile Ranges v11", and v12 with flags); docs/vrange.md has the call as it is used here.
#pragma once

#include <cstdint>
#include <string>

#include "core/status.h"

namespace ashmem_compat::vrange {

enum class Abi {
  kV11,  // ssize_t vrange(start, length, mode, int* purged)
  kV12,  // ssize_t vrange(start, length, mode, unsigned long flags, int* purged)
};

constexpr int kNonvolatile = 0;
constexpr int kVolatile = 1;

struct Call {
  Abi abi;
  long number;
};

// What the user has asked for: enable(), or else the environment's ASHMEM_COMPAT_VRANGE as it was when first looked at.
struct Choice {
  std::string text;    // empty: nothing
  bool valid = false;  // whether it is "v11:NUMBER" or "v12:NUMBER"
  Call call{Abi::kV11, -1};
};
// Never freed, and another one after each enable().
const Choice& choice();
// kOutOfRange: `text` is in neither form; kNotSupported: regions may be in use that another call was proven for.
Status enable(const std::string& text);
// Of the choice that was proven, for good: regions go on using it.
void set_proven(const Call& call);
const Call& proven();

// The bare call: bytes done, or -1 with errno. `purged` may be null.
long raw(const Call& call, char* start, uint64_t length, int mode, unsigned long flags, int* purged);

struct Changed {
  uint64_t bytes = 0;   // from the start, whole pages
  bool purged = false;  // whether something of those had been discarded
  int error = 0;        // why it is not the whole length
};
// The same as often as it takes: a call may do a part only.
Changed change(const Call& call, char* start, uint64_t length, int mode);

// Nothing of the range is volatile from here on. On failure it is as volatile as it was; *purged then says that the kernel's
// answer about some of it has been taken all the same.
Status hold(const Call& call, char* start, uint64_t length, bool* purged);
// All of the range may be volatile from here on; on failure nothing of it that was not is.
Status release(const Call& call, char* start, uint64_t length);

}  // namespace ashmem_compat::vrange
