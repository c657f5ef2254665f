#include "core/mapping.h"

#include <sys/mman.h>

#include "core/platform/page.h"

namespace ashmem_compat {

Result<std::shared_ptr<Mapping>> Mapping::map(int fd, uint64_t length, int flags) {
  uint64_t rounded = 0;
  if (!align_up(length, kernel_page_size(), &rounded) || rounded > SIZE_MAX) {
    errno = ENOMEM;
    return Status::System("mmap");
  }
  // A private mapping of a file must not be charged for pages that a stray write might copy.
  void* base =
      mmap(nullptr, static_cast<size_t>(rounded), PROT_READ | PROT_WRITE, flags | MAP_NORESERVE, fd, 0);
  if (base == MAP_FAILED) return Status::System("mmap", Code::kSystem, "cannot map the region's data");
  return std::make_shared<Mapping>(base, static_cast<size_t>(rounded));
}

Mapping::~Mapping() { munmap(base_, length_); }

void Mapping::replace_with_zeros() {
  // Where there is no memory even for that, the pages stay until the last owner drops the mapping.
  (void)!mmap(base_, length_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE,
              -1, 0);
}

}  // namespace ashmem_compat
