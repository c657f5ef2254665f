// Real processes for tests: forked children that attach for themselves, and are stopped and killed at known points.
#pragma once

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <functional>
#include <memory>
#include <vector>

#include "core/backends/backend.h"
#include "core/backends/selector.h"
#include "core/pins/layout.h"
#include "core/pins/words.h"
#include "core/platform/page.h"
#include "core/platform/stage.h"
#include "core/platform/system_calls.h"

namespace ashmem_compat::testing {

// Words that a test and its children share, to tell each other where they are.
struct Shared {
  volatile uint64_t word[64];
};
inline Shared* shared_words() {
  void* p = mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  return static_cast<Shared*>(p);
}

inline void nap_ms(long ms) {
  timespec t{ms / 1000, ms % 1000 * 1'000'000};
  nanosleep(&t, nullptr);
}

// A child that runs `body` and exits with its result. It dies with the test.
class Child {
 public:
  explicit Child(const std::function<int()>& body) {
    fflush(nullptr);
    pid_ = fork();
    if (pid_ < 0) {
      perror("fork");
      abort();  // every other call would then be about all processes, or whichever ends next
    }
    if (pid_ == 0) {
      prctl(PR_SET_PDEATHSIG, SIGKILL);
      _exit(body());
    }
  }
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;
  ~Child() {
    if (pid_ > 0) kill_and_reap();
  }

  pid_t pid() const { return pid_; }
  void signal(int number) const { ::kill(pid_, number); }
  void kill_and_reap() {
    ::kill(pid_, SIGKILL);
    reap();
  }
  // The exit status, or minus the signal that ended it.
  int reap() {
    int status = 0;
    while (waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
    }
    pid_ = -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
  }
  // Waits until it has stopped itself (stop_here); false if it ended instead.
  bool wait_stopped() const {
    int status = 0;
    return waitpid(pid_, &status, WUNTRACED) == pid_ && WIFSTOPPED(status);
  }
  void resume() const { ::kill(pid_, SIGCONT); }

