// A process whose memory other suites reclaim. Fills memory of three kinds and prints "ready ADDRESS BYTES", of its mapping of a
// file; then for each line that it reads, "BYTES intact" or "BYTES lost": how much of the file is in memory, and whether all
// contents are what they were, which brings them back.
#include "native/filled_memory.h"

#include <signal.h>
#include <sys/prctl.h>

using namespace ashmem_compat::testing;

int main() {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  const FilledMemory memory;
  printf("ready %llu %llu\n", static_cast<unsigned long long>(reinterpret_cast<uintptr_t>(memory.file())),
         static_cast<unsigned long long>(memory.file_bytes()));
  fflush(stdout);
  char line[64];
  while (fgets(line, sizeof line, stdin)) {
    const uint64_t resident = FilledMemory::resident(memory.file(), memory.file_bytes());
    printf("%llu %s\n", static_cast<unsigned long long>(resident), memory.intact() ? "intact" : "lost");
    fflush(stdout);
  }
  return 0;
}
