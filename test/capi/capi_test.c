/* The C API: what each function returns, and to whom pins belong. Usage: capi_test [PART-OF-A-NAME] */
#include <android/sharedmem.h>
#include <cutils/ashmem.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fd_message.h"

static int failures;

#define CHECK(condition)                                                                          \
  do {                                                                                            \
    if (!(condition)) {                                                                           \
      failures++;                                                                                 \
      fprintf(stderr, "%s:%d: not true: %s (errno %d)\n", __FILE__, __LINE__, #condition, errno); \
    }                                                                                             \
  } while (0)

#define CHECK_ERROR(call, error)                                                                          \
  do {                                                                                                    \
    long got_;                                                                                            \
    errno = 0;                                                                                            \
    got_ = (long)(call);                                                                                  \
    if (got_ != -1 || errno != (error)) {                                                                 \
      failures++;                                                                                         \
      fprintf(stderr, "%s:%d: %s is %ld, errno %d, expected errno %d\n", __FILE__, __LINE__, #call, got_, \
              errno, (error));                                                                            \
    }                                                                                                     \
  } while (0)

static size_t page;

static char* map(int fd, size_t bytes) {
  void* base = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (base == MAP_FAILED) {
    perror("mmap");
    exit(1);
  }
  return base;
}

/* A child that runs `body(argument)`: its exit status, or minus the signal that ended it. */
static pid_t start(int (*body)(void*), void* argument) {
  pid_t pid;
  fflush(NULL);
  pid = fork();
  if (pid == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    alarm(60);
    failures = 0;
    _exit(body(argument) + (failures != 0));
  }
  return pid;
}
static int finish(pid_t pid) {
  int status = 0;
  while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

static int count_fds(void) {
  int count = 0;
  DIR* folder = opendir("/proc/self/fd");
  while (readdir(folder)) count++;
  closedir(folder);
  return count;
}

static size_t mapped_bytes(void) {
  size_t pages = 0;
  FILE* file = fopen("/proc/self/statm", "r");
  if (!file || fscanf(file, "%zu", &pages) != 1) pages = 0;
  if (file) fclose(file);
  return pages * page;
}

static void test_create(void) {
  int fd = ashmem_create_region("hello", 3 * page + 10), i;
  char* base = map(fd, 4 * page);
  CHECK(fd >= 0);
  CHECK(fcntl(fd, F_GETFD) == FD_CLOEXEC);
  CHECK(ashmem_valid(fd) == 1);
  CHECK(ashmem_get_size_region(fd) == (int)(3 * page + 10));
  CHECK(ASharedMemory_getSize(fd) == 3 * page + 10);
  for (i = 0; i < (int)(3 * page + 10); i++) CHECK(base[i] == 0);
  munmap(base, 4 * page);
  close(fd);
  fd = ashmem_create_region(NULL, 1);
  CHECK(ASharedMemory_getSize(fd) == 1);
  close(fd);
  fd = ASharedMemory_create("ndk", page);
  CHECK(ashmem_get_size_region(fd) == (int)page);
  close(fd);
  {
    char name[1000];
    memset(name, 'n', sizeof name - 1);
    name[sizeof name - 1] = 0;
    fd = ashmem_create_region(name, page);
    CHECK(ashmem_valid(fd) == 1);
    close(fd);
  }
}

static void test_refused(void) {
  int pipes[2], other = memfd_create("other", 0);
  CHECK_ERROR(ashmem_create_region("none of it", 0), EINVAL);
  CHECK(ASharedMemory_create("none of it", 0) == -EINVAL);
  CHECK(ashmem_valid(-1) == 0);
  CHECK(ashmem_valid(other) == 0);
  CHECK(ASharedMemory_getSize(other) == 0);
  CHECK_ERROR(ashmem_get_size_region(-1), EBADF);
  CHECK_ERROR(ashmem_get_size_region(1000), EBADF);
  CHECK_ERROR(ashmem_pin_region(1000, 0, 0), EBADF);
  CHECK(ftruncate(other, 8192) == 0);
  CHECK_ERROR(ashmem_get_size_region(other), ENOTTY);
  CHECK_ERROR(ashmem_pin_region(other, 0, 0), ENOTTY);
  CHECK_ERROR(ashmem_unpin_region(other, 0, 0), ENOTTY);
  CHECK_ERROR(ashmem_set_prot_region(other, PROT_READ), ENOTTY);
  CHECK(pipe(pipes) == 0);
  CHECK_ERROR(ashmem_get_size_region(pipes[0]), ENOTTY);
  close(pipes[0]);
  close(pipes[1]);
  close(other);
}

static void test_ranges(void) {
  int fd = ashmem_create_region("ranges", 3 * page + 10);
  errno = 99;
  CHECK(ashmem_unpin_region(fd, 0, 0) == ASHMEM_IS_UNPINNED);
  CHECK(ashmem_pin_region(fd, 0, 4 * page) == ASHMEM_NOT_PURGED);
  CHECK(ashmem_unpin_region(fd, 3 * page, page) == 0);
  CHECK(ashmem_pin_region(fd, 2 * page, 0) == 0);
  CHECK(ashmem_pin_region(fd, 4 * page, 0) == 0);
  CHECK(errno == 99);
  CHECK_ERROR(ashmem_pin_region(fd, 1, page), EINVAL);
  CHECK_ERROR(ashmem_pin_region(fd, 0, 10), EINVAL);
  CHECK_ERROR(ashmem_pin_region(fd, 0, 3 * page + 10), EINVAL);
  CHECK_ERROR(ashmem_pin_region(fd, 0, 5 * page), EINVAL);
  CHECK_ERROR(ashmem_pin_region(fd, 5 * page, 0), EINVAL);
  CHECK_ERROR(ashmem_pin_region(fd, page, (size_t)0 - page), EINVAL);
  CHECK_ERROR(ashmem_unpin_region(fd, (size_t)0 - page, page), EINVAL);
  CHECK_ERROR(ashmem_unpin_region(fd, 0, 5 * page), EINVAL);
  close(fd);
}

static void test_purge(void) {
  int fd = ashmem_create_region("purge", 4 * page);
  char* base = map(fd, 4 * page);
  memset(base, 'x', 4 * page);
  CHECK(ashmem_compat_purge_region(fd, 0, 0) == 0); /* all of it is pinned */
  CHECK(ashmem_unpin_region(fd, page, 2 * page) == 0);
  CHECK(ashmem_compat_purge_region(fd, 0, 0) == (int64_t)(2 * page));
  CHECK(base[0] == 'x' && base[page] == 0 && base[2 * page] == 0 && base[3 * page] == 'x');
  CHECK(ashmem_pin_region(fd, 0, page) == ASHMEM_NOT_PURGED);
  CHECK(ashmem_pin_region(fd, page, page) == ASHMEM_WAS_PURGED);
  CHECK(ashmem_pin_region(fd, page, page) == ASHMEM_NOT_PURGED);
  CHECK(ashmem_pin_region(fd, 0, 0) == ASHMEM_WAS_PURGED);
  CHECK(ashmem_pin_region(fd, 0, 0) == ASHMEM_NOT_PURGED);
  munmap(base, 4 * page);
  close(fd);
}

static void test_not_counted_here(void) {
  int fd = ashmem_create_region("idempotent", 2 * page), again = dup(fd);
  char* base = map(fd, 2 * page);
  memset(base, 'x', 2 * page);
  CHECK(ashmem_pin_region(fd, 0, 0) == 0);
  CHECK(ashmem_pin_region(again, 0, 0) == 0);
  CHECK(ashmem_unpin_region(again, 0, page) == 0); /* one undoes them all, by whichever fd */
  CHECK(ashmem_unpin_region(fd, 0, page) == 0);
  CHECK(ashmem_compat_purge_region(fd, 0, 0) == (int64_t)page);
  CHECK(base[0] == 0 && base[page] == 'x');
  CHECK(ashmem_pin_region(fd, 0, 0) == ASHMEM_WAS_PURGED);
  munmap(base, 2 * page);
  close(again);
  close(fd);
}

static int unpin_and_purge(void* fd) {
  /* In the child nothing is pinned by itself: the unpin has nothing to undo, the purge finds the parent's pins. */
  CHECK(ashmem_unpin_region(*(int*)fd, 0, 0) == 0);
  CHECK(ashmem_compat_purge_region(*(int*)fd, 0, 0) == (int64_t)page);
  CHECK(ashmem_pin_region(*(int*)fd, 0, 0) == ASHMEM_WAS_PURGED);
  return 0;
}

static void test_others_cannot_unpin(void) {
  int fd = ashmem_create_region("counted", 2 * page);
  char* base = map(fd, 2 * page);
  memset(base, 'x', 2 * page);
  CHECK(ashmem_unpin_region(fd, page, page) == 0);
  CHECK(finish(start(unpin_and_purge, &fd)) == 0);
  CHECK(base[0] == 'x' && base[page] == 0);
  CHECK(ashmem_pin_region(fd, 0, page) == ASHMEM_NOT_PURGED);
  CHECK(ashmem_pin_region(fd, page, page) == ASHMEM_WAS_PURGED); /* the child was told, and so are we */
  munmap(base, 2 * page);
  close(fd);
}

static int pin_and_wait(void* fds) {
  int* fd = fds;
  char byte = 'p';
  CHECK(ashmem_pin_region(fd[0], 0, page) == 0);
  CHECK(write(fd[1], &byte, 1) == 1);
  pause();
  return 0;
}

static void test_dead_hold_nothing(void) {
  int pipes[2], fds[2];
  char byte, *base;
  pid_t pid;
  fds[0] = ashmem_create_region("dead", 2 * page);
  base = map(fds[0], 2 * page);
  memset(base, 'x', 2 * page);
  CHECK(pipe(pipes) == 0);
  fds[1] = pipes[1];
  pid = start(pin_and_wait, fds);
  CHECK(read(pipes[0], &byte, 1) == 1);
  CHECK(ashmem_unpin_region(fds[0], 0, 0) == 0);
  CHECK(ashmem_compat_purge_region(fds[0], 0, 0) == (int64_t)page); /* the child has the first */
  CHECK(base[0] == 'x');
  kill(pid, SIGKILL);
  finish(pid);
  CHECK(ashmem_compat_purge_region(fds[0], 0, 0) >= (int64_t)page);
  CHECK(base[0] == 0);
  munmap(base, 2 * page);
  close(fds[0]);
  close(pipes[0]);
  close(pipes[1]);
}

/* Android refuses it to apps. */
static int may_open_again(int fd) {
  char path[40];
  int again;
  snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
  again = open(path, O_RDONLY | O_CLOEXEC);
  if (again >= 0) close(again);
  return again >= 0;
}

static void test_protect(void) {
  int fd = ashmem_create_region("protect", page), copy = dup(fd), seen = dup(fd);
  char *base = map(fd, page), *reader;
  CHECK(ashmem_valid(seen) == 1);
  CHECK(ashmem_set_prot_region(fd, PROT_READ | PROT_WRITE) == 0);
  CHECK_ERROR(ashmem_set_prot_region(fd, PROT_READ | PROT_EXEC), EINVAL); /* given up before */
  CHECK(ashmem_set_prot_region(fd, PROT_READ) == 0);
  CHECK_ERROR(ashmem_set_prot_region(fd, PROT_READ | PROT_WRITE), EINVAL);
  CHECK_ERROR(ashmem_set_prot_region(copy, PROT_READ | PROT_WRITE), EINVAL);
  CHECK(ashmem_set_prot_region(fd, PROT_READ) == 0);
  CHECK(mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) == MAP_FAILED);
  CHECK(mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_SHARED, seen, 0) == MAP_FAILED);
  CHECK(fcntl(fd, F_GETFD) == FD_CLOEXEC);
  CHECK(fcntl(seen, F_GETFD) == 0);
  memset(base, 'w', page); /* what is mapped keeps its rights */
  reader = mmap(NULL, page, PROT_READ, MAP_SHARED, fd, 0);
  CHECK(reader != MAP_FAILED && reader[0] == 'w');
  CHECK(ashmem_unpin_region(fd, 0, 0) == 0);
  if (may_open_again(fd)) {
    CHECK(ashmem_compat_purge_region(fd, 0, 0) == (int64_t)page);
    CHECK(ashmem_pin_region(fd, 0, 0) == ASHMEM_WAS_PURGED);
  } else {
    puts("         a memfd may not be opened again here, and was sealed: nobody can discard it");
  }
  close(copy);
  close(seen);
  close(fd);
}

