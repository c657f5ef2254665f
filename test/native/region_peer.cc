// A peer in another process for tests of other languages. Usage: region_peer FD COMMAND [ARG...]
//
//   hold               pin everything, print "ready", keep it until killed
//   stop-in-purge      start a purge of everything and stop (SIGSTOP) after the units are marked, before the discard;
//                      prints "ready" first; after SIGCONT finish, print "purged N"
//   die-in-purge       the same, but die (SIGKILL) there
//   purge              print "ready", then purge everything over and over until killed
//   scribble SEED MS   write random bytes over the whole file, control area included, then print "done"
//   obey               answer requests from stdin, "NAME OFFSET LENGTH VALUE", each with a line of JSON (see obey() below)
//   layout             print where the file ends and where the unit words are
//   make-area SIZE     make FD, a fresh open of the ashmem device, an area of a foreign maker, all bytes 7
//
// The backend is that of ASHMEM_COMPAT_TEST_BACKEND.
#include <inttypes.h>

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
  RawControl control(fd);
  const uint64_t size = control.header().control_offset + control.length();
  void* p = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (p == MAP_FAILED) return 3;
  volatile uint64_t* words = static_cast<uint64_t*>(p);
  std::mt19937_64 random(seed);
  const uint64_t count = size / 8;
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

void answer_pin(Region& region, uint64_t offset, uint64_t length) {
  bool purged = false;
  std::vector<ByteRange> lost;
  const Status status = region.pin(offset, length, &purged, &lost);
  if (!status.ok()) {
    printf("%d", static_cast<int>(status.code));
    return;
  }
  printf("{\"state\":\"%s\",\"lost\":[", purged ? "purged" : "kept");
  for (size_t i = 0; i < lost.size(); ++i) {
    printf("%s{\"offset\":%" PRIu64 ",\"length\":%" PRIu64 "}", i == 0 ? "" : ",", lost[i].offset,
           lost[i].length);
  }
  printf("]}");
}

// The values that occur.
void answer_look(const unsigned char* bytes, uint64_t length) {
  bool seen[256] = {};
  for (uint64_t i = 0; i < length; ++i) seen[bytes[i]] = true;
  const char* before = "[";
  for (int value = 0; value < 256; ++value) {
    if (!seen[value]) continue;
    printf("%s%d", before, value);
    before = ",";
  }
  printf("]");
}

void answer_try_read(Region& region, uint64_t offset, uint64_t length) {
  ReadTicket ticket;
  const bool valid = region.begin_read(offset, length, &ticket).ok() && ticket.valid;
  const int byte = static_cast<unsigned char>(region.mapping()->data()[offset]);
  if (valid && region.end_read(offset, length, ticket)) {
    printf("%d", byte);
  } else {
    printf("null");
  }
}

int obey(Region& region) {
  char name[16];
  uint64_t offset = 0;
  uint64_t length = 0;
  int value = 0;
  while (scanf("%15s %" SCNu64 " %" SCNu64 " %d", name, &offset, &length, &value) == 4) {
    char* bytes = region.mapping()->data() + offset;
    const std::string request = name;
    if (request == "pin") {
      answer_pin(region, offset, length);
    } else if (request == "unpin") {
      const Code code = unpin(region, offset, length);
      code == Code::kOk ? printf("\"done\"") : printf("%d", static_cast<int>(code));
    } else if (request == "purge") {
      printf("%" PRIu64, purge(region, offset, length));
    } else if (request == "pinStatus") {
      printf(is_pinned(region, offset, length) ? "\"pinned\"" : "\"unpinned\"");
    } else if (request == "fill") {
      memset(bytes, value, length);
      printf("\"done\"");
    } else if (request == "look") {
      answer_look(reinterpret_cast<unsigned char*>(bytes), length);
    } else if (request == "tryRead") {
      answer_try_read(region, offset, length);
    }
    say("");
  }
  return 0;
}

int make_area(int fd, uint64_t size) {
  constexpr unsigned long kSetSize = _IOW(0x77, 3, size_t);
  if (ioctl(fd, kSetSize, size) != 0) return 3;
  void* p = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (p == MAP_FAILED) return 4;
  memset(p, 7, size);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) return 2;
  const int fd = atoi(argv[1]);
  const std::string command = argv[2];
  if (command == "scribble" && argc == 5)
    return scribble(fd, static_cast<unsigned>(atoi(argv[3])), atol(argv[4]));
  if (command == "make-area" && argc == 4) return make_area(fd, strtoull(argv[3], nullptr, 10));
  if (command == "layout") {
    const RawControl control(fd);
    printf("%" PRIu64 " %" PRIu64 "\n", control.header().control_offset + control.length(),
           control.header().words_offset);
    return 0;
  }
  std::unique_ptr<Region> region = attach_or_exit(fd);
  if (command == "obey") return obey(*region);
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
