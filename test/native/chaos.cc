// Chaos: processes pin, write, verify, unpin, purge, attach, close, and die anywhere; every byte that was promised is checked.
//
// Usage: chaos REGION_FD LEDGER_FD WORKERS SECONDS SEED [IDLE [drop]]
//
// Both fds are regions (docs/protocol.md). The one is the victim. The other, which nobody ever unpins, is the ledger: 64 words
// of 32 bits of counters, then 4 words for each unit of the victim:
//   [0] pid of the process that may write the unit and its entry, or 0   [1] 1 if the unit's content is known   [2] its seed
// A worker that dies inside a write leaves [1] at 0, and whoever starts the workers clears its locks, so that what is known stays
// true whoever dies. Prints "deaths D operations O violations V busy B".
//
// IDLE processes attach first and do nothing, so that with 59 of them the workers' bits are in rows.
//
// With `drop`, one process more makes the kernel discard what is unpinned, at random times: it writes to /proc/sys/vm/drop_caches.
//
// Kills come from the driver at random times, and from the workers themselves at random stages inside an operation; others are
// stopped and continued. The same seed makes the same choices; what the scheduler makes of them differs.
#include <sys/stat.h>

#include <random>
#include <string>
#include <vector>

#include "core/platform/atomics.h"
#include "native/processes.h"

using namespace ashmem_compat;
using namespace ashmem_compat::testing;

namespace {

enum Counter {
  kOperations = 0,
  kViolations = 1,
  kBusy = 2,
  kStop = 3,
  kTold = 4,
  kChecked = 5,
  kCounters = 64
};

struct Ledger {
  uint32_t* words;
  uint32_t* entry(uint64_t unit) const { return words + kCounters + unit * 4; }
  void count(Counter which, uint32_t by = 1) const {
    __atomic_fetch_add(words + which, by, __ATOMIC_RELAXED);
  }
  bool stopping() const { return __atomic_load_n(words + kStop, __ATOMIC_RELAXED) != 0; }
};

uint32_t pattern(uint32_t seed, uint64_t unit, uint32_t i) {
  return seed ^ (i * 0x9E3779B1u) ^ (static_cast<uint32_t>(unit) * 0x85EBCA6Bu);
}

class Worker {
 public:
  Worker(int region_fd, const Ledger& ledger, uint32_t seed)
      : fd_(region_fd),
        ledger_(ledger),
        control_(region_fd),
        random_(seed),
        me_(static_cast<uint32_t>(getpid())) {}

  int run() {
    alarm(120);  // a hang is a failure, not a long run
    attach();
    if (random_() % 4 == 0) {
      // Die by one's own hand, somewhere inside an operation to come.
      constexpr unsigned kStages = static_cast<unsigned>(Stage::kKernelUnpinned) + 1;
      at_stage(static_cast<Stage>(random_() % kStages), die_here, 1 + static_cast<int>(random_() % 40));
    }
    while (!ledger_.stopping()) {
      step();
      ledger_.count(kOperations);
    }
    return 0;
  }

 private:
  uint64_t units() const { return control_.header().unit_count; }
  uint64_t unit_bytes() const { return control_.header().granularity; }
  uint32_t* content(uint64_t unit) const {
    return reinterpret_cast<uint32_t*>(region_->mapping()->data() + unit * unit_bytes());
  }
  bool has_rows() const { return control_.header().slot_count > control_.header().word_slots; }
  UnitState state(uint64_t unit) const { return state_of(load_acquire(control_.word(unit))); }

  void attach() {
    for (;;) {
      Result<std::unique_ptr<Region>> made = try_attach(fd_, 5);
      if (made.ok()) {
        region_ = std::move(made.value());
        return;
      }
      if (made.status().code != Code::kRegionBusy)
        violation("attach", 0, static_cast<uint32_t>(made.status().code));
      nap_ms(1);
    }
  }

  void violation(const char* what, uint64_t unit, uint32_t detail) {
    fprintf(stderr, "VIOLATION %s, unit %llu, word %016llx, detail %u, pid %u\n", what,
            static_cast<unsigned long long>(unit), static_cast<unsigned long long>(*control_.word(unit)),
            detail, me_);
    ledger_.count(kViolations);
  }

