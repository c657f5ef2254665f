// The call that was never merged: which number may be called at all, what passes for vrange, and what a region does when the call fails,
// does a part, or has lost something. The supervisor plays the kernel; each part runs in a process of its own under it.
#include <ctype.h>
#include <stdio.h>
#include <sys/utsname.h>

#include <string>

#include "core/backends/vrange_call.h"
#include "core/backends/vrange_probe.h"
#include "core/platform/assigned_calls.h"
#include "native/check.h"
#include "native/processes.h"
#include "native/seccomp.h"
#include "vrange/control.h"
#include "vrange/supervisor.h"

using namespace ashmem_compat;
using namespace ashmem_compat::testing;

namespace {

const uint64_t kPage = kernel_page_size();

std::string name_of(bool flags) { return (flags ? "v12:" : "v11:") + std::to_string(kVrangeNumber); }

// Runs `body` where the call is. Its failed checks count here.
bool supervised(const Supervision& how, const std::function<void()>& body) {
  const int result = run_supervised(how, [&] {
    check::failures = 0;
    setenv("ASHMEM_COMPAT_VRANGE", name_of(how.flags).c_str(), 1);
    body();
    return check::failures == 0 ? 0 : 1;
  });
  if (result == 77) return false;
  CHECK_EQ(result, 0);
  return true;
}

#define SUPERVISED(...)                                                        \
  do {                                                                         \
    if (!supervised(__VA_ARGS__)) SKIP("no supervising of system calls here"); \
  } while (0)

// What a new process finds that was told `text`.
void expect_refusal(const char* text, const char* reason) {
  Child child([&] {
    if (text) {
      setenv("ASHMEM_COMPAT_VRANGE", text, 1);
    } else {
      unsetenv("ASHMEM_COMPAT_VRANGE");
    }
    const Availability& found = vrange_backend.probe();
    if (!found.available && !vrange_private_backend.probe().available &&
        found.reason.find(reason) != std::string::npos) {
      return 0;
    }
    fprintf(stderr, "%s: %s\n", text ? text : "(nothing)", found.reason.c_str());
    return 1;
  });
  CHECK_EQ(child.reap(), 0);
}

std::unique_ptr<Region> region_of(Scope scope, uint64_t pages, uint64_t granularity = 0) {
  RegionOptions options;
  options.size = pages * kPage;
  options.granularity = granularity;
  Result<std::unique_ptr<Region>> made = create_region("vrange", scope, options);
  if (!made.ok()) {
    fprintf(stderr, "create: %s\n", made.status().detail);
    abort();
  }
  fill(*made.value(), 0, pages * kPage, 7);
  return std::move(made.value());
}

const Scope kBoth[] = {Scope::kShared, Scope::kProcess};

}  // namespace

TEST(nothing_is_called_that_was_not_named) {
  expect_refusal(nullptr, "not enabled");
  expect_refusal("", "not enabled");
  for (const char* text :
       {"v11", "v11:", "v10:400", "v13:400", "400", "v11:4x", "v11:-4", "v11: 400", "v11:99999", "V11:400"}) {
    expect_refusal(text, "is neither v11:NUMBER nor v12:NUMBER");
  }
}

TEST(numbers_of_other_calls_are_refused) {
  // exit_group and execve would be noticed.
  for (const long number :
       {long{SYS_exit_group}, long{SYS_execve}, long{SYS_renameat2}, long{SYS_sched_setattr}, 424L, 434L}) {
    for (const char* abi : {"v11:", "v12:"}) {
      expect_refusal((abi + std::to_string(number)).c_str(), "is another call's number here");
    }
  }
  expect_refusal("v11:4096", "is no number of a system call");
}

// All that this machine's headers know.
TEST(the_table_has_every_call_of_the_headers) {
#if defined(__x86_64__)
  const char* path = "/usr/include/x86_64-linux-gnu/asm/unistd_64.h";
#elif defined(__i386__)
  const char* path = "/usr/include/x86_64-linux-gnu/asm/unistd_32.h";
#else
  const char* path = "/usr/include/asm-generic/unistd.h";
#endif
  FILE* file = fopen(path, "re");
  if (!file) SKIP("no headers with the numbers of system calls");
  char line[256];
  int count = 0;
  while (fgets(line, sizeof line, file)) {
    char call[128];
    long number = 0;
    if (sscanf(line, "#define __NR_%127s %ld", call, &number) != 2 || strncmp(call, "syscalls", 8) == 0)
      continue;
    ++count;
    if (!is_assigned_call(number, "9.0.0"))
      check::fail(__FILE__, __LINE__, std::string(call) + " is not in the table");
  }
  fclose(file);
  CHECK(count > 250);
}

