// Processes that die, stop, scribble, fork and take signals inside the preload library's calls. Runs under the staged
// library, which ends the process at a given store to shared memory.
//
// Usage: preload_deaths [PART-OF-A-NAME]; SEED=N repeats a random run.

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/ashmem.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>

#include <functional>
#include <random>

#include "ashmem_compat/preload.h"
#include "native/check.h"

namespace {

const size_t kPage = static_cast<size_t>(sysconf(_SC_PAGESIZE));
constexpr unsigned kPages = 24;

long* stages_left() {
  static long* at = static_cast<long*>(dlsym(RTLD_DEFAULT, "ashmem_preload_stages_left"));
  return at;
}
int* stop_instead() {
  static int* at = static_cast<int*>(dlsym(RTLD_DEFAULT, "ashmem_preload_stop_instead"));
  return at;
}

// Past the library: what the kernel says of the file behind the area.
int true_stat(int fd, struct stat64* st) {
#ifdef SYS_fstat64
  return static_cast<int>(syscall(SYS_fstat64, fd, st));
#else
  return static_cast<int>(syscall(SYS_fstat, fd, st));
#endif
}
void* true_map(size_t length, int fd, int64_t from) {
#ifdef SYS_mmap2
  const long at = syscall(SYS_mmap2, nullptr, length, PROT_READ | PROT_WRITE, MAP_SHARED, fd, from >> 12);
#else
  const long at = syscall(SYS_mmap, nullptr, length, PROT_READ | PROT_WRITE, MAP_SHARED, fd, from);
#endif
  return reinterpret_cast<void*>(at);  // NOLINT(performance-no-int-to-ptr)
}

long range_call(int fd, unsigned long request, unsigned first, unsigned count) {
  ashmem_pin range = {static_cast<__u32>(first * kPage), static_cast<__u32>(count * kPage)};
  return ioctl(fd, request, &range);
}
long purge_oldest(int fd, unsigned long count) { return ioctl(fd, ASHMEM_COMPAT_PURGE_OLDEST, count); }

struct Area {
  int fd = open("/dev/ashmem", O_RDWR);
  char* base = nullptr;
  void map() {
    ioctl(fd, ASHMEM_SET_SIZE, kPages * kPage);
    base = static_cast<char*>(mmap(nullptr, kPages * kPage, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
  }
  ~Area() {
    if (base) munmap(base, kPages * kPage);
    close(fd);
  }
  void fill() const { memset(base, 'x', kPages * kPage); }
  bool lost(unsigned page) const { return base[page * kPage] == 0; }
};

pid_t start(const std::function<void()>& body) {
  fflush(nullptr);
  const pid_t pid = fork();
  if (pid == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    body();
    _exit(0);
  }
  return pid;
}
int finish(pid_t pid) {
  int status = 0;
  while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  return status;
}

// Every call still answers, with something that the driver could answer.
void check_answers(const Area& area) {
  char name[ASHMEM_NAME_LEN];
  CHECK_EQ(ioctl(area.fd, ASHMEM_GET_NAME, name), 0);
  CHECK_EQ(std::string(name), std::string("first"));
  CHECK_EQ(ioctl(area.fd, ASHMEM_GET_PROT_MASK), 7);
  for (unsigned u = 0; u < kPages; ++u) {
    const long status = range_call(area.fd, ASHMEM_GET_PIN_STATUS, u, 1);
    CHECK(status == ASHMEM_IS_PINNED || status == ASHMEM_IS_UNPINNED);
  }
}

// A page that is gone is told of, unless it lies where a dead PIN may have been told.
void check_no_silent_loss(const Area& area, const std::function<bool(unsigned)>& told) {
  for (unsigned u = 0; u < kPages; ++u) {
    const bool lost = area.lost(u);
    const long answer = range_call(area.fd, ASHMEM_PIN, u, 1);
    CHECK(answer == ASHMEM_NOT_PURGED || answer == ASHMEM_WAS_PURGED);
    if (lost && answer != ASHMEM_WAS_PURGED && !told(u)) {
      check::fail(__FILE__, __LINE__, "page " + std::to_string(u) + " was lost in silence");
    }
  }
}

struct Step {
  const char* name;
  void (*before)(const Area&);
  void (*call)(const Area&);
  unsigned told_first = 0, told_count = 0;
};

void unpin_three(const Area& a) {
  range_call(a.fd, ASHMEM_UNPIN, 2, 6);
  range_call(a.fd, ASHMEM_UNPIN, 10, 6);
  purge_oldest(a.fd, 1);  // the first of them
  range_call(a.fd, ASHMEM_UNPIN, 18, 3);
}

const Step kSteps[] = {
    {"pin around", unpin_three, [](const Area& a) { range_call(a.fd, ASHMEM_PIN, 0, kPages); }, 0, kPages},
    {"pin inside", unpin_three, [](const Area& a) { range_call(a.fd, ASHMEM_PIN, 12, 2); }, 12, 2},
    {"pin inside purged", unpin_three, [](const Area& a) { range_call(a.fd, ASHMEM_PIN, 4, 2); }, 4, 2},
    {"unpin new", unpin_three, [](const Area& a) { range_call(a.fd, ASHMEM_UNPIN, 21, 3); }},
    {"unpin that merges", unpin_three, [](const Area& a) { range_call(a.fd, ASHMEM_UNPIN, 6, 6); }},
    {"unpin around", unpin_three, [](const Area& a) { range_call(a.fd, ASHMEM_UNPIN, 0, 0); }},
    {"unpin of nothing", unpin_three, [](const Area& a) { range_call(a.fd, ASHMEM_UNPIN, kPages, 0); }},
    {"purge one", unpin_three, [](const Area& a) { purge_oldest(a.fd, 1); }},
    {"purge all", unpin_three, [](const Area& a) { purge_oldest(a.fd, ~0ul); }},
    {"read", unpin_three,
     [](const Area& a) {
       char byte = 0;
       if (read(a.fd, &byte, 1) != 1) _exit(1);
     }},
};

}  // namespace

TEST(a_process_may_die_before_any_store) {
  REQUIRE(stages_left());
  for (const Step& step : kSteps) {
    int deaths = 0;
    for (long nth = 1;; ++nth) {
      Area area;
      ioctl(area.fd, ASHMEM_SET_NAME, "first");
      area.map();
      REQUIRE(area.base != MAP_FAILED);
      area.fill();
      step.before(area);
      const int status = finish(start([&] {
        *stages_left() = nth;
        step.call(area);
      }));
      check_answers(area);
      check_no_silent_loss(
          area, [&](unsigned u) { return u >= step.told_first && u < step.told_first + step.told_count; });
      if (WIFEXITED(status)) break;
      REQUIRE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
      ++deaths;
    }
    if (deaths == 0) check::fail(__FILE__, __LINE__, std::string(step.name) + ": no store to die before");
  }
}

TEST(a_name_is_the_old_one_or_the_new_one) {
  for (long nth = 1;; ++nth) {
    Area area;
    ioctl(area.fd, ASHMEM_SET_NAME, "first");
    const int status = finish(start([&] {
      *stages_left() = nth;
      ioctl(area.fd, ASHMEM_SET_NAME, "second and longer");
    }));
    char name[ASHMEM_NAME_LEN] = "";
    CHECK_EQ(ioctl(area.fd, ASHMEM_GET_NAME, name), 0);
    CHECK_EQ(std::string(name), std::string(WIFEXITED(status) ? "second and longer" : "first"));
    if (WIFEXITED(status)) break;
  }
}

TEST(a_first_mmap_that_dies_leaves_an_area_to_map) {
  for (long nth = 1;; ++nth) {
    Area area;
    const int status = finish(start([&] {
      *stages_left() = nth;
      Area same = area;
      same.map();
      same.base = nullptr;
    }));
    ioctl(area.fd, ASHMEM_SET_SIZE, kPages * kPage);
    area.map();
    CHECK(area.base != MAP_FAILED);
    area.fill();
    CHECK_EQ(range_call(area.fd, ASHMEM_GET_PIN_STATUS, 0, 0), ASHMEM_IS_PINNED);
    if (WIFEXITED(status)) break;
  }
}

// Three workers pin, unpin and purge one area at random, and are killed at random.
TEST(workers_killed_at_random_lose_nothing_in_silence) {
  struct Worker {
    uint32_t in_call, first, count;
  };
  struct Shared {
    Worker workers[3];
    uint8_t told[kPages];
  };
  auto* shared = static_cast<Shared*>(
      mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
  const char* given = getenv("SEED");
  const unsigned seed = given ? static_cast<unsigned>(atoi(given)) : static_cast<unsigned>(time(nullptr));
  printf("        seed %u\n", seed);
  std::mt19937 random(seed);
  int inside = 0;
  int losses = 0;
  for (int round = 0; round < 150 && check::failures == 0; ++round) {
    memset(shared, 0, sizeof *shared);
    Area area;
    ioctl(area.fd, ASHMEM_SET_NAME, "first");
    area.map();
    area.fill();
    pid_t pids[3];
    for (int w = 0; w < 3; ++w) {
      const uint32_t own_seed = random();
      pids[w] = start([&, w] {
        std::mt19937 own(own_seed);
        Worker& me = shared->workers[w];
        for (;;) {
          const unsigned first = own() % kPages;
          const unsigned count = 1 + own() % (kPages - first);
          const unsigned what = own() % 5;
          __atomic_store_n(&me.first, first, __ATOMIC_RELAXED);
          __atomic_store_n(&me.count, what < 2 ? count : 0, __ATOMIC_RELAXED);
          __atomic_store_n(&me.in_call, 1, __ATOMIC_SEQ_CST);
          if (what < 2) {
            const long answer = range_call(area.fd, ASHMEM_PIN, first, count);
            if (answer < 0) _exit(100 + errno);
            if (answer == ASHMEM_WAS_PURGED) {
              for (unsigned u = first; u < first + count; ++u)
                __atomic_store_n(&shared->told[u], 1, __ATOMIC_RELAXED);
            }
          } else if (what < 4) {
            if (range_call(area.fd, ASHMEM_UNPIN, first, count) != 0) _exit(100 + errno);
          } else if (purge_oldest(area.fd, 1 + own() % 2) < 0) {
            _exit(100 + errno);
          }
          __atomic_store_n(&me.in_call, 0, __ATOMIC_SEQ_CST);
        }
      });
    }
    for (pid_t pid : pids) {
      const timespec nap = {0, static_cast<long>(random() % 3'000'000)};
      nanosleep(&nap, nullptr);
      kill(pid, SIGKILL);
      const int status = finish(pid);
      if (WIFEXITED(status)) {
        check::fail(__FILE__, __LINE__,
                    std::string("a call failed in a worker: ") + strerror(WEXITSTATUS(status) - 100));
      }
    }
    for (const Worker& worker : shared->workers) inside += worker.in_call != 0;
    for (unsigned u = 0; u < kPages; ++u) losses += area.lost(u);
    check_answers(area);
    check_no_silent_loss(area, [&](unsigned u) {
      for (const Worker& worker : shared->workers) {
        if (worker.in_call != 0 && u >= worker.first && u < worker.first + worker.count) return true;
      }
      return shared->told[u] != 0;
    });
  }
  printf("        %d deaths inside a call, %d pages lost\n", inside, losses);
  CHECK(inside > 50);
  CHECK(losses > 100);
}

TEST(a_stopped_process_delays_others_for_a_bounded_time) {
  Area area;
  area.map();
  const pid_t pid = start([&] {
    *stop_instead() = 1;
    *stages_left() = 2;
    range_call(area.fd, ASHMEM_UNPIN, 0, 4);
  });
  int status = 0;
  REQUIRE(waitpid(pid, &status, WUNTRACED) == pid && WIFSTOPPED(status));
  errno = 0;
  CHECK_EQ(range_call(area.fd, ASHMEM_PIN, 0, 0), -1L);
  CHECK_EQ(errno, EBUSY);
  kill(pid, SIGCONT);
  CHECK(WIFEXITED(finish(pid)));
  CHECK_EQ(range_call(area.fd, ASHMEM_GET_PIN_STATUS, 0, 4), ASHMEM_IS_UNPINNED);
}

// A peer that has the fd writes random words over the whole state.
TEST(a_scribbler_can_only_spoil_the_answers) {
  Area area;
  area.map();
  struct stat64 st;
  REQUIRE(true_stat(area.fd, &st) == 0);
  const size_t length = 64 << 10;
  const int64_t state = st.st_size - static_cast<int64_t>(kPage + (uint64_t{1} << 32) / kPage * 8);
  const pid_t pid = start([&] {
    auto* words = static_cast<uint64_t*>(true_map(length, area.fd, state));
    if (words == MAP_FAILED) _exit(1);
    std::mt19937_64 random(7);
    for (;;) {
      const uint64_t at = random() % (length / 8);
      words[at == 0 ? 1 : at % 3 == 0 ? at % 12 + 1 : at] = random() >> (random() % 64);
    }
  });
  char name[ASHMEM_NAME_LEN];
  char bytes[64];
  for (int i = 0; i < 3000; ++i) {
    const unsigned u = static_cast<unsigned>(i) % kPages;
    range_call(area.fd, ASHMEM_PIN, u, 1);
    range_call(area.fd, ASHMEM_UNPIN, u, 1);
    range_call(area.fd, ASHMEM_GET_PIN_STATUS, u, 0);
    ioctl(area.fd, ASHMEM_GET_NAME, name);
    ioctl(area.fd, ASHMEM_GET_SIZE);
    if (i % 50 == 0) purge_oldest(area.fd, 3);
    if (read(area.fd, bytes, sizeof bytes) > static_cast<ssize_t>(sizeof bytes)) CHECK(false);
    lseek(area.fd, 1, SEEK_CUR);
    void* map = mmap(nullptr, kPage, PROT_READ, MAP_SHARED, area.fd, static_cast<off_t>(u * kPage));
    if (map != MAP_FAILED) munmap(map, kPage);
  }
  int status = 0;
  CHECK_EQ(waitpid(pid, &status, WNOHANG), 0);  // it was at work all the time
  kill(pid, SIGKILL);
  finish(pid);
}

TEST(threads_forks_and_handlers_do_not_meet_in_a_lock) {
  static Area area;
  area.map();
  static volatile bool stop = false;
  static long calls = 0;
  pthread_t threads[2];
  for (pthread_t& thread : threads) {
    pthread_create(
        &thread, nullptr,
        [](void*) -> void* {
          while (!stop) {
            range_call(area.fd, ASHMEM_UNPIN, 3, 5);
            range_call(area.fd, ASHMEM_PIN, 3, 5);
            __atomic_add_fetch(&calls, 2, __ATOMIC_RELAXED);
          }
          return nullptr;
        },
        nullptr);
  }
  struct sigaction action = {};
  action.sa_handler = [](int) { range_call(area.fd, ASHMEM_GET_PIN_STATUS, 0, 0); };
  action.sa_flags = SA_RESTART;
  sigaction(SIGALRM, &action, nullptr);
  const itimerval often = {{0, 500}, {0, 500}};
  setitimer(ITIMER_REAL, &often, nullptr);
  int open_before = 0;
  for (int i = 0; i < 200; ++i) {
    const int status = finish(start([&] {
      if (range_call(area.fd, ASHMEM_UNPIN, 10, 2) != 0) _exit(1);
      // Nothing of the library's own was inherited: only the area, the standard three, and what the test runner left.
      int fds = 0;
      for (int fd = 0; fd < 64; ++fd) fds += fcntl(fd, F_GETFD) >= 0;
      _exit(fds + 10);
    }));
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) >= 10);
    if (i == 0) open_before = WEXITSTATUS(status);
    CHECK_EQ(WEXITSTATUS(status), open_before);
  }
  const itimerval never = {};
  setitimer(ITIMER_REAL, &never, nullptr);
  stop = true;
  for (pthread_t thread : threads) pthread_join(thread, nullptr);
  CHECK(calls > 100);
}

// A child of vfork runs in our memory, and dies in it.
TEST(a_child_of_vfork_that_dies_inside_leaves_no_lock) {
  Area area;
  area.map();
  const pid_t pid = vfork();
  if (pid == 0) {
    *stages_left() = 2;
    range_call(area.fd, ASHMEM_UNPIN, 0, 4);
    _exit(0);
  }
  *stages_left() = 0;
  CHECK(WIFSIGNALED(finish(pid)));
  errno = 0;
  CHECK_EQ(range_call(area.fd, ASHMEM_PIN, 0, 0), ASHMEM_NOT_PURGED);
  CHECK_EQ(errno, 0);
}
