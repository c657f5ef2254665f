#include "table.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <vector>

#include "ashmem_compat/preload.h"

namespace table {
namespace {

std::vector<const Row*>& rows() {
  static std::vector<const Row*> all;
  return all;
}

int failures = 0;
constexpr int kSkipped = 77;
int skip_pipe = -1;

bool find_out() {
  const int fd = open("/dev/ashmem", O_RDWR);
  if (fd < 0) {
    perror("driver_table: /dev/ashmem");
    exit(1);
  }
  // Past the library, which would answer fstat() as the driver does.
  char path[32];
  snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
  char target[256] = "";
  syscall(SYS_readlinkat, AT_FDCWD, path, target, sizeof target - 1);
  close(fd);
  return strncmp(target, "/dev/", 5) == 0;
}

}  // namespace

Row::Row(const char* row_file, const char* row_id, const char* row_what, const char* row_differs,
         void (*row_run)())
    : file(row_file), id(row_id), what(row_what), differs(row_differs), run(row_run) {
  rows().push_back(this);
}

bool on_device() {
  static const bool device = find_out();
  return device;
}

void fail(const char* file, int line, const std::string& what) {
  ++failures;
  const char* base = strrchr(file, '/');
  fprintf(stderr, "  %s:%d: %s\n", base ? base + 1 : file, line, what.c_str());
}

void skip(const char* reason) {
  if (write(skip_pipe, reason, strlen(reason)) < 0) perror("driver_table: pipe");
  _exit(failures != 0 ? 1 : kSkipped);
}

void expect(const char* file, int line, const char* text, long long got, int error, long long wanted,
            int wanted_error) {
  if (got == wanted && (got != -1 || error == wanted_error)) return;
  std::string message = std::string(text) + " is " + std::to_string(got);
  if (got == -1) message += std::string(" (") + strerror(error) + ")";
  message += ", expected " + std::to_string(wanted);
  if (wanted == -1 && wanted_error != 0) message += std::string(" (") + strerror(wanted_error) + ")";
  fail(file, line, message);
}

size_t page() {
  static const size_t size = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  return size;
}

int open_area(int flags) {
  const int fd = open("/dev/ashmem", flags);
  if (fd < 0) fail(__FILE__, __LINE__, std::string("open: ") + strerror(errno));
  return fd;
}

int sized(size_t bytes) {
  const int fd = open_area();
  EXPECT(ioctl(fd, ASHMEM_SET_SIZE, bytes), 0);
  return fd;
}

char* map(int fd, size_t bytes, int prot, int flags, off_t offset) {
  return static_cast<char*>(mmap(nullptr, bytes, prot, flags, fd, offset));
}

Area::Area(size_t count) : fd(sized(count * page())), base(map(fd, count * page())), pages(count) {
  if (base == MAP_FAILED) {
    fail(__FILE__, __LINE__, std::string("mmap: ") + strerror(errno));
    _exit(1);
  }
}

long pin_call(int fd, unsigned long request, unsigned offset, unsigned len) {
  ashmem_pin range = {offset, len};
  return ioctl(fd, request, &range);
}

long Area::pin(unsigned first, unsigned count) const {
  return pin_call(fd, ASHMEM_PIN, static_cast<unsigned>(first * page()),
                  static_cast<unsigned>(count * page()));
}
long Area::unpin(unsigned first, unsigned count) const {
  return pin_call(fd, ASHMEM_UNPIN, static_cast<unsigned>(first * page()),
                  static_cast<unsigned>(count * page()));
}
long Area::status(unsigned first, unsigned count) const {
  return pin_call(fd, ASHMEM_GET_PIN_STATUS, static_cast<unsigned>(first * page()),
                  static_cast<unsigned>(count * page()));
}
void Area::fill(char with) const { memset(base, with, pages * page()); }
std::string Area::pages_now() const {
  std::string all;
  for (size_t i = 0; i < pages; ++i) all += at(i) == 0 ? '.' : at(i);
  return all;
}

void purge(int fd) {
  if (ioctl(fd, ASHMEM_PURGE_ALL_CACHES) >= 0) return;
  if (on_device()) skip("discarding needs CAP_SYS_ADMIN");
  if (ioctl(fd, ASHMEM_COMPAT_PURGE_OLDEST, ~0ul) < 0) fail(__FILE__, __LINE__, "nothing can be discarded");
}

bool is_root() { return geteuid() == 0; }

void drop_privileges() {
  if (is_root() && setresuid(65534, 65534, 65534) != 0) skip("cannot become another user");
}

int in_child(const std::function<int()>& body) {
  fflush(nullptr);
  const pid_t pid = fork();
  if (pid == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    failures = 0;
    const int status = body();
    _exit(failures != 0 ? 1 : status);
  }
  int status = 0;
  while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

bool send_fd(int socket, int fd) {
  char byte = 'f';
  iovec data = {&byte, 1};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof fd)] = {};
  msghdr message = {};
  message.msg_iov = &data;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  cmsghdr* header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(sizeof fd);
  memcpy(CMSG_DATA(header), &fd, sizeof fd);
  return sendmsg(socket, &message, 0) == 1;
}

