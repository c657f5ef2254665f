// sigqueue(3), which Node has not. Usage: queue_signal PID SIGNO [VALUE]; without a value it is kill(2).
#include <signal.h>
#include <stdlib.h>

int main(int argc, char** argv) {
  if (argc < 3) return 2;
  const auto pid = static_cast<pid_t>(atol(argv[1]));
  if (argc == 3) return kill(pid, atoi(argv[2])) == 0 ? 0 : 1;
  sigval value{};
  value.sival_int = atoi(argv[3]);
  return sigqueue(pid, atoi(argv[2]), value) == 0 ? 0 : 1;
}
