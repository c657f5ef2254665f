// Whether the sandbox bites: run inside it before everything else. A likeness that refuses nothing would let every other suite pass.
// The environment says which release it is (ASHMEM_COMPAT_SANDBOX) and what /dev/ashmem is (ASHMEM_COMPAT_SANDBOX_DEVICE).
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "native/check.h"

namespace {

int release() { return atoi(getenv("ASHMEM_COMPAT_SANDBOX")); }

// An errno, or 0. The fd is closed.
int open_error(const std::string& path, int flags = O_RDONLY) {
  const int fd = open(path.c_str(), flags | O_CLOEXEC);
  if (fd < 0) return errno;
  close(fd);
  return 0;
}

int error_of(long result) { return result < 0 ? errno : 0; }

int make_memfd() {
  return static_cast<int>(syscall(SYS_memfd_create, "sandbox", 3 /* CLOEXEC, ALLOW_SEALING */));
}

std::string proc(const char* what) { return "/proc/" + std::to_string(getpid()) + "/" + what; }

std::string read_all(const std::string& path) {
  std::string text;
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  char buffer[4096];
  for (ssize_t got; fd >= 0 && (got = read(fd, buffer, sizeof buffer)) > 0;)
    text.append(buffer, static_cast<size_t>(got));
  if (fd >= 0) close(fd);
  return text;
}

// How a process ends that makes the call: by SIGSYS, or not.
bool dies(long number) {
  const pid_t child = fork();
  if (child == 0) {
    const rlimit none{0, 0};
    setrlimit(RLIMIT_CORE, &none);
    syscall(number, -1, 0, 0, 0, 0, 0);
    _exit(0);
  }
  int status = 0;
  waitpid(child, &status, 0);
  return WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS;
}

}  // namespace

TEST(calls_that_no_app_may_make_are_deadly) {
  const struct {
    const char* name;
    long number;
  } rows[] = {{"shmget", 29},
              {"io_uring_setup", 425},
              {"openat2", 437},
              {"memfd_secret", 447},
              {"process_mrelease", 448},
              {"kcmp", 312},
              {"kexec_load", 246},
              {"mbind", 237},
              {"a number of nobody", 1000},
              {"getpid of x32", 0x40000000 + 39}};
  for (const auto& row : rows) {
    if (!dies(row.number)) fprintf(stderr, "%s is allowed\n", row.name);
    CHECK(dies(row.number));
  }
}

TEST(calls_that_came_with_a_release_are_deadly_before) {
  const struct {
    const char* name;
    long number;
    int since;
  } rows[] = {{"memfd_create", 319, 8},     {"membarrier", 324, 10},
              {"pidfd_open", 434, 12},      {"pidfd_getfd", 438, 12},
              {"process_madvise", 440, 12}, {"userfaultfd", 323, 12},
              {"close_range", 436, 14},     {"mseal", 462, 15}};
  for (const auto& row : rows) {
    if (dies(row.number) != (release() < row.since)) fprintf(stderr, "%s\n", row.name);
    CHECK_EQ(dies(row.number), release() < row.since);
  }
}

TEST(the_user_has_no_rights) {
  CHECK_EQ(getuid(), uid_t{10123});
  CHECK_EQ(geteuid(), uid_t{10123});
  const std::string status = read_all("/proc/self/status");
  for (const char* line : {"CapInh:", "CapPrm:", "CapEff:", "CapBnd:", "CapAmb:"}) {
    CHECK(status.find(std::string(line) + "\t0000000000000000\n") != std::string::npos);
  }
  CHECK_EQ(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0), 1);
  CHECK_EQ(prctl(PR_GET_SECCOMP, 0, 0, 0, 0), 2);
  CHECK_EQ(error_of(syscall(SYS_setresuid, 0, 0, 0)), EPERM);
}

