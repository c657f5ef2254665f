// reclaim on real processes: what it takes, what it leaves, and whom it refuses. Where there is swap (npm run vm -- --swap 128)
// anonymous memory goes there; elsewhere that must be said.
#include <linux/sched.h>
#include <sched.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <sys/sysinfo.h>

#include <string>

#include "core/reclaim/process_reclaim.h"
#include "native/check.h"
#include "native/filled_memory.h"
#include "native/processes.h"
#include "native/seccomp.h"

using namespace ashmem_compat;
using namespace ashmem_compat::reclaim;
using namespace ashmem_compat::testing;

namespace {

const uint64_t kPage = kernel_page_size();
const char* const kNoRight = "advising other processes needs CAP_SYS_NICE";

bool has_swap() {
  struct sysinfo info;
  return sysinfo(&info) == 0 && info.freeswap != 0;
}

// What a child answers after it was reclaimed.
constexpr int kFine = 0, kLostContents = 11, kFileStayed = 12, kFileWent = 13, kLockedWent = 14;

Request request(pid_t pid, Kind kind, Advice advice = Advice::kPageout) {
  Request r;
  r.pid = pid;
  r.kind = kind;
  r.advice = advice;
  return r;
}

bool says(const Status& status, const char* part) {
  if (status.detail && strstr(status.detail, part)) return true;
  fprintf(stderr, "code %d errno %d %s\n", static_cast<int>(status.code), status.error,
          status.detail ? status.detail : "");
  return false;
}

// Some pages of a range may be on their way into the lists of another processor, which reclaim does not reach.
bool mostly_gone(const char* from, uint64_t length) {
  return FilledMemory::resident(from, length) * 2 < length;
}
bool all_there(const char* from, uint64_t length) { return FilledMemory::resident(from, length) == length; }

// A child that has filled memory, stops while it is reclaimed, and then finds its file's pages out of memory.
int filled_and_file_goes() {
  const FilledMemory memory;
  stop_here();
  if (!mostly_gone(memory.file(), memory.file_bytes())) return kFileStayed;
  return memory.intact() ? kFine : kLostContents;
}

int filled_and_file_stays() {
  const FilledMemory memory;
  stop_here();
  if (!all_there(memory.file(), memory.file_bytes())) return kFileWent;
  return memory.intact() ? kFine : kLostContents;
}

pid_t victim = 0;
void end_victim() {
  kill(victim, SIGKILL);
  waitpid(victim, nullptr, 0);
}

// Ends the victim and starts a process with the same number, which waits to be killed.
bool reused = false;
void reuse_number() {
  end_victim();
  pid_t wanted = victim;
  clone_args args{};
  args.exit_signal = SIGCHLD;
  args.set_tid = reinterpret_cast<uintptr_t>(&wanted);
  args.set_tid_size = 1;
  const long pid = syscall(SYS_clone3, &args, sizeof args);
  if (pid == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    for (;;) pause();
  }
  reused = pid == victim;
}

// A child that does nothing, for the calls above to end.
void start_victim() {
  victim = fork();
  if (victim == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    for (;;) pause();
  }
}

}  // namespace

TEST(file_pages_leave_memory_and_come_back) {
  if (geteuid() != 0) SKIP(kNoRight);
  Child child(filled_and_file_goes);
  REQUIRE(child.wait_stopped());
  auto done = reclaim_process(request(child.pid(), Kind::kFile));
  REQUIRE(done.ok());
  const Outcome& out = done.value();
  CHECK_EQ(std::string(out.means), std::string("process_madvise"));
  CHECK(!out.anon_left_out);
  CHECK(out.advised.mappings > 1);
  CHECK(out.advised.bytes >= kPage);
  CHECK(out.before.rss > out.after.rss);
  CHECK(out.before.pss != kUnknown && out.before.pss <= out.before.rss);
  // The other kinds are still there: what left is little more than the file.
  CHECK(out.before.rss - out.after.rss < kEach + kEach / 2);
  child.resume();
  CHECK_EQ(child.reap(), kFine);
}

