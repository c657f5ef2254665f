// File descriptors that are not regions, or lie about being one: refused with a code, no SIGBUS, nothing leaked.
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include <atomic>
#include <thread>

#include "core/backends/ashmem_device.h"
#include "core/platform/system_calls.h"
#include "native/check.h"
#include "native/processes.h"

using namespace ashmem_compat;
using namespace ashmem_compat::testing;

namespace {

const uint64_t kPage = page_size();

Code attach_code(int fd) {
  const int before = open_fds();
  const Code code = try_attach(fd).status().code;
  CHECK_EQ(open_fds(), before);
  return code;
}

// A memfd with a copy of a region's bytes, resized and sealed as asked.
Fd copy_of(int region, off_t size, int seals) {
  Fd fd(raw_memfd_create("copy", 3));
  if (ftruncate(fd.get(), size) != 0) return Fd();
  char buffer[4096];
  for (off_t at = 0;; at += sizeof buffer) {
    const ssize_t got = pread(region, buffer, sizeof buffer, at);
    if (got <= 0 || at + got > size) break;
    if (pwrite(fd.get(), buffer, static_cast<size_t>(got), at) != got) return Fd();
  }
  if (fcntl(fd.get(), F_ADD_SEALS, seals) != 0) return Fd();
  return fd;
}

constexpr int kShrink = 2, kGrow = 4;

// A file of `size` bytes of the backend that is tested, made by hand.
Fd raw_file(uint64_t size) {
  if (!makes_memfds()) {
    Fd fd;
    for (int source = 0; ashmem::source_name(source) && !fd.valid(); ++source) {
      if (ashmem::prepare(source)) fd = ashmem::open_area(source, "copy", size);
    }
    return fd;
  }
  Fd fd(raw_memfd_create("copy", 3));
  if (ftruncate(fd.get(), static_cast<off_t>(size)) != 0) return Fd();
  return fcntl(fd.get(), F_ADD_SEALS, kShrink | kGrow) == 0 ? std::move(fd) : Fd();
}

// A file of `size` bytes that begins as the region does, with `length` bytes of `patch` at `at`.
Fd patched_copy(int region, uint64_t size, uint64_t at, const void* patch, size_t length) {
  const uint64_t whole = file_size(region);
  Fd fd = raw_file(size);
  void* from = mmap(nullptr, whole, PROT_READ, MAP_SHARED, region, 0);
  void* to = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd.get(), 0);
  if (from == MAP_FAILED || to == MAP_FAILED) return Fd();
  memcpy(to, from, size < whole ? size : whole);
  memcpy(static_cast<char*>(to) + at, patch, length);
  munmap(from, whole);
  munmap(to, size);
  return fd;
}

}  // namespace

TEST(things_that_are_neither_memfd_nor_area) {
  int pipe_fds[2];
  CHECK(pipe(pipe_fds) == 0);
  int sockets[2];
  CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, sockets) == 0);
  Fd directory(open("/tmp", O_RDONLY | O_DIRECTORY));
  char path[] = "/tmp/ashmem-compat-test-XXXXXX";
  Fd file(mkstemp(path));
  unlink(path);
  CHECK(ftruncate(file.get(), 1 << 20) == 0);
  Fd zero(open("/dev/zero", O_RDWR));
  Fd proc(open("/proc/self/maps", O_RDONLY));
  Fd only_path(open("/tmp", O_PATH));
  for (int fd : {pipe_fds[0], pipe_fds[1], sockets[0], directory.get(), file.get(), zero.get(), proc.get(),
                 only_path.get(), -1, 1000}) {
    CHECK_EQ(attach_code(fd), Code::kUntrustedFd);
  }
  for (int fd : {pipe_fds[0], pipe_fds[1], sockets[0], sockets[1]}) ::close(fd);
}

TEST(memfds_that_are_no_region) {
  for (off_t size :
       {off_t{0}, off_t{1}, off_t{511}, off_t{512}, off_t{4096}, off_t{1} << 20, off_t{1} << 40}) {
    Fd fd(raw_memfd_create("x", 3));
    CHECK(ftruncate(fd.get(), size) == 0);
    CHECK_EQ(attach_code(fd.get()), Code::kUntrustedFd);  // unsealed
    CHECK(fcntl(fd.get(), F_ADD_SEALS, kShrink | kGrow) == 0);
    CHECK_EQ(attach_code(fd.get()), Code::kUntrustedFd);  // no header
  }
}