TEST(a_memfd_cannot_be_opened_again) {
  const int fd = make_memfd();
  REQUIRE(fd >= 0);
  const std::string number = std::to_string(fd);
  for (const std::string& path :
       {"/proc/self/fd/" + number, "/proc/thread-self/fd/" + number, "/dev/fd/" + number,
        proc("fd/") + number, "/proc/self/task/" + std::to_string(getpid()) + "/fd/" + number}) {
    for (const int flags : {O_RDONLY, O_WRONLY, O_RDWR}) CHECK_EQ(open_error(path, flags), EACCES);
    CHECK_EQ(error_of(truncate(path.c_str(), 0)), EACCES);
    CHECK_EQ(error_of(fchmodat(AT_FDCWD, path.c_str(), 0400, 0)), EACCES);
  }
  const int folder = open("/proc/self/fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  CHECK_EQ(error_of(openat(folder, number.c_str(), O_RDONLY | O_CLOEXEC)), EACCES);
  close(folder);
  CHECK_EQ(dup2(fd, 0), 0);
  CHECK_EQ(open_error("/dev/stdin"), EACCES);
  close(0);
  close(fd);
}

TEST(a_memfd_cannot_be_opened_again_by_another_thread_or_process) {
  static int fd = make_memfd();
  static const std::string path = proc("fd/") + std::to_string(fd);
  pthread_t thread;
  static int error = 0;
  REQUIRE(pthread_create(
              &thread, nullptr,
              [](void*) -> void* {
                error = open_error("/proc/thread-self/fd/" + std::to_string(fd));
                return nullptr;
              },
              nullptr) == 0);
  pthread_join(thread, nullptr);
  CHECK_EQ(error, EACCES);
  const pid_t child = fork();
  if (child == 0) _exit(open_error(path) == EACCES ? 0 : 1);
  int status = 0;
  waitpid(child, &status, 0);
  CHECK_EQ(status, 0);
  close(fd);
}

TEST(a_memfd_has_no_locks_no_ioctl_and_no_mode) {
  const int fd = make_memfd();
  REQUIRE(fd >= 0);
  CHECK_EQ(error_of(flock(fd, LOCK_SH | LOCK_NB)), EACCES);
  struct flock lock = {};
  lock.l_type = F_RDLCK;
  for (const int command : {F_GETLK, F_SETLK, F_SETLKW, 36 /* F_OFD_GETLK */, 37 /* F_OFD_SETLK */}) {
    CHECK_EQ(error_of(fcntl(fd, command, &lock)), EACCES);
  }
  termios settings;
  CHECK_EQ(error_of(ioctl(fd, TCGETS, &settings)), EACCES);
  CHECK_EQ(error_of(ioctl(fd, 0x7704 /* ASHMEM_GET_SIZE */, 0)), EACCES);
  CHECK_EQ(error_of(fchmod(fd, 0400)), EACCES);
  CHECK_EQ(error_of(fchown(fd, getuid(), getgid())), EACCES);
  close(fd);
}

TEST(a_memfd_is_good_for_all_else) {
  const int fd = make_memfd();
  REQUIRE(fd >= 0);
  struct stat st;
  CHECK_EQ(error_of(ftruncate(fd, 8192)), 0);
  CHECK_EQ(error_of(fstat(fd, &st)), 0);
  CHECK_EQ(error_of(fcntl(fd, 1033 /* F_ADD_SEALS */, 2 /* SHRINK */)), 0);
  CHECK_EQ(pwrite(fd, "x", 1, 0), ssize_t{1});
  CHECK_EQ(error_of(fallocate(fd, 3 /* PUNCH_HOLE, KEEP_SIZE */, 0, 4096)), 0);
  CHECK(mmap(nullptr, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) != MAP_FAILED);
  const int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
  CHECK(copy >= 0);
  close(copy);
  close(fd);
}

// The refusals are the memfd's own, and not of the calls.
TEST(a_file_is_good_for_what_a_memfd_is_not) {
  const int fd = open("/tmp/sandbox-file", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  REQUIRE(fd >= 0);
  CHECK_EQ(open_error("/proc/self/fd/" + std::to_string(fd), O_RDWR), 0);
  CHECK_EQ(error_of(flock(fd, LOCK_EX)), 0);
  CHECK_EQ(error_of(fchmod(fd, 0640)), 0);
  termios settings;
  CHECK_EQ(error_of(ioctl(fd, TCGETS, &settings)), ENOTTY);
  close(fd);
  unlink("/tmp/sandbox-file");
}

TEST(what_proc_hides) {
  for (const char* path : {"/proc/vmstat", "/proc/pressure/memory", "/proc/stat", "/proc/swaps",
                           "/proc/uptime", "/proc/loadavg", "/proc/version"}) {
    const int error = open_error(path);
    if (error != EACCES) fprintf(stderr, "%s\n", path);
    CHECK(error == EACCES || (error == ENOENT && strstr(path, "pressure")));
  }
  CHECK_EQ(open_error("/proc/meminfo"), 0);
  CHECK_EQ(open_error("/proc/self/oom_score_adj", O_RDWR), 0);
}

TEST(other_users_processes_are_hidden_and_ones_own_are_not) {
  // The first process is root's.
  CHECK_EQ(error_of(kill(1, 0)), EPERM);
  CHECK_EQ(open_error("/proc/1/stat"), ENOENT);
  CHECK_EQ(open_error("/proc/1"), ENOENT);
  const pid_t child = fork();
  if (child == 0) {
    for (;;) pause();
  }
  CHECK_EQ(open_error("/proc/" + std::to_string(child) + "/stat"), 0);
  kill(child, SIGKILL);
  waitpid(child, nullptr, 0);
}

TEST(no_shm_and_no_files_of_cgroups) {
  CHECK_EQ(open_error("/dev/shm"), ENOENT);
  CHECK_EQ(open_error("/sys/fs/cgroup"), EACCES);
  CHECK(open_error("/sys/fs/cgroup/memory.max") != 0);
  CHECK(open_error("/sys/fs/cgroup/memory/memory.limit_in_bytes") != 0);
  const std::string group = read_all("/proc/self/cgroup");
  CHECK(group.find("/uid_10123/pid_" + std::to_string(getpid()) + "\n") != std::string::npos);
  CHECK_EQ(read_all(proc("cgroup")), group);
  CHECK_EQ(group.find("memory"), std::string::npos);
}

TEST(the_device_is_what_the_release_says) {
  const bool denied = strcmp(getenv("ASHMEM_COMPAT_SANDBOX_DEVICE"), "denied") == 0;
  CHECK_EQ(open_error("/dev/ashmem", O_RDWR), denied ? EACCES : ENOENT);
}

TEST(the_thirty_third_child_fails_and_threads_do_not_count) {
  pthread_t threads[40];
  static int ends[2];
  REQUIRE(pipe2(ends, O_CLOEXEC) == 0);
  const auto wait = [](void*) -> void* {
    char byte;
    (void)!read(ends[0], &byte, 1);
    return nullptr;
  };
  for (pthread_t& thread : threads) CHECK_EQ(pthread_create(&thread, nullptr, wait, nullptr), 0);
  std::vector<pid_t> children;
  const auto one_more = [&] {
    const pid_t child = fork();
    if (child == 0) {
      for (;;) pause();
    }
    if (child > 0) children.push_back(child);
    return error_of(child);
  };
  for (int i = 0; i < 32; ++i) CHECK_EQ(one_more(), 0);
  CHECK_EQ(one_more(), EAGAIN);
  kill(children[0], SIGKILL);
  waitpid(children[0], nullptr, 0);
  CHECK_EQ(one_more(), 0);
  CHECK_EQ(one_more(), EAGAIN);
  for (size_t i = 1; i < children.size(); ++i) {
    kill(children[i], SIGKILL);
    waitpid(children[i], nullptr, 0);
  }
  close(ends[1]);
  for (const pthread_t thread : threads) pthread_join(thread, nullptr);
}
