#include "core/platform/residency.h"

#include <sys/mman.h>

#include "core/platform/page.h"

namespace ashmem_compat {

Status resident_bytes(const char* address, uint64_t length, uint64_t* bytes) {
  const uint64_t page = kernel_page_size();
  unsigned char present[4096];
  *bytes = 0;
  for (uint64_t at = 0; at < length;) {
    const uint64_t left = length - at;
    const uint64_t step = left < sizeof present * page ? left : sizeof present * page;
    if (mincore(const_cast<char*>(address) + at, static_cast<size_t>(step), present) != 0) {
      return Status::System("mincore");
    }
    for (uint64_t i = 0; i * page < step; ++i) {
      if (present[i] & 1) *bytes += step - i * page < page ? step - i * page : page;
    }
    at += step;
  }
  return Status::Ok();
}

}  // namespace ashmem_compat
