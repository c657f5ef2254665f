#include "core/optimistic.h"

#include <sys/mman.h>

#include "core/platform/atomics.h"
#include "core/platform/userfaultfd.h"

namespace ashmem_compat {
namespace {

bool mend_hole(const Fault& fault, bool own, void* context) {
  if (!own) return replace_page_with_zeros(fault.address);
  static_cast<std::atomic<uint64_t>*>(context)->fetch_add(1, std::memory_order_relaxed);
  // Without memory for it the page at least reads as zeros here: the unit's state tells what to think of it.
  return fill_hole(fault.address) || replace_page_with_zeros(fault.address);
}

}  // namespace

Result<std::unique_ptr<HoleView>> HoleView::open(const Region& region) {
  if (region.closed()) return Status::Of(Code::kRegionClosed, "the region is closed");
  if (region.fd() < 0 || region.read_only() || region.kernel_discards()) {
    return Status::Of(Code::kNotSupported,
                      "userfaultfd watches regions on memfd, for whoever may write to them");
  }
  std::string reason;
  if (!userfaultfd_works(&reason)) {
    static const std::string* kept = nullptr;
    if (!load_acquire(&kept)) store_release(&kept, static_cast<const std::string*>(new std::string(reason)));
    return Status::Of(Code::kNotSupported, load_acquire(&kept)->c_str());
  }
  Result<std::shared_ptr<Mapping>> mapping = Mapping::map(region.fd(), region.size(), MAP_SHARED);
  if (!mapping.ok()) return mapping.status();
  std::unique_ptr<HoleView> view(new HoleView());
  view->mapping_ = std::move(mapping.value());
  Mapping& mapped = *view->mapping_;
  mapped.guard_discards(mend_hole, view->touches_.get());  // before the first fault can come
  if (Status s = watch_holes(mapped.data(), mapped.length()); !s.ok()) return s;
  return view;
}

}  // namespace ashmem_compat
