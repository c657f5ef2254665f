#include "core/platform/process_identity.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/platform/atomics.h"
#include "core/platform/fd.h"
#include "core/platform/fork_guard.h"

namespace ashmem_compat {
namespace {

// Reads a small file whole. False if it cannot be read or does not fit.
bool read_file(int folder, const char* path, char* buffer, size_t size) {
  Fd fd(openat(folder, path, O_RDONLY | O_CLOEXEC));
  if (!fd.valid()) return false;
  size_t have = 0;
  while (have < size - 1) {
    const ssize_t n = read(fd.get(), buffer + have, size - 1 - have);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return false;
    if (n == 0) break;
    have += static_cast<size_t>(n);
  }
  buffer[have] = 0;
  return have > 0;
}

struct Stat {
  pid_t pid;
  char state;
  uint64_t threads, start_time, image;
};

// proc(5), /proc/PID/stat. The command name may hold anything, so fields are counted from the last ')'.
bool read_stat(int folder, const char* path, Stat* out) {
  char text[1024];
  if (!read_file(folder, path, text, sizeof text)) return false;
  char* at = strrchr(text, ')');
  if (!at || at[1] != ' ') return false;
  out->pid = static_cast<pid_t>(strtol(text, nullptr, 10));
  out->state = at[2];
  at += 3;
  uint64_t field[29] = {};
  for (int i = 4; i <= 28; ++i) {
    char* end = nullptr;
    field[i] = strtoull(at, &end, 10);
    if (end == at) return false;
    at = end;
  }
  out->threads = field[20];
  out->start_time = field[22];
  out->image = field[28];
  return true;
}

// The inode in a link such as "pid:[4026531836]". 0 where the link is missing or unreadable.
uint32_t namespace_inode(const char* path, int* error) {
  char link[64];
  const ssize_t n = readlink(path, link, sizeof link - 1);
  *error = n < 0 ? errno : 0;
  if (n < 0) return 0;
  link[n] = 0;
  const char* bracket = strchr(link, '[');
  return bracket ? static_cast<uint32_t>(strtoul(bracket + 1, nullptr, 10)) : 0;
}

// /proc may be a mount of another PID namespace (after unshare); its pids are then not ours. NSpid has one number per
// namespace from the mount's down to ours.
bool proc_is_ours(pid_t pid_in_stat) {
  if (pid_in_stat != getpid()) return false;
  char text[4096];
  if (!read_file(AT_FDCWD, "/proc/self/status", text, sizeof text)) return true;
  const char* line = strstr(text, "\nNSpid:");
  if (!line) return true;  // before Linux 4.1
  line += 7;
  int numbers = 0;
  while (*line != '\n' && *line != 0) {
    char* end = nullptr;
    strtoul(line, &end, 10);
    if (end == line) break;
    ++numbers;
    line = end;
  }
  return numbers <= 1;
}

ProcessIdentity read_own() {
  ProcessIdentity self;
  self.pid = getpid();
  Stat stat;
  // Through the folder: an emulator of another processor (qemu-user) answers for its program's own /proc/self/stat, and then we would
  // not be who others find under our number.
  Fd folder(open("/proc/self", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (folder.valid() && read_stat(folder.get(), "stat", &stat) && proc_is_ours(stat.pid)) {
    self.start_time = stat.start_time;
    self.image = stat.image;
  }
  int pid_error = 0;
  int time_error = 0;
  uint32_t pid_ns = namespace_inode("/proc/self/ns/pid", &pid_error);
  const uint32_t time_ns = namespace_inode("/proc/self/ns/time", &time_error);
  // A kernel without PID namespaces has /proc/self but no such link: one namespace, which needs a name that is not 0.
  if (pid_ns == 0 && pid_error == ENOENT && access("/proc/self/stat", F_OK) == 0) pid_ns = 1;
  if (pid_ns != 0 && (time_ns != 0 || time_error == ENOENT)) {
    self.namespaces = static_cast<uint64_t>(pid_ns) << 32 | time_ns;
  }
  return self;
}

}  // namespace

const ProcessIdentity& own_identity() {
  // One per process: a forked child must not take its parent's. Never freed, as another thread may be reading it.
  struct Cached {
    uint64_t process;
    ProcessIdentity identity;
  };
  static Cached* cached = nullptr;
  const uint64_t process = current_process();
  Cached* known = load_acquire(&cached);
  if (!known || known->process != process) {
    known = new Cached{process, read_own()};
    store_release(&cached, known);
  }
  return known->identity;
}

bool certainly_dead(const ProcessIdentity& other, int start_time_bits) {
  const ProcessIdentity& self = own_identity();
  if (other.namespaces == 0 || other.namespaces != self.namespaces) return false;
  if (other.pid <= 0) return true;

  const uint64_t mask = start_time_bits >= 64 ? ~uint64_t{0} : (uint64_t{1} << start_time_bits) - 1;
  const auto other_process = [&](uint64_t start_time, uint64_t image) {
    if (other.start_time != 0 && ((other.start_time ^ start_time) & mask) != 0) return true;
    return other.image != 0 && image != 0 && other.image != image;
  };
  if (other.pid == self.pid) return self.start_time != 0 && other_process(self.start_time, self.image);

  if (kill(other.pid, 0) != 0 && errno == ESRCH) return true;
  if (self.start_time == 0) return false;  // our /proc speaks of other processes
  char path[40];
  snprintf(path, sizeof path, "/proc/%d/stat", static_cast<int>(other.pid));
  Stat stat;
  if (!read_stat(AT_FDCWD, path, &stat))
    return kill(other.pid, 0) != 0 && errno == ESRCH;  // it may have ended meanwhile
  if (stat.pid != other.pid) return false;
  if (other_process(stat.start_time, stat.image)) return true;
  // A leader that has ended stays a zombie while other threads run on, one of them perhaps inside a discard.
  return (stat.state == 'Z' || stat.state == 'X') && stat.threads <= 1;
}

}  // namespace ashmem_compat
