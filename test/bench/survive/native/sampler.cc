// Looks at memory about 5000 times a second while a run goes on, and strikes the process that reclaims, if asked.
//
// survive_sampler KIND FOLDER FDS STRIKE BYTES PID...
//   KIND    cgroup-v1, cgroup-v2 or machine; FOLDER: the cgroup's, '-' for the machine
//   FDS     how many regions it has inherited, from descriptor 3 on
//   STRIKE  none, kill or stop: what becomes of the process that reclaims, once BYTES of the regions have been freed
//   PID...  those among whom it is: the one that has used the most processor time since the sampler began
//
// Prints "ready", samples until standard input ends, and prints one line per sample that differs from the one before:
//   NANOSECONDS USED AVAILABLE KILLS RESIDENT
// NANOSECONDS of CLOCK_MONOTONIC; AVAILABLE: to the limit, with the page cache as free; KILLS: what the OOM killer has counted; RESIDENT:
// bytes that the regions have (st_blocks). Last, if it struck: "struck PID NANOSECONDS".
#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <string>
#include <vector>

#include "clock.h"

namespace {

constexpr long kPeriodNs = 200'000;
// Files that take long to read are read every so many samples.
constexpr uint64_t kSlow = 4;

// A file of the kernel's, read anew from the beginning each time.
class Text {
 public:
  explicit Text(const std::string& path) : fd_(open(path.c_str(), O_RDONLY | O_CLOEXEC)) {}
  const char* read() {
    const ssize_t got = fd_ < 0 ? -1 : pread(fd_, text_, sizeof text_ - 1, 0);
    text_[got > 0 ? got : 0] = '\0';
    return text_;
  }
  uint64_t number() { return strtoull(read(), nullptr, 10); }
  // The number after `name` and spaces at the beginning of a line of the text that was read last.
  uint64_t field(const char* name) const {
    const size_t length = strlen(name);
    for (const char* line = text_; line && *line; line = strchr(line, '\n')) {
      if (*line == '\n') ++line;
      if (strncmp(line, name, length) == 0 && strchr(" :\t", line[length])) {
        return strtoull(line + length + 1, nullptr, 10);
      }
    }
    return 0;
  }

