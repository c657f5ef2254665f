// The anonymous backend: the kernel discards, and pin tells exactly what, whatever the bytes are.
#include <sys/stat.h>
#include "core/backends/backend.h"

#include "native/check.h"
#include "native/processes.h"

using namespace ashmem_compat;
using namespace ashmem_compat::testing;

namespace {

const uint64_t kPage = page_size();

std::unique_ptr<Region> make(uint64_t size, uint64_t granularity = 0) {
  RegionOptions options;
  options.size = size;
  options.granularity = granularity;
  auto made = anonymous_backend.create(options);
  return made.ok() ? std::move(made.value()) : nullptr;
}

// Makes the kernel take lazily freed pages now, as memory pressure would: reclaim drops them without swap.
bool kernel_takes(Region& region, uint64_t offset, uint64_t length) {
  return madvise(region.mapping()->data() + offset, length, 21 /* MADV_PAGEOUT */) == 0;
}

}  // namespace

TEST(bytes_survive_an_unpin_whatever_they_are) {
  auto a = make(16 * kPage);
  REQUIRE(a);
  char* bytes = a->mapping()->data();
  for (uint64_t i = 0; i < 16 * kPage; ++i) bytes[i] = static_cast<char>(i / kPage);  // page 0 is all zeros
  const std::string before(bytes, 16 * kPage);
  for (int round = 0; round < 3; ++round) {
    CHECK_EQ(unpin(*a, 0, 16 * kPage), Code::kOk);
    CHECK(!is_pinned(*a, 0, kPage));
    CHECK(!pin(*a, 0, 16 * kPage).purged);
    CHECK(memcmp(bytes, before.data(), 16 * kPage) == 0);
  }
}

TEST(what_the_kernel_took_is_told_page_for_page) {
  auto a = make(64 * kPage, 4 * kPage);  // units of four pages
  char* bytes = a->mapping()->data();
  memset(bytes, 0, 64 * kPage);  // zeros that were written: gone or kept, they look the same
  memset(bytes + 8 * kPage, 5, 8 * kPage);
  unpin(*a, 0, 64 * kPage);
  if (!kernel_takes(*a, 2 * kPage, 3 * kPage) || !kernel_takes(*a, 9 * kPage, kPage))
    SKIP("no MADV_PAGEOUT (Linux 5.4)");
  bool purged = false;
  std::vector<ByteRange> lost;
  CHECK(a->pin(0, 64 * kPage, &purged, &lost).ok());
  if (!purged) SKIP("this kernel did not take lazily freed pages");
  REQUIRE(lost.size() == 2);
  CHECK_EQ(lost[0].offset, 2 * kPage);
  CHECK_EQ(lost[0].length, 3 * kPage);
  CHECK_EQ(lost[1].offset, 9 * kPage);
  CHECK_EQ(lost[1].length, kPage);
  for (uint64_t page = 8; page < 16; ++page) CHECK_EQ(bytes[page * kPage], page == 9 ? 0 : 5);
  CHECK(!pin(*a, 0, 64 * kPage).purged);
}

TEST(memory_that_was_never_touched_stays_untouched) {
  auto a = make(1024 * kPage);
  // Where the kernel gives out huge pages, a touch brings in the pages around it as well: that is not what is asked here.
  (void)madvise(a->mapping()->data(), 1024 * kPage, MADV_NOHUGEPAGE);
  a->mapping()->data()[3 * kPage] = 1;
  unpin(*a, 0, 1024 * kPage);
  RegionStats stats;
  CHECK(a->stats(&stats).ok());
  CHECK(stats.resident <= 4 * kPage);
  CHECK_EQ(stats.unpinned, 1024 * kPage);
  CHECK(!pin(*a, 0, 1024 * kPage).purged);
  CHECK_EQ(a->mapping()->data()[3 * kPage], 1);
  CHECK_EQ(a->mapping()->data()[4 * kPage], 0);
}

TEST(purge_discards_what_is_not_pinned_and_counts_it_once) {
  auto a = make(8 * kPage + 10);
  memset(a->mapping()->data(), 1, 8 * kPage + 10);
  unpin(*a, 2 * kPage, 6 * kPage + 10);
  CHECK_EQ(purge(*a, 0, 8 * kPage + 10), 6 * kPage + 10);
  CHECK_EQ(purge(*a, 0, 8 * kPage + 10), uint64_t{0});
  CHECK_EQ(a->mapping()->data()[0], 1);
  RegionStats stats;
  a->stats(&stats);
  CHECK_EQ(stats.purged, 6 * kPage + 10);
  bool purged = false;
  std::vector<ByteRange> lost;
  a->pin(0, 8 * kPage + 10, &purged, &lost);
  REQUIRE(lost.size() == 1);
  CHECK_EQ(lost[0].offset, 2 * kPage);
  CHECK_EQ(lost[0].length, 6 * kPage + 10);
  CHECK_EQ(a->mapping()->data()[2 * kPage], 0);
}