static int read_only(void* fd) {
  CHECK(ashmem_valid(*(int*)fd) == 1);
  CHECK(ashmem_get_size_region(*(int*)fd) == (int)page);
  CHECK_ERROR(ashmem_pin_region(*(int*)fd, 0, 0), EPERM);
  CHECK_ERROR(ashmem_unpin_region(*(int*)fd, 0, 0), EPERM);
  CHECK_ERROR(ashmem_set_prot_region(*(int*)fd, PROT_READ | PROT_WRITE), EINVAL);
  CHECK(ashmem_set_prot_region(*(int*)fd, PROT_READ) == 0);
  CHECK(mmap(NULL, page, PROT_WRITE, MAP_SHARED, *(int*)fd, 0) == MAP_FAILED);
  return 0;
}

static void test_reader(void) {
  int fd = ashmem_create_region("reader", page);
  CHECK(ashmem_set_prot_region(fd, PROT_READ) == 0);
  CHECK(finish(start(read_only, &fd)) == 0);
  close(fd);
}

/* Every fd is closed: nothing of the region stays beyond the next call. */
static void test_closed(void) {
  int keeper = ashmem_create_region("keeper", page), fds, fd;
  size_t mapped;
  fd = ashmem_create_region("warm up", 64 << 20);
  close(fd);
  CHECK(ashmem_valid(keeper) == 1);
  fds = count_fds();
  mapped = mapped_bytes();
  fd = ashmem_create_region("short lived", 64 << 20);
  CHECK(count_fds() > fds);
  CHECK(mapped_bytes() >= mapped + (64 << 20));
  close(fd);
  CHECK(ashmem_valid(keeper) == 1);
  CHECK(count_fds() == fds);
  CHECK(mapped_bytes() < mapped + (1 << 20));
  close(keeper);
}

