// Takes memory until the kernel is short of it, for tests of what it does then. Usage: memory_hog MAX_MIB
//
// Reads a line, takes 4 MiB more, prints how many MiB it has; at MAX_MIB it takes no more. Keeps them until stdin ends or it is killed.
// It asks to be the first whom the kernel kills, and refuses to run outside of the virtual machine of the tests, where others would
// suffer.
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  const char* vm = getenv("ASHMEM_COMPAT_VM");
  if (!vm || strcmp(vm, "1") != 0) {
    fprintf(stderr, "memory_hog: refused: this is not the virtual machine (ASHMEM_COMPAT_VM is not 1)\n");
    return 77;
  }
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  const int victim = open("/proc/self/oom_score_adj", O_WRONLY);
  if (victim < 0 || write(victim, "1000", 4) != 4) return 3;
  close(victim);
  const long most = atol(argv[1]);
  constexpr long kStep = 4;
  char line[64];
  for (long taken = 0; fgets(line, sizeof line, stdin);) {
    if (taken + kStep <= most) {
      const size_t bytes = static_cast<size_t>(kStep) << 20;
      void* p = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
      if (p == MAP_FAILED) return 4;
      memset(p, 1, bytes);
      taken += kStep;
    }
    printf("%ld\n", taken);
    fflush(stdout);
  }
  return 0;
}
