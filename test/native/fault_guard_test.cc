// Faults that nobody mends: of which some are over by the time that a handler asks, and the others are for whoever was there before.
#include "core/platform/fault_guard.h"

#include <sys/mman.h>

#include "core/platform/page.h"
#include "native/check.h"
#include "native/processes.h"

using namespace ashmem_compat;
using namespace ashmem_compat::testing;

namespace {

const size_t kPage = page_size();

struct Page {
  Page() {
    void* mapped = mmap(nullptr, kPage, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (mapped == MAP_FAILED) abort();
    start = static_cast<char*>(mapped);
  }
  int read() const { return *static_cast<volatile char*>(start); }
  void forbid() const { mprotect(start, kPage, PROT_NONE); }
  char* start;
};

int asked = 0;

bool mend_nothing(const Fault&, bool, void*) {
  ++asked;
  return false;
}

// As if another thread had put memory there and ended its guard, just before this one was asked.
bool find_it_over(const Fault& fault, bool, void*) {
  ++asked;
  mprotect(fault.address, kPage, PROT_READ);
  return false;
}

void end_a_guard() {
  const Page other;
  guard_range(SIGSEGV, other.start, kPage, mend_nothing, nullptr);
  end_guard(SIGSEGV, other.start);
}

}  // namespace

TEST(a_fault_that_is_over_by_now_harms_neither_this_touch_nor_later_ones) {
  SKIP_UNDER_SANITIZER();
  Child child([] {
    const Page page;
    guard_range(SIGSEGV, page.start, kPage, find_it_over, nullptr);
    for (int i = 1; i <= 3; ++i) {
      end_a_guard();
      page.forbid();
      if (page.read() != 0 || asked != i) return 1;
    }
    return 0;
  });
  CHECK_EQ(child.reap(), 0);
}

TEST(a_fault_that_stays_gets_the_default_action) {
  SKIP_UNDER_SANITIZER();
  for (const bool others : {false, true}) {
    Child child([others] {
      const Page page;
      guard_range(SIGSEGV, page.start, kPage, mend_nothing, nullptr);
      if (others) end_a_guard();
      return page.read();
    });
    CHECK_EQ(child.reap(), -SIGSEGV);
  }
}

TEST(a_fault_that_stays_gets_the_handler_that_was_there) {
  SKIP_UNDER_SANITIZER();
  Child child([] {
    signal(SIGSEGV, [](int) { _exit(asked == 2 ? 42 : 1); });  // asked again, as it might have been over
    const Page page;
    guard_range(SIGSEGV, page.start, kPage, mend_nothing, nullptr);
    end_a_guard();
    return page.read();
  });
  CHECK_EQ(child.reap(), 42);
}