TEST(a_number_that_later_kernels_have_given_away_is_free_before) {
  CHECK(!is_assigned_call(462, "6.1.0-25-amd64"));
  CHECK(!is_assigned_call(462, "6.9.12"));
  CHECK(is_assigned_call(462, "6.10.0"));
  CHECK(is_assigned_call(462, "7.0.0-rc1"));
  CHECK(is_assigned_call(434, "3.10.0"));
  CHECK(!is_assigned_call(kVrangeNumber, "99.0"));
}

TEST(a_call_that_is_not_there) {
  expect_refusal(name_of(false).c_str(), "this kernel has no such call (ENOSYS)");
}

TEST(a_call_that_a_filter_kills_for) {
  for (const unsigned action : {SECCOMP_RET_TRAP, SECCOMP_RET_KILL_PROCESS}) {
    Child child([&] {
      if (!filter_call(kVrangeNumber, action)) return 2;
      setenv("ASHMEM_COMPAT_VRANGE", name_of(true).c_str(), 1);
      const Availability& found = vrange_backend.probe();
      return !found.available && found.reason.find("SIGSYS") != std::string::npos ? 0 : 1;
    });
    CHECK_EQ(child.reap(), 0);
  }
}

TEST(what_behaves_as_vrange_is_taken_for_it) {
  for (const bool flags : {false, true}) {
    SUPERVISED({flags, Likeness::kVrange}, [] {
      CHECK(vrange_backend.probe().available);
      CHECK(vrange_private_backend.probe().available);
      CHECK(vrange_backend.probe().reason.find("the kernel discards") != std::string::npos);
      const long before = vrange_calls();
      CHECK(vrange_backend.probe().available);
      CHECK_EQ(vrange_calls(), before);  // known, and not tried again
    });
  }
  // One that discards whenever it can is still vrange, as long as it says so.
  SUPERVISED({false, Likeness::kHurries}, [] {
    CHECK(vrange_backend.probe().available);
    for (const Scope scope : kBoth) {
      auto a = region_of(scope, 4);
      CHECK_EQ(unpin(*a, kPage, kPage), Code::kOk);
      CHECK(pin(*a, kPage, kPage).purged);
      CHECK(all(*a, kPage, kPage, 0));
      CHECK(all(*a, 0, kPage, 7));
    }
  });
  SUPERVISED({false, Likeness::kNoFiles}, [] {
    CHECK(!vrange_backend.probe().available);
    CHECK(vrange_private_backend.probe().available);
    CHECK(vrange_backend.probe().reason.find("on private memory (scope 'process'), not on a memfd") !=
          std::string::npos);
    CHECK_EQ(create_region("vrange", Scope::kShared, {"", 1}).status().code, Code::kBackendUnavailable);
    auto a = region_of(Scope::kProcess, 2);
    CHECK_EQ(unpin(*a, 0, kPage), Code::kOk);
    vrange_purge();
    CHECK(pin(*a, 0, kPage).purged);
  });
}

TEST(what_does_not_is_refused_with_the_reason) {
  const struct {
    Likeness likeness;
    const char* reason;
  } others[] = {
      {Likeness::kRefusesNothing, "does not refuse what vrange refuses"},
      {Likeness::kLeavesFlag, "does not report what was discarded"},
      {Likeness::kMarksNothing, "does not mark: Invalid argument"},
      {Likeness::kUnmarksNothing, "does not unmark: Invalid argument"},
      {Likeness::kLosesInSilence, "says 'kept' of bytes that are gone"},
      {Likeness::kTouchesNeighbours, "changes bytes beside its range"},
      {Likeness::kEndsCaller, "ends its process"},
      {Likeness::kHangs, "does not return"},
  };
  for (const auto& other : others) {
    SUPERVISED({false, other.likeness}, [&] {
      const Availability& found = vrange_backend.probe();
      CHECK(!found.available);
      CHECK(!vrange_private_backend.probe().available);
      if (found.reason.find(other.reason) == std::string::npos) check::fail(__FILE__, __LINE__, found.reason);
    });
  }
  SUPERVISED({false, Likeness::kOwnMappingOnly}, [] {
    CHECK(vrange_private_backend.probe().available);
    CHECK(vrange_backend.probe().reason.find("what one mapping marks, another cannot unmark") !=
          std::string::npos);
  });
}

TEST(a_program_can_name_the_call_itself) {
  SUPERVISED({true, Likeness::kVrange}, [] {
    unsetenv("ASHMEM_COMPAT_VRANGE");
    CHECK(!vrange_backend.probe().available);
    CHECK_EQ(vrange::enable("v9:400").code, Code::kOutOfRange);
    CHECK_EQ(vrange::enable(name_of(true)).code, Code::kOk);
    CHECK(vrange_backend.probe().available);
    CHECK_EQ(vrange::enable(name_of(true)).code, Code::kOk);
    CHECK_EQ(vrange::enable("v11:" + std::to_string(kVrangeNumber + 1)).code, Code::kNotSupported);
    CHECK(vrange_backend.probe().available);
  });
}