TEST(copies_that_are_unsealed_cut_or_grown) {
  if (!makes_memfds()) SKIP("the size of an area is fixed by its first mapping");
  auto a = make_region(3 * kPage);
  const off_t whole = lseek(a->fd(), 0, SEEK_END);
  CHECK_EQ(attach_code(copy_of(a->fd(), whole, 0).get()), Code::kUntrustedFd);
  CHECK_EQ(attach_code(copy_of(a->fd(), whole, kGrow).get()), Code::kUntrustedFd);
  CHECK_EQ(attach_code(copy_of(a->fd(), whole, kShrink).get()), Code::kUntrustedFd);
  CHECK_EQ(attach_code(copy_of(a->fd(), whole - static_cast<off_t>(kPage), kShrink | kGrow).get()),
           Code::kUntrustedFd);
  CHECK_EQ(attach_code(copy_of(a->fd(), whole + static_cast<off_t>(kPage), kShrink | kGrow).get()),
           Code::kUntrustedFd);
  CHECK_EQ(attach_code(copy_of(a->fd(), whole, kShrink | kGrow).get()), Code::kOk);
}

TEST(areas_without_a_header_at_their_end_are_of_a_foreign_maker) {
  if (makes_memfds()) SKIP("nobody else makes memfds that could be pinned");
  auto a = make_region(3 * kPage);
  const uint64_t whole = file_size(a->fd());
  for (uint64_t size : {whole - kPage, whole + kPage, whole - 1, whole + 1, kPage, uint64_t{1}}) {
    const Fd copy = patched_copy(a->fd(), size, 0, nullptr, 0);
    auto made = try_attach(copy.get());
    REQUIRE(made.ok());
    CHECK(!made.value()->counted());
    CHECK_EQ(made.value()->size(), size);
  }
  auto made = try_attach(patched_copy(a->fd(), whole, 0, nullptr, 0).get());
  REQUIRE(made.ok());
  CHECK(made.value()->counted());
}

TEST(an_area_that_shrinks_before_it_is_mapped_is_taken_as_it_is_then) {
  if (makes_memfds()) SKIP("a memfd without seals is refused");
  static Fd fd;
  fd.reset();
  for (int source = 0; ashmem::source_name(source) && !fd.valid(); ++source) {
    if (ashmem::prepare(source)) fd = ashmem::open_area(source, "shrinks", 64 * kPage);
  }
  REQUIRE(fd.valid());
  at_stage(Stage::kBeforeFirstMapping, [] { syscall(SYS_ioctl, fd.get(), _IOW(0x77, 3, size_t), kPage); });
  auto made = try_attach(fd.get());
  stage_hook = nullptr;
  REQUIRE(made.ok());
  CHECK_EQ(made.value()->size(), kPage);
  CHECK_EQ(made.value()->mapping()->data()[kPage - 1], 0);
}

TEST(an_area_whose_size_changes_until_it_is_mapped_harms_nobody) {
  if (makes_memfds()) SKIP("a memfd without seals is refused");
  for (int round = 0; round < 200; ++round) {
    Fd fd;
    for (int source = 0; ashmem::source_name(source) && !fd.valid(); ++source) {
      if (ashmem::prepare(source)) fd = ashmem::open_area(source, "shrinks", 64 * kPage);
    }
    REQUIRE(fd.valid());
    std::atomic<bool> ready{false};
    std::thread peer([&] {
      const unsigned long set_size = _IOW(0x77, 3, size_t);
      for (int i = 0; syscall(SYS_ioctl, fd.get(), set_size, (i & 1) ? 64 * kPage : kPage) == 0; ++i) {
        ready = true;
      }
    });
    while (!ready) std::this_thread::yield();
    auto made = try_attach(fd.get());
    peer.join();
    if (!made.ok()) {
      CHECK_EQ(made.status().code, Code::kUntrustedFd);
      void* mapped = mmap(nullptr, kPage, PROT_READ, MAP_SHARED, fd.get(), 0);
      CHECK(mapped != MAP_FAILED);
      munmap(mapped, kPage);
      continue;
    }
    CHECK(!made.value()->counted());
    CHECK_EQ(made.value()->mapping()->data()[made.value()->size() - 1], 0);
  }
}

TEST(areas_that_cannot_be_pinned_to_their_end_are_refused) {
  if (makes_memfds()) SKIP("pins of memfds are not the kernel's");
  if (sizeof(size_t) < 8) SKIP("a 32-bit program can give no area such a size");
  for (int shift : {32, 40, 62}) {
    const Fd fd = raw_file(uint64_t{1} << shift);
    CHECK(fd.valid());
    CHECK_EQ(attach_code(fd.get()), Code::kUntrustedFd);
  }
}

