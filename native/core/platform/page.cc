#include "core/platform/page.h"

#include <unistd.h>

namespace ashmem_compat {
namespace {
size_t raised_page_size = 0;
}

size_t kernel_page_size() {
  static const size_t size = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  return size;
}

size_t page_size() { return raised_page_size ? raised_page_size : kernel_page_size(); }

void set_page_size_for_tests(size_t bytes) { raised_page_size = bytes; }

}  // namespace ashmem_compat