TEST(anonymous_memory_goes_to_swap_or_is_said_not_to) {
  if (geteuid() != 0) SKIP(kNoRight);
  Child child(filled_and_file_stays);
  REQUIRE(child.wait_stopped());
  auto done = reclaim_process(request(child.pid(), Kind::kAnon));
  if (has_swap()) {
    REQUIRE(done.ok());
    const Outcome& out = done.value();
    CHECK(out.before.anonymous >= kEach);
    CHECK(out.after.anonymous + kEach / 2 < out.before.anonymous);
    CHECK(out.after.swap >= out.before.swap + kEach);  // of the two kinds, at least half
  } else {
    CHECK_EQ(done.status().code, Code::kNoSwap);
    CHECK(says(done.status(), "no swap"));
    CHECK_EQ(reclaim_process(request(child.pid(), Kind::kAnon, Advice::kCold)).status().code, Code::kNoSwap);
  }
  child.resume();
  CHECK_EQ(child.reap(), kFine);
}

TEST(all_takes_both_or_says_what_it_left_out) {
  if (geteuid() != 0) SKIP(kNoRight);
  Child child(filled_and_file_goes);
  REQUIRE(child.wait_stopped());
  auto done = reclaim_process(request(child.pid(), Kind::kAll));
  REQUIRE(done.ok());
  const Outcome& out = done.value();
  CHECK_EQ(out.anon_left_out == nullptr, has_swap());
  if (has_swap()) {
    CHECK(out.after.swap >= out.before.swap + kEach);
  } else {
    CHECK(strstr(out.anon_left_out, "no swap"));
    // A memfd is not a file then: its pages would leave the process, and no byte of them would be free.
    CHECK(out.before.rss - out.after.rss < kEach + kEach / 2);
  }
  child.resume();
  CHECK_EQ(child.reap(), kFine);
}

TEST(cold_takes_nothing_by_itself) {
  if (geteuid() != 0) SKIP(kNoRight);
  Child child(filled_and_file_stays);
  REQUIRE(child.wait_stopped());
  auto done = reclaim_process(request(child.pid(), Kind::kFile, Advice::kCold));
  REQUIRE(done.ok());
  CHECK(done.value().advised.mappings > 1);
  CHECK_EQ(done.value().after.rss, done.value().before.rss);
  child.resume();
  CHECK_EQ(child.reap(), kFine);
}

TEST(only_the_range_is_taken) {
  if (geteuid() != 0) SKIP(kNoRight);
  Shared* shared = shared_words();
  Child child([shared] {
    const FilledMemory memory;
    const uint64_t half = memory.file_bytes() / 2 / kPage * kPage;
    shared->word[0] = reinterpret_cast<uintptr_t>(memory.file());
    shared->word[1] = half;
    stop_here();
    if (!all_there(memory.file(), half)) return kFileWent;
    if (!mostly_gone(memory.file() + half, memory.file_bytes() - half)) return kFileStayed;
    return memory.intact() ? kFine : kLostContents;
  });
  REQUIRE(child.wait_stopped());
  Request r = request(child.pid(), Kind::kAll);
  r.start = shared->word[0] + shared->word[1];
  r.end = r.start + kEach;
  if (!has_swap()) r.kind = Kind::kFile;
  // Further mappings may lie within the range; the file's is one of them.
  auto done = reclaim_process(r);
  REQUIRE(done.ok());
  CHECK(done.value().advised.mappings >= 1);
  CHECK(done.value().advised.bytes + done.value().advised.skipped_bytes <= kEach);
  r.start = kPage;
  r.end = 2 * kPage;  // nothing is mapped there
  done = reclaim_process(r);
  REQUIRE(done.ok());
  CHECK_EQ(done.value().advised.mappings, uint64_t{0});
  child.resume();
  CHECK_EQ(child.reap(), kFine);
}

TEST(a_locked_mapping_is_skipped_and_those_around_it_are_taken) {
  if (geteuid() != 0) SKIP(kNoRight);
  Child child([] {
    const FilledMemory memory;
    const uint64_t middle = memory.file_bytes() / 2 / kPage * kPage;
    // By number: sanitizers make mlock() do nothing.
    if (syscall(SYS_mlock, memory.file() + middle, kPage) != 0) return 2;
    stop_here();
    if (!mostly_gone(memory.file(), middle)) return kFileStayed;
    if (!mostly_gone(memory.file() + middle + kPage, memory.file_bytes() - middle - kPage))
      return kFileStayed;
    if (!all_there(memory.file() + middle, kPage)) return kLockedWent;
    return memory.intact() ? kFine : kLostContents;
  });
  REQUIRE(child.wait_stopped());
  auto done = reclaim_process(request(child.pid(), Kind::kFile));
  REQUIRE(done.ok());
  CHECK_EQ(done.value().advised.skipped_mappings, uint64_t{1});
  CHECK_EQ(done.value().advised.skipped_bytes, kPage);
  child.resume();
  CHECK_EQ(child.reap(), kFine);
}

