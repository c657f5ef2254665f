#include "core/platform/fault_guard.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include <cstdint>

#include "core/platform/atomics.h"
#include "core/platform/fork_guard.h"
#include "core/platform/page.h"

namespace ashmem_compat {
namespace {

// In a list that only grows, as a handler may be walking it at any time; entries are used again. Without a lock, which a
// child of fork() might find taken for good.
struct Guarded {
  uintptr_t base;
  uintptr_t
      end;  // kUnused, kTaken by somebody who is about to use it or to leave it, or the end of what is guarded
  Guarded* next;
  MendFault mend;
  void* context;
  uint64_t process;
  uint32_t menders;  // handlers that may be using `context`
};
constexpr uintptr_t kUnused = 0;
constexpr uintptr_t kTaken = 1;

struct Kind {
  int signal;
  Guarded* all;
  pthread_once_t once;
  struct sigaction before;
};
Kind kinds[] = {{SIGSEGV, nullptr, PTHREAD_ONCE_INIT, {}}, {SIGBUS, nullptr, PTHREAD_ONCE_INIT, {}}};

bool expected = false;

Kind& kind_of(int signal) { return kinds[signal == SIGBUS ? 1 : 0]; }

bool mended(const Kind& kind, const siginfo_t* info) {
  const uintptr_t address = reinterpret_cast<uintptr_t>(info->si_addr);
  for (Guarded* g = load_acquire(&kind.all); g; g = load_acquire(&g->next)) {
    if (address >= load_acquire(&g->end) || address < load_relaxed(&g->base)) continue;
    const bool own = same_process(load_relaxed(&g->process));
    // Counted before the second look, as end_guard() first ends the range and then waits for the count: one of both sees the
    // other. A child has copied counts that nobody will ever lower, and its `mend` uses no context.
    if (own) __atomic_add_fetch(&g->menders, 1, __ATOMIC_SEQ_CST);
    const uintptr_t base = load_relaxed(&g->base);
    const bool ours = address < load_seq_cst(&g->end) && address >= base;
    const Fault fault = {info->si_code, static_cast<char*>(info->si_addr), address - base};
    const bool done = ours && g->mend(fault, own, g->context);
    if (own) __atomic_sub_fetch(&g->menders, 1, __ATOMIC_SEQ_CST);
    if (ours) return done;
  }
  return false;
}

// A fault comes again when the handler returns, and then meets the default action. What was sent by kill(2) or raise(3)
// does not.
void pass_on(const struct sigaction& before, int number, siginfo_t* info, void* context) {
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
  const Kind& kind = kind_of(number);
  const bool done = info->si_code > 0 && mended(kind, info);
  errno = error;
  if (!done) pass_on(kind.before, number, info, context);
}

void install(Kind& kind) {
  kernel_page_size();  // computed here, and not in a handler
  struct sigaction action;
  memset(&action, 0, sizeof action);
  action.sa_sigaction = on_fault;
  action.sa_flags = SA_SIGINFO | SA_ONSTACK;
  sigemptyset(&action.sa_mask);
  sigaction(kind.signal, nullptr, &kind.before);  // in place before the first fault can ask for it
  sigaction(kind.signal, &action, nullptr);
}

}  // namespace

void guard_range(int signal, char* base, size_t length, MendFault mend, void* context) {
  Kind& kind = kind_of(signal);
  if (signal == SIGBUS) {
    pthread_once(&kind.once, [] { install(kinds[1]); });
  } else {
    pthread_once(&kind.once, [] { install(kinds[0]); });
  }
  const uintptr_t begin = reinterpret_cast<uintptr_t>(base);
  Guarded* entry = load_acquire(&kind.all);
  for (; entry; entry = load_acquire(&entry->next)) {
    uintptr_t unused = kUnused;
    if (cas_acq_rel(&entry->end, unused, kTaken)) break;
  }
  if (!entry) {
    entry = new Guarded{begin, kTaken, load_acquire(&kind.all), nullptr, nullptr, 0, 0};
    while (!cas_acq_rel(&kind.all, entry->next, entry)) {
    }
  }
  entry->mend = mend;
  entry->context = context;
  store_relaxed(&entry->process, current_process());
  store_release(&entry->base, begin);
  store_release(&entry->end, begin + length);
}

void end_guard(int signal, char* base) {
  for (Guarded* entry = load_acquire(&kind_of(signal).all); entry; entry = load_acquire(&entry->next)) {
    if (load_acquire(&entry->end) <= kTaken ||
        load_acquire(&entry->base) != reinterpret_cast<uintptr_t>(base))
      continue;
    store_seq_cst(&entry->end, kTaken);
    if (same_process(load_relaxed(&entry->process))) {
      while (load_seq_cst(&entry->menders) != 0) {
        timespec nap{0, 20'000};
        nanosleep(&nap, nullptr);
      }
    } else {
      store_relaxed(&entry->menders, 0u);  // copied by fork() in the middle of one: its thread is not here
    }
    store_release(&entry->end, kUnused);
    return;
  }
}

bool discards_expected() { return load_acquire(&expected); }
void expect_discards() { store_release(&expected, true); }

bool replace_page_with_zeros(char* address) {
  const size_t page = kernel_page_size();
  char* start = address - (reinterpret_cast<uintptr_t>(address) & (page - 1));
  return mmap(start, page, PROT_READ | PROT_WRITE, MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) !=
         MAP_FAILED;
}

}  // namespace ashmem_compat
