#include "core/platform/residency.h"

#include <sys/mman.h>

#include "core/platform/page.h"

namespace ashmem_compat {

Status Residency::bytes(const char* base, uint64_t size, uint64_t offset, uint64_t length,
                        uint64_t* resident) {
  const uint64_t page = kernel_page_size();
  *resident = 0;
  for (uint64_t at = offset / page; at * page < offset + length; ++at) {
    if (at < first_ || at >= first_ + pages_) {
      const uint64_t left = (size + page - 1) / page - at;
      pages_ = 0;
      const uint64_t pages = left < kStretch ? left : kStretch;
      if (mincore(const_cast<char*>(base) + at * page, static_cast<size_t>(pages * page), present_) != 0) {
        return Status::System("mincore");
      }
      first_ = at;
      pages_ = pages;
    }
    if (!(present_[at - first_] & 1)) continue;
    const uint64_t from = at * page < offset ? offset : at * page;
    const uint64_t to = (at + 1) * page < offset + length ? (at + 1) * page : offset + length;
    *resident += to - from;
  }
  return Status::Ok();
}

Status resident_bytes(const char* address, uint64_t length, uint64_t* bytes) {
  Residency residency;
  return residency.bytes(address, length, 0, length, bytes);
}

}  // namespace ashmem_compat
