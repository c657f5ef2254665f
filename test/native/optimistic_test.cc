// Touches of what was discarded, in C++: by whatever thread, beside others' handlers, in a forked child, while the region closes. On
// memfd with userfaultfd; on a kernel with vrange also by its own SIGBUS.
#include "core/optimistic.h"

#include <sys/mman.h>

#include <atomic>
#include <thread>

#include "core/backends/vrange_call.h"
#include "core/platform/userfaultfd.h"
#include "native/check.h"
#include "native/processes.h"

using namespace ashmem_compat;
using namespace ashmem_compat::testing;

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool kSanitized = true;
#else
constexpr bool kSanitized = false;
#endif

namespace {

const uint64_t kPage = page_size();

std::unique_ptr<Region> memfd_region(uint64_t units) {
  RegionOptions options;
  options.size = units * kPage;
  auto made = create_region("memfd", Scope::kShared, options);
  if (!made.ok()) abort();
  fill(*made.value(), 0, options.size, 7);
  return std::move(made.value());
}

std::unique_ptr<HoleView> view_of(const Region& region) {
  auto made = HoleView::open(region);
  return made.ok() ? std::move(made.value()) : nullptr;
}

#define NEEDS_USERFAULTFD() \
  static std::string why;   \
  if (!userfaultfd_works(&why)) SKIP(why.c_str())

// Units that a read of all of them found lost.
uint64_t lost_by(Region& region, const std::function<void()>& read) {
  OptimisticTicket ticket;
  std::vector<ByteRange> lost;
  CHECK(region.begin_optimistic(0, region.size(), &ticket).ok());
  read();
  CHECK(region.end_optimistic(0, region.size(), ticket, &lost).ok());
  uint64_t bytes = 0;
  for (const ByteRange& range : lost) bytes += range.length;
  return bytes / kPage;
}

}  // namespace

TEST(a_touch_of_a_hole_reads_zeros_and_is_counted) {
  NEEDS_USERFAULTFD();
  auto a = memfd_region(8);
  auto view = view_of(*a);
  REQUIRE(view);
  unpin(*a, 0, 8 * kPage);
  CHECK_EQ(purge(*a, 2 * kPage, 3 * kPage), 3 * kPage);
  const volatile char* bytes = view->mapping()->data();
  int sum = 0;
  CHECK_EQ(lost_by(*a,
                   [&] {
                     for (uint64_t u = 0; u < 8; ++u) sum += bytes[u * kPage];
                   }),
           uint64_t{3});
  CHECK_EQ(sum, 5 * 7);
  CHECK(view->touches() >= 3);
  // It is the file's page that was made: what is written to it is seen everywhere.
  pin(*a, 2 * kPage, kPage);
  a->mapping()->data()[2 * kPage] = 9;
  CHECK_EQ(bytes[2 * kPage], 9);
}

TEST(a_hundred_thousand_touches_in_two_threads) {
  NEEDS_USERFAULTFD();
  constexpr uint64_t kUnits = 64;
  auto a = memfd_region(kUnits);
  auto view = view_of(*a);
  REQUIRE(view);
  unpin(*a, 0, kUnits * kPage);
  std::atomic<bool> done{false};
  const auto touch = [&] {
    const volatile char* bytes = view->mapping()->data();
    int sum = 0;
    while (!done) {
      for (uint64_t u = 0; u < kUnits; ++u) sum += bytes[u * kPage];
    }
    return sum;
  };
  std::thread one(touch);
  std::thread two(touch);
  while (view->touches() < 100'000) {
    purge(*a, 0, kUnits * kPage);
    std::this_thread::yield();
  }
  done = true;
  one.join();
  two.join();
}

