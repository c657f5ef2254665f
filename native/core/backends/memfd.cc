// memfd: shared memory of plain Linux (3.17 and later). Nobody discards it by itself, so whoever is attached punches holes.
//
// Sources: memfd_create(2), fcntl(2) "File Sealing", fallocate(2), mm/shmem.c.

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "core/backends/backend.h"
#include "core/platform/page.h"
#include "core/platform/system_calls.h"
#include "core/shared_region.h"

#ifndef MFD_CLOEXEC
#define MFD_CLOEXEC 1u
#endif
#ifndef MFD_ALLOW_SEALING
#define MFD_ALLOW_SEALING 2u
#endif
#ifndef F_ADD_SEALS
#define F_ADD_SEALS 1033
#define F_GET_SEALS 1034
#define F_SEAL_SHRINK 2
#define F_SEAL_GROW 4
#define F_SEAL_WRITE 8
#endif
#ifndef F_SEAL_FUTURE_WRITE
#define F_SEAL_FUTURE_WRITE 16
#endif
#ifndef FALLOC_FL_PUNCH_HOLE
#define FALLOC_FL_KEEP_SIZE 1
#define FALLOC_FL_PUNCH_HOLE 2
#endif

namespace ashmem_compat {
namespace {

constexpr uint32_t kHugetlbfs = 0x958458f6;  // linux/magic.h
constexpr int kSizeSeals = F_SEAL_SHRINK | F_SEAL_GROW;
constexpr int kWriteSeals = F_SEAL_WRITE | F_SEAL_FUTURE_WRITE;

Status discard(int fd, char*, uint64_t offset, uint64_t length) {
  while (fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, static_cast<off_t>(offset),
                   static_cast<off_t>(length)) != 0) {
    if (errno != EINTR) return Status::System("fallocate");
  }
  return Status::Ok();
}

bool purgeable(int fd) {
  const int seals = fcntl(fd, F_GET_SEALS);
  return seals >= 0 && (seals & kWriteSeals) == 0;
}

Status protect(int fd) {
  char path[40];
  snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
  Fd reopened(open(path, O_RDONLY | O_CLOEXEC));
  if (!reopened.valid() && errno != EACCES && errno != EPERM && errno != ENOENT) {
    return Status::System("open", Code::kSystem, "the region cannot be opened again for reading");
  }
  if (!reopened.valid()) {
    // Android's app domains may not open a memfd again. A seal on future writes does the same to everybody who maps the
    // file from now on, but discarding counts as writing.
    if (fcntl(fd, F_ADD_SEALS, F_SEAL_FUTURE_WRITE) == 0) return Status::Ok();
    return Status::System("fcntl", Code::kSystem, "the region cannot be made read-only here");
  }
  // Keeps others from undoing it by opening it once more through /proc. Refused on Android, and no loss.
  if (fchmod(reopened.get(), 0400) != 0) errno = 0;
  if (dup3(reopened.get(), fd, O_CLOEXEC) < 0) return Status::System("dup3");
  return Status::Ok();
}

constexpr SharedFileOps kOps = {"memfd", nullptr, true, MAP_PRIVATE, discard, protect, purgeable};

// The whole life of a region in small: made, sealed, punched.
int try_memfd(void*) {
  Fd fd(raw_memfd_create("ashmem-compat-probe", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!fd.valid()) return errno;
  const off_t size = static_cast<off_t>(kernel_page_size());
  if (ftruncate(fd.get(), size) != 0) return errno;
  if (fcntl(fd.get(), F_ADD_SEALS, kSizeSeals) != 0) return errno;
  if (fallocate(fd.get(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, size) != 0) return errno;
  return 0;
}

class MemfdBackend final : public Backend {
 public:
  const char* name() const override { return kOps.name; }
  Scope scope() const override { return Scope::kShared; }
  bool recognizes(int fd) const override { return fcntl(fd, F_GET_SEALS) >= 0; }

  const Availability& probe() const override {
    static const Availability* kept = nullptr;
    return remembered(&kept, [](bool* passing) {
      const Trial trial = try_call(try_memfd, nullptr);
      *passing = !trial.killed && will_pass(trial.error);
      if (trial.killed) return Availability{false, "memfd_create: refused by a seccomp filter (SIGSYS)"};
      if (trial.error != 0) return Availability{false, std::string("memfd: ") + strerror(trial.error)};
      return Availability{true, "memfd_create, seals and hole punching work; processes that use it discard"};
    });
  }

  Result<std::unique_ptr<Region>> create(const RegionOptions& options) const override {
    if (options.name.size() > kMaxName) return Status::Of(Code::kOutOfRange, "name is longer than 249 bytes");
    Result<Layout> layout = make_layout(options.size, options.granularity ? options.granularity : page_size(),
                                        options.max_processes ? options.max_processes : kDefaultSlots,
                                        options.kind, options.annex_size);
    if (!layout.ok()) return layout.status();
    if (Status s = fits_address_space(layout.value()); !s.ok()) return s;
    Fd fd(raw_memfd_create(options.name.c_str(), MFD_CLOEXEC | MFD_ALLOW_SEALING));
    if (!fd.valid()) return Status::System("memfd_create");
    if (ftruncate(fd.get(), static_cast<off_t>(layout.value().file_size)) != 0)
      return Status::System("ftruncate");
    if (fcntl(fd.get(), F_ADD_SEALS, kSizeSeals) != 0) return Status::System("fcntl");
    return create_shared_region(kOps, std::move(fd), layout.value(), options);
  }

  Result<std::unique_ptr<Region>> attach(Fd fd, const RegionOptions& options) const override {
    const int seals = fcntl(fd.get(), F_GET_SEALS);
    if (seals < 0) return Status::System("fcntl", Code::kUntrustedFd, "not a memfd");
    // Without them a peer could truncate the file, and every touch of our mapping would be SIGBUS.
    if ((seals & kSizeSeals) != kSizeSeals) {
      return Status::Of(Code::kUntrustedFd, "a file without F_SEAL_SHRINK and F_SEAL_GROW");
    }
    // A memfd of huge pages has seals as well, but a touch may find no page in the pool and raise SIGBUS.
    struct statfs fs;
    if (fstatfs(fd.get(), &fs) == 0 && static_cast<uint32_t>(fs.f_type) == kHugetlbfs) {
      return Status::Of(Code::kUntrustedFd, "a memfd of huge pages");
    }
    struct stat st;
    if (fstat(fd.get(), &st) != 0) return Status::System("fstat", Code::kUntrustedFd);
    const int mode = fcntl(fd.get(), F_GETFL) & O_ACCMODE;
    if (mode == O_WRONLY) return Status::Of(Code::kUntrustedFd, "an fd that is open for writing only");
    if (st.st_size < static_cast<off_t>(kHeaderSize))
      return Status::Of(Code::kUntrustedFd, "a file too short to be a region");

    Header header;
    const uint64_t file_size = static_cast<uint64_t>(st.st_size);
    const ssize_t got = pread(fd.get(), &header, sizeof header, static_cast<off_t>(file_size - kHeaderSize));
    if (got < 0) return Status::System("pread", Code::kUntrustedFd);
    if (got != static_cast<ssize_t>(sizeof header))
      return Status::Of(Code::kUntrustedFd, "a file that cannot be read whole");
    Result<Layout> layout = check_header(header, file_size);
    if (!layout.ok()) return layout.status();
    const bool writable = mode == O_RDWR && (seals & kWriteSeals) == 0;
    return attach_shared_region(kOps, std::move(fd), header, layout.value(), writable, options);
  }
};

const MemfdBackend instance;

}  // namespace

const Backend& memfd_backend = instance;

}  // namespace ashmem_compat
