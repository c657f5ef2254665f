#include "core/pool/pool_process.h"

#include <sys/stat.h>

#include <map>
#include <mutex>
#include <tuple>

#include "core/platform/fork_guard.h"

namespace ashmem_compat {
namespace {

// Of a device whose inode does not tell areas apart two pools may be taken for one: their blocks then wait for each other's holds before
// their room is used again, no more.
using Key = std::tuple<uint64_t, uint64_t, uint64_t, uint32_t>;

struct Registry {
  uint64_t process;
  std::mutex mutex;
  std::map<Key, std::weak_ptr<PoolProcess>> pools;
};

// A forked child starts with an empty one: the parent's may be locked.
Registry& registry() {
  static Registry* current = nullptr;
  const uint64_t process = current_process();
  Registry* known = load_acquire(&current);
  while (!known || known->process != process) {
    Registry* fresh = new Registry{process, {}, {}};
    if (cas_acq_rel(&current, known, fresh)) return *fresh;
    delete fresh;
  }
  return *known;
}

}  // namespace

std::shared_ptr<PoolProcess> PoolProcess::of(PoolMemory& memory, uint32_t max_blocks) {
  struct stat st;
  if (!memory.shared() || fstat(memory.fd(), &st) != 0) {
    auto alone = std::make_shared<PoolProcess>(max_blocks);
    return alone->holds_ ? alone : nullptr;
  }
  Registry& all = registry();
  std::lock_guard<std::mutex> guard(all.mutex);
  for (auto it = all.pools.begin(); it != all.pools.end();) {
    it = it->second.expired() ? all.pools.erase(it) : std::next(it);
  }
  const Key key{static_cast<uint64_t>(st.st_dev), static_cast<uint64_t>(st.st_ino), memory.me(), max_blocks};
  std::shared_ptr<PoolProcess> known = all.pools[key].lock();
  if (known) return known;
  known = std::make_shared<PoolProcess>(max_blocks);
  if (!known->holds_) return nullptr;
  all.pools[key] = known;
  return known;
}

}  // namespace ashmem_compat
