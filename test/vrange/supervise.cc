// Runs a command, and all that it starts, on a machine with vrange: the system's own where ASHMEM_COMPAT_VRANGE names one, else
// the supervisor's. Usage: vrange_supervise COMMAND [ARGUMENT ...]
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <string>

#include "vrange/control.h"
#include "vrange/supervisor.h"

using namespace ashmem_compat::testing;

int main(int argc, char** argv) {
  if (argc < 2) {
    fprintf(stderr, "usage: vrange_supervise COMMAND [ARGUMENT ...]\n");
    return 2;
  }
  const auto run = [&] {
    execvp(argv[1], argv + 1);
    perror(argv[1]);
    return 126;
  };
  if (getenv("ASHMEM_COMPAT_VRANGE")) return run();
  const int result = run_supervised({}, [&] {
    setenv("ASHMEM_COMPAT_VRANGE", ("v11:" + std::to_string(kVrangeNumber)).c_str(), 1);
    char self[4096];
    const ssize_t length = readlink("/proc/self/exe", self, sizeof self - 1);
    if (length > 0) {
      self[length] = 0;
      // Where who has to make the supervisor discard finds the means.
      setenv("ASHMEM_COMPAT_TEST_VRANGE_PURGE",
             (std::string(self, strrchr(self, '/') - self) + "/vrange_purge").c_str(), 1);
    }
    return run();
  });
  if (result == 77) printf("skipped: no supervising of system calls here\n");
  return result < 0 ? 128 - result : result;
}