TEST(more_mappings_than_a_call_takes) {
  if (geteuid() != 0) SKIP(kNoRight);
  Child child([] {
    const FilledMemory memory;
    // Each of these is a mapping, none has pages, and they lie before the one that has.
    for (int i = 0; i < 3000; ++i) {
      if (mmap(nullptr, kPage, PROT_READ, MAP_SHARED, memory.file_fd(), 0) == MAP_FAILED) return 2;
    }
    stop_here();
    if (!mostly_gone(memory.file(), memory.file_bytes())) return kFileStayed;
    return memory.intact() ? kFine : kLostContents;
  });
  REQUIRE(child.wait_stopped());
  auto done = reclaim_process(request(child.pid(), Kind::kFile));
  REQUIRE(done.ok());
  CHECK(done.value().advised.mappings > 3000);
  CHECK_EQ(done.value().advised.skipped_mappings, uint64_t{0});
  child.resume();
  CHECK_EQ(child.reap(), kFine);
}

TEST(more_addresses_than_a_call_takes) {
  if (geteuid() != 0 || sizeof(void*) < 8) SKIP(kNoRight);
  constexpr uint64_t kFive = uint64_t{5} << 30;
  Child child([] {
    const FilledMemory memory(kFive);
    stop_here();
    if (!mostly_gone(memory.file(), memory.file_bytes())) return kFileStayed;
    return memory.intact() ? kFine : kLostContents;
  });
  REQUIRE(child.wait_stopped());
  auto done = reclaim_process(request(child.pid(), Kind::kFile));
  REQUIRE(done.ok());
  CHECK(done.value().advised.bytes >= kFive);
  CHECK_EQ(done.value().advised.skipped_bytes, uint64_t{0});
  CHECK(done.value().advised.mappings < 1000);  // pieces of one mapping are one
  child.resume();
  CHECK_EQ(child.reap(), kFine);
}

TEST(our_own_memory_needs_no_rights) {
  Child child([] {
    if (geteuid() == 0 && setresuid(1000, 1000, 1000) != 0) return 2;
    if (prctl(PR_SET_DUMPABLE, 1) != 0) return 3;  // setuid made /proc/self root's
    const FilledMemory memory;
    auto done = reclaim_process(request(getpid(), Kind::kFile));
    if (!done.ok()) return 4;
    if (strcmp(done.value().means, "madvise") != 0) return 5;
    if (done.value().advised.mappings == 0) return 6;
    return memory.intact() ? kFine : kLostContents;
  });
  CHECK_EQ(child.reap(), kFine);
}

TEST(a_file_that_is_not_ours_stays) {
  if (geteuid() != 0) SKIP("becoming another user needs root");
  Child child([] {
    const FilledMemory memory;
    if (setresuid(1000, 1000, 1000) != 0) return 2;
    if (prctl(PR_SET_DUMPABLE, 1) != 0) return 3;
    auto done = reclaim_process(request(getpid(), Kind::kFile));
    if (!done.ok()) return 4;
    return all_there(memory.file(), memory.file_bytes()) && memory.intact() ? kFine : kFileWent;
  });
  CHECK_EQ(child.reap(), kFine);
}

TEST(who_is_not_there_or_has_no_memory) {
  Child zombie([] { return 0; });
  siginfo_t info;
  REQUIRE(waitid(P_PID, static_cast<id_t>(zombie.pid()), &info, WEXITED | WNOWAIT) == 0);
  const Status ended = reclaim_process(request(zombie.pid(), Kind::kFile)).status();
  CHECK_EQ(ended.code, Code::kNoSuchProcess);
  CHECK(says(ended, "exit status"));
  const pid_t gone = zombie.pid();
  zombie.reap();
  CHECK_EQ(reclaim_process(request(gone, Kind::kFile)).status().code, Code::kNoSuchProcess);
  CHECK_EQ(reclaim_process(request(0x7fffffff, Kind::kFile)).status().code, Code::kNoSuchProcess);
}

