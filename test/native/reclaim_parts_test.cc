// The parts of reclaim that read and write text of the kernel's.
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "core/platform/fd.h"
#include "core/platform/system_calls.h"
#include "core/reclaim/line_reader.h"
#include "core/reclaim/maps.h"
#include "core/reclaim/proc_reclaim.h"
#include "core/reclaim/swap_backed.h"
#include "native/check.h"
#include "native/processes.h"

using namespace ashmem_compat;
using namespace ashmem_compat::reclaim;
using namespace ashmem_compat::testing;

namespace {

// The lines that a reader gives of `text`, each followed by '|'. They come through a pipe, in pieces of `piece` bytes.
std::string lines_of(const std::string& text, size_t piece) {
  int ends[2];
  if (pipe(ends) != 0) abort();
  Child writer([&] {
    ::close(ends[0]);
    for (size_t at = 0; at < text.size(); at += piece) {
      const std::string part = text.substr(at, piece);
      if (write(ends[1], part.data(), part.size()) != static_cast<ssize_t>(part.size())) return 1;
    }
    return 0;
  });
  ::close(ends[1]);
  LineReader reader(ends[0]);
  std::string all;
  while (const char* line = reader.next()) all += std::string(line) + "|";
  CHECK(reader.status().ok());
  ::close(ends[0]);
  CHECK_EQ(writer.reap(), 0);
  return all;
}

// What a write_reclaim has written.
template <typename Write>
std::string written(Write write_it) {
  int ends[2];
  if (pipe(ends) != 0) abort();
  CHECK(write_it(ends[1]).ok());
  char text[200] = {0};
  if (read(ends[0], text, sizeof text - 1) < 0) abort();
  ::close(ends[0]);
  ::close(ends[1]);
  return text;
}

}  // namespace

TEST(lines_of_maps_are_read) {
  MappingLine line;
  REQUIRE(parse_maps_line(
      "7f12a000-7f12c000 r-xp 0001f000 fd:0a 1234567                    /usr/lib/a b\\012.so", &line));
  CHECK_EQ(line.start, uint64_t{0x7f12a000});
  CHECK_EQ(line.end, uint64_t{0x7f12c000});
  CHECK_EQ(line.major, 0xfdu);
  CHECK_EQ(line.minor, 0x0au);
  CHECK_EQ(line.inode, uint64_t{1234567});
  REQUIRE(parse_maps_line("7ffd1000-7ffd3000 rw-p 00000000 00:00 0 ", &line));
  CHECK_EQ(line.inode, uint64_t{0});
  CHECK(parse_maps_line("7ffd1000-7ffd3000 rw-p 00000000 00:00 0", &line));
  CHECK(parse_maps_line("ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0     [vsyscall]", &line));
  CHECK(parse_maps_line("12345678-1234a000 rw-p 00000000 00:01 2048 /memfd:a\x01\xff (deleted)", &line));
  CHECK(parse_maps_line("1000-2000 rwxsXYZ 0 0:0 0 [anon:whatever comes]", &line));
}

TEST(what_is_no_line_of_maps_is_passed_over) {
  MappingLine line;
  for (const char* text : {"",
                           " ",
                           "-",
                           "1000",
                           "1000-",
                           "1000-2000",
                           "1000-2000 ",
                           "1000-2000 r-xp",
                           "1000-2000 r-xp 0",
                           "1000-2000 r-xp 0 fd:0a",
                           "1000-2000 r-xp 0 fd:0a x",
                           "1000-2000 r-xp 0 fd 1 /x",
                           "2000-1000 r-xp 0 fd:0a 1 /x",
                           "1000-1000 r-xp 0 fd:0a 1 /x",
                           "+1000-2000 r-xp 0 fd:0a 1 /x",
                           "1000- 2000 r-xp 0 fd:0a 1 /x",
                           "10000000000000001-10000000000000002 r-xp 0 fd:0a 1 /x",
                           "Rss:      12 kB",
                           "1000-2000 r-xp 0 fd:0a 12x /x",
                           "0x10-0x20 r-xp 0 fd:0a 1 /x"}) {
    if (parse_maps_line(text, &line)) check::fail(__FILE__, __LINE__, std::string("taken: ") + text);
  }
}

TEST(lines_of_any_length_come_in_pieces) {
  for (const size_t piece : {size_t{1}, size_t{7}, size_t{4096}, size_t{65536}}) {
    CHECK_EQ(lines_of("", piece), std::string());
    CHECK_EQ(lines_of("a\n\nbc\n", piece), std::string("a||bc|"));
    CHECK_EQ(lines_of("a\nlast", piece), std::string("a|last|"));
  }
  // Of a long one the beginning; the lines around it are whole.
  const std::string begin = "1000-2000 r--p 0 1:2 3 /";
  for (const size_t length : {size_t{16383}, size_t{16384}, size_t{16385}, size_t{40000}}) {
    for (const char* end : {"\n", ""}) {
      const std::string lines =
          lines_of("before\n" + begin + std::string(length, 'x') + end + (*end ? "after\n" : ""), 1000);
      CHECK_EQ(lines.substr(0, 7 + begin.size()), "before|" + begin);
      if (*end) CHECK_EQ(lines.substr(lines.size() - 8), std::string("x|after|"));
    }
  }
}

TEST(the_orders_for_proc_reclaim_are_those_of_its_patches) {
  CHECK_EQ(written([](int fd) { return write_reclaim(fd, "file"); }), std::string("file"));
  CHECK_EQ(written([](int fd) { return write_reclaim(fd, 0x7f0000001000, 0x7f0000003000); }),
           std::string("0x7f0000001000 8192"));
  // An eventfd refuses orders with EINVAL, as the file of a kernel that knows no ranges does.
  const Fd other(eventfd(0, 0));
  CHECK_EQ(write_reclaim(other.get(), "all").code, Code::kNotSupported);
  CHECK_EQ(write_reclaim(-1, "all").code, Code::kSystem);
}

TEST(files_without_a_disk_are_known) {
  const Fd self(open("/proc/self", O_RDONLY | O_DIRECTORY));
  const SwapBackedDevices devices(self.get());
  const auto is_one = [&](int fd) {
    struct stat st;
    return fstat(fd, &st) == 0 && devices.has(major(st.st_dev), minor(st.st_dev));
  };
  const Fd memfd(raw_memfd_create("x", 0));
  CHECK(is_one(memfd.get()));
  const Fd shm(open("/dev/shm", O_RDONLY | O_DIRECTORY));
  if (shm.valid()) CHECK(is_one(shm.get()));
  const Fd proc(open("/proc", O_RDONLY | O_DIRECTORY));
  CHECK(!is_one(proc.get()));
  const Fd program(open("/proc/self/exe", O_RDONLY));
  CHECK(!is_one(program.get()));
}
