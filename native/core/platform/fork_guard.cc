#include "core/platform/fork_guard.h"

#include <pthread.h>
#include <sys/mman.h>

#include "core/platform/atomics.h"
#include "core/platform/page.h"

#ifndef MADV_WIPEONFORK
#define MADV_WIPEONFORK 18
#endif

namespace ashmem_compat {
namespace {

uint64_t fallback_cookie = 0;
uint64_t last_number =
    0;  // ordinary memory: a child inherits it, and so never takes a number of its parent's
pthread_once_t once = PTHREAD_ONCE_INIT;

void set_up() {
  // pthread_atfork does not see a raw clone(); the kernel's wiping does, where there is one (Linux 4.14). Both do the same.
  void* page = mmap(nullptr, kernel_page_size(), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (page != MAP_FAILED) {
    madvise(page, kernel_page_size(), MADV_WIPEONFORK);
    process_cookie = static_cast<uint64_t*>(page);
  }
  pthread_atfork(nullptr, nullptr, [] { store_relaxed(process_cookie, uint64_t{0}); });
}

}  // namespace

uint64_t* process_cookie = &fallback_cookie;

uint64_t current_process() {
  pthread_once(&once, set_up);
  uint64_t now = load_acquire(process_cookie);
  if (now != 0) return now;
  const uint64_t next = __atomic_add_fetch(&last_number, 1, __ATOMIC_RELAXED);
  return cas_acq_rel(process_cookie, now, next) ? next : now;
}

}  // namespace ashmem_compat
