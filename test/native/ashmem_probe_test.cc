// What probing says of devices that are not there, not to be opened, not the driver, or the driver with a part missing. Each
// likeness is made in a mount namespace with a /dev of its own, or by a seccomp filter; each probe runs in a new process.
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <string>

#include "core/backends/backend.h"
#include "native/check.h"
#include "native/processes.h"
#include "native/seccomp.h"

using namespace ashmem_compat;
using namespace ashmem_compat::testing;

namespace {

constexpr unsigned kSetSize = _IOW(0x77, 3, size_t), kGetName = _IOR(0x77, 2, char[256]);
struct Range {
  uint32_t offset, length;
};
constexpr unsigned kPin = _IOW(0x77, 7, Range), kUnpin = _IOW(0x77, 8, Range);

dev_t real_device() {
  struct stat st;
  return stat("/dev/ashmem", &st) == 0 && S_ISCHR(st.st_mode) ? st.st_rdev : 0;
}

std::string second_node() {
  char id[64] = {0};
  const Fd file(open("/proc/sys/kernel/random/boot_id", O_RDONLY));
  if (read(file.get(), id, sizeof id - 1) <= 0) return {};
  id[strcspn(id, "\n")] = 0;
  return std::string("/dev/ashmem") + id;
}

// An empty /dev of this process's own.
bool own_dev() {
  return unshare(CLONE_NEWNS) == 0 && mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0 &&
         mount("tmpfs", "/dev", "tmpfs", 0, nullptr) == 0;
}

struct Answer {
  bool available = false;
  std::string reason;
};

// What a new process finds, in which `likeness` has been made (false: it could not be).
template <typename Likeness>
Answer probe_in(Likeness likeness) {
  int ends[2];
  if (pipe(ends) != 0) abort();
  Child child([&] {
    if (!likeness()) return 2;
    const Availability& found = ashmem_backend.probe();
    const std::string line = std::string(found.available ? "+" : "-") + found.reason;
    return write(ends[1], line.data(), line.size()) == static_cast<ssize_t>(line.size()) ? 0 : 3;
  });
  ::close(ends[1]);
  char text[1024];
  const ssize_t got = read(ends[0], text, sizeof text);
  ::close(ends[0]);
  CHECK_EQ(child.reap(), 0);
  if (got <= 0) return {};
  return {text[0] == '+', std::string(text + 1, static_cast<size_t>(got) - 1)};
}

bool has(const Answer& answer, const char* part) {
  if (answer.reason.find(part) != std::string::npos) return true;
  fprintf(stderr, "reason: %s\n", answer.reason.c_str());
  return false;
}

const char* const kNoRoot = "making a /dev of one's own needs root";
const char* const kNoDevice = "no real /dev/ashmem here (npm run test:vm has one)";

}  // namespace

TEST(no_device_at_all) {
  if (geteuid() != 0) SKIP(kNoRoot);
  const Answer answer = probe_in(own_dev);
  CHECK(!answer.available);
  CHECK(has(answer, "no /dev/ashmem;"));
  CHECK(has(answer, ("no " + second_node()).c_str()));
  CHECK(has(answer, "no ASharedMemory_create"));
}

TEST(a_node_that_must_not_be_opened) {
  if (geteuid() != 0) SKIP(kNoRoot);
  const Answer answer = probe_in([] {
    if (!own_dev() || mknod("/dev/ashmem", S_IFCHR | 0600, makedev(1, 3)) != 0) return false;
    return setresuid(1000, 1000, 1000) == 0;
  });
  CHECK(!answer.available);
  CHECK(has(answer, "/dev/ashmem: Permission denied"));
}

TEST(a_node_of_something_else) {
  if (geteuid() != 0) SKIP(kNoRoot);
  const Answer null =
      probe_in([] { return own_dev() && mknod("/dev/ashmem", S_IFCHR | 0666, makedev(1, 3)) == 0; });
  CHECK(!null.available);
  CHECK(has(null, "/dev/ashmem opens, but is not the driver (ENOTTY)"));
  const Answer file = probe_in([] { return own_dev() && mknod("/dev/ashmem", S_IFREG | 0666, 0) == 0; });
  CHECK(!file.available);
  CHECK(has(file, "/dev/ashmem opens, but is not the driver (ENOTTY)"));
}

TEST(the_real_one) {
  if (real_device() == 0) SKIP(kNoDevice);
  const Answer answer = probe_in([] { return true; });
  CHECK(answer.available);
  CHECK(has(answer, "/dev/ashmem pins and unpins"));
}

TEST(a_driver_with_unpinning_switched_off) {
  if (real_device() == 0) SKIP(kNoDevice);
  const Answer answer = probe_in([] { return filter_ioctl(kUnpin, SECCOMP_RET_ERRNO); });  // errno 0: "done"
  CHECK(!answer.available);
  CHECK(has(answer, "takes UNPIN and does nothing"));
}

TEST(a_driver_without_a_call) {
  if (real_device() == 0) SKIP(kNoDevice);
  const struct {
    unsigned request;
    const char* reason;
  } calls[] = {{kSetSize, "is not the driver (ENOTTY)"},
               {kGetName, "/dev/ashmem is not the driver"},
               {kUnpin, "/dev/ashmem cannot unpin: Inappropriate ioctl"},
               {kPin, "/dev/ashmem cannot pin again: Inappropriate ioctl"}};
  for (const auto& call : calls) {
    const Answer answer = probe_in([&] { return filter_ioctl(call.request, SECCOMP_RET_ERRNO | ENOTTY); });
    CHECK(!answer.available);
    CHECK(has(answer, call.reason));
  }
}

TEST(a_filter_that_kills) {
  if (real_device() == 0) SKIP(kNoDevice);
  const Answer answer = probe_in([] { return filter_ioctl(kUnpin, SECCOMP_RET_TRAP); });
  CHECK(!answer.available);
  CHECK(has(answer, "/dev/ashmem: refused by a seccomp filter (SIGSYS)"));
}

TEST(the_second_node_alone) {
  if (real_device() == 0) SKIP(kNoDevice);
  if (geteuid() != 0) SKIP(kNoRoot);
  const dev_t device = real_device();
  const Answer answer =
      probe_in([&] { return own_dev() && mknod(second_node().c_str(), S_IFCHR | 0666, device) == 0; });
  CHECK(answer.available);
  CHECK(has(answer, (second_node() + " pins and unpins").c_str()));
}

// libandroid.so is found by the loader's path, which counts from the start of a program on.
TEST(what_androids_library_opens) {
  if (geteuid() != 0) SKIP(kNoRoot);
  if (!getenv("TEST_ASHMEM_LIBRARY")) {
    Child again([] {
      setenv("TEST_ASHMEM_LIBRARY", "1", 1);
      setenv("LD_LIBRARY_PATH", LIBANDROID_FOLDER, 1);
      execl("/proc/self/exe", "ashmem_probe_test", "what_androids_library_opens", nullptr);
      return 126;
    });
    CHECK_EQ(again.reap(), 0);
    return;
  }
  const Answer memfd = probe_in(own_dev);
  CHECK(!memfd.available);
  CHECK(has(memfd, "ASharedMemory_create gives a memfd, whose pins do nothing"));
  const dev_t device = real_device();
  if (device == 0) return;
  const Answer area = probe_in([&] {
    setenv("TEST_ASHMEM_NODE", "/dev/elsewhere", 1);
    return own_dev() && mknod("/dev/elsewhere", S_IFCHR | 0666, device) == 0;
  });
  CHECK(area.available);
  CHECK(has(area, "ASharedMemory_create pins and unpins"));
}