 private:
  pid_t pid_ = -1;
};

inline void stop_here() { raise(SIGSTOP); }

// What a stage hook does when its stage has come for the n-th time.
inline Stage hook_stage;
inline int hook_countdown = 0;
inline void (*hook_action)() = nullptr;
inline void at_stage(Stage stage, void (*action)(), int nth = 1) {
  hook_stage = stage;
  hook_countdown = nth;
  hook_action = action;
  stage_hook = [](Stage now) {
    if (now == hook_stage && hook_countdown > 0 && --hook_countdown == 0) hook_action();
  };
}
inline void die_here() { ::kill(getpid(), SIGKILL); }

// The backend that is tested: ASHMEM_COMPAT_TEST_BACKEND, or memfd. Where it does not work, the program ends as skipped at the first
// test that wants it.
inline const Backend& test_backend() {
  static const Backend* const chosen = [] {
    const char* asked = getenv("ASHMEM_COMPAT_TEST_BACKEND");
    const char* name = asked && *asked ? asked : "memfd";
    const Result<const Backend*> found = choose_backend(name, Scope::kShared);
    if (!found.ok()) {
      printf("skipped: no %s here: %s\n", name, found.status().detail);
      fflush(stdout);
      _exit(77);
    }
    return found.value();
  }();
  return *chosen;
}

// What is known of a backend, for tests of one of its traits.
inline bool on(const char* name) { return strcmp(test_backend().name(), name) == 0; }
// Its files are memfds: they have seals, and can be copied, cut and grown.
inline bool makes_memfds() { return on("memfd") || on("vrange"); }
// Its files are pinned with 32-bit offsets, and its sizes have a limit of its own.
inline bool pins_32_bits() { return on("ashmem"); }
// What stands in the headers of its regions.
inline uint32_t header_version() { return on("vrange") ? kVrangeVersion : kVersion; }
// It leaves what is unpinned to the kernel.
inline bool kernel_discards() { return on("ashmem") || on("vrange"); }

// Whether a memfd's file can be opened once more, which Android refuses to apps.
inline bool may_open_again(int fd) {
  char path[40];
  snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
  return Fd(open(path, O_RDONLY | O_CLOEXEC)).valid();
}

// Whether the kernel has the call and a filter lets us make it: with arguments that make it fail.
inline bool has_call(long number) {
  const Trial trial = try_call(
      [](void* call) {
        return syscall(*static_cast<long*>(call), -1, 0, 0, 0, 0, 0) < 0 && errno == ENOSYS ? ENOSYS : 0;
      },
      &number);
  return !trial.killed && trial.error == 0;
}

// From here on a discard through `fd` fails, with the errno that is returned: by a seal, which stays, or where files have
// none, because mappings that are locked are not to be punched. 0: not to be had here.
inline int refuse_discards(int fd) {
  if (makes_memfds()) {
    fcntl(fd, F_ADD_SEALS, 0x0010 /* F_SEAL_FUTURE_WRITE */);
    return EPERM;
  }
  return mlockall(MCL_CURRENT) == 0 ? EINVAL : 0;
}
inline void end_refusal() { munlockall(); }

inline std::unique_ptr<Region> make_region(uint64_t size, uint32_t max_processes = 0,
                                           uint32_t busy_ms = 1000) {
  RegionOptions options;
  options.name = "test";
  options.size = size;
  options.max_processes = max_processes;
  options.busy_timeout_ms = busy_ms;
  options.rows = getenv("ASHMEM_COMPAT_TEST_ROWS") != nullptr;
  Result<std::unique_ptr<Region>> made = test_backend().create(options);
  if (!made.ok()) {
    fprintf(stderr, "create: code %d errno %d %s\n", static_cast<int>(made.status().code),
            made.status().error, made.status().detail ? made.status().detail : "");
    abort();
  }
  return std::move(made.value());
}

inline Result<std::unique_ptr<Region>> try_attach(int fd, uint32_t busy_ms = 1000) {
  RegionOptions options;
  options.busy_timeout_ms = busy_ms;
  return test_backend().attach(Fd(fcntl(fd, F_DUPFD_CLOEXEC, 0)), options);
}

// For a child, whose failure to attach the parent sees as an exit status.
inline std::unique_ptr<Region> attach_or_exit(int fd, uint32_t busy_ms = 1000) {
  Result<std::unique_ptr<Region>> made = try_attach(fd, busy_ms);
  if (!made.ok()) {
    fprintf(stderr, "attach: code %d errno %d %s\n", static_cast<int>(made.status().code),
            made.status().error, made.status().detail ? made.status().detail : "");
    _exit(90);
  }
  return std::move(made.value());
}

inline void fill(Region& region, uint64_t offset, uint64_t length, char value) {
  memset(region.mapping()->data() + offset, value, length);
}
inline bool all(Region& region, uint64_t offset, uint64_t length, char value) {
  const char* bytes = region.mapping()->data() + offset;
  for (uint64_t i = 0; i < length; ++i) {
    if (bytes[i] != value) return false;
  }
  return true;
}

inline int open_fds() {
  int count = 0;
  for (int fd = 0; fd < 1024; ++fd) count += fcntl(fd, F_GETFD) >= 0;
  return count;
}

// Whether this user may have as many processes more: an app on Android has 32 in all.
inline bool room_for_processes(int count) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return false;
  std::vector<pid_t> children;
  while (static_cast<int>(children.size()) < count) {
    const pid_t child = fork();
    if (child < 0) break;
    if (child == 0) {
      close(ends[1]);
      char byte;
      _exit(read(ends[0], &byte, 1) == 0 ? 0 : 1);
    }
    children.push_back(child);
  }
  close(ends[1]);
  close(ends[0]);
  for (const pid_t child : children) waitpid(child, nullptr, 0);
  return static_cast<int>(children.size()) == count;
}

