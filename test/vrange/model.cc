#include "vrange/model.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <string>

#ifndef FALLOC_FL_PUNCH_HOLE
#define FALLOC_FL_KEEP_SIZE 1
#define FALLOC_FL_PUNCH_HOLE 2
#endif

namespace ashmem_compat::testing {
namespace {

const size_t kPage = static_cast<size_t>(sysconf(_SC_PAGESIZE));

pid_t process_of(pid_t thread) {
  char path[64];
  char line[256];
  snprintf(path, sizeof path, "/proc/%d/status", thread);
  FILE* file = fopen(path, "re");
  int process = thread;
  while (file && fgets(line, sizeof line, file)) {
    if (sscanf(line, "Tgid: %d", &process) == 1) break;
  }
  if (file) fclose(file);
  return process;
}

// Whether there is a page to lose. A look at its bytes would make one.
bool is_present(pid_t process, uint64_t number) {
  char path[64];
  snprintf(path, sizeof path, "/proc/%d/pagemap", process);
  const int fd = open(path, O_RDONLY | O_CLOEXEC);
  uint64_t entry = 0;
  const bool read = fd >= 0 && pread(fd, &entry, sizeof entry, static_cast<off_t>(number * sizeof entry)) ==
                                   static_cast<ssize_t>(sizeof entry);
  if (fd >= 0) close(fd);
  return read && entry >> 62 != 0;
}

bool read_page(pid_t process, uint64_t number, uint64_t* checksum) {
  if (!is_present(process, number)) return false;
  static std::vector<unsigned char> bytes(kPage);
  const iovec to = {bytes.data(), kPage};
  const iovec from = {reinterpret_cast<void*>(number * kPage), kPage};
  if (process_vm_readv(process, &to, 1, &from, 1, 0) != static_cast<ssize_t>(kPage)) return false;
  uint64_t sum = 14695981039346656037u;  // FNV-1a
  for (const unsigned char byte : bytes) sum = (sum ^ byte) * 1099511628211u;
  *checksum = sum;
  return true;
}

void clear_page(pid_t process, uint64_t number) {
  static const std::vector<char> zeros(kPage);
  const iovec from = {const_cast<char*>(zeros.data()), kPage};
  const iovec to = {reinterpret_cast<void*>(number * kPage), kPage};
  process_vm_writev(process, &from, 1, &to, 1, 0);
}

// An fd of the file, which a process has open: -1 if it has not.
int open_of(pid_t process, uint64_t device, uint64_t inode) {
  const std::string folder = "/proc/" + std::to_string(process) + "/fd/";
  DIR* all = opendir(folder.c_str());
  int found = -1;
  while (all && found < 0) {
    const dirent* entry = readdir(all);
    if (!entry) break;
    struct stat st;
    const std::string path = folder + entry->d_name;
    if (stat(path.c_str(), &st) != 0 || st.st_dev != device || st.st_ino != inode) continue;
    found = open(path.c_str(), O_RDWR | O_CLOEXEC);
  }
  if (all) closedir(all);
  return found;
}

int open_anywhere(const std::set<pid_t>& users, uint64_t device, uint64_t inode) {
  for (const pid_t process : users) {
    if (const int fd = open_of(process, device, inode); fd >= 0) return fd;
  }
  DIR* all = opendir("/proc");
  int found = -1;
  while (all && found < 0) {
    const dirent* entry = readdir(all);
    if (!entry) break;
    if (const int process = atoi(entry->d_name); process > 0) found = open_of(process, device, inode);
  }
  if (all) closedir(all);
  return found;
}

}  // namespace

// The range as pages of files and of private memory, as far as it is mapped from its start on. The bytes that it covers.
long VrangeModel::resolve(pid_t thread, uint64_t start, uint64_t length, std::vector<Piece>* pieces) const {
  char path[64];
  snprintf(path, sizeof path, "/proc/%d/maps", thread);
  FILE* maps = fopen(path, "re");
  if (!maps) return -ESRCH;
  const pid_t process = process_of(thread);
  uint64_t at = start;
  char* line = nullptr;
  size_t room = 0;
  long error = 0;
  while (at < start + length && getline(&line, &room, maps) > 0) {
    unsigned long long from = 0, to = 0, offset = 0, inode = 0;
    unsigned major = 0, minor = 0;
    char rights[8];
    if (sscanf(line, "%llx-%llx %7s %llx %x:%x %llu", &from, &to, rights, &offset, &major, &minor, &inode) !=
        7)
      continue;
    if (to <= at) continue;
    if (from > at) break;  // a hole
    const uint64_t end = std::min<uint64_t>(to, start + length);
    const bool shared = rights[3] == 's';
    if (shared != (inode != 0) || (shared && !files_)) {
      error = -EINVAL;
      break;
    }
    // As stat(2) numbers devices.
    const uint64_t device =
        (uint64_t{major} & 0xfff) << 8 | (minor & 0xff) | (uint64_t{minor} & ~uint64_t{0xff}) << 12;
    const uint64_t first = shared ? (offset + (at - from)) / kPage : at / kPage;
    const Memory memory = shared ? Memory(device, inode) : Memory(0, static_cast<uint64_t>(process));
    pieces->push_back({memory, first, (end - at) / kPage});
    at = end;
  }
  free(line);
  fclose(maps);
  if (at == start) return error != 0 ? error : -ENOMEM;
  return static_cast<long>(at - start);
}

long VrangeModel::change(pid_t thread, uint64_t start, uint64_t length, bool is_volatile, bool* purged) {
  if (start % kPage != 0) return -EINVAL;
  length -= length % kPage;
  if (length == 0) return -EINVAL;
  std::vector<Piece> pieces;
  const long done = resolve(thread, start, length, &pieces);
  const pid_t process = process_of(thread);
  for (const Piece& piece : pieces) {
    Pages& pages = memories_[piece.memory];
    pages.users.insert(process);
    for (uint64_t number = piece.first; number < piece.first + piece.count; ++number) {
      const auto known = pages.all.find(number);
      if (known != pages.all.end() && known->second.purged) *purged = true;
      if (!is_volatile) {
        if (known != pages.all.end()) pages.all.erase(known);
      } else if (known == pages.all.end()) {
        Page page = {++clock_, false, 0};
        if (piece.memory.first == 0) read_page(process, number, &page.checksum);
        pages.all.emplace(number, page);
      }
    }
  }
  return done;
}

void VrangeModel::discard(const Memory& memory, Pages& pages, const std::vector<uint64_t>& chosen) {
  if (memory.first == 0) {
    const pid_t process = static_cast<pid_t>(memory.second);
    for (const uint64_t number : chosen) {
      Page& page = pages.all.at(number);
      uint64_t now = 0;
      if (!read_page(process, number, &now)) continue;  // never there, or given back
      if (now != page.checksum) {
        pages.all.erase(number);  // another's, it seems
        continue;
      }
      clear_page(process, number);
      page.purged = true;
    }
    return;
  }
  const int fd = open_anywhere(pages.users, memory.first, memory.second);
  for (const uint64_t number : chosen) {
    // Of a file that nobody has any more nobody will ask.
    if (fd < 0) {
      pages.all.erase(number);
    } else if (fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, static_cast<off_t>(number * kPage),
                         static_cast<off_t>(kPage)) == 0) {
      pages.all.at(number).purged = true;
    }
  }
  if (fd >= 0) close(fd);
}

