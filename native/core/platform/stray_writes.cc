#include "core/platform/stray_writes.h"

#include <string.h>
#include <sys/mman.h>

#include <cstdint>

#include "core/platform/fault_guard.h"
#include "core/platform/page.h"

namespace ashmem_compat {
namespace {

// Only system calls and memory: this runs inside a signal handler.
bool copy_page(const Fault& fault, bool, void*) {
  if (fault.code != SEGV_ACCERR) return false;
  const size_t bytes = kernel_page_size();
  char* page = fault.address - (reinterpret_cast<uintptr_t>(fault.address) & (bytes - 1));
  void* copy = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (copy == MAP_FAILED) return false;
  memcpy(copy, page, bytes);
  if (mremap(copy, bytes, bytes, MREMAP_MAYMOVE | MREMAP_FIXED, page) != MAP_FAILED) return true;
  munmap(copy, bytes);
  return false;
}

}  // namespace

void guard_stray_writes(char* base, size_t length) { guard_range(SIGSEGV, base, length, copy_page, nullptr); }

void end_stray_writes(char* base) { end_guard(SIGSEGV, base); }

}  // namespace ashmem_compat
