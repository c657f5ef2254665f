// ashmem: Android's driver, whose shrinker discards what is left unpinned, least recently unpinned first. It keeps one pin per
// page and no owner, so the pin table counts and tells the driver of first pins and last unpins only.
//
// Sources: drivers/staging/android/ashmem.c (Linux up to 5.17 and Android's kernels).

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "core/backends/ashmem_device.h"
#include "core/backends/ashmem_uncounted.h"
#include "core/backends/backend.h"
#include "core/platform/page.h"
#include "core/platform/stage.h"
#include "core/platform/system_calls.h"
#include "core/shared_region.h"

#ifndef MADV_REMOVE
#define MADV_REMOVE 9
#endif

namespace ashmem_compat {
namespace {

Status kernel_pin(int fd, char*, uint64_t offset, uint64_t length, bool* purged) {
  const int answer = ashmem::pin(fd, offset, length);
  if (answer < 0) return Status::System("ioctl", Code::kSystem, "the kernel refuses to pin");
  *purged = answer != 0;
  return Status::Ok();
}

Status kernel_unpin(int fd, char*, uint64_t offset, uint64_t length) {
  return ashmem::unpin(fd, offset, length) < 0 ? Status::System("ioctl") : Status::Ok();
}

// The driver's files know no fallocate(2); the memory behind a mapping of them does.
Status discard(int, char* data, uint64_t offset, uint64_t length) {
  while (madvise(data + offset, static_cast<size_t>(length), MADV_REMOVE) != 0) {
    if (errno != EINTR && errno != EAGAIN) return Status::System("madvise");
  }
  return Status::Ok();
}

Status protect(int fd) {
  return ashmem::set_protection(fd, PROT_READ) ? Status::Ok() : Status::System("ioctl");
}

bool purgeable(int) { return true; }

constexpr KernelPins kKernelPins = {kernel_pin, kernel_unpin, false, false};
// Private mappings of an area are anonymous memory: they do not show its bytes.
constexpr SharedFileOps kOps = {"ashmem", &kKernelPins, false, MAP_SHARED, discard, protect, purgeable};

// ---- probing

enum class Step { kOpen, kDevice, kMap, kUnpin, kIgnored, kPin, kDone };

struct Attempt {
  int source;
  Step reached;
  bool memfd;
  int error;
  bool killed;
};

// The life of an area in small. Opening alone proves nothing: some kernels have the node and not the calls.
Step try_area(Attempt* attempt) {
  const size_t page = kernel_page_size();
  const Fd fd = ashmem::open_area(attempt->source, "ashmem-compat-probe", 2 * page);
  if (!fd.valid()) return Step::kOpen;
  if (!ashmem::is_area(fd.get())) {
    struct stat st;
    attempt->memfd = fstat(fd.get(), &st) == 0 && S_ISREG(st.st_mode);
    return Step::kDevice;
  }
  void* mapped = mmap(nullptr, 2 * page, PROT_READ | PROT_WRITE, MAP_SHARED, fd.get(), 0);
  if (mapped == MAP_FAILED) return Step::kMap;
  Step reached = Step::kDone;
  if (ashmem::unpin(fd.get(), 0, page) < 0) {
    reached = Step::kUnpin;
  } else if (ashmem::is_pinned(fd.get(), 0, page) != 0 || ashmem::is_pinned(fd.get(), page, page) != 1) {
    reached = Step::kIgnored;
  } else if (ashmem::pin(fd.get(), 0, page) < 0 || ashmem::is_pinned(fd.get(), 0, page) != 1) {
    reached = Step::kPin;
  }
  const int error = errno;
  munmap(mapped, 2 * page);
  errno = error;
  return reached;
}

int try_source(void* shared) {
  Attempt* attempt = static_cast<Attempt*>(shared);
  errno = 0;
  attempt->reached = try_area(attempt);
  attempt->error = errno;
  return 0;
}

std::string reason_against(const Attempt& attempt) {
  const std::string source = ashmem::source_name(attempt.source);
  const std::string error = attempt.error != 0 ? strerror(attempt.error) : "no reason given";
  if (attempt.killed) return source + ": refused by a seccomp filter (SIGSYS)";
  switch (attempt.reached) {
    case Step::kOpen:
      if (attempt.error == ENOENT || attempt.error == ENXIO || attempt.error == ENODEV) return "no " + source;
      if (attempt.error == ENOTTY) return source + " opens, but is not the driver (ENOTTY)";
      return source + ": " + error;
    case Step::kDevice:
      return source + (attempt.memfd ? " gives a memfd, whose pins do nothing" : " is not the driver");
    case Step::kMap: return source + " cannot be mapped: " + error;
    case Step::kUnpin: return source + " cannot unpin: " + error;
    case Step::kIgnored: return source + " takes UNPIN and does nothing: unpinning is switched off";
    case Step::kPin: return source + " cannot pin again: " + error;
    case Step::kDone: break;
  }
  return source + ": works";
}

struct Device {
  Availability availability;
  int source = -1;
};

Device find_device(bool* passing) {
  Device device;
  // Shared, so that a trial in a child can say more than an exit status has room for.
  void* shared = mmap(nullptr, sizeof(Attempt), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (shared == MAP_FAILED) {
    *passing = true;
    device.availability.reason = strerror(errno);
    return device;
  }
  for (int source = 0; ashmem::source_name(source) != nullptr; ++source) {
    Attempt& attempt = *static_cast<Attempt*>(shared);
    attempt = {source, Step::kOpen, false, 0, false};
    if (!ashmem::prepare(source)) {
      attempt.error = ENOENT;
    } else if (ashmem::is_library(source)) {
      // Not in a child, where a lock that another thread held would never be let go. The system's own library makes no
      // call that the system forbids.
      try_source(shared);
    } else if (const Trial trial = try_call(try_source, shared); trial.killed) {
      attempt.killed = true;
    } else if (trial.error != 0) {
      attempt.error = trial.error;
    }
    std::string& reason = device.availability.reason;
    if (attempt.reached == Step::kDone) {
      device.source = source;
      device.availability.available = true;
      reason = std::string(ashmem::source_name(source)) + " pins and unpins; the kernel's shrinker discards";
      break;
    }
    *passing = *passing || will_pass(attempt.error);
    reason += (reason.empty() ? "" : "; ") + reason_against(attempt);
  }
  munmap(shared, sizeof(Attempt));
  return device;
}

const Device& device() {
  static const Device* kept = nullptr;
  return remembered(&kept, find_device);
}

// ---- the backend

class AshmemBackend final : public Backend {
 public:
  const char* name() const override { return kOps.name; }
  Scope scope() const override { return Scope::kShared; }
  const Availability& probe() const override { return device().availability; }
  bool recognizes(int fd) const override { return ashmem::is_area(fd); }

  Status accepts(const RegionOptions& options) const override {
    uint64_t end = 0;  // of the last unit, which may reach beyond the size
    const uint64_t unit = options.granularity ? options.granularity : page_size();
    if (!is_power_of_two(unit)) return Status::Ok();  // make_layout() says what is wrong with it
    if (align_up(options.size, unit, &end) && end <= ashmem::kPinLimit) return Status::Ok();
    return Status::Of(Code::kOutOfRange,
                      "ashmem pins with 32-bit offsets: 4 GiB and more could never be left to the kernel");
  }

  Result<std::unique_ptr<Region>> create(const RegionOptions& options) const override {
    if (Status s = accepts(options); !s.ok()) return s;
    if (options.name.size() > kMaxName) return Status::Of(Code::kOutOfRange, "name is longer than 249 bytes");
    Result<Layout> layout =
        make_layout(options.size, options.granularity ? options.granularity : page_size(),
                    options.max_processes ? options.max_processes : kDefaultSlots, options.kind,
                    options.annex_size, options.rows ? 0 : word_slots_for(options.kind, true));
    if (!layout.ok()) return layout.status();
    if (Status s = fits_address_space(layout.value()); !s.ok()) return s;
    // What remembered() keeps is never freed. NOLINTNEXTLINE(clang-analyzer-cplusplus.NewDeleteLeaks)
    Fd fd = ashmem::open_area(device().source, options.name.c_str(), layout.value().file_size);
    if (!fd.valid()) return Status::System("open", Code::kSystem, "no area to be had from the ashmem device");
    return create_shared_region(kOps, std::move(fd), layout.value(), options);
  }

  Result<std::unique_ptr<Region>> attach(Fd fd, const RegionOptions& options) const override {
    if (!ashmem::is_area(fd.get())) return Status::Of(Code::kUntrustedFd, "not an ashmem area");
    const int64_t protection = ashmem::protection_of(fd.get());
    if ((protection & PROT_READ) == 0) return Status::Of(Code::kUntrustedFd, "an area that must not be read");
    if (ashmem::size_of(fd.get()) == 0) return Status::Of(Code::kUntrustedFd, "an area without a size");
    const bool writable = (protection & PROT_WRITE) != 0 && (fcntl(fd.get(), F_GETFL) & O_ACCMODE) == O_RDWR;
    if (Status s = fix_size(fd.get()); !s.ok()) return s;
    const int64_t size = ashmem::size_of(fd.get());
    Header header;
    if (Status s = read_end(fd.get(), size, &header); !s.ok()) return s;
    if (memcmp(header.magic, kMagic, sizeof kMagic) != 0) {
      return attach_uncounted_area(std::move(fd), static_cast<uint64_t>(size), writable);
    }
    Result<Layout> layout = check_header(header, static_cast<uint64_t>(size));
    if (!layout.ok()) return layout.status();
    if (layout.value().control_offset > ashmem::kPinLimit) {
      return Status::Of(Code::kUntrustedFd, "a region whose end can be neither pinned nor unpinned");
    }
    return attach_shared_region(kOps, std::move(fd), header, layout.value(), writable, options);
  }

 private:
  // Until the first mapping of an area its size can be changed by whoever has it.
  static Status fix_size(int fd) {
    stage(Stage::kBeforeFirstMapping);
    const size_t page = kernel_page_size();
    void* mapped = mmap(nullptr, page, PROT_READ, MAP_SHARED | MAP_NORESERVE, fd, 0);
    if (mapped == MAP_FAILED)
      return Status::System("mmap", Code::kUntrustedFd, "an area that cannot be mapped");
    munmap(mapped, page);
    return Status::Ok();
  }

  // Reads where a header would be, or the last byte at least. Not through a mapping: with older drivers a peer can race
  // the first mapping and leave the area smaller than it says, and a touch beyond its end would be SIGBUS.
  static Status read_end(int fd, int64_t size, Header* header) {
    memset(header, 0, sizeof *header);
    const bool may_have_one = size % static_cast<int64_t>(kernel_page_size()) == 0;
    const ssize_t want = may_have_one ? static_cast<ssize_t>(sizeof *header) : 1;
    const int64_t from = size - (may_have_one ? int64_t{kHeaderSize} : 1);
    const ssize_t got = size > 0 ? pread(fd, header, static_cast<size_t>(want), from) : 0;
    if (got < 0) return Status::System("pread", Code::kUntrustedFd, "an area that cannot be read");
    if (got != want) return Status::Of(Code::kUntrustedFd, "an area that is smaller than it says");
    // The rest of the header's page, behind what is used of it.
    char last = 0;
    if (pread(fd, &last, 1, size - 1) != 1) {
      return Status::Of(Code::kUntrustedFd, "an area that is smaller than it says");
    }
    return Status::Ok();
  }
};

const AshmemBackend instance;

}  // namespace

const Backend& ashmem_backend = instance;

}  // namespace ashmem_compat
