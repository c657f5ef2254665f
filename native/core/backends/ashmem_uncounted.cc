#include "core/backends/ashmem_uncounted.h"

#include <sys/mman.h>

#include "core/backends/ashmem_device.h"
#include "core/platform/fork_guard.h"
#include "core/platform/page.h"
#include "core/platform/residency.h"
#include "core/platform/zeroed_array.h"

namespace ashmem_compat {
namespace {

class UncountedArea final : public Region {
 public:
  UncountedArea(Fd fd, uint64_t size, bool writable) : fd_(std::move(fd)), process_(current_process()) {
    name_ = ashmem::name_of(fd_.get());
    size_ = size;
    unit_shift_ = __builtin_ctzll(kernel_page_size());
    unit_count_ = (size + kernel_page_size() - 1) >> unit_shift_;
    backend_ = "ashmem";
    read_only_ = !writable;
    counted_ = false;
  }
  ~UncountedArea() override { close(); }

  Status open() {
    Result<std::shared_ptr<Mapping>> mapping = read_only_
                                                   ? Mapping::map_read_only(fd_.get(), size_, MAP_SHARED)
                                                   : Mapping::map(fd_.get(), size_, MAP_SHARED);
    if (!mapping.ok()) return mapping.status();
    mapping_ = std::move(mapping.value());
    return Status::Ok();
  }

  int fd() const override { return fd_.get(); }
  bool purgeable() const override { return fd_.valid(); }

  Status pin(uint64_t offset, uint64_t length, bool* purged, std::vector<ByteRange>* lost) override;
  Status unpin(uint64_t offset, uint64_t length) override;
  Status pinned(uint64_t offset, uint64_t length, bool* pinned) override;
  // Between a look at a page's pin and its discard another process may pin it: nothing can be discarded safely here.
  Status purge(uint64_t offset, uint64_t length, uint64_t* bytes) override {
    *bytes = 0;
    uint64_t first = 0;
    uint64_t count = 0;
    return usable(offset, length, &first, &count, true);
  }
  // Nor can a read be called whole that nobody has pinned: there is no generation to look at.
  Status begin_read(uint64_t offset, uint64_t length, ReadTicket* ticket) override {
    *ticket = ReadTicket{};
    uint64_t first = 0;
    uint64_t count = 0;
    return usable(offset, length, &first, &count, false);
  }
  bool end_read(uint64_t, uint64_t, const ReadTicket&) override { return false; }
  Status protect() override {
    uint64_t first = 0;
    uint64_t count = 0;
    if (Status s = usable(0, size_, &first, &count, false); !s.ok()) return s;
    return ashmem::set_protection(fd_.get(), PROT_READ) ? Status::Ok() : Status::System("ioctl");
  }
  Status set_priority(Priority) override { return no_place(); }
  Status watch_purges(PurgeListener* listener) override { return listener ? no_place() : Status::Ok(); }
  Status stats(RegionStats* stats) override;
  void close() override;

 private:
  // The driver purges such an area as it likes, and there is no header to write a wish or a count into.
  Status no_place() const {
    uint64_t first = 0;
    uint64_t count = 0;
    if (Status s = usable(0, size_, &first, &count, true); !s.ok()) return s;
    return Status::Of(Code::kNotSupported, "an area of foreign make is the kernel's alone to purge");
  }
  Status usable(uint64_t offset, uint64_t length, uint64_t* first, uint64_t* count, bool to_write) const {
    if (closed()) return Status::Of(Code::kRegionClosed, "the region is closed");
    if (!same_process(process_)) {
      return Status::Of(Code::kForked, "a region object does not survive fork(): attach again with the fd");
    }
    if (Status s = to_units(offset, length, first, count); !s.ok()) return s;
    if (to_write && read_only_) {
      return Status::Of(Code::kReadOnly, "the region can only be read through this fd");
    }
    return Status::Ok();
  }
  // One page at a time: a longer range might meet somebody else's in part, and the driver would mix up what was purged.
  int unpin_page(uint64_t unit) {
    return ashmem::unpin(fd_.get(), unit << unit_shift_, uint64_t{1} << unit_shift_);
  }
  int pin_page(uint64_t unit) {
    return ashmem::pin(fd_.get(), unit << unit_shift_, uint64_t{1} << unit_shift_);
  }
  int count_pinned(uint64_t first, uint64_t count, uint64_t* bytes);

