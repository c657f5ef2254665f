// memfd: shared memory of plain Linux (3.17 and later). Nobody discards it by itself, so whoever is attached punches holes.

#include <string.h>
#include <sys/mman.h>

#include "core/backends/backend.h"
#include "core/backends/memfd_file.h"
#include "core/platform/page.h"
#include "core/platform/system_calls.h"
#include "core/shared_region.h"

namespace ashmem_compat {
namespace {

constexpr SharedFileOps kOps = {"memfd",        nullptr,         true, MAP_PRIVATE, memfd::discard,
                                memfd::protect, memfd::purgeable};

class MemfdBackend final : public Backend {
 public:
  const char* name() const override { return kOps.name; }
  Scope scope() const override { return Scope::kShared; }
  bool recognizes(int fd) const override { return memfd::is_memfd(fd); }

  const Availability& probe() const override {
    static const Availability* kept = nullptr;
    return remembered(&kept, [](bool* passing) {
      const Trial trial = try_call(memfd::try_file, nullptr);
      *passing = !trial.killed && will_pass(trial.error);
      if (trial.killed) return Availability{false, "memfd_create: refused by a seccomp filter (SIGSYS)"};
      if (trial.error != 0) return Availability{false, std::string("memfd: ") + strerror(trial.error)};
      return Availability{true, "memfd_create, seals and hole punching work; processes that use it discard"};
    });
  }

  Result<std::unique_ptr<Region>> create(const RegionOptions& options) const override {
    if (options.name.size() > kMaxName) return Status::Of(Code::kOutOfRange, "name is longer than 249 bytes");
    Result<Layout> layout =
        make_layout(options.size, options.granularity ? options.granularity : page_size(),
                    options.max_processes ? options.max_processes : kDefaultSlots, options.kind,
                    options.annex_size, options.rows ? 0 : word_slots_for(options.kind, false));
    if (!layout.ok()) return layout.status();
    if (Status s = fits_address_space(layout.value()); !s.ok()) return s;
    Result<Fd> fd = memfd::create(options.name, layout.value().file_size);
    if (!fd.ok()) return fd.status();
    return create_shared_region(kOps, std::move(fd.value()), layout.value(), options);
  }

  Result<std::unique_ptr<Region>> attach(Fd fd, const RegionOptions& options) const override {
    const Result<memfd::Found> found = memfd::open_region(fd.get(), kVersion);
    if (!found.ok()) return found.status();
    const memfd::Found& region = found.value();
    return attach_shared_region(kOps, std::move(fd), region.header, region.layout, region.writable, options);
  }
};

const MemfdBackend instance;

}  // namespace

const Backend& memfd_backend = instance;

}  // namespace ashmem_compat