uint64_t VrangeModel::purge(uint64_t most) {
  std::vector<uint64_t> times;
  for (const auto& [memory, pages] : memories_) {
    for (const auto& [number, page] : pages.all) {
      if (!page.purged) times.push_back(page.marked);
    }
  }
  std::sort(times.begin(), times.end());
  if (most != 0 && times.size() > most) times.resize(most);
  const uint64_t last = times.empty() ? 0 : times.back();
  for (auto& [memory, pages] : memories_) {
    std::vector<uint64_t> chosen;
    for (const auto& [number, page] : pages.all) {
      if (!page.purged && page.marked <= last) chosen.push_back(number);
    }
    if (!chosen.empty()) discard(memory, pages, chosen);
  }
  return times.size();
}

void VrangeModel::forget(pid_t thread, uint64_t start, uint64_t length) {
  if (memories_.empty()) return;
  const auto known = memories_.find(Memory(0, static_cast<uint64_t>(process_of(thread))));
  if (known == memories_.end()) return;
  auto& all = known->second.all;
  all.erase(all.lower_bound(start / kPage), all.lower_bound((start + length + kPage - 1) / kPage));
}

void VrangeModel::lose(pid_t thread, uint64_t start, uint64_t length) {
  std::vector<Piece> pieces;
  resolve(thread, start, length - length % kPage, &pieces);
  for (const Piece& piece : pieces) {
    Pages& pages = memories_[piece.memory];
    std::vector<uint64_t> chosen;
    for (auto it = pages.all.lower_bound(piece.first);
         it != pages.all.end() && it->first < piece.first + piece.count; ++it) {
      if (!it->second.purged) chosen.push_back(it->first);
    }
    if (!chosen.empty()) discard(piece.memory, pages, chosen);
  }
}

}  // namespace ashmem_compat::testing
