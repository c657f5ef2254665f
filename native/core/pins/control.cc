#include "core/pins/control.h"

namespace ashmem_compat {

Result<Control> Control::map(int fd, const Layout& layout, bool writable) {
  const int protection = writable ? PROT_READ | PROT_WRITE : PROT_READ;
  void* base = mmap(nullptr, layout.control_size(), protection, MAP_SHARED, fd,
                    static_cast<off_t>(layout.control_offset));
  if (base == MAP_FAILED)
    return Status::System("mmap", Code::kSystem, "cannot map the region's control area");
  Control control;
  control.layout_ = layout;
  control.base_ = static_cast<char*>(base);
  return control;
}

}  // namespace ashmem_compat