/* Another file under a number that we knew. */
static void test_number_reused(void) {
  int fd = ashmem_create_region("first", page), other, fds = count_fds();
  close(fd);
  other = open("/dev/null", O_RDWR);
  CHECK(other == fd);
  CHECK_ERROR(ashmem_get_size_region(other), ENOTTY);
  close(other);
  fd = ashmem_create_region("second", 2 * page);
  CHECK(ashmem_get_size_region(fd) == (int)(2 * page));
  CHECK(count_fds() == fds);
  close(fd);
}

/* A copy that the library has not seen keeps the pins: what it unpins afterwards was pinned. */
static int purge_all_of_it(void* fd) {
  return (int)(ashmem_compat_purge_region(*(int*)fd, 0, 0) / (int64_t)page);
}

static void test_unseen_copy(void) {
  int keeper = ashmem_create_region("keeper", page);
  int fd = ashmem_create_region("copied", 2 * page), copy = dup(fd);
  char* base = map(copy, 2 * page);
  memset(base, 'x', 2 * page);
  close(fd);
  CHECK(ashmem_valid(keeper) == 1);
  CHECK(finish(start(purge_all_of_it, &copy)) == 0);
  CHECK(ashmem_unpin_region(copy, 0, page) == 0);
  CHECK(finish(start(purge_all_of_it, &copy)) == 1);
  CHECK(base[0] == 0 && base[page] == 'x');
  munmap(base, 2 * page);
  close(copy);
  close(keeper);
}

