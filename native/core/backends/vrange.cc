// vrange, shared: a memfd whose unpinned units the kernel discards. The volatility belongs to the file, has no owner and is not
// counted, so the pin table counts and tells the kernel of first pins and last unpins only, as it does ashmem's driver.

#include <string.h>
#include <sys/mman.h>

#include "core/backends/backend.h"
#include "core/backends/memfd_file.h"
#include "core/backends/vrange_probe.h"
#include "core/platform/page.h"
#include "core/shared_region.h"

namespace ashmem_compat {
namespace {

Status kernel_pin(int, char* data, uint64_t offset, uint64_t length, bool* purged) {
  return vrange::hold(vrange::proven(), data + offset, length, purged);
}

Status kernel_unpin(int, char* data, uint64_t offset, uint64_t length) {
  return vrange::release(vrange::proven(), data + offset, length);
}

constexpr KernelPins kKernelPins = {kernel_pin, kernel_unpin, true, true};
constexpr SharedFileOps kOps = {"vrange",       &kKernelPins,    true, MAP_PRIVATE, memfd::discard,
                                memfd::protect, memfd::purgeable};

class VrangeBackend final : public Backend {
 public:
  const char* name() const override { return kOps.name; }
  Scope scope() const override { return Scope::kShared; }
  bool recognizes(int fd) const override { return memfd::version_of(fd) == kVrangeVersion; }

  const Availability& probe() const override {
    // One for each proof, which is kept for good.
    static const struct Known {
      const vrange::Proof* proof;
      Availability availability;
    }* kept = nullptr;
    const vrange::Proof& proof = vrange::proof();
    if (const Known* known = load_acquire(&kept); known && known->proof == &proof) return known->availability;
    const Known* found = new Known{&proof, {proof.shared_memory, proof.reason}};
    store_release(&kept, found);
    return found->availability;
  }

  Result<std::unique_ptr<Region>> create(const RegionOptions& options) const override {
    if (options.name.size() > kMaxName) return Status::Of(Code::kOutOfRange, "name is longer than 249 bytes");
    Result<Layout> layout =
        make_layout(options.size, options.granularity ? options.granularity : page_size(),
                    options.max_processes ? options.max_processes : kDefaultSlots, options.kind,
                    options.annex_size, options.rows ? 0 : word_slots_for(options.kind, true));
    if (!layout.ok()) return layout.status();
    layout.value().version = kVrangeVersion;
    if (Status s = fits_address_space(layout.value()); !s.ok()) return s;
    Result<Fd> fd = memfd::create(options.name, layout.value().file_size);
    if (!fd.ok()) return fd.status();
    return create_shared_region(kOps, std::move(fd.value()), layout.value(), options);
  }

  Result<std::unique_ptr<Region>> attach(Fd fd, const RegionOptions& options) const override {
    const Result<memfd::Found> found = memfd::open_region(fd.get(), kVrangeVersion);
    if (!found.ok()) return found.status();
    const memfd::Found& region = found.value();
    return attach_shared_region(kOps, std::move(fd), region.header, region.layout, region.writable, options);
  }
};

const VrangeBackend instance;

}  // namespace

const Backend& vrange_backend = instance;

}  // namespace ashmem_compat
