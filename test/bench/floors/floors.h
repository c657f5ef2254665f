// The floors: each is one measured loop, run as `floors NAME ARGUMENT...`, and prints a JSON array of
// nanoseconds per operation, one number per batch.
#pragma once

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <vector>

namespace floors {

inline double now_ns() {
  timespec t{};
  clock_gettime(CLOCK_MONOTONIC, &t);
  return static_cast<double>(t.tv_sec) * 1e9 + static_cast<double>(t.tv_nsec);
}

// A floor that could not do its work is no floor.
inline void must(bool ok, const char* what) {
  if (ok) return;
  std::perror(what);
  std::exit(1);
}

using Samples = std::vector<double>;
using Arguments = std::vector<uint64_t>;

// (units, rounds per batch, batches): sets a bit in every word by compare-and-swap, acquire, then clears it,
// release. Nanoseconds per word for both.
Samples pin_words(const Arguments& arguments);
// (bytes, rounds per batch, batches): memfd_create, ftruncate, seal, mmap, munmap, close.
Samples create_file(const Arguments& arguments);
// (bytes, batches, other processes): one fallocate(PUNCH_HOLE) of a memfd that is filled and mapped, here and
// in the others.
Samples punch_hole(const Arguments& arguments);
// (payload bytes, rounds per batch, batches, processor of the other process from 1 or 0): a message and one fd there, a
// message and one fd back, over SEQPACKET.
Samples round_trip(const Arguments& arguments);

constexpr uint64_t kPassedBytes = 4096;  // size of the file whose fd is passed

// A memfd of that size, sealed against resizing as a region is.
int sealed_file(uint64_t bytes);

}  // namespace floors
