// Writes to what can only be read get a copy of the page; every other fault, and every signal that was sent, goes where it went
// before.
#include "core/platform/stray_writes.h"

#include "core/mapping.h"
#include "core/platform/system_calls.h"
#include "native/check.h"
#include "native/processes.h"

using namespace ashmem_compat;
using namespace ashmem_compat::testing;

namespace {

const uint64_t kPage = kernel_page_size();

Fd file_of(char content) {
  Fd fd(raw_memfd_create("stray", 1));
  char page[65536];
  memset(page, content, kPage);
  for (int i = 0; i < 4; ++i) {
    if (write(fd.get(), page, kPage) != static_cast<ssize_t>(kPage)) abort();
  }
  return fd;
}

std::shared_ptr<Mapping> guarded(const Fd& fd) {
  Result<std::shared_ptr<Mapping>> made = Mapping::map_read_only(fd.get(), 4 * kPage, MAP_SHARED);
  if (!made.ok()) abort();
  return std::move(made.value());
}

char byte_in_file(const Fd& fd, uint64_t at) {
  char byte = 0;
  if (pread(fd.get(), &byte, 1, static_cast<off_t>(at)) != 1) abort();
  return byte;
}

}  // namespace

TEST(a_stray_write_changes_a_copy_of_its_page_only) {
  const Fd fd = file_of('a');
  const auto mapping = guarded(fd);
  volatile char* bytes = mapping->data();
  bytes[kPage + 7] = 'x';
  CHECK_EQ(bytes[kPage + 7], 'x');
  CHECK_EQ(bytes[kPage + 8], 'a');
  CHECK_EQ(byte_in_file(fd, kPage + 7), 'a');
  CHECK(pwrite(fd.get(), "bb", 2, static_cast<off_t>(2 * kPage)) == 2);
  CHECK_EQ(bytes[2 * kPage], 'b');  // the other pages follow the file
  CHECK(pwrite(fd.get(), "c", 1, static_cast<off_t>(kPage + 8)) == 1);
  CHECK_EQ(bytes[kPage + 8], 'a');
}

TEST(other_faults_end_the_process_as_before) {
  SKIP_UNDER_SANITIZER();
  const Fd fd = file_of('a');
  const auto mapping = guarded(fd);
  Child elsewhere([] {
    void* page = mmap(nullptr, kPage, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    *static_cast<volatile char*>(page) = 1;
    return 0;
  });
  CHECK_EQ(elsewhere.reap(), -SIGSEGV);
  Child after([&] {
    char* base = mapping->data();
    end_stray_writes(base);
    *static_cast<volatile char*>(base) = 1;
    return 0;
  });
  CHECK_EQ(after.reap(), -SIGSEGV);
}

// In new programs, where the guard finds the disposition that is to be kept.
TEST(signals_that_were_sent_go_where_they_went) {
  SKIP_UNDER_SANITIZER();
  const char* part = getenv("TEST_STRAY_WRITES");
  if (!part) {
    for (const auto& [name, expected] :
         {std::pair("default", -SIGSEGV), std::pair("ignored", 0), std::pair("handled", 0)}) {
      const char* const value = name;
      Child again([value] {
        setenv("TEST_STRAY_WRITES", value, 1);
        execl("/proc/self/exe", "stray_writes_test", "signals_that_were_sent", nullptr);
        return 126;
      });
      CHECK_EQ(again.reap(), expected);
    }
    return;
  }
  static volatile int handled = 0;
  if (strcmp(part, "ignored") == 0) signal(SIGSEGV, SIG_IGN);
  if (strcmp(part, "handled") == 0) signal(SIGSEGV, [](int) { handled = handled + 1; });
  const Fd fd = file_of('a');
  const auto mapping = guarded(fd);
  *static_cast<volatile char*>(mapping->data()) = 1;
  raise(SIGSEGV);
  raise(SIGSEGV);
  CHECK_EQ(handled, strcmp(part, "handled") == 0 ? 2 : 0);
}