int receive_fd(int socket) {
  char byte = 0;
  iovec data = {&byte, 1};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
  msghdr message = {};
  message.msg_iov = &data;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  if (recvmsg(socket, &message, 0) != 1) return -1;
  const cmsghdr* header = CMSG_FIRSTHDR(&message);
  if (!header || header->cmsg_type != SCM_RIGHTS) return -1;
  int fd = -1;
  memcpy(&fd, CMSG_DATA(header), sizeof fd);
  return fd;
}

namespace {

// Runs a row in a process of its own and prints its line. False if it failed.
bool run(const Row& row, int* skipped) {
  int reasons[2];
  if (pipe(reasons) != 0) return false;
  skip_pipe = reasons[1];
  const int status = in_child([&] {
    alarm(60);
    row.run();
    return failures != 0 ? 1 : 0;
  });
  close(reasons[1]);
  char reason[200] = "";
  if (read(reasons[0], reason, sizeof reason - 1) < 0) reason[0] = 0;
  close(reasons[0]);
  if (status == kSkipped) {
    ++*skipped;
    printf("skipped  %s: %s\n", row.id, reason);
  } else if (status != 0) {
    printf("FAILED   %s: %s (%s %d)\n", row.id, row.what, status < 0 ? "signal" : "status",
           status < 0 ? -status : status);
  } else if (row.differs) {
    printf("differs  %s: %s (%s)\n", row.id, row.what, row.differs);
  } else {
    printf("ok       %s: %s\n", row.id, row.what);
  }
  fflush(stdout);
  return status == 0 || status == kSkipped;
}

}  // namespace
}  // namespace table

// Usage: driver_table [PART-OF-A-ROW'S-NAME] | --expect device|library [PART]
int main(int argc, char** argv) {
  using table::Row;
  if (argc > 2 && strcmp(argv[1], "--after-exec") == 0) return table::after_exec(atoi(argv[2]));
  if (argc > 2 && strcmp(argv[1], "--expect") == 0) {
    if (table::on_device() != (strcmp(argv[2], "device") == 0)) {
      fprintf(stderr, "driver_table: it is the %s that answers\n", table::on_device() ? "device" : "library");
      return 1;
    }
    argc -= 2;
    argv += 2;
  }
  printf("/dev/ashmem is answered by the %s\n", table::on_device() ? "driver" : "preload library");
  int ran = 0;
  int failed = 0;
  int skipped = 0;
  for (const Row* row : table::rows()) {
    if (argc > 1 && !strstr(row->id, argv[1])) continue;
    ++ran;
    if (!table::run(*row, &skipped)) ++failed;
  }
  printf("%d rows, %d failed, %d skipped\n", ran, failed, skipped);
  if (failed != 0 || ran == 0) return 1;
  return skipped == ran ? 77 : 0;
}
