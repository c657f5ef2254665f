// SPDX-License-Identifier: GPL-2.0
// What the tests of the kernel share. Each TEST runs in a process of its own and is one line of TAP.
#ifndef VRANGE_TESTS_H
#define VRANGE_TESTS_H

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#define NONVOLATILE 0
#define VOLATILE 1
#define PAGE 4096UL

#define CHECK(condition)                                                                 \
  do {                                                                                   \
    if (!(condition)) {                                                                  \
      printf("# %s:%d: not so: %s (errno %d)\n", __FILE__, __LINE__, #condition, errno); \
      fflush(stdout);                                                                    \
      _exit(1);                                                                          \
    }                                                                                    \
  } while (0)

#define SKIP(reason)                \
  do {                              \
    printf("# skip: %s\n", reason); \
    fflush(stdout);                 \
    _exit(77);                      \
  } while (0)

struct test {
  const char* name;
  void (*run)(void);
  struct test* next;
};

static struct test *first_test, **last_test = &first_test;

#define TEST(name)                                                 \
  static void name(void);                                          \
  __attribute__((constructor)) static void register_##name(void) { \
    static struct test test = {#name, name, NULL};                 \
    *last_test = &test;                                            \
    last_test = &test.next;                                        \
  }                                                                \
  static void name(void)

static inline long number_in(const char* path) {
  char text[32] = "";
  const int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return -1;
  const ssize_t n = read(fd, text, sizeof(text) - 1);
  close(fd);
  return n > 0 ? atol(text) : -1;
}

static inline bool write_text(const char* path, const char* text) {
  const int fd = open(path, O_WRONLY | O_CLOEXEC);
  if (fd < 0) return false;
  const bool done = write(fd, text, strlen(text)) == (ssize_t)strlen(text);
  const int error = errno;
  close(fd);
  errno = error;
  return done;
}

static long v11_number, v12_number;

static inline long vrange(const void* start, size_t len, int mode, int* purged) {
  return syscall(v11_number, start, len, mode, purged);
}

static inline long vrange12(const void* start, size_t len, int mode, unsigned long flags, int* purged) {
  return syscall(v12_number, start, len, mode, flags, purged);
}

// Marks all of it.
static inline void let_go(const void* start, size_t pages) {
  int purged = -1;
  CHECK(vrange(start, pages * PAGE, VOLATILE, &purged) == (long)(pages * PAGE));
  CHECK(purged == 0);
}

// Takes all of it back. Whether anything was lost.
static inline bool take_back(const void* start, size_t pages) {
  int purged = -1;
  CHECK(vrange(start, pages * PAGE, NONVOLATILE, &purged) == (long)(pages * PAGE));
  CHECK(purged == 0 || purged == 1);
  return purged;
}

static __thread sigjmp_buf bus_jump;
static __thread volatile uintptr_t bus_address;

static void on_bus(int number, siginfo_t* info, void* context) {
  (void)number;
  (void)context;
  bus_address = (uintptr_t)info->si_addr;
  siglongjmp(bus_jump, info->si_code == BUS_ADRERR ? 1 : 2);
}

// Reads a byte. Whether that was possible; otherwise it was SIGBUS with its address.
static inline bool can_read(const void* at, uint8_t* byte) {
  struct sigaction action = {.sa_sigaction = on_bus, .sa_flags = SA_SIGINFO};
  sigaction(SIGBUS, &action, NULL);
  const int code = sigsetjmp(bus_jump, 1);
  if (code == 0) {
    const uint8_t value = *(const volatile uint8_t*)at;
    if (byte) *byte = value;
    return true;
  }
  CHECK(code == 1);
  CHECK(bus_address == (uintptr_t)at);
  return false;
}

static inline bool can_write(void* at) {
  struct sigaction action = {.sa_sigaction = on_bus, .sa_flags = SA_SIGINFO};
  sigaction(SIGBUS, &action, NULL);
  if (sigsetjmp(bus_jump, 1) == 0) {
    *(volatile uint8_t*)at = 1;
    return true;
  }
  CHECK(bus_address == (uintptr_t)at);
  return false;
}

// Every page gets bytes of its own.
static inline void fill(void* start, size_t pages, unsigned seed) {
  for (size_t i = 0; i < pages; i++) memset((uint8_t*)start + i * PAGE, (int)((seed + i) % 255 + 1), PAGE);
}

enum page_state { kept, zero, lost, damaged };

// The page may be discarded while it is read.
static inline enum page_state state_of(const void* page, unsigned value) {
  const uint8_t wanted = (uint8_t)(value % 255 + 1);
  struct sigaction action = {.sa_sigaction = on_bus, .sa_flags = SA_SIGINFO};
  sigaction(SIGBUS, &action, NULL);
  if (sigsetjmp(bus_jump, 1) != 0) {
    CHECK(bus_address - (uintptr_t)page < PAGE);
    return lost;
  }
  const volatile uint8_t* bytes = page;
  const uint8_t byte = bytes[0];
  if (byte != wanted && byte != 0) return damaged;
  for (size_t i = 1; i < PAGE; i++) {
    if (bytes[i] != byte) return damaged;
  }
  return byte ? kept : zero;
}

// How many pages are in this state.
static inline size_t count(const void* start, size_t pages, unsigned seed, enum page_state state) {
  size_t n = 0;
  for (size_t i = 0; i < pages; i++)
    n += state_of((const uint8_t*)start + i * PAGE, (unsigned)(seed + i)) == state;
  return n;
}

static inline uint8_t* map_private(size_t pages) {
  void* mapped = mmap(NULL, pages * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  CHECK(mapped != MAP_FAILED);
  return mapped;
}

static inline uint8_t* filled_private(size_t pages, unsigned seed) {
  uint8_t* mapped = map_private(pages);
  fill(mapped, pages, seed);
  return mapped;
}

static inline int make_file(size_t pages) {
  const int fd = memfd_create("vrange", MFD_CLOEXEC | MFD_ALLOW_SEALING);
  CHECK(fd >= 0);
  CHECK(ftruncate(fd, (off_t)(pages * PAGE)) == 0);
  return fd;
}

static inline uint8_t* map_file(int fd, size_t pages) {
  void* mapped = mmap(NULL, pages * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  CHECK(mapped != MAP_FAILED);
  return mapped;
}

// Discards everything that is volatile.
static inline void discard_all(void) { CHECK(write_text("/proc/sys/vm/drop_caches", "2")); }

// Has the shrinker look at so many pages, of those that belong to the root cgroup or to the one with this inode number.
static inline void discard_in(ino_t cgroup, size_t pages) {
  glob_t found;
  char text[64];
  CHECK(glob("/sys/kernel/debug/shrinker/vrange-*/scan", 0, NULL, &found) == 0);
  snprintf(text, sizeof(text), "%lu 0 %zu", (unsigned long)cgroup, pages);
  CHECK(write_text(found.gl_pathv[0], text));
  globfree(&found);
}

static inline void discard(size_t pages) {
  struct stat root;
  CHECK(stat("/sys/fs/cgroup", &root) == 0);
  discard_in(root.st_ino, pages);
}

// Runs in another process. Whether all was well there.
static inline pid_t start(void (*run)(void*), void* argument) {
  fflush(stdout);
  const pid_t pid = fork();
  CHECK(pid >= 0);
  if (pid == 0) {
    // Should the test fail, nobody will tell the child to go on.
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    run(argument);
    fflush(stdout);
    _exit(0);
  }
  return pid;
}

static inline int wait_for(pid_t pid) {
  int status = -1;
  CHECK(waitpid(pid, &status, 0) == pid);
  return status;
}

static inline long number_after(const char* path, const char* name) {
  char line[256];
  long value = -1;
  FILE* file = fopen(path, "re");
  if (!file) return -1;
  const size_t length = strlen(name);
  while (fgets(line, sizeof(line), file)) {
    if (strncmp(line, name, length) == 0) value = atol(line + length);
  }
  fclose(file);
  return value;
}

// A swap device in memory, whatever it was before.
static inline void swap_on(const char* size) {
  CHECK(write_text("/sys/block/zram0/reset", "1"));
  CHECK(write_text("/sys/block/zram0/disksize", size));
  CHECK(system("mkswap /dev/zram0 >/dev/null && swapon /dev/zram0") == 0);
}

static inline long discarded_pages(void) { return number_after("/proc/vmstat", "vrange_discard "); }

int main(int argc, char** argv) {
  int failed = 0, total = 0, number = 0;
  v11_number = number_in("/proc/sys/vm/vrange_v11_nr");
  v12_number = number_in("/proc/sys/vm/vrange_v12_nr");
  if (v11_number < 0 || v12_number < 0) {
    printf("1..0 # SKIP this kernel has no vrange\n");
    return 77;
  }
  for (struct test* test = first_test; test; test = test->next) total++;
  printf("TAP version 13\n1..%d\n", total);
  for (struct test* test = first_test; test; test = test->next) {
    number++;
    if (argc > 1 && strcmp(argv[1], test->name) != 0) continue;
    fflush(stdout);
    const pid_t pid = fork();
    if (pid == 0) {
      test->run();
      fflush(stdout);
      _exit(0);
    }
    int status = -1;
    waitpid(pid, &status, 0);
    const bool skipped = WIFEXITED(status) && WEXITSTATUS(status) == 77;
    if (status != 0 && !skipped) {
      failed++;
      printf("# status %#x\n", (unsigned)status);
    }
    printf("%s %d %s%s\n", status == 0 || skipped ? "ok" : "not ok", number, test->name,
           skipped ? " # SKIP" : "");
  }
  return failed ? 1 : 0;
}

#endif  // VRANGE_TESTS_H