TEST(a_short_count_is_gone_on_with) {
  for (const Scope scope : kBoth) {
    SUPERVISED({}, [&] {
      auto a = region_of(scope, 16, 8 * kPage);
      script(Deed::kShort, 3, vrange::kVolatile, 2);
      script(Deed::kReturn, 0, vrange::kVolatile);  // and a call that does nothing
      CHECK_EQ(unpin(*a, 0, 16 * kPage), Code::kOk);
      CHECK_EQ(vrange_purge(), 16L);
      script(Deed::kShort, 5, vrange::kNonvolatile);
      script(Deed::kErrno, EINTR, vrange::kNonvolatile, 3);
      script(Deed::kShort, 1, vrange::kNonvolatile);
      CHECK(pin(*a, 0, 8 * kPage).purged);
      CHECK(all(*a, 0, 8 * kPage, 0));
      CHECK(pin(*a, 8 * kPage, 8 * kPage).purged);
      CHECK(!pin(*a, 0, 16 * kPage).purged);
    });
  }
}

TEST(a_pin_that_the_kernel_refuses_fails_and_holds_nothing) {
  for (const Scope scope : kBoth) {
    SUPERVISED({}, [&] {
      auto a = region_of(scope, 4);
      unpin(*a, 0, 4 * kPage);
      for (const int error : {ENOMEM, EINVAL, EPERM, ENOSYS}) {
        script(Deed::kErrno, static_cast<uint64_t>(error), vrange::kNonvolatile);
        bool purged = false;
        const Status refused = a->pin(kPage, kPage, &purged, nullptr);
        CHECK_EQ(refused.code, Code::kSystem);
        CHECK_EQ(refused.error, error);
        CHECK_EQ(std::string(refused.syscall), std::string("vrange"));
        CHECK(!is_pinned(*a, kPage, kPage));
      }
      CHECK_EQ(vrange_purge(2), 2L);  // it is volatile still: these are the first two
      CHECK(pin(*a, kPage, kPage).purged);
      CHECK_EQ(pin(*a, 2 * kPage, kPage).purged, false);
      CHECK(all(*a, 2 * kPage, kPage, 7));
    });
  }
}

TEST(a_call_that_returns_nonsense_is_an_error) {
  for (const Scope scope : kBoth) {
    SUPERVISED({}, [&] {
      auto a = region_of(scope, 4);
      unpin(*a, 0, 4 * kPage);
      for (const uint64_t nonsense :
           {2 * kPage, uint64_t{1}, kPage - 1, uint64_t{1} << (8 * sizeof(long) - 2)}) {
        script(Deed::kReturn, nonsense, vrange::kNonvolatile);
        CHECK_EQ(pin(*a, 0, kPage).code, Code::kSystem);
      }
      script(Deed::kReturn, 0, vrange::kNonvolatile, 1000);  // for ever, or so it seems
      CHECK_EQ(pin(*a, 0, kPage).code, Code::kSystem);
    });
  }
}

// The answer about the first part of the unit is given once, and the pin fails after it.
TEST(a_loss_that_was_told_in_a_pin_that_failed_is_told_to_the_next) {
  for (const Scope scope : kBoth) {
    SUPERVISED({}, [&] {
      auto a = region_of(scope, 8, 4 * kPage);
      unpin(*a, 0, 8 * kPage);
      CHECK_EQ(vrange_purge(), 8L);
      script(Deed::kShort, 2, vrange::kNonvolatile);
      script(Deed::kErrno, ENOMEM, vrange::kNonvolatile);
      CHECK_EQ(pin(*a, 0, 4 * kPage).code, Code::kSystem);
      CHECK(!is_pinned(*a, 0, 4 * kPage));
      CHECK(pin(*a, 0, 4 * kPage).purged);
      CHECK(!pin(*a, 0, 4 * kPage).purged);
    });
  }
  // And where all that was lost is in the part whose answer is gone.
  for (const Scope scope : kBoth) {
    SUPERVISED({}, [&] {
      auto a = region_of(scope, 4, 4 * kPage);
      unpin(*a, 0, 4 * kPage);
      CHECK_EQ(vrange_purge(1), 1L);
      script(Deed::kShort, 2, vrange::kNonvolatile);
      script(Deed::kErrno, ENOMEM, vrange::kNonvolatile);
      CHECK_EQ(pin(*a, 0, 4 * kPage).code, Code::kSystem);
      CHECK(pin(*a, 0, 4 * kPage).purged);
    });
  }
}

