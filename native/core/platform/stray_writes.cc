#include "core/platform/stray_writes.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>

#include <cstdint>
#include <mutex>

#include "core/platform/atomics.h"
#include "core/platform/page.h"

namespace ashmem_compat {
namespace {

// In a list that only grows, as a handler may be walking it at any time; entries are used again.
struct Guarded {
  uintptr_t base;
  uintptr_t end;  // 0: nothing is guarded by this entry
  Guarded* next;
};
Guarded* all = nullptr;
std::mutex changing;
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

void pass_on(int number, siginfo_t* info, void* context) {
  if (before.sa_flags & SA_SIGINFO) {
    before.sa_sigaction(number, info, context);
  } else if (before.sa_handler != SIG_DFL && before.sa_handler != SIG_IGN) {
    before.sa_handler(number);
  } else {
    // The instruction faults once more, and then the default action is taken.
    signal(number, SIG_DFL);
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
  static bool installed = false;
  if (installed) return;
  installed = true;
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
  const uintptr_t begin = reinterpret_cast<uintptr_t>(base);
  std::lock_guard<std::mutex> guard(changing);
  install();
  Guarded* entry = all;
  while (entry && load_relaxed(&entry->end) != 0) entry = entry->next;
  const bool fresh = !entry;
  if (fresh) entry = new Guarded{0, 0, all};
  store_relaxed(&entry->base, begin);
  store_release(&entry->end, begin + length);
  if (fresh) store_release(&all, entry);
}

void end_guard(char* base) {
  std::lock_guard<std::mutex> guard(changing);
  for (Guarded* g = all; g; g = g->next) {
    if (load_relaxed(&g->end) == 0 || load_relaxed(&g->base) != reinterpret_cast<uintptr_t>(base)) continue;
    store_release(&g->end, uintptr_t{0});
    return;
  }
}

}  // namespace ashmem_compat