TEST(a_close_while_others_touch_harms_nobody) {
  NEEDS_USERFAULTFD();
#if defined(__SANITIZE_THREAD__)
  SKIP("a touch beside the mmap of zeros is what it tests, and a race to ThreadSanitizer");
#endif
  for (int i = 0; i < 50; ++i) {
    auto a = memfd_region(16);
    auto view = view_of(*a);
    REQUIRE(view);
    unpin(*a, 0, 16 * kPage);
    purge(*a, 0, 16 * kPage);
    const std::shared_ptr<Mapping> mapping = view->mapping();
    std::atomic<bool> done{false};
    std::thread reader([&] {
      const volatile char* bytes = mapping->data();
      int sum = 0;
      while (!done) {
        for (uint64_t u = 0; u < 16; ++u) sum += bytes[u * kPage];
      }
      return sum;
    });
    purge(*a, 0, 16 * kPage);
    view->close();
    a->close();
    view.reset();
    done = true;
    reader.join();
  }
}

TEST(a_forked_child_touches_without_harm_and_has_a_descriptor_of_its_own) {
  NEEDS_USERFAULTFD();
  auto a = memfd_region(4);
  auto view = view_of(*a);
  REQUIRE(view);
  unpin(*a, 0, 4 * kPage);
  purge(*a, 0, 4 * kPage);
  Child child([&] {
    const volatile char* bytes = view->mapping()->data();
    if (bytes[0] != 0 || bytes[kPage] != 0) return 1;
    auto b = attach_region("memfd", Fd(dup(a->fd())), {});
    if (!b.ok()) return 2;
    auto own = view_of(*b.value());
    if (!own) return 3;
    purge(*b.value(), 0, 4 * kPage);
    bytes = own->mapping()->data();
    if (bytes[2 * kPage] != 0 || own->touches() == 0) return 4;
    return 0;
  });
  CHECK_EQ(child.reap(), 0);
  purge(*a, 0, 4 * kPage);
  const uint64_t before = view->touches();
  CHECK_EQ(static_cast<const volatile char*>(view->mapping()->data())[3 * kPage], 0);
  CHECK(view->touches() > before);
}

// SIGBUS of a file that was cut short under its mapping is none of ours.
TEST(faults_elsewhere_go_where_they_went) {
  NEEDS_USERFAULTFD();
  if (kSanitized) SKIP("the sanitizer has a handler of its own");
  auto a = memfd_region(1);
  const auto touch_beyond = [] {
    const Fd file(raw_memfd_create("short", 1));
    void* page = mmap(nullptr, kPage, PROT_READ, MAP_SHARED, file.get(), 0);
    return static_cast<int>(*static_cast<volatile char*>(page));
  };
  Child by_default([&] {
    auto view = view_of(*a);
    return touch_beyond();
  });
  CHECK_EQ(by_default.reap(), -SIGBUS);
}

// In a new program, where the guard finds the handler that is to be kept.
TEST(a_handler_that_was_there_before_is_called) {
  NEEDS_USERFAULTFD();
  if (kSanitized) SKIP("the sanitizer has a handler of its own");
  if (!getenv("TEST_OPTIMISTIC_HANDLER")) {
    Child again([] {
      setenv("TEST_OPTIMISTIC_HANDLER", "1", 1);
      execl("/proc/self/exe", "optimistic_test", "a_handler_that_was_there", nullptr);
      return 126;
    });
    CHECK_EQ(again.reap(), 42);
    return;
  }
  signal(SIGBUS, [](int) { _exit(42); });
  auto a = memfd_region(1);
  auto view = view_of(*a);
  unpin(*a, 0, kPage);
  purge(*a, 0, kPage);
  CHECK_EQ(*static_cast<const volatile char*>(view->mapping()->data()), 0);
  raise(SIGBUS);
  _exit(0);
}

TEST(views_are_for_memfd_regions_that_can_be_written) {
  NEEDS_USERFAULTFD();
  RegionOptions options;
  options.size = kPage;
  auto alone = create_region("anonymous", Scope::kProcess, options);
  REQUIRE(alone.ok());
  CHECK_EQ(HoleView::open(*alone.value()).status().code, Code::kNotSupported);
  auto a = memfd_region(1);
  a->close();
  CHECK_EQ(HoleView::open(*a).status().code, Code::kRegionClosed);
}

namespace {

bool drop_caches() {
  const Fd file(open("/proc/sys/vm/drop_caches", O_WRONLY));
  return write(file.get(), "2", 1) == 1;
}

}  // namespace

