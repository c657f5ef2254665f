#include "core/platform/fault_guard.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

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
  uint32_t ended;  // guards, so far
};
Kind kinds[] = {{SIGSEGV, nullptr, PTHREAD_ONCE_INIT, {}, 0}, {SIGBUS, nullptr, PTHREAD_ONCE_INIT, {}, 0}};

// A fault that nobody mends, by the thread that had it.
struct Unmended {
  uint64_t when;  // {thread | guards that had ended}
  uint64_t address;
};
constexpr uint32_t kUnmended = 64;
Unmended unmended[kUnmended];

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

// A guard may have ended between the fault and the handler, and then the access would succeed by now. So it is tried once more, and nobody
// hears of it, unless the same thread has just done that. (Two threads that share a place here may try more often.)
bool may_be_over(const Kind& kind, const siginfo_t* info) {
  const uint32_t ended = load_seq_cst(&kind.ended);
  if (ended == 0) return false;
  const auto thread = static_cast<uint32_t>(syscall(SYS_gettid));
  const uint64_t when = uint64_t{thread} << 32 | ended;
  const uint64_t address = reinterpret_cast<uintptr_t>(info->si_addr);
  Unmended& last = unmended[thread % kUnmended];
  const bool again = load_relaxed(&last.when) == when && load_relaxed(&last.address) == address;
  store_relaxed(&last.when, when);
  store_relaxed(&last.address, address);
  return !again;
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
  const bool done = info->si_code > 0 && (mended(kind, info) || may_be_over(kind, info));
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
  Kind& kind = kind_of(signal);
  for (Guarded* entry = load_acquire(&kind.all); entry; entry = load_acquire(&entry->next)) {
    if (load_acquire(&entry->end) <= kTaken ||
        load_acquire(&entry->base) != reinterpret_cast<uintptr_t>(base))
      continue;
    __atomic_add_fetch(&kind.ended, 1,
                       __ATOMIC_SEQ_CST);  // first: who finds no guard any more is to know why
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
