#include "core/platform/stray_writes.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>

#include <cstdint>

#include "core/platform/atomics.h"
#include "core/platform/page.h"

namespace ashmem_compat {
namespace {

// In a list that only grows, as a handler may be walking it at any time; entries are used again. Without a lock, which a
// child of fork() might find taken for good.
struct Guarded {
  uintptr_t base;
  uintptr_t end;  // kUnused, kTaken by somebody who is about to use it, or the end of what is guarded
  Guarded* next;
};
constexpr uintptr_t kUnused = 0;
constexpr uintptr_t kTaken = 1;

Guarded* all = nullptr;
pthread_once_t once = PTHREAD_ONCE_INIT;
struct sigaction before;
size_t page_bytes = 0;

bool is_guarded(uintptr_t address) {
  for (const Guarded* g = load_acquire(&all); g; g = load_acquire(&g->next)) {
    const uintptr_t end = load_acquire(&g->end);
    if (address < end && address >= load_relaxed(&g->base)) return true;
  }
  return false;
}

// Only system calls and memory: this runs inside a signal handler.
bool copy_page(void* address) {
  void* page = static_cast<char*>(address) - (reinterpret_cast<uintptr_t>(address) & (page_bytes - 1));
  void* copy = mmap(nullptr, page_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (copy == MAP_FAILED) return false;
  memcpy(copy, page, page_bytes);
  if (mremap(copy, page_bytes, page_bytes, MREMAP_MAYMOVE | MREMAP_FIXED, page) != MAP_FAILED) return true;
  munmap(copy, page_bytes);
  return false;
}

// A fault comes again when the handler returns, and then meets the default action. What was sent by kill(2) or raise(3)
// does not.
void pass_on(int number, siginfo_t* info, void* context) {
  const bool sent = info->si_code <= 0;
  if (before.sa_flags & SA_SIGINFO) {
    before.sa_sigaction(number, info, context);
  } else if (before.sa_handler != SIG_DFL && before.sa_handler != SIG_IGN) {
    before.sa_handler(number);
  } else if (before.sa_handler == SIG_DFL || !sent) {
    signal(number, SIG_DFL);
    if (sent) raise(number);  // held back until the handler returns
  }
}

void on_fault(int number, siginfo_t* info, void* context) {
  const int error = errno;
  const bool ours = info->si_code == SEGV_ACCERR && is_guarded(reinterpret_cast<uintptr_t>(info->si_addr));
  if (ours && copy_page(info->si_addr)) {
    errno = error;
    return;
  }
  errno = error;
  pass_on(number, info, context);
}

void install() {
  page_bytes = kernel_page_size();
  struct sigaction action;
  memset(&action, 0, sizeof action);
  action.sa_sigaction = on_fault;
  action.sa_flags = SA_SIGINFO | SA_ONSTACK;
  sigemptyset(&action.sa_mask);
  sigaction(SIGSEGV, nullptr, &before);  // in place before the first fault can ask for it
  sigaction(SIGSEGV, &action, nullptr);
}

}  // namespace

void guard_stray_writes(char* base, size_t length) {
  pthread_once(&once, install);
  const uintptr_t begin = reinterpret_cast<uintptr_t>(base);
  Guarded* entry = load_acquire(&all);
  for (; entry; entry = load_acquire(&entry->next)) {
    uintptr_t unused = kUnused;
    if (cas_acq_rel(&entry->end, unused, kTaken)) break;
  }
  if (!entry) {
    entry = new Guarded{begin, kTaken, load_acquire(&all)};
    while (!cas_acq_rel(&all, entry->next, entry)) {
    }
  }
  store_release(&entry->base, begin);
  store_release(&entry->end, begin + length);
}

void end_guard(char* base) {
  for (Guarded* entry = load_acquire(&all); entry; entry = load_acquire(&entry->next)) {
    if (load_acquire(&entry->end) <= kTaken ||
        load_acquire(&entry->base) != reinterpret_cast<uintptr_t>(base))
      continue;
    store_release(&entry->end, kUnused);
    return;
  }
}

}  // namespace ashmem_compat
