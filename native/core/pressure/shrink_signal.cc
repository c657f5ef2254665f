#include "core/pressure/shrink_signal.h"

#include <signal.h>

#include <atomic>
#include <cerrno>
#include <cstdint>
#include <mutex>

#include "core/pressure/watcher.h"

namespace ashmem_compat::pressure {
namespace {

// Linux has 64 signals, MIPS 127.
constexpr int kSignals = NSIG > 128 ? NSIG : 128;

using Plain = void (*)(int);
using WithInfo = void (*)(int, siginfo_t*, void*);

struct Slot {
  // Guarded by the mutex.
  struct sigaction before {};  // what ours was installed over
  int listeners = 0;
  // Somebody may call our handler, installed or under another that was installed over it.
  bool in_chain = false;
  // Read by the handler, which may still run in another thread while the slot is used anew. Of the next to call at most one is set.
  std::atomic<bool> listening{false};
  std::atomic<Plain> plain{nullptr};
  std::atomic<WithInfo> with_info{nullptr};
};

Slot slots[kSignals];

std::mutex& mutex() {
  static auto* const made = new std::mutex;  // outlives static destructors, as threads of Node's may
  return *made;
}

bool has_slot(int signo) { return signo > 0 && signo < kSignals; }

// Async-signal-safe: lock-free atomics, and demand().
void handle(int signo, siginfo_t* info, void* context) {
  const int error = errno;
  const Slot& slot = slots[signo];
  if (slot.listening.load(std::memory_order_acquire)) {
    uint64_t bytes = 0;
    if (info != nullptr && info->si_code == SI_QUEUE && info->si_value.sival_int > 0) {
      bytes = static_cast<uint64_t>(info->si_value.sival_int) << 10;
    }
    demand(bytes);
  }
  errno = error;
  if (const WithInfo next = slot.with_info.load(std::memory_order_acquire)) {
    next(signo, info, context);
  } else if (const Plain other = slot.plain.load(std::memory_order_acquire)) {
    other(signo);
  }
  errno = error;
}

bool is_ours(const struct sigaction& action) {
  return (action.sa_flags & SA_SIGINFO) != 0 && action.sa_sigaction == &handle;
}

bool does_nothing(const struct sigaction& action) {
  return (action.sa_flags & SA_SIGINFO) == 0 &&
         (action.sa_handler == SIG_DFL || action.sa_handler == SIG_IGN);
}

void put_before(Slot& slot, const struct sigaction& action) {
  slot.before = action;
  slot.plain.store(nullptr, std::memory_order_release);
  slot.with_info.store(nullptr, std::memory_order_release);
  if ((action.sa_flags & SA_SIGINFO) != 0) {
    slot.with_info.store(action.sa_sigaction, std::memory_order_release);
  } else if (!does_nothing(action)) {
    slot.plain.store(action.sa_handler, std::memory_order_release);
  }
}

Status install(Slot& slot, int signo, const struct sigaction& over) {
  struct sigaction ours {};
  ours.sa_sigaction = &handle;
  ours.sa_mask = over.sa_mask;
  ours.sa_flags = SA_SIGINFO | SA_RESTART | SA_ONSTACK;
  put_before(slot, over);  // first, as the signal may come at once
  struct sigaction replaced;
  if (sigaction(signo, &ours, &replaced) != 0) return Status::System("sigaction");
  if (!is_ours(replaced)) put_before(slot, replaced);
  slot.in_chain = true;
  return Status::Ok();
}

}  // namespace

Status listen_for_signal(int signo) {
  if (!has_slot(signo)) return Status::Of(Code::kOutOfRange, "no such signal");
  const std::lock_guard<std::mutex> guard(mutex());
  Slot& slot = slots[signo];
  struct sigaction current;
  if (sigaction(signo, nullptr, &current) != 0) return Status::System("sigaction");
  // A handler that was installed over ours may call ours. Over it in turn, ours would call itself for ever.
  if (!is_ours(current) && (!slot.in_chain || does_nothing(current))) {
    const Status status = install(slot, signo, current);
    if (!status.ok()) return status;
  }
  ++slot.listeners;
  slot.listening.store(true, std::memory_order_release);
  // A handler cannot start the thread, and a region that the kernel looks after has not.
  begin_reclaiming();
  return Status::Ok();
}

void stop_listening_for_signal(int signo) {
  if (!has_slot(signo)) return;
  const std::lock_guard<std::mutex> guard(mutex());
  Slot& slot = slots[signo];
  if (slot.listeners == 0 || --slot.listeners > 0) return;
  slot.listening.store(false, std::memory_order_release);
  struct sigaction current;
  if (sigaction(signo, nullptr, &current) != 0 || !is_ours(current)) return;
  if (sigaction(signo, &slot.before, nullptr) == 0) slot.in_chain = false;
}

}  // namespace ashmem_compat::pressure
