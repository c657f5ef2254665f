#include "core/mapping.h"

#include <sys/mman.h>

#include "core/platform/fd.h"
#include "core/platform/page.h"
#include "core/platform/stray_writes.h"
#include "core/platform/system_calls.h"

namespace ashmem_compat {

namespace {

Result<std::shared_ptr<Mapping>> map_file(int fd, uint64_t length, int protection, int flags) {
  uint64_t rounded = 0;
  if (!align_up(length, kernel_page_size(), &rounded) || rounded > SIZE_MAX) {
    errno = ENOMEM;
    return Status::System("mmap");
  }
  // A private mapping of a file must not be charged for pages that a stray write might copy.
  void* base = mmap(nullptr, static_cast<size_t>(rounded), protection, flags | MAP_NORESERVE, fd, 0);
  if (base == MAP_FAILED) return Status::System("mmap", Code::kSystem, "cannot map the region's data");
  return std::make_shared<Mapping>(base, static_cast<size_t>(rounded));
}

}  // namespace

Result<std::shared_ptr<Mapping>> Mapping::map(int fd, uint64_t length, int flags) {
  return map_file(fd, length, PROT_READ | PROT_WRITE, flags);
}

Result<std::shared_ptr<Mapping>> Mapping::map_read_only(int fd, uint64_t length, int sharing) {
  if (sharing == MAP_PRIVATE) return map_file(fd, length, PROT_READ | PROT_WRITE, MAP_PRIVATE);
  Result<std::shared_ptr<Mapping>> made = map_file(fd, length, PROT_READ, MAP_SHARED);
  if (made.ok()) {
    Mapping& mapping = *made.value();
    mapping.guarded_ = true;
    guard_stray_writes(mapping.data(), mapping.length());
  }
  return made;
}

Status Mapping::map_again(int fd) {
  void* again = mmap(base_, length_, PROT_READ | PROT_WRITE, MAP_FIXED | MAP_PRIVATE | MAP_NORESERVE, fd, 0);
  return again == MAP_FAILED ? Status::System("mmap") : Status::Ok();
}

void Mapping::guard_discards(MendFault mend, void* context) {
  discards_guarded_ = true;
  guard_range(SIGBUS, data(), length(), mend, context);
}

void Mapping::end_guards() {
  if (guarded_) end_stray_writes(data());
  if (discards_guarded_) end_guard(SIGBUS, data());
  guarded_ = discards_guarded_ = false;
}

Mapping::~Mapping() {
  end_guards();
  munmap(base_, length_);
}

void Mapping::replace_with_zeros() {
  const int flags = MAP_FIXED | MAP_NORESERVE;
  const int access = PROT_READ | PROT_WRITE;
  if (mmap(base_, length_, access, flags | MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED) {
    // A strict overcommit policy, or a limit on data, charges private memory at once. An empty file is charged as it fills.
    Fd file(raw_memfd_create("ashmem-compat-closed", 1 /* MFD_CLOEXEC */));
    if (file.valid() && ftruncate(file.get(), static_cast<off_t>(length_)) == 0) {
      (void)!mmap(base_, length_, access, flags | MAP_SHARED, file.get(), 0);
    }
  }
  // Only now: until the zeros are there, another thread's touch may need to be mended.
  end_guards();
}

}  // namespace ashmem_compat
