#include "capi/table.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <unistd.h>

#include "core/backends/selector.h"
#include "core/pins/layout.h"
#include "core/platform/fd.h"
#include "core/platform/fork_guard.h"

namespace ashmem_compat::capi {
namespace {

// How many regions one call looks at, to see whether they are still open.
constexpr size_t kLooksPerCall = 32;

struct Table {
  pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
  uint64_t process = 0;
  std::vector<std::unique_ptr<Entry>> entries;
  size_t next_look = 0;
};

// Never destroyed: other threads may be in a call while the program exits.
Table& table() {
  static Table* const only = new Table;
  return *only;
}

// In a child the objects are only memory and fds that are not needed any more: the holds are the parent's.
void start_anew(Table& all) {
  all.entries.clear();
  all.next_look = 0;
  all.process = current_process();
}

void set_up() {
  pthread_atfork([] { pthread_mutex_lock(&table().mutex); }, [] { pthread_mutex_unlock(&table().mutex); },
                 [] {
                   start_anew(table());
                   pthread_mutex_unlock(&table().mutex);
                 });
}

void drop_closed(Table& all) {
  size_t looks = all.entries.size() < kLooksPerCall ? all.entries.size() : kLooksPerCall;
  for (; looks > 0; --looks) {
    if (all.next_look >= all.entries.size()) all.next_look = 0;
    std::unique_ptr<Entry>& entry = all.entries[all.next_look];
    if (entry->still_open()) {
      ++all.next_look;
      continue;
    }
    entry->region().close();
    entry = std::move(all.entries.back());
    all.entries.pop_back();
  }
}

Entry* add(std::unique_ptr<Region> region, const FileId& id, int fd, bool holds_all) {
  Table& all = table();
  all.entries.push_back(std::make_unique<Entry>(std::move(region), id, holds_all));
  all.entries.back()->add_fd(fd);
  return all.entries.back().get();
}

}  // namespace

Guard::Guard() {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  pthread_once(&once, set_up);
  Table& all = table();
  pthread_mutex_lock(&all.mutex);
  // A child made by a raw clone() comes here without the handler above.
  if (all.process != current_process()) start_anew(all);
  const int error = errno;
  drop_closed(all);
  errno = error;
}

Guard::~Guard() { pthread_mutex_unlock(&table().mutex); }

int create(const char* name, size_t size) {
  if (size == 0) return -EINVAL;
  RegionOptions options;
  options.name = name ? name : "none";
  if (options.name.size() > kMaxName) options.name.resize(kMaxName);
  options.size = size;
  Result<std::unique_ptr<Region>> made = create_region("", Scope::kShared, options);
  if (!made.ok()) return -errno_of(made.status());
  const int fd = fcntl(made.value()->fd(), F_DUPFD_CLOEXEC, 0);
  FileId id;
  if (fd < 0 || !identify(fd, &id)) return -errno;
  add(std::move(made.value()), id, fd, true);
  return fd;
}

Entry* find(int fd, int* error) {
  FileId id;
  if (!identify(fd, &id)) {
    *error = errno;
    return nullptr;
  }
  for (const std::unique_ptr<Entry>& entry : table().entries) {
    if (!is_same_file(fd, id, entry->region().fd(), entry->id())) continue;
    entry->add_fd(fd);
    return entry.get();
  }
  Fd own(fcntl(fd, F_DUPFD_CLOEXEC, 0));
  if (!own.valid()) {
    *error = errno;
    return nullptr;
  }
  Result<std::unique_ptr<Region>> attached = attach_region("", std::move(own), RegionOptions());
  if (!attached.ok()) {
    *error = errno_of(attached.status());
    return nullptr;
  }
  return add(std::move(attached.value()), id, fd, false);
}

}  // namespace ashmem_compat::capi