TEST(what_the_kernel_will_not_take_stays_pinned) {
  for (const Scope scope : kBoth) {
    SUPERVISED({}, [&] {
      auto a = region_of(scope, 4);
      script(Deed::kErrno, ENOMEM, vrange::kVolatile);
      CHECK_EQ(unpin(*a, 0, 4 * kPage), Code::kOk);
      CHECK(!is_pinned(*a, 0, kPage));
      CHECK_EQ(vrange_purge(), 0L);
      CHECK(!pin(*a, 0, 4 * kPage).purged);
      CHECK(all(*a, 0, 4 * kPage, 7));
      // A part is enough to make the whole of it something to ask about.
      script(Deed::kShort, 1, vrange::kVolatile);
      script(Deed::kErrno, ENOMEM, vrange::kVolatile);
      CHECK_EQ(unpin(*a, 0, 4 * kPage), Code::kOk);
      CHECK_EQ(vrange_purge(), 1L);
      CHECK(pin(*a, 0, kPage).purged);
      CHECK(!pin(*a, kPage, 3 * kPage).purged);
    });
  }
}

TEST(a_loss_between_the_question_and_the_pin_is_told) {
  for (const Scope scope : kBoth) {
    SUPERVISED({}, [&] {
      auto a = region_of(scope, 2);
      unpin(*a, 0, 2 * kPage);
      script(Deed::kLose, 0, vrange::kNonvolatile);
      CHECK(pin(*a, 0, kPage).purged);
      CHECK(all(*a, 0, kPage, 0));
      CHECK(!pin(*a, kPage, kPage).purged);
      unpin(*a, 0, 2 * kPage);
      script(Deed::kClaim, 0, vrange::kNonvolatile);
      CHECK(pin(*a, 0, kPage).purged);  // whoever says so is believed
    });
  }
}

TEST(a_region_that_the_kernel_discards_is_not_taken_for_another) {
  SUPERVISED({}, [] {
    auto a = region_of(Scope::kShared, 2);
    CHECK_EQ(attach_region("memfd", Fd(dup(a->fd())), {}).status().code, Code::kUntrustedFd);
    const auto same = attach_region("", Fd(dup(a->fd())), {});
    CHECK(same.ok() && std::string(same.value()->backend()) == "vrange");
    RegionOptions options;
    options.size = kPage;
    const auto plain = create_region("memfd", Scope::kShared, options);
    CHECK_EQ(attach_region("vrange", Fd(dup(plain.value()->fd())), {}).status().code, Code::kUntrustedFd);
    const auto found = attach_region("", Fd(dup(plain.value()->fd())), {});
    CHECK(found.ok() && std::string(found.value()->backend()) == "memfd");
    // A process that was not told of the call cannot tell what is lost, and says so.
    const int fd = a->fd();
    setenv("TEST_VRANGE_FD", std::to_string(fd).c_str(), 1);
    fcntl(fd, F_SETFD, 0);
    unsetenv("ASHMEM_COMPAT_VRANGE");
    Child again([] {
      execl("/proc/self/exe", "vrange_test", "a_process_without_the_call", nullptr);
      return 126;
    });
    CHECK_EQ(again.reap(), 0);
  });
}

TEST(a_process_without_the_call_refuses_the_region) {
  const char* fd = getenv("TEST_VRANGE_FD");
  if (!fd) SKIP("a part of the test before");
  const Status refused = attach_region("", Fd(atoi(fd)), {}).status();
  CHECK_EQ(refused.code, Code::kUntrustedFd);
  CHECK(strstr(refused.detail, "by vrange") != nullptr);
}

TEST(a_private_regions_units_are_counted_and_purged) {
  SUPERVISED({}, [] {
    auto a = region_of(Scope::kProcess, 4);
    CHECK_EQ(pin(*a, 0, kPage).purged, false);
    CHECK_EQ(unpin(*a, 0, 4 * kPage), Code::kOk);
    CHECK(is_pinned(*a, 0, kPage));
    CHECK_EQ(vrange_purge(), 3L);
    CHECK_EQ(purge(*a, 0, 4 * kPage), uint64_t{0});  // nothing is left to discard that is not held
    RegionStats stats;
    CHECK(a->stats(&stats).ok());
    CHECK_EQ(stats.purged, 3 * kPage);
    std::vector<ByteRange> lost;
    bool purged = false;
    CHECK(a->pin(0, 4 * kPage, &purged, &lost).ok());
    CHECK(purged && lost.size() == 1 && lost[0].offset == kPage && lost[0].length == 3 * kPage);
    CHECK_EQ(unpin(*a, kPage, kPage), Code::kOk);
    CHECK_EQ(unpin(*a, kPage, kPage), Code::kNotPinned);
    CHECK_EQ(purge(*a, 0, 4 * kPage), kPage);
    a->close();
    CHECK_EQ(pin(*a, 0, kPage).code, Code::kRegionClosed);
  });
}