 private:
  int fd_;
  char text_[16384];
};

struct Sample {
  uint64_t at = 0, used = 0, available = 0, kills = 0, resident = 0;
  bool same(const Sample& other) const {
    return used == other.used && available == other.available && kills == other.kills &&
           resident == other.resident;
  }
};

struct Ground {
  virtual ~Ground() = default;
  // `slow`: also what costs more.
  virtual void look(Sample* sample, bool slow) = 0;
};

struct Cgroup : Ground {
  Text usage, stat, events;
  const char* cache[2];
  uint64_t limit, cached = 0, kills = 0;
  Cgroup(const std::string& folder, bool v1)
      : usage(folder + (v1 ? "/memory.usage_in_bytes" : "/memory.current")),
        stat(folder + "/memory.stat"),
        events(folder + (v1 ? "/memory.oom_control" : "/memory.events")),
        cache{v1 ? "total_inactive_file" : "inactive_file", v1 ? "total_active_file" : "active_file"},
        limit(Text(folder + (v1 ? "/memory.limit_in_bytes" : "/memory.max")).number()) {}
  void look(Sample* sample, bool slow) override {
    if (slow) {
      stat.read();
      cached = stat.field(cache[0]) + stat.field(cache[1]);
      events.read();
      kills = events.field("oom_kill");
    }
    sample->used = usage.number();
    const uint64_t held = sample->used > cached ? sample->used - cached : 0;
    sample->available = limit > held ? limit - held : 0;
    sample->kills = kills;
  }
};

struct Machine : Ground {
  Text meminfo{"/proc/meminfo"}, vmstat{"/proc/vmstat"};
  uint64_t kills = 0;
  void look(Sample* sample, bool slow) override {
    if (slow) {
      vmstat.read();
      kills = vmstat.field("oom_kill");
    }
    meminfo.read();
    sample->available = meminfo.field("MemAvailable") << 10;
    sample->used = (meminfo.field("MemTotal") << 10) - sample->available;
    sample->kills = kills;
  }
};

uint64_t resident(int regions) {
  uint64_t bytes = 0;
  for (int fd = 3; fd < 3 + regions; ++fd) {
    struct stat info;
    if (fstat(fd, &info) == 0) bytes += static_cast<uint64_t>(info.st_blocks) * 512;
  }
  return bytes;
}

// Processor time of all threads of a process but the first, which runs JavaScript.
struct Suspect {
  pid_t pid;
  std::vector<Text> threads;
  uint64_t before = 0;
  explicit Suspect(pid_t process) : pid(process) {
    const std::string folder = "/proc/" + std::to_string(pid) + "/task";
    DIR* tasks = opendir(folder.c_str());
    for (const dirent* entry; tasks && (entry = readdir(tasks));) {
      const int thread = atoi(entry->d_name);
      if (thread > 0 && thread != pid) {
        threads.emplace_back(folder + "/" + entry->d_name + "/schedstat");
      }
    }
    if (tasks) closedir(tasks);
    before = used();
  }
  uint64_t used() {
    uint64_t sum = 0;
    for (Text& thread : threads) sum += thread.number();
    return sum;
  }
};

pid_t busiest(std::vector<Suspect>* suspects) {
  pid_t found = 0;
  uint64_t most = 0;
  for (Suspect& suspect : *suspects) {
    const uint64_t used = suspect.used() - suspect.before;
    if (used < most) continue;
    most = used;
    found = suspect.pid;
  }
  return found;
}

bool over() {
  pollfd input{0, POLLIN, 0};
  char byte;
  return poll(&input, 1, 0) > 0 && read(0, &byte, 1) <= 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 6) return 2;
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  prctl(PR_SET_TIMERSLACK, 1);
  // On time also when all processors are busy. Not allowed to everybody: then it is as late as others.
  sched_param parameter{};
  parameter.sched_priority = 1;
  sched_setscheduler(0, SCHED_FIFO, &parameter);

  const std::string kind = argv[1];
  const int regions = atoi(argv[3]);
  const std::string strike = argv[4];
  const uint64_t enough = strtoull(argv[5], nullptr, 10);
  std::vector<Suspect> suspects;
  for (int i = 6; i < argc; ++i) suspects.emplace_back(static_cast<pid_t>(atoi(argv[i])));
  Cgroup cgroup(argv[2], kind == "cgroup-v1");
  Machine machine;
  Ground& ground = kind == "machine" ? static_cast<Ground&>(machine) : cgroup;

  printf("ready\n");
  fflush(stdout);
  std::vector<Sample> samples;
  samples.reserve(1 << 20);
  uint64_t most = 0;
  pid_t struck = 0;
  uint64_t struck_at = 0;
  for (uint64_t i = 0; !over(); ++i) {
    Sample sample;
    ground.look(&sample, i % kSlow == 0);
    sample.resident = resident(regions);
    sample.at = now_ns();
    if (sample.resident > most) most = sample.resident;
    if (strike != "none" && struck == 0 && most - sample.resident > enough) {
      struck = busiest(&suspects);
      if (struck > 0) kill(struck, strike == "kill" ? SIGKILL : SIGSTOP);
      struck_at = now_ns();
    }
    if (samples.size() < samples.capacity() && (samples.empty() || !sample.same(samples.back()))) {
      samples.push_back(sample);
    }
    const timespec period{0, kPeriodNs};
    nanosleep(&period, nullptr);
  }
  for (const Sample& s : samples) {
    printf("%" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 "\n", s.at, s.used, s.available,
           s.kills, s.resident);
  }
  if (struck > 0) printf("struck %d %" PRIu64 "\n", struck, struck_at);
  return 0;
}