  Fd fd_;
  const uint64_t process_;
  uint64_t unit_count_ = 0;
  // Per page: 2 for each pin of this object; bit 0: a pin that failed has taken the driver's answer 'purged' with it.
  ZeroedArray<uint32_t> pins_;
};

Status UncountedArea::pin(uint64_t offset, uint64_t length, bool* purged, std::vector<ByteRange>* lost) {
  uint64_t first = 0;
  uint64_t count = 0;
  if (Status s = usable(offset, length, &first, &count, true); !s.ok()) return s;
  if (!pins_) pins_ = make_zeroed<uint32_t>(unit_count_);
  if (!pins_) {
    errno = ENOMEM;
    return Status::System("mmap", Code::kSystem, "no memory for the table of pins");
  }
  *purged = false;
  Status failed;
  uint64_t u = first;
  for (; u < first + count; ++u) {
    if (pins_[u] >= UINT32_MAX - 1) {
      failed = Status::Of(Code::kTooManyPins, "a unit is pinned 2^31 times by one object");
      break;
    }
    // Also where this object holds the page already: somebody else's unpin may have undone that.
    const int answer = pin_page(u);
    if (answer < 0) {
      failed = Status::System("ioctl", Code::kSystem, "the kernel refuses to pin");
      break;
    }
    pins_[u] = (pins_[u] + 2) | (answer != 0 ? 1u : 0u);
  }
  if (!failed.ok()) {
    while (u-- > first) {
      pins_[u] -= 2;
      if (pins_[u] < 2) (void)unpin_page(u);
    }
    return failed;
  }
  for (u = first; u < first + count; ++u) {
    if ((pins_[u] & 1) == 0) continue;
    pins_[u] &= ~1u;
    *purged = true;
    if (lost) append_range(lost, to_bytes(u, 1));
  }
  return failed;
}

Status UncountedArea::unpin(uint64_t offset, uint64_t length) {
  uint64_t first = 0;
  uint64_t count = 0;
  if (Status s = usable(offset, length, &first, &count, true); !s.ok()) return s;
  for (uint64_t u = first; u < first + count; ++u) {
    if (!pins_ || pins_[u] < 2)
      return Status::Of(Code::kNotPinned, "a unit of the range is not pinned by this object");
  }
  for (uint64_t u = first; u < first + count; ++u) {
    // A page that the driver has no memory to unpin stays, which hurts nobody.
    pins_[u] -= 2;
    if (pins_[u] < 2) (void)unpin_page(u);
  }
  return Status::Ok();
}

Status UncountedArea::pinned(uint64_t offset, uint64_t length, bool* pinned) {
  uint64_t first = 0;
  uint64_t count = 0;
  if (Status s = usable(offset, length, &first, &count, false); !s.ok()) return s;
  const int answer = ashmem::is_pinned(fd_.get(), first << unit_shift_, count << unit_shift_);
  if (answer < 0) return Status::System("ioctl");
  *pinned = answer != 0;
  return Status::Ok();
}

// The driver says of a range whether all of it is pinned, so halves are asked after only where it is not.
int UncountedArea::count_pinned(uint64_t first, uint64_t count, uint64_t* bytes) {
  const int answer = ashmem::is_pinned(fd_.get(), first << unit_shift_, count << unit_shift_);
  if (answer < 0) return -1;
  if (answer != 0) {
    *bytes += to_bytes(first, count).length;
    return 0;
  }
  if (count == 1) return 0;
  const uint64_t half = count / 2;
  if (count_pinned(first, half, bytes) < 0) return -1;
  return count_pinned(first + half, count - half, bytes);
}

Status UncountedArea::stats(RegionStats* stats) {
  uint64_t first = 0;
  uint64_t count = 0;
  if (Status s = usable(0, size_, &first, &count, false); !s.ok()) return s;
  *stats = RegionStats{};
  stats->size = size_;
  if (count_pinned(first, count, &stats->pinned) < 0) return Status::System("ioctl");
  stats->unpinned = size_ - stats->pinned;
  return resident_bytes(mapping_->data(), size_, &stats->resident);
}

void UncountedArea::close() {
  if (closed()) return;
  Mapping::close(mapping_);
  if (pins_ && same_process(process_)) {
    for (uint64_t u = 0; u < unit_count_; ++u) {
      if (pins_[u] >= 2) (void)unpin_page(u);
    }
  }
  pins_.reset();
  fd_.reset();
}

}  // namespace

Result<std::unique_ptr<Region>> attach_uncounted_area(Fd fd, uint64_t size, bool writable) {
  if (size > ashmem::kPinLimit) {
    return Status::Of(Code::kUntrustedFd,
                      "an area of 4 GiB or more: its end can be neither pinned nor unpinned");
  }
  auto area = std::make_unique<UncountedArea>(std::move(fd), size, writable);
  if (Status s = area->open(); !s.ok()) return s;
  return std::unique_ptr<Region>(std::move(area));
}

}  // namespace ashmem_compat