TEST(headers_whose_sizes_lie) {
  auto a = make_region(3 * kPage);
  const uint64_t whole = file_size(a->fd());
  const struct {
    size_t at;
    uint64_t value;
  } lies[] = {{offsetof(Header, size), UINT64_MAX},
              {offsetof(Header, size), uint64_t{1} << 40},
              {offsetof(Header, size), 0},
              {offsetof(Header, granularity), 0},
              {offsetof(Header, granularity), 3},
              {offsetof(Header, granularity), 1},
              {offsetof(Header, granularity), uint64_t{1} << 63},
              {offsetof(Header, unit_count), 1000},
              {offsetof(Header, slot_count), UINT64_MAX},
              {offsetof(Header, slot_count), 0},
              {offsetof(Header, control_offset), 0},
              {offsetof(Header, words_offset), UINT64_MAX - 7},
              {offsetof(Header, generations_offset), 0},
              {offsetof(Header, name_length), UINT32_MAX},
              {offsetof(Header, magic), 0},
              {offsetof(Header, version), on("vrange") ? kVersion : kVrangeVersion},
              {offsetof(Header, version), 3}};
  for (const auto& lie : lies) {
    const Fd copy = patched_copy(a->fd(), whole, whole - kHeaderSize + lie.at, &lie.value, sizeof lie.value);
    CHECK(copy.valid());
    // Without the magic number an area is no region of ours, and none that lies.
    const bool foreign = lie.at == offsetof(Header, magic) && !makes_memfds();
    CHECK_EQ(attach_code(copy.get()), foreign ? Code::kOk : Code::kUntrustedFd);
  }
}

TEST(a_huge_hollow_region_is_an_error_and_not_a_crash) {
  if (!makes_memfds()) SKIP("only a memfd can be made by hand and be that large");
  // A header that is right in every field, in a sparse file of terabytes.
  auto made = make_layout(uint64_t{1} << 45, page_size(), 60);
  REQUIRE(made.ok());
  Header header{};
  made.value().version = header_version();
  fill_header(made.value(), &header);
  Fd fd(raw_memfd_create("huge", 3));
  CHECK(ftruncate(fd.get(), static_cast<off_t>(made.value().file_size)) == 0);
  CHECK(pwrite(fd.get(), &header, sizeof header, static_cast<off_t>(made.value().header_offset)) ==
        sizeof header);
  CHECK(fcntl(fd.get(), F_ADD_SEALS, kShrink | kGrow) == 0);
  const Code code = attach_code(fd.get());
  CHECK(code == Code::kSystem || code == Code::kOk);
}

TEST(an_fd_open_for_writing_only_is_refused_and_for_reading_only_reads) {
  auto a = make_region(kPage);
  if (makes_memfds() && !may_open_again(a->fd())) SKIP("a memfd may not be opened again here");
  char path[64];
  snprintf(path, sizeof path, "/proc/self/fd/%d", a->fd());
  Fd writer(open(path, O_WRONLY));
  CHECK_EQ(attach_code(writer.get()), Code::kUntrustedFd);
  Fd reader(open(path, O_RDONLY));
  if (!makes_memfds()) {
    CHECK_EQ(attach_code(reader.get()), Code::kUntrustedFd);
    SKIP("to open the fd of an area again is to make another area, an empty one");
  }
  auto made = try_attach(reader.get());
  REQUIRE(made.ok());
  CHECK(made.value()->read_only());
}

TEST(a_memfd_of_huge_pages_is_refused) {
  if (!makes_memfds()) SKIP("an area has no huge pages");
  Fd fd(raw_memfd_create("huge", 3 | 4 /* MFD_HUGETLB */));
  if (!fd.valid() || ftruncate(fd.get(), 64 << 20) != 0) SKIP("no huge pages on this machine");
  CHECK(fcntl(fd.get(), F_ADD_SEALS, kShrink | kGrow) == 0);
  const Status status = try_attach(fd.get()).status();
  CHECK_EQ(status.code, Code::kUntrustedFd);
  CHECK(strstr(status.detail, "huge") != nullptr);
}

TEST(a_full_descriptor_table_does_not_seal_a_region_for_ever) {
  if (!makes_memfds()) SKIP("to protect an area takes no descriptor");
  auto a = make_region(kPage);
  if (!may_open_again(a->fd())) SKIP("a memfd may not be opened again here");
  Child child([&] {
    auto b = attach_or_exit(a->fd());
    const rlimit few{static_cast<rlim_t>(b->fd()) + 1, static_cast<rlim_t>(b->fd()) + 1};
    setrlimit(RLIMIT_NOFILE, &few);
    while (dup(0) >= 0) {
    }
    const Status status = b->protect();
    return status.code == Code::kSystem && status.error == EMFILE && b->purgeable() ? 0 : 1;
  });
  CHECK_EQ(child.reap(), 0);
  CHECK(a->purgeable());
}