// Processes that attach and do nothing: `count` of them take the lowest slots.
inline std::vector<std::unique_ptr<Child>> idle_processes(int region_fd, int count) {
  std::vector<std::unique_ptr<Child>> idle;
  for (int i = 0; i < count; ++i) {
    idle.push_back(std::make_unique<Child>([region_fd] {
      std::unique_ptr<Region> region = attach_or_exit(region_fd);
      stop_here();
      return 0;
    }));
    if (!idle.back()->wait_stopped()) abort();
  }
  return idle;
}

struct Pinned {
  Code code;
  bool purged;
};
inline Pinned pin(Region& region, uint64_t offset, uint64_t length) {
  bool purged = false;
  const Status status = region.pin(offset, length, &purged, nullptr);
  return {status.code, purged};
}
inline Code unpin(Region& region, uint64_t offset, uint64_t length) {
  return region.unpin(offset, length).code;
}
inline uint64_t purge(Region& region, uint64_t offset, uint64_t length) {
  uint64_t bytes = 0;
  const Status status = region.purge(offset, length, &bytes);
  return status.ok() ? bytes : ~uint64_t{0};
}
inline bool is_pinned(Region& region, uint64_t offset, uint64_t length) {
  bool pinned = false;
  region.pinned(offset, length, &pinned);
  return pinned;
}

// Bytes in a region's file, control area and all. A device says 0 to fstat(2), and has a call of its own.
inline uint64_t file_size(int fd) {
  const int area = ioctl(fd, _IO(0x77, 4) /* ASHMEM_GET_SIZE */, 0);
  return static_cast<uint64_t>(area > 0 ? area : lseek(fd, 0, SEEK_END));
}

// The control area of a region as a peer that plays by no rules sees it. Mapped and not read, as devices may know no read.
class RawControl {
 public:
  explicit RawControl(int fd) {
    const uint64_t end = file_size(fd);
    const uint64_t page = kernel_page_size();
    const uint64_t last = (end - 1) / page * page;
    void* p = mmap(nullptr, page, PROT_READ, MAP_SHARED, fd, static_cast<off_t>(last));
    if (p == MAP_FAILED) abort();
    memcpy(&header_, static_cast<char*>(p) + (end - kHeaderSize - last), sizeof header_);
    munmap(p, page);
    length_ = static_cast<size_t>(end - header_.control_offset);
    base_ = static_cast<char*>(mmap(nullptr, length_, PROT_READ | PROT_WRITE, MAP_SHARED, fd,
                                    static_cast<off_t>(header_.control_offset)));
  }
  ~RawControl() { munmap(base_, length_); }
  const Header& header() const { return header_; }
  // The one that everybody maps.
  Header* shared_header() const { return reinterpret_cast<Header*>(base_ + length_ - kHeaderSize); }
  char* base() const { return base_; }
  size_t length() const { return length_; }
  uint64_t* word(uint64_t unit) const { return at(header_.words_offset) + unit; }
  Slot* slot(uint32_t i) const { return reinterpret_cast<Slot*>(at(header_.slots_offset)) + i; }
  bool any_holder_bit(uint64_t unit) const {
    bool any = (load_acquire(word(unit)) & kHolderBits) != 0;
    const uint64_t row_words = row_words_for(header_.unit_count);
    for (uint32_t i = header_.word_slots; i < header_.slot_count; ++i) {
      const uint64_t* row = at(header_.rows_offset) + (i - header_.word_slots) * row_words;
      any |= (load_acquire(row + unit / 64) >> unit % 64 & 1) != 0;
    }
    return any;
  }
  uint64_t* namespaces() const { return at(header_.namespaces_offset); }

 private:
  uint64_t* at(uint64_t offset) const {
    return reinterpret_cast<uint64_t*>(base_ + (offset - header_.control_offset));
  }
  Header header_{};
  char* base_ = nullptr;
  size_t length_ = 0;
};

}  // namespace ashmem_compat::testing
