#include "core/shared_region.h"

#include "core/read_only_region.h"
#include "core/writable_region.h"

namespace ashmem_compat {
namespace {

const char* misfit(RegionKind found) {
  switch (found) {
    case RegionKind::kPlain: return "a region, not a pool or a cache: attach with SharedRegion.fromFd";
    case RegionKind::kPool: return "a pool: attach with VolatilePool.fromFd";
    case RegionKind::kCache: return "a cache: attach with VolatileCache.fromFd";
  }
  return "a region of an unknown kind";
}

}  // namespace

Result<std::unique_ptr<Region>> create_shared_region(const SharedFileOps& ops, Fd fd, const Layout& layout,
                                                     const RegionOptions& options) {
  Result<std::shared_ptr<Attachment>> attachment = Attachment::create(ops, fd.get(), layout, options.name);
  if (!attachment.ok()) return attachment.status();
  auto region = std::make_unique<WritableRegion>(ops, std::move(fd), options.name,
                                                 std::move(attachment.value()), options);
  if (Status s = region->open(true); !s.ok()) return s;
  if (options.reclaimer) region->serve_reclaimer();
  return std::unique_ptr<Region>(std::move(region));
}

Result<std::unique_ptr<Region>> attach_shared_region(const SharedFileOps& ops, Fd fd, const Header& header,
                                                     const Layout& layout, bool writable,
                                                     const RegionOptions& options) {
  if (layout.kind != options.kind) return Status::Of(Code::kUntrustedFd, misfit(layout.kind));
  std::string name(header.name, header.name_length);
  if (!writable) {
    Result<Control> control = Control::map(fd.get(), layout, false);
    if (!control.ok()) return control.status();
    auto region = std::make_unique<ReadOnlyRegion>(ops, std::move(fd), std::move(name),
                                                   std::move(control.value()), options);
    if (Status s = region->open(); !s.ok()) return s;
    return std::unique_ptr<Region>(std::move(region));
  }
  Result<std::shared_ptr<Attachment>> attachment = Attachment::join(ops, fd.get(), layout);
  if (!attachment.ok()) return attachment.status();
  auto region = std::make_unique<WritableRegion>(ops, std::move(fd), std::move(name),
                                                 std::move(attachment.value()), options);
  if (Status s = region->open(false); !s.ok()) return s;
  if (options.reclaimer) region->serve_reclaimer();
  return std::unique_ptr<Region>(std::move(region));
}

}  // namespace ashmem_compat