TEST(a_thread_of_the_kernel_has_no_memory) {
  char name[64] = {0};
  const Fd comm(open("/proc/2/comm", O_RDONLY));
  if (!comm.valid() || read(comm.get(), name, sizeof name - 1) <= 0 || strcmp(name, "kthreadd\n") != 0) {
    SKIP("no kthreadd to be seen here");
  }
  const Status status = reclaim_process(request(2, Kind::kFile)).status();
  CHECK_EQ(status.code, Code::kNoSuchProcess);
  CHECK(says(status, "of the kernel"));
}

TEST(a_process_that_ends_meanwhile) {
  if (geteuid() != 0) SKIP(kNoRight);
  for (const Stage stage : {Stage::kTargetFound, Stage::kBeforeAdvice}) {
    start_victim();
    at_stage(stage, end_victim);
    CHECK_EQ(reclaim_process(request(victim, Kind::kFile)).status().code, Code::kNoSuchProcess);
    CHECK_EQ(hook_countdown, 0);
  }
}

TEST(a_process_that_got_the_number_meanwhile_is_not_advised) {
  if (geteuid() != 0) SKIP("choosing a pid needs root");
  for (const Stage stage : {Stage::kTargetFound, Stage::kBeforeAdvice}) {
    start_victim();
    reused = false;
    at_stage(stage, reuse_number);
    const Status status = reclaim_process(request(victim, Kind::kFile)).status();
    if (!reused) SKIP("clone3 with a chosen pid is refused here");
    CHECK_EQ(status.code, Code::kNoSuchProcess);
    end_victim();
  }
}

TEST(another_users_process_is_refused_by_its_memory_map) {
  if (geteuid() != 0) SKIP("becoming another user needs root");
  Child other([] {
    stop_here();
    return 0;
  });
  REQUIRE(other.wait_stopped());
  Child child([&] {
    if (setresuid(1000, 1000, 1000) != 0) return 2;
    const Status status = reclaim_process(request(other.pid(), Kind::kFile)).status();
    return status.code == Code::kNotPermitted && says(status, "CAP_SYS_PTRACE") ? kFine : 3;
  });
  CHECK_EQ(child.reap(), kFine);
}

TEST(a_process_of_the_same_user_needs_the_capability) {
  if (!has_call(434) || !has_call(440)) SKIP("process_madvise is not to be had here");
  Child child([] {
    if (geteuid() == 0 && setresuid(1000, 1000, 1000) != 0) return 2;
    prctl(PR_SET_DUMPABLE, 1);
    Child other([] {
      stop_here();
      return 0;
    });
    if (!other.wait_stopped()) return 3;
    const Status status = reclaim_process(request(other.pid(), Kind::kFile)).status();
    return status.code == Code::kNotPermitted && says(status, "CAP_SYS_NICE") ? kFine : 4;
  });
  CHECK_EQ(child.reap(), kFine);
}

TEST(a_seccomp_filter_is_survived_and_said) {
  const bool forbidden_before = !has_call(434) || !has_call(440);
  Child other([] {
    stop_here();
    return 0;
  });
  REQUIRE(other.wait_stopped());
  const struct {
    unsigned action;
    Code code;
  } rows[] = {{SECCOMP_RET_TRAP, Code::kNotSupported},
              {SECCOMP_RET_KILL_PROCESS, Code::kNotSupported},
              {SECCOMP_RET_ERRNO | ENOSYS, Code::kNotSupported},
              {SECCOMP_RET_ERRNO | EPERM, Code::kNotPermitted}};
  for (const long number : {434L, 440L}) {  // pidfd_open, process_madvise
    for (const auto& row : rows) {
      // Of two filters, the one that raises SIGSYS wins.
      if (forbidden_before && row.code == Code::kNotPermitted) continue;
      Child child([&] {
        if (!filter_call(number, row.action)) return 2;
        const Status status = reclaim_process(request(other.pid(), Kind::kFile)).status();
        if (status.code != row.code || !says(status, "seccomp")) return 3;
        if (waitpid(-1, nullptr, __WALL | WNOHANG) != -1) return 4;  // a child was left behind
        // Our own memory takes neither call.
        return reclaim_process(request(getpid(), Kind::kFile)).ok() ? kFine : 5;
      });
      CHECK_EQ(child.reap(), kFine);
    }
  }
}