TEST(a_read_bracket_sees_the_true_bytes_and_keeps_a_loss_for_the_next_pin) {
  auto a = make(2 * kPage);
  memset(a->mapping()->data(), 6, 2 * kPage);
  unpin(*a, 0, 2 * kPage);
  ReadTicket ticket;
  CHECK(a->begin_read(0, 2 * kPage, &ticket).ok() && ticket.valid);
  CHECK_EQ(a->mapping()->data()[0], 6);
  CHECK(a->end_read(0, 2 * kPage, ticket));
  CHECK_EQ(purge(*a, 0, kPage), kPage);
  CHECK(a->begin_read(0, 2 * kPage, &ticket).ok() && !ticket.valid);
  bool purged = false;
  std::vector<ByteRange> lost;
  CHECK(a->pin(0, 2 * kPage, &purged, &lost).ok());
  REQUIRE(lost.size() == 1);
  CHECK_EQ(lost[0].length, kPage);
  CHECK_EQ(a->mapping()->data()[0], 0);
  CHECK_EQ(a->mapping()->data()[kPage], 6);
}

TEST(nesting_and_errors_are_as_on_shared_regions) {
  auto a = make(4 * kPage);
  CHECK_EQ(pin(*a, 0, kPage).code, Code::kOk);
  CHECK_EQ(unpin(*a, 0, 4 * kPage), Code::kOk);
  CHECK(is_pinned(*a, 0, kPage));
  CHECK_EQ(unpin(*a, 0, 4 * kPage), Code::kNotPinned);
  CHECK_EQ(unpin(*a, 0, kPage), Code::kOk);
  CHECK_EQ(pin(*a, 1, kPage).code, Code::kInvalidRange);
  CHECK_EQ(a->fd(), -1);
  CHECK_EQ(a->protect().code, Code::kNotShareable);
  Child child([&] { return pin(*a, 0, kPage).code == Code::kForked ? 0 : 1; });
  CHECK_EQ(child.reap(), 0);
  a->close();
  CHECK_EQ(pin(*a, 0, kPage).code, Code::kRegionClosed);
}

// The kernel's own reclaim against a memory limit: it takes what it needs, and not one page is silently lost.
TEST(under_a_memory_limit_every_loss_is_told) {
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
  SKIP("a sanitizer's shadow memory does not fit the limit");
#endif
  const std::string group = "/sys/fs/cgroup/memory/ashmem-compat-test-" + std::to_string(getpid());
  if (mkdir(group.c_str(), 0755) != 0) SKIP("no cgroup v1 memory controller to make a group in");
  const auto put = [&](const char* file, const std::string& text) {
    Fd fd(open((group + file).c_str(), O_WRONLY));
    return fd.valid() && write(fd.get(), text.data(), text.size()) == static_cast<ssize_t>(text.size());
  };
  const bool limited = put("/memory.limit_in_bytes", std::to_string(64u << 20));
  Shared* shared = shared_words();
  Child child([&] {
    if (!limited || !put("/cgroup.procs", std::to_string(getpid()))) return 77;
    const uint64_t size = 48u << 20;
    const uint64_t kernel_page = kernel_page_size();  // what is lost and told, whatever a unit is
    auto a = make(size);
    uint64_t* words = reinterpret_cast<uint64_t*>(a->mapping()->data());
    const uint64_t per_page = kernel_page / 8;
    for (uint64_t i = 0; i < size / 8; ++i)
      words[i] = i % per_page == 0 ? 0 : i;  // the first word of every page is 0
    unpin(*a, 0, size);
    const uint64_t squeeze = 40u << 20;
    char* neighbour = static_cast<char*>(
        mmap(nullptr, squeeze, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    memset(neighbour, 1, squeeze);
    munmap(neighbour, squeeze);
    bool purged = false;
    std::vector<ByteRange> lost;
    if (!a->pin(0, size, &purged, &lost).ok()) return 1;
    size_t next = 0;
    for (uint64_t page = 0; page < size / kernel_page; ++page) {
      const uint64_t at = page * kernel_page;
      while (next < lost.size() && lost[next].offset + lost[next].length <= at) ++next;
      const bool told = next < lost.size() && at >= lost[next].offset;
      if (told) ++shared->word[0];
      for (uint64_t i = 0; i < per_page; ++i) {
        const uint64_t expected = told || i == 0 ? 0 : page * per_page + i;
        if (words[page * per_page + i] != expected) return 2;
      }
    }
    return 0;
  });
  const int status = child.reap();
  rmdir(group.c_str());
  if (status == 77) SKIP("the group takes no limit or no member");
  CHECK_EQ(status, 0);
  CHECK(shared->word[0] > 0);                                 // it did take some
  CHECK(shared->word[0] < (48u << 20) / kernel_page_size());  // and not all
}
