// File descriptors that are not regions, or lie about being one: refused with a code, no SIGBUS, nothing leaked.
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "core/platform/system_calls.h"
#include "native/check.h"
#include "native/processes.h"

using namespace ashmem_compat;
using namespace ashmem_compat::testing;

namespace {

const uint64_t kPage = kernel_page_size();

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

}  // namespace

TEST(things_that_are_no_memfd) {
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

TEST(headers_whose_sizes_lie) {
  auto a = make_region(3 * kPage);
  const off_t whole = lseek(a->fd(), 0, SEEK_END);
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
              {offsetof(Header, version), 2}};
  for (const auto& lie : lies) {
    Fd copy = copy_of(a->fd(), whole, kShrink | kGrow);
    CHECK(pwrite(copy.get(), &lie.value, sizeof lie.value,
                 whole - static_cast<off_t>(kHeaderSize) + static_cast<off_t>(lie.at)) == 8);
    CHECK_EQ(attach_code(copy.get()), Code::kUntrustedFd);
  }
}

TEST(a_huge_hollow_region_is_an_error_and_not_a_crash) {
  // A header that is right in every field, in a sparse file of terabytes.
  auto made = make_layout(uint64_t{1} << 45, page_size(), 60);
  REQUIRE(made.ok());
  Header header{};
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
  char path[64];
  snprintf(path, sizeof path, "/proc/self/fd/%d", a->fd());
  Fd writer(open(path, O_WRONLY));
  CHECK_EQ(attach_code(writer.get()), Code::kUntrustedFd);
  Fd reader(open(path, O_RDONLY));
  auto made = try_attach(reader.get());
  REQUIRE(made.ok());
  CHECK(made.value()->read_only());
}

TEST(a_memfd_of_huge_pages_is_refused) {
  Fd fd(raw_memfd_create("huge", 3 | 4 /* MFD_HUGETLB */));
  if (!fd.valid() || ftruncate(fd.get(), 64 << 20) != 0) SKIP("no huge pages on this machine");
  CHECK(fcntl(fd.get(), F_ADD_SEALS, kShrink | kGrow) == 0);
  const Status status = try_attach(fd.get()).status();
  CHECK_EQ(status.code, Code::kUntrustedFd);
  CHECK(strstr(status.detail, "huge") != nullptr);
}

TEST(a_full_descriptor_table_does_not_seal_a_region_for_ever) {
  auto a = make_region(kPage);
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
