#include "core/pins/control.h"

#include "core/platform/page.h"

namespace ashmem_compat {

Result<Control> Control::map(int fd, const Layout& layout, bool writable) {
  if (Status s = fits_address_space(layout); !s.ok()) return s;
  const int protection = writable ? PROT_READ | PROT_WRITE : PROT_READ;
  // A small table is all in use soon: one call brings it in for less than a fault for each page.
  const int populate = layout.control_size() <= 4 * page_size() ? MAP_POPULATE : 0;
  // The first mapping of an ashmem area decides whether all of it is charged at once.
  void* base = mmap(nullptr, layout.control_size(), protection, MAP_SHARED | MAP_NORESERVE | populate, fd,
                    static_cast<off_t>(layout.control_offset));
  if (base == MAP_FAILED)
    return Status::System("mmap", Code::kSystem, "cannot map the region's control area");
  Control control;
  control.layout_ = layout;
  control.base_ = static_cast<char*>(base);
  return control;
}

}  // namespace ashmem_compat