static void test_many(void) {
  int fds[200], i, before;
  CHECK(ashmem_valid(-1) == 0);
  before = count_fds();
  for (i = 0; i < 200; i++) fds[i] = ashmem_create_region("one of many", page);
  for (i = 0; i < 200; i++) CHECK(ashmem_get_size_region(fds[i]) == (int)page);
  for (i = 0; i < 200; i++) close(fds[i]);
  for (i = 0; i < 20; i++) ashmem_valid(-1);
  CHECK(count_fds() == before);
}

static int shared_fd;
static void* pin_and_unpin(void* number) {
  const size_t offset = (size_t)(intptr_t)number * page;
  int i;
  for (i = 0; i < 2000; i++) {
    if (ashmem_unpin_region(shared_fd, offset, page) != 0 || ashmem_pin_region(shared_fd, offset, page) < 0)
      return "failed";
    if (i % 100 == 0) {
      const int fd = ashmem_create_region("of a thread", page);
      if (fd < 0) return "failed";
      close(fd);
    }
  }
  return NULL;
}

static int use_in_child(void* fd) {
  CHECK(ashmem_pin_region(*(int*)fd, 7 * page, page) == 0);
  CHECK(ashmem_unpin_region(*(int*)fd, 7 * page, page) == 0);
  return 0;
}

