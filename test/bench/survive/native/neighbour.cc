// A process that uses memory beside the regions. It does nothing until it reads a line, then it works at full speed, prints one
// line, and keeps what it has until standard input ends.
//
// survive_neighbour take BYTES [RATE]      writes to so many bytes of its own, page by page; RATE: so many of them in a second
// survive_neighbour read BYTES FILE        reads so much from a file, again from the beginning when it ends
//
// The line: BEGIN END, nanoseconds of CLOCK_MONOTONIC.
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "clock.h"

namespace {

bool take(uint64_t bytes, uint64_t rate) {
  void* memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) return false;
  // A huge page at a time would be a gentler neighbour: fewer, larger charges.
  madvise(memory, bytes, MADV_NOHUGEPAGE);
  const uint64_t page = static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
  const uint64_t begin = now_ns();
  for (uint64_t at = 0; at < bytes; at += page) {
    static_cast<volatile char*>(memory)[at] = 1;
    while (rate != 0 && static_cast<double>(now_ns() - begin) * 1e-9 * static_cast<double>(rate) <
                            static_cast<double>(at)) {
      const timespec moment{0, 500'000};
      nanosleep(&moment, nullptr);
    }
  }
  return true;
}

bool read_file(uint64_t bytes, const char* path) {
  const int file = open(path, O_RDONLY | O_CLOEXEC);
  if (file < 0) return false;
  static char chunk[1 << 18];
  for (uint64_t done = 0; done < bytes;) {
    const ssize_t got = read(file, chunk, sizeof chunk);
    if (got < 0) return false;
    if (got > 0) {
      done += static_cast<uint64_t>(got);
      continue;
    }
    // What is still cached would be read without bringing in a page.
    if (lseek(file, 0, SEEK_SET) != 0 || posix_fadvise(file, 0, 0, POSIX_FADV_DONTNEED) != 0) return false;
  }
  return true;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) return 2;
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  const uint64_t bytes = strtoull(argv[2], nullptr, 10);
  char line[16];
  if (!fgets(line, sizeof line, stdin)) return 0;
  const uint64_t begin = now_ns();
  const bool reads = strcmp(argv[1], "read") == 0;
  if (reads && argc < 4) return 2;
  const bool done =
      reads ? read_file(bytes, argv[3]) : take(bytes, argc > 3 ? strtoull(argv[3], nullptr, 10) : 0);
  if (!done) {
    perror("survive_neighbour");
    return 1;
  }
  printf("%" PRIu64 " %" PRIu64 "\n", begin, now_ns());
  fflush(stdout);
  while (fgets(line, sizeof line, stdin)) {
  }
  return 0;
}