TEST(a_peer_that_leaves_everything_to_the_kernel_ends_nobody) {
  if (!vrange_backend.probe().available) SKIP("no vrange here (npm run test:vm -- --kernel vrange has one)");
  if (access("/proc/sys/vm/drop_caches", W_OK) != 0) SKIP("only root makes the kernel discard at once");
  if (getenv("ASHMEM_COMPAT_TEST_VRANGE_PURGE")) SKIP("a supervisor raises no SIGBUS");
  for (const char* backend : {"memfd", "vrange"}) {
    Child victim([&] {
      alarm(120);
      RegionOptions options;
      options.size = 16 * kPage;
      auto made = create_region(backend, Scope::kShared, options);
      if (!made.ok()) return 1;
      Region& a = *made.value();
      fill(a, 0, options.size, 7);
      Child peer([&] {
        const uint64_t bytes = file_size(a.fd());
        void* all = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, a.fd(), 0);
        return vrange::release(vrange::proven(), static_cast<char*>(all), bytes).ok() ? 0 : 1;
      });
      if (peer.reap() != 0) return 2;
      for (int i = 0; i < 50; ++i) drop_caches();
      // Whatever they say: it is lost, and they are here to say so.
      (void)all(a, 0, options.size, 7);
      unpin(a, 0, options.size);
      pin(a, 0, kPage);
      purge(a, 0, options.size);
      (void)attach_region(backend, Fd(dup(a.fd())), {});
      return 0;
    });
    CHECK_EQ(victim.reap(), 0);
  }
}

TEST(the_kernels_own_sigbus_is_mended_and_known) {
  if (!vrange_backend.probe().available) SKIP("no vrange here (npm run test:vm -- --kernel vrange has one)");
  if (access("/proc/sys/vm/drop_caches", W_OK) != 0) SKIP("only root makes the kernel discard at once");
  if (getenv("ASHMEM_COMPAT_TEST_VRANGE_PURGE")) SKIP("a supervisor raises no SIGBUS");
  constexpr uint64_t kUnits = 512;
  for (const Scope scope : {Scope::kShared, Scope::kProcess}) {
    RegionOptions options;
    options.size = kUnits * kPage;
    auto made = create_region("vrange", scope, options);
    REQUIRE(made.ok());
    Region& a = *made.value();
    for (int round = 0; round < 20; ++round) {
      fill(a, 0, options.size, 7);
      CHECK_EQ(unpin(a, 0, options.size), Code::kOk);
      const char* bytes = a.mapping()->data();
      const auto gone = [&] {
        std::vector<unsigned char> there(kUnits);
        if (mincore(a.mapping()->data(), options.size, there.data()) != 0) return false;
        for (const unsigned char page : there) {
          if (page & 1) return false;
        }
        return true;
      };
      for (int i = 0; i < 200 && !gone(); ++i) drop_caches();
      CHECK(gone());
      int sum = 0;
      const auto touch = [&] {
        for (uint64_t u = 0; u < kUnits; ++u) sum += static_cast<const volatile char*>(bytes)[u * kPage];
      };
      CHECK_EQ(lost_by(a,
                       [&] {
                         std::thread beside([&] {
                           int other = 0;
                           for (uint64_t u = kUnits; u-- > 0;)
                             other += static_cast<const volatile char*>(bytes)[u * kPage];
                           return other;
                         });
                         touch();
                         beside.join();
                       }),
               kUnits);
      CHECK_EQ(sum, 0);
      CHECK(a.touches_fault());
      std::vector<ByteRange> lost;
      bool purged = false;
      CHECK(a.pin(0, options.size, &purged, &lost).ok());
      CHECK(purged && lost.size() == 1 && lost[0].length == options.size);
    }
    // A child that inherits the mapping sees zeros, and takes no answer that is its parent's.
    fill(a, 0, options.size, 7);
    unpin(a, 0, options.size);
    for (int i = 0; i < 20; ++i) drop_caches();
    Child child([&] { return *static_cast<const volatile char*>(a.mapping()->data()); });
    CHECK_EQ(child.reap(), 0);
    CHECK(pin(a, 0, kPage).purged);
    CHECK(pin(a, kPage, options.size - kPage).purged);
  }
}