  bool lock(uint64_t unit, bool patiently) {
    for (;;) {
      uint32_t nobody = 0;
      if (cas_acq_rel(ledger_.entry(unit), nobody, me_)) return true;
      if (!patiently) return false;
      timespec t{0, 50'000};
      nanosleep(&t, nullptr);
    }
  }
  void unlock(uint64_t unit) { store_release(ledger_.entry(unit), 0u); }

  void write(uint64_t unit) {
    uint32_t* entry = ledger_.entry(unit);
    __atomic_store_n(entry + 1, 0u, __ATOMIC_SEQ_CST);
    const uint32_t seed = static_cast<uint32_t>(random_());
    uint32_t* words = content(unit);
    for (uint32_t i = 0; i < unit_bytes() / 4; ++i) words[i] = pattern(seed, unit, i);
    entry[2] = seed;
    __atomic_store_n(entry + 1, 1u, __ATOMIC_SEQ_CST);
  }
  // The unit's content is what the ledger says. The caller has the lock.
  bool intact(uint64_t unit) {
    const uint32_t seed = ledger_.entry(unit)[2];
    const uint32_t* words = content(unit);
    for (uint32_t i = 0; i < unit_bytes() / 4; ++i) {
      if (words[i] != pattern(seed, unit, i)) return false;
    }
    ledger_.count(kChecked);
    return true;
  }
  bool known(uint64_t unit) { return load_acquire(ledger_.entry(unit) + 1) == 1; }

  void step() {
    const uint64_t first = random_() % units();
    const uint64_t left = units() - first;
    const uint64_t count = 1 + random_() % (left < 4 ? left : 4);
    switch (random_() % 16) {
      case 0: attach(); return;  // closes the old object with all it holds
      case 1:
      case 2: {
        uint64_t bytes = 0;
        const Status status = region_->purge(first * unit_bytes(), left * unit_bytes(), &bytes);
        if (!status.ok()) violation("purge", first, static_cast<uint32_t>(status.code));
        return;
      }
      case 3: look(first); return;
      case 4: {
        bool pinned = false;
        region_->pinned(first * unit_bytes(), count * unit_bytes(), &pinned);
        return;
      }
      default: use(first, count);
    }
  }

  void use(uint64_t first, uint64_t count) {
    bool purged = false;
    std::vector<ByteRange> lost;
    const Status status = region_->pin(first * unit_bytes(), count * unit_bytes(), &purged, &lost);
    if (status.code == Code::kRegionBusy) {
      ledger_.count(kBusy);
      return;
    }
    if (!status.ok()) violation("pin", first, static_cast<uint32_t>(status.code));
    for (uint64_t unit = first; unit < first + count; ++unit) {
      bool told = false;
      for (const ByteRange& range : lost) {
        told |= unit * unit_bytes() >= range.offset && unit * unit_bytes() < range.offset + range.length;
      }
      if (told) ledger_.count(kTold);
      // Where there are rows a purger marks first and looks then, and steps back.
      if (state(unit) == UnitState::kPurging && !has_rows()) {
        violation("a held unit is being purged", unit, 0);
      }
      if (!lock(unit, told)) continue;
      // While another process that was told is still refilling, the content is that one's promise, not the unit's.
      const bool promised = !told && known(unit) && state(unit) == UnitState::kReady;
      if (promised && !intact(unit)) violation("kept but lost", unit, 0);
      const bool writes = told || !known(unit) || random_() % 2 == 0;
      if (writes) write(unit);
      if (random_() % 8 == 0) {
        timespec t{0, static_cast<long>(random_() % 300'000)};
        nanosleep(&t, nullptr);
      }
      if ((promised || writes) && !intact(unit)) violation("lost while held", unit, 0);
      unlock(unit);
    }
    if (random_() % 16 == 0) return;  // leaves it pinned, for a death or a close to clean up
    if (!region_->unpin(first * unit_bytes(), count * unit_bytes()).ok()) violation("unpin", first, 0);
  }

  // An optimistic reader: what it is told is whole must be so.
  void look(uint64_t unit) {
    if (!lock(unit, false)) return;
    ReadTicket ticket;
    const bool was_known = known(unit) && state(unit) == UnitState::kReady;
    region_->begin_read(unit * unit_bytes(), unit_bytes(), &ticket);
    const bool good = intact(unit);
    if (region_->end_read(unit * unit_bytes(), unit_bytes(), ticket) && was_known &&
        state(unit) == UnitState::kReady && !good) {
      violation("read as whole but lost", unit, 0);
    }
    unlock(unit);
  }

  int fd_;
  Ledger ledger_;
  RawControl control_;
  std::mt19937 random_;
  uint32_t me_;
  std::unique_ptr<Region> region_;
};

// Makes the kernel run its shrinkers, ever again. A list of a few pages is too short for them to look at, so that ashmem's gets a long
// one besides, of a region that is discarded with the others.
[[noreturn]] void drop_caches(uint32_t seed) {
  std::mt19937 random(seed);
  RegionOptions options;
  options.name = "chaos-ballast";
  options.size = 16u << 20;
  options.granularity = options.size;
  const auto ballast = test_backend().create(options);
  if (!ballast.ok()) _exit(5);
  for (;;) {
    ballast.value()->mapping()->data()[0] = 1;
    unpin(*ballast.value(), 0, options.size);
    // Opened anew each time: the shrinkers may have to run twice, and each write is one run.
    for (unsigned i = 1 + random() % 3; i > 0; --i) {
      Fd file(open("/proc/sys/vm/drop_caches", O_WRONLY));
      if (write(file.get(), "2", 1) != 1) _exit(6);
    }
    pin(*ballast.value(), 0, options.size);
    timespec t{0, static_cast<long>(random() % 20'000'000)};
    nanosleep(&t, nullptr);
  }
}

// Cleans up after a dead worker before its pid can belong to somebody else.
void clear_locks(const Ledger& ledger, uint64_t units, pid_t pid) {
  for (uint64_t unit = 0; unit < units; ++unit) {
    uint32_t owner = static_cast<uint32_t>(pid);
    cas_acq_rel(ledger.entry(unit), owner, 0u);
  }
}

uint64_t now_ms() {
  timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return static_cast<uint64_t>(t.tv_sec) * 1000 + static_cast<uint64_t>(t.tv_nsec) / 1'000'000;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 6 || argc > 8 || (argc == 8 && strcmp(argv[7], "drop") != 0)) {
    fprintf(stderr, "usage: chaos REGION_FD LEDGER_FD WORKERS SECONDS SEED [IDLE [drop]]\n");
    return 2;
  }
  const int region_fd = atoi(argv[1]);
  const int ledger_fd = atoi(argv[2]);
  const unsigned workers = static_cast<unsigned>(atoi(argv[3]));
  const uint64_t end = now_ms() + static_cast<uint64_t>(atof(argv[4]) * 1000);
  const uint32_t seed = static_cast<uint32_t>(strtoul(argv[5], nullptr, 10));
  RawControl control(region_fd);
  const uint64_t units = control.header().unit_count;
  const size_t ledger_bytes = (kCounters + units * 4) * sizeof(uint32_t);
  void* p = mmap(nullptr, ledger_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, ledger_fd, 0);
  if (p == MAP_FAILED) return 3;
  const Ledger ledger{static_cast<uint32_t*>(p)};

  std::mt19937 random(seed);
  std::vector<pid_t> pids(workers, 0);
  const auto start = [&](unsigned i) {
    const uint32_t worker_seed = static_cast<uint32_t>(random());
    fflush(nullptr);
    pids[i] = fork();
    if (pids[i] == 0) {
      prctl(PR_SET_PDEATHSIG, SIGKILL);
      _exit(Worker(region_fd, ledger, worker_seed).run());
    }
  };
  const auto idle = idle_processes(region_fd, argc >= 7 ? atoi(argv[6]) : 0);
  std::unique_ptr<Child> dropper;
  if (argc == 8) {
    const uint32_t dropper_seed = static_cast<uint32_t>(random());
    dropper = std::make_unique<Child>([&]() -> int { drop_caches(dropper_seed); });
  }
  for (unsigned i = 0; i < workers; ++i) start(i);

  uint64_t deaths = 0;
  uint64_t failures = 0;
  unsigned running = workers;
  while (running > 0) {
    siginfo_t info{};
    while (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid != 0) {
      clear_locks(ledger, units, info.si_pid);
      int status = 0;
      waitpid(info.si_pid, &status, 0);
      const bool killed = WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
      const bool finished = WIFEXITED(status) && WEXITSTATUS(status) == 0;
      if (killed) ++deaths;
      if (!killed && !finished) {
        fprintf(stderr, "VIOLATION a worker ended with status %d\n", status);
        ++failures;
      }
      for (unsigned i = 0; i < workers; ++i) {
        if (pids[i] != info.si_pid) continue;
        pids[i] = 0;
        if (now_ms() < end) {
          start(i);
        } else {
          --running;
        }
      }
      info.si_pid = 0;
    }
    if (now_ms() >= end) {
      store_release(ledger.words + kStop, 1u);
      for (pid_t pid : pids) {
        if (pid > 0) kill(pid, SIGCONT);
      }
    } else {
      const pid_t victim = pids[random() % workers];
      if (victim > 0) kill(victim, random() % 3 == 0 ? SIGSTOP : random() % 2 ? SIGKILL : SIGCONT);
      const pid_t other = pids[random() % workers];
      if (other > 0) kill(other, SIGCONT);
    }
    timespec t{0, static_cast<long>(random() % 3'000'000)};
    nanosleep(&t, nullptr);
  }
  printf("deaths %llu operations %u violations %llu busy %u told %u checked %u\n",
         static_cast<unsigned long long>(deaths), ledger.words[kOperations],
         static_cast<unsigned long long>(ledger.words[kViolations] + failures), ledger.words[kBusy],
         ledger.words[kTold], ledger.words[kChecked]);
  return ledger.words[kViolations] + failures == 0 ? 0 : 1;
}
