#include <fcntl.h>
#include <linux/falloc.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>

#include "floors.h"

namespace floors {
namespace {

constexpr uint64_t kPage = 4096;

struct Onlooker {
  pid_t pid;
  int socket;
};

// A process that maps the file and, for every byte that arrives, reads one byte of each page and answers.
Onlooker start_onlooker(int fd, uint64_t bytes) {
  int ends[2];
  must(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0, "socketpair");
  const pid_t pid = fork();
  must(pid >= 0, "fork");
  if (pid > 0) {
    close(ends[1]);
    return {pid, ends[0]};
  }
  close(ends[0]);
  auto* data =
      static_cast<const unsigned char*>(mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
  must(data != MAP_FAILED, "mmap");
  char byte = 0;
  while (read(ends[1], &byte, 1) == 1) {
    unsigned sum = 0;
    for (uint64_t i = 0; i < bytes; i += kPage) sum += data[i];
    byte = static_cast<char>(sum);
    must(write(ends[1], &byte, 1) == 1, "write");
  }
  _exit(0);
}

}  // namespace

Samples punch_hole(const Arguments& arguments) {
  const uint64_t bytes = arguments[0];
  const int fd = sealed_file(bytes);
  std::vector<Onlooker> onlookers;
  for (uint64_t i = 0; i < arguments[2]; ++i) onlookers.push_back(start_onlooker(fd, bytes));
  void* data = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  must(data != MAP_FAILED, "mmap");
  Samples samples;
  for (uint64_t batch = 0; batch <= arguments[1]; ++batch) {
    std::memset(data, 1, bytes);
    for (const Onlooker& onlooker : onlookers) {
      char byte = 0;
      must(write(onlooker.socket, &byte, 1) == 1 && read(onlooker.socket, &byte, 1) == 1, "onlooker");
    }
    const double start = now_ns();
    must(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, static_cast<off_t>(bytes)) == 0,
         "fallocate");
    const double took = now_ns() - start;
    if (batch > 0) samples.push_back(took);
  }
  for (const Onlooker& onlooker : onlookers) {
    shutdown(onlooker.socket, SHUT_RDWR);  // the others inherited it: closing it would not end it
    waitpid(onlooker.pid, nullptr, 0);
  }
  return samples;
}

}  // namespace floors
