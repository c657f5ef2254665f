// How a process under the supervisor tells it what to do: by the call itself, with a mode that no vrange has.
#pragma once

#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace ashmem_compat::testing {

// An unassigned number.
#if defined(__i386__)
constexpr long kVrangeNumber = 390;
#else
constexpr long kVrangeNumber = 400;
#endif

enum class Order : int {
  kPurge =
      0x10000,  // value: pages at most, least recently marked first; 0: all. Answers with the pages that were discarded
  kScript,  // start: a Deed with its mode and times, see script(); value: what it takes
  kCalls,   // answers with the calls of vrange so far
};

// What the supervisor does instead of, or besides, answering as vrange does.
enum class Deed : uint64_t {
  kErrno = 1,  // value: the errno it answers with, and nothing is done
  kShort,      // value: pages that it does, of those that were asked for
  kReturn,     // value: the number it returns, and nothing is done
  kClaim,      // does as vrange, and says that something was discarded, whether or not it was
  kLose,       // discards all of the range that is volatile, and then does as vrange
};
constexpr int kAnyMode = 255;

inline long order(Order what, uint64_t start, uint64_t value) {
  // Words of the registers: an argument of 64 bits would take two of them where they have 32.
  return syscall(kVrangeNumber, static_cast<unsigned long>(start), static_cast<unsigned long>(value),
                 static_cast<unsigned long>(what), 0ul, 0ul, 0ul);
}
inline long vrange_purge(uint64_t pages = 0) { return order(Order::kPurge, 0, pages); }
inline long vrange_calls() { return order(Order::kCalls, 0, 0); }
// The next `times` calls of `mode` get this, after those that were scripted before.
inline void script(Deed deed, uint64_t value = 0, int mode = kAnyMode, unsigned times = 1) {
  order(Order::kScript,
        static_cast<uint64_t>(deed) | static_cast<uint64_t>(mode) << 8 | uint64_t{times} << 16, value);
}

}  // namespace ashmem_compat::testing
