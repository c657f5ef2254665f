#include "core/backends/vrange_probe.h"

#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "core/platform/assigned_calls.h"
#include "core/platform/fault_guard.h"
#include "core/platform/page.h"
#include "core/platform/system_calls.h"

namespace ashmem_compat::vrange {
namespace {

enum class Step {
  kNothing,
  kMemory,        // there was none to try it on
  kArguments,     // it takes what vrange refuses
  kMark,          // it does not mark
  kUnmark,        // it does not unmark
  kFlag,          // it leaves *purged as it was
  kBytes,         // bytes that were kept, as it says, are not what they were
  kNeighbours,    // bytes beside the range have changed
  kOtherMapping,  // what one mapping of a file marks, another cannot unmark
  kDone,
};

constexpr int kPages = 6;
constexpr unsigned char kContent = 0xa5;

// In memory that is shared with the child.
struct Attempt {
  Call call;
  bool shared;  // what is tried: a memfd, or private memory
  Step reached;
  int error;
};

bool refuses(const Call& call, char* start, uint64_t length, int mode, unsigned long flags) {
  int purged = 0;
  errno = 0;
  return raw(call, start, length, mode, flags, &purged) == -1 && errno == EINVAL;
}

bool holds_content(const char* from, uint64_t bytes) {
  const volatile char* at = from;
  for (uint64_t i = 0; i < bytes; ++i) {
    if (static_cast<unsigned char>(at[i]) != kContent) return false;
  }
  return true;
}

// Marks through `marked`, unmarks and looks through `seen`: two mappings of the same pages, or one.
Step try_memory(const Call& call, char* marked, char* seen) {
  const uint64_t page = kernel_page_size();
  // What no vrange takes, and hardly any other call would answer alike. First, as nothing has happened yet: addresses, which are
  // no fd, pid or signal.
  if (!refuses(call, marked + 1, page, kVolatile, 0) || !refuses(call, marked + page, page, 0x5a5a, 0) ||
      !refuses(call, marked + page, 0, kVolatile, 0)) {
    return Step::kArguments;
  }
  if (call.abi == Abi::kV12 && !refuses(call, marked + page, page, kVolatile, ~0ul)) return Step::kArguments;
  char* const first = marked + page;
  const uint64_t length = (kPages - 2) * page;
  memset(marked, kContent, kPages * page);
  for (int round = 0; round < 2; ++round) {
    int purged = 0x5a5a;
    uint64_t done = 0;
    while (done < length) {
      const long some = raw(call, first + done, length - done, kVolatile, 0, &purged);
      if (some <= 0 || static_cast<uint64_t>(some) > length - done) return Step::kMark;
      done += static_cast<uint64_t>(some);
    }
    if (purged == 0x5a5a) return Step::kFlag;
    const Changed back = change(call, seen + page, length, kNonvolatile);
    if (back.error != 0) {
      errno = back.error;
      return marked == seen ? Step::kUnmark : Step::kOtherMapping;
    }
    // It may discard at any moment, and then says so; what it says that it has kept is there.
    if (!back.purged && !holds_content(seen + page, length)) return Step::kBytes;
    if (!holds_content(marked, page) || !holds_content(marked + (kPages - 1) * page, page))
      return Step::kNeighbours;
    if (back.purged) memset(first, kContent, length);
    int again = 0x5a5a;
    if (raw(call, first, page, kNonvolatile, 0, &again) != static_cast<long>(page) || again != 0)
      return Step::kFlag;
    if (!holds_content(first, length)) return Step::kBytes;
  }
  return Step::kDone;
}

Step try_attempt(const Attempt& attempt) {
  const size_t bytes = kPages * kernel_page_size();
  if (!attempt.shared) {
    void* memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) return Step::kMemory;
    return try_memory(attempt.call, static_cast<char*>(memory), static_cast<char*>(memory));
  }
  const int fd = raw_memfd_create("ashmem-compat-probe", 1 /* MFD_CLOEXEC */);
  if (fd < 0 || ftruncate(fd, static_cast<off_t>(bytes)) != 0) return Step::kMemory;
  void* one = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  void* two = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (one == MAP_FAILED || two == MAP_FAILED) return Step::kMemory;
  return try_memory(attempt.call, static_cast<char*>(one), static_cast<char*>(two));
}

// In the child: what the call does to this process, or how long it sleeps, hurts nobody.
int try_in_child(void* shared) {
  struct {
    void (*handler)(int);
    unsigned long flags;
    void (*restorer)(int);
    unsigned long mask[8 / sizeof(unsigned long)];
  } fatal = {SIG_DFL, 0, nullptr, {}};
  for (const int number : {SIGALRM, SIGBUS, SIGSEGV}) syscall(SYS_rt_sigaction, number, &fatal, nullptr, 8);
  unsigned long alarms[8 / sizeof(unsigned long)] = {1ul << (SIGALRM - 1)};
  syscall(SYS_rt_sigprocmask, SIG_UNBLOCK, alarms, nullptr, 8);
  const itimerval patience = {{0, 0}, {10, 0}};
  setitimer(ITIMER_REAL, &patience, nullptr);
  Attempt* attempt = static_cast<Attempt*>(shared);
  errno = 0;
  attempt->reached = try_attempt(*attempt);
  attempt->error = errno;
  return 0;
}

std::string reason_against(const Attempt& attempt, const Trial& trial) {
  if (trial.killed && trial.signal == SIGSYS) return "refused by a seccomp filter (SIGSYS)";
  if (trial.killed && trial.signal == SIGALRM) return "the call does not return";
  if (trial.killed)
    return std::string("the call ends its process (signal ") + std::to_string(trial.signal) + ")";
  if (trial.error != 0) return std::string("it cannot be tried: ") + strerror(trial.error);
  const std::string error = attempt.error != 0 ? std::string(": ") + strerror(attempt.error) : std::string();
  switch (attempt.reached) {
    case Step::kNothing: return "the call ends its process";
    case Step::kMemory: return "no memory to try it on" + error;
    case Step::kArguments:
      if (attempt.error == ENOSYS) return "this kernel has no such call (ENOSYS)";
      return "it does not refuse what vrange refuses, so it is another call" + error;
    case Step::kMark: return "it does not mark" + error;
    case Step::kUnmark: return "it does not unmark" + error;
    case Step::kFlag: return "it does not report what was discarded";
    case Step::kBytes: return "it says 'kept' of bytes that are gone";
    case Step::kNeighbours: return "it changes bytes beside its range";
    case Step::kOtherMapping: return "what one mapping marks, another cannot unmark" + error;
    case Step::kDone: break;
  }
  return "works";
}

bool try_one(Attempt* attempt, const Call& call, bool shared, std::string* reason, bool* passing) {
  *attempt = {call, shared, Step::kNothing, 0};
  const Trial trial = try_apart(try_in_child, attempt);
  if (!trial.killed && trial.error == 0 && attempt->reached == Step::kDone) return true;
  *reason = reason_against(*attempt, trial);
  *passing =
      *passing || will_pass(trial.error) || (attempt->reached == Step::kMemory && will_pass(attempt->error));
  return false;
}

Proof prove(const Choice& asked, bool* passing) {
  Proof proof;
  if (asked.text.empty()) {
    proof.reason =
        "not enabled: Linux has no vrange; ASHMEM_COMPAT_VRANGE=v11:NUMBER names the call of a kernel that "
        "does";
    return proof;
  }
  const std::string named = "ASHMEM_COMPAT_VRANGE=" + asked.text.substr(0, 60);
  if (!asked.valid) {
    proof.reason = named + " is neither v11:NUMBER nor v12:NUMBER";
    return proof;
  }
  utsname system;
  if (uname(&system) != 0) memset(&system, 0, sizeof system);
  if (asked.call.number > kHighestNumber || is_assigned_call(asked.call.number, system.release)) {
    proof.reason = named + ": " + std::to_string(asked.call.number) +
                   (asked.call.number > kHighestNumber ? " is no number of a system call"
                                                       : " is another call's number here");
    return proof;
  }
  void* memory = mmap(nullptr, sizeof(Attempt), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) {
    *passing = true;
    proof.reason = strerror(errno);
    return proof;
  }
  Attempt* attempt = static_cast<Attempt*>(memory);
  proof.call = asked.call;
  std::string against_private;
  std::string against_shared;
  proof.private_memory = try_one(attempt, asked.call, false, &against_private, passing);
  // A call that is not there, or not what it should be, is not called again.
  if (proof.private_memory)
    proof.shared_memory = try_one(attempt, asked.call, true, &against_shared, passing);
  munmap(memory, sizeof(Attempt));
  if (!proof.private_memory) {
    proof.reason = named + ": " + against_private;
  } else if (!proof.shared_memory) {
    proof.reason = named + " works on private memory (scope 'process'), not on a memfd: " + against_shared;
  } else {
    proof.reason =
        named + " marks, unmarks and reports, on private memory and on memfds; the kernel discards";
  }
  return proof;
}

struct Known {
  const Choice* choice;
  Proof proof;
};

}  // namespace

const Proof& proof() {
  static const Known* kept = nullptr;
  const Choice& asked = choice();
  if (const Known* known = load_acquire(&kept); known && known->choice == &asked) return known->proof;
  bool passing = false;
  const Known* found = new Known{&asked, prove(asked, &passing)};
  if (found->proof.private_memory) set_proven(found->proof.call);
  if (found->proof.shared_memory) expect_discards();
  if (!passing) store_release(&kept, found);
  return found->proof;
}

}  // namespace ashmem_compat::vrange
