#include "core/platform/page.h"

#include <stdlib.h>
#include <unistd.h>

namespace ashmem_compat {
namespace {

size_t raised_page_size = 0;

// What all page sizes of a process begin with: the kernel's, or in test builds what ASHMEM_COMPAT_TEST_PAGE_SIZE raises it to, so that
// whole suites run with larger ones.
size_t first_page_size() {
#ifdef ASHMEM_COMPAT_STAGES
  const char* raised = getenv("ASHMEM_COMPAT_TEST_PAGE_SIZE");
  const unsigned long bytes = raised ? strtoul(raised, nullptr, 10) : 0;
  if (is_power_of_two(bytes) && bytes > kernel_page_size()) return bytes;
#endif
  return kernel_page_size();
}

}  // namespace

size_t kernel_page_size() {
  static const size_t size = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  return size;
}

size_t page_size() {
  static const size_t first = first_page_size();
  return raised_page_size ? raised_page_size : first;
}

void set_page_size_for_tests(size_t bytes) { raised_page_size = bytes; }

}  // namespace ashmem_compat
