// A peer in another process for tests of other languages. Usage: region_peer FD COMMAND [ARG...]
//
//   hold               pin everything, print "ready", keep it until killed
//   stop-in-purge      start a purge of everything and stop (SIGSTOP) after the units are marked, before the discard;
//                      prints "ready" first; after SIGCONT finish, print "purged N"
//   die-in-purge       the same, but die (SIGKILL) there
//   purge              print "ready", then purge everything over and over until killed
//   scribble SEED MS   write random bytes over the whole file, control area included, then print "done"
#include <random>

#include "native/processes.h"

using namespace ashmem_compat;
using namespace ashmem_compat::testing;

namespace {

void say(const char* what) {
  printf("%s\n", what);
  fflush(stdout);
}

int scribble(int fd, unsigned seed, long ms) {
  const off_t size = lseek(fd, 0, SEEK_END);
  void* p = mmap(nullptr, static_cast<size_t>(size), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (p == MAP_FAILED) return 3;
  volatile uint64_t* words = static_cast<uint64_t*>(p);
  std::mt19937_64 random(seed);
  const uint64_t count = static_cast<uint64_t>(size) / 8;
  RawControl control(fd);
  const uint64_t control_word = control.header().control_offset / 8;
  for (long waited = 0; waited < ms; ++waited) {
    for (int i = 0; i < 2000; ++i) {
      // Half of the writes go to the control area, which is small beside the data.
      const uint64_t at = i & 1 ? random() % count : control_word + random() % (count - control_word);
      words[at] = random();
    }
    nap_ms(1);
  }
  say("done");
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) return 2;
  const int fd = atoi(argv[1]);
  const std::string command = argv[2];
  if (command == "scribble" && argc == 5)
    return scribble(fd, static_cast<unsigned>(atoi(argv[3])), atol(argv[4]));
  std::unique_ptr<Region> region = attach_or_exit(fd);
  if (command == "hold") {
    if (pin(*region, 0, region->size()).code != Code::kOk) return 4;
    say("ready");
    for (;;) pause();
  }
  if (command == "stop-in-purge" || command == "die-in-purge") {
    at_stage(Stage::kMarked, command[0] == 's' ? stop_here : die_here);
    say("ready");
    const uint64_t bytes = purge(*region, 0, region->size());
    printf("purged %llu\n", static_cast<unsigned long long>(bytes));
    return 0;
  }
  if (command == "purge") {
    say("ready");
    for (;;) purge(*region, 0, region->size());
  }
  return 2;
}