static void test_threads_and_forks(void) {
  pthread_t threads[4];
  int i;
  shared_fd = ashmem_create_region("threads", 8 * page);
  for (i = 0; i < 4; i++) pthread_create(&threads[i], NULL, pin_and_unpin, (void*)(intptr_t)i);
  for (i = 0; i < 30; i++) CHECK(finish(start(use_in_child, &shared_fd)) == 0);
  for (i = 0; i < 4; i++) {
    void* result;
    pthread_join(threads[i], &result);
    CHECK(result == NULL);
  }
  close(shared_fd);
}

static int receive_and_use(void* socket) {
  char* base;
  const int fd = receive_fd(*(int*)socket);
  if (fd < 0) return 10;
  if (ASharedMemory_getSize(fd) != 2 * page) return 11;
  base = map(fd, 2 * page);
  if (ashmem_pin_region(fd, 0, 0) != ASHMEM_WAS_PURGED) return 12;
  memset(base, 'r', 2 * page);
  if (ashmem_unpin_region(fd, 0, 0) != 0) return 13;
  return 0;
}

static void test_passed(void) {
  int pair[2], fd;
  char byte = 0, *base;
  pid_t pid;
  CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
  pid = start(receive_and_use, &pair[1]); /* before there is a region: it has the fd by the socket alone */
  fd = ashmem_create_region("passed", 2 * page);
  base = map(fd, 2 * page);
  memset(base, 'x', 2 * page);
  CHECK(ashmem_unpin_region(fd, 0, 0) == 0);
  CHECK(ashmem_compat_purge_region(fd, 0, 0) == (int64_t)(2 * page));
  CHECK(send_with_fd(pair[0], &byte, 1, fd) == 1);
  CHECK(finish(pid) == 0);
  CHECK(base[0] == 'r');
  CHECK(ashmem_pin_region(fd, 0, 0) ==
        ASHMEM_WAS_PURGED); /* we had not heard of it, though it is filled again */
  munmap(base, 2 * page);
  close(fd);
  close(pair[0]);
  close(pair[1]);
}

static const struct {
  const char* name;
  void (*run)(void);
} tests[] = {
    {"create", test_create},
    {"refused", test_refused},
    {"ranges", test_ranges},
    {"purge", test_purge},
    {"not_counted_here", test_not_counted_here},
    {"others_cannot_unpin", test_others_cannot_unpin},
    {"dead_hold_nothing", test_dead_hold_nothing},
    {"protect", test_protect},
    {"reader", test_reader},
    {"closed", test_closed},
    {"number_reused", test_number_reused},
    {"unseen_copy", test_unseen_copy},
    {"many", test_many},
    {"threads_and_forks", test_threads_and_forks},
    {"passed", test_passed},
};

int main(int argc, char** argv) {
  size_t i;
  int ran = 0, all = 0;
  page = (size_t)sysconf(_SC_PAGESIZE);
  for (i = 0; i < sizeof tests / sizeof *tests; i++) {
    if (argc > 1 && !strstr(tests[i].name, argv[1])) continue;
    failures = 0;
    tests[i].run();
    printf("%s %s\n", failures ? "FAILED " : "ok     ", tests[i].name);
    fflush(stdout);
    all += failures;
    ran++;
  }
  printf("%d tests, %d failed checks\n", ran, all);
  return all != 0 || ran == 0;
}
