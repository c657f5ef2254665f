// The sources of memory pressure that need no cgroup, and the parts that read text.
#include <stdio.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "core/backends/ashmem_device.h"
#include "core/pressure/kernel_losses.h"
#include "core/pressure/sources/kernel_file.h"
#include "core/pressure/sources/own_cgroups.h"
#include "core/pressure/sources/rate_window.h"
#include "core/pressure/sources/service_address.h"
#include "native/check.h"
#include "native/limited_cgroup.h"
#include "native/pressure_gauges.h"
#include "native/seccomp.h"

using namespace ashmem_compat;
using namespace ashmem_compat::testing;
using namespace ashmem_compat::pressure;

namespace {

// A folder that goes away with what is in it.
class Folder {
 public:
  Folder() {
    char name[] = "/tmp/pressure-test-XXXXXX";
    if (!mkdtemp(name)) abort();
    path_ = name;
  }
  ~Folder() {
    if (system(("rm -r '" + path_ + "'").c_str()) != 0) abort();
  }
  std::string at(const char* name) const { return path_ + "/" + name; }
  void make(const std::string& folders) const {
    if (system(
            ("mkdir -p '" + path_ + folders + "' && touch '" + path_ + folders + "/cgroup.procs'").c_str()) !=
        0) {
      abort();
    }
  }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

void put(const std::string& path, const std::string& text) {
  const Fd fd(open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0644));
  if (write(fd.get(), text.data(), text.size()) != static_cast<ssize_t>(text.size())) abort();
}

// The folders found with these two files, relative to the mounts' folder, each followed by a space.
std::string folders_of(const Folder& folder, Hierarchy hierarchy, const std::string& cgroup,
                       const std::string& mounts) {
  put(folder.at("cgroup"), cgroup);
  put(folder.at("mountinfo"), mounts);
  std::string all;
  for (const std::string& found :
       own_cgroups(hierarchy, folder.at("cgroup").c_str(), folder.at("mountinfo").c_str())) {
    all += found.substr(folder.path().size()) + " ";
  }
  return all;
}

std::string mount_line(const Folder& folder, const char* root, const char* point, const char* rest) {
  return std::string("35 31 0:32 ") + root + " " + folder.path() + point + " rw,nosuid shared:9 - " + rest +
         "\n";
}

constexpr char kV1[] = "cgroup cgroup rw,memory";
constexpr char kV2[] = "cgroup2 cgroup2 rw,nsdelegate";

// Something for ashmem's shrinker to find: it counts the unpinned pages of the whole machine, and is not called at all for a few.
class UnpinnedArea {
 public:
  UnpinnedArea() : fd_(ashmem::open_area(0, "", kSize)) {
    data_ = mmap(nullptr, kSize, PROT_READ | PROT_WRITE, MAP_SHARED, fd_.get(), 0);
    if (data_ == MAP_FAILED) abort();
  }
  ~UnpinnedArea() { munmap(data_, kSize); }
  // Fills and unpins it, and has the kernel discard what is unpinned: what was so before goes first. False: no right.
  bool discard_caches() {
    ashmem::pin(fd_.get(), 0, kSize);
    memset(data_, 1, kSize);
    ashmem::unpin(fd_.get(), 0, kSize);
    return write_text("/proc/sys/vm/drop_caches", "2");
  }

 private:
  static constexpr size_t kSize = 8 * kMiB;
  Fd fd_;
  void* data_;
};

void forget_environment() {
  unsetenv("MEMORY_PRESSURE_WATCH");
  unsetenv("MEMORY_PRESSURE_WRITE");
}

}  // namespace

TEST(every_source_says_why_it_works_or_not) {
  forget_environment();
  std::string names;
  for (const Source* source : all_sources()) {
    names += std::string(source->name()) + " ";
    const SourceReport report = source->probe();
    CHECK(!report.reason.empty());
    if (!report.available) CHECK(source->open().empty());
    printf("  %-16s %s%s\n", source->name(), report.available ? "" : "no: ", report.reason.c_str());
    for (const std::unique_ptr<Gauge>& gauge : source->open()) {
      const Reading reading = look(gauge.get());
      CHECK(!gauge->where().empty());
      printf("    %s: limit %llu MiB, available %llu MiB, level %d%s\n", gauge->where().c_str(),
             static_cast<unsigned long long>(reading.limit >> 20),
             static_cast<unsigned long long>(reading.available >> 20), static_cast<int>(reading.level),
             reading.guarded ? ", guarded" : "");
    }
  }
  CHECK_EQ(names, std::string("cgroup-v2 cgroup-v1 psi meminfo major-faults ashmem service-manager "));
}

// As in an application on Android: SELinux forbids the files, seccomp the calls.
TEST(what_is_forbidden_is_missing_and_nothing_worse) {
  forget_environment();
  const auto use_all = [](bool files) {
    for (const Source* source : all_sources()) {
      const SourceReport report = source->probe();
      CHECK(!report.reason.empty());
      // What needs no file: and that is off where it counts what is no shortage.
      if (!files && strcmp(source->name(), "major-faults") != 0) CHECK(!report.available);
      for (const std::unique_ptr<Gauge>& gauge : source->open()) look(gauge.get());
    }
    return check::failures == 0 ? 0 : 1;
  };
  Child no_files([&] {
    check::failures = 0;
    bool filtered = filter_call(SYS_openat, SECCOMP_RET_ERRNO | EACCES);
#ifdef SYS_open
    filtered = filtered && filter_call(SYS_open, SECCOMP_RET_ERRNO | EACCES);  // musl's open()
#endif
    return filtered ? use_all(false) : 90;
  });
  CHECK_EQ(no_files.reap(), 0);
  for (const long number : {SYS_mincore, SYS_ioctl}) {
    Child no_call([&] {
      check::failures = 0;
      return filter_call(number, SECCOMP_RET_TRAP) ? use_all(true) : 90;
    });
    CHECK_EQ(no_call.reap(), 0);
  }
}

TEST(own_cgroups_are_found_as_far_as_they_are_mounted) {
  const Folder folder;
  folder.make("/memory/a/b");
  folder.make("/memory/a");
  folder.make("/memory");
  folder.make("/part");
  folder.make("/v2/x y");
  folder.make("/v2");
  const std::string v1 = mount_line(folder, "/", "/memory", kV1);
  const std::string other = mount_line(folder, "/", "/cpu", "cgroup cgroup rw,cpu");
  const auto v1_of = [&](const char* path, const std::string& mounts) {
    return folders_of(folder, Hierarchy::kV1Memory,
                      "9:name=systemd:/s\n4:cpu,memory:" + std::string(path) + "\n3:cpuset:/c\n0::/u\n",
                      mounts);
  };
  CHECK_EQ(v1_of("/a/b", other + v1), std::string("/memory/a/b /memory/a /memory "));
  CHECK_EQ(v1_of("/", v1), std::string("/memory "));
  // A part of the tree is mounted: ours, one above ours, and one that merely begins with the same letters.
  CHECK_EQ(v1_of("/docker/1/a", mount_line(folder, "/docker/1", "/memory", kV1)),
           std::string("/memory/a /memory "));
  CHECK_EQ(v1_of("/docker/1", mount_line(folder, "/docker/1", "/memory", kV1)), std::string("/memory "));
  CHECK_EQ(v1_of("/docker/12", mount_line(folder, "/docker/1", "/memory", kV1)), std::string("/memory "));
  // The mount that shows the most wins; one that shows nothing of ours only if there is no other.
  CHECK_EQ(v1_of("/a/b", mount_line(folder, "/a/b", "/part", kV1) + v1),
           std::string("/memory/a/b /memory/a /memory "));
  CHECK_EQ(v1_of("/elsewhere", mount_line(folder, "/a", "/part", kV1) + v1), std::string("/part "));
  // Out of a cgroup namespace.
  CHECK_EQ(v1_of("/../a", v1), std::string("/memory "));
  CHECK_EQ(v1_of("/a", mount_line(folder, "/..", "/memory", kV1)), std::string("/memory "));
  CHECK_EQ(v1_of("/a", other), std::string());
  CHECK_EQ(v1_of("/a", ""), std::string());
  // v2, with a name that mountinfo has to escape.
  CHECK_EQ(
      folders_of(folder, Hierarchy::kV2, "4:memory:/a\n0::/x y\n", v1 + mount_line(folder, "/", "/v2", kV2)),
      std::string("/v2/x y /v2 "));
  CHECK_EQ(folders_of(folder, Hierarchy::kV2, "0::/x y\n", mount_line(folder, "/x\\040y", "/part", kV2)),
           std::string("/part "));
  CHECK_EQ(folders_of(folder, Hierarchy::kV2, "4:memory:/a\n", mount_line(folder, "/", "/v2", kV2)),
           std::string());
}

TEST(numbers_of_the_kernels_files_are_read) {
  const Folder folder;
  const auto number = [&](const char* text) {
    put(folder.at("n"), text);
    KernelFile file;
    uint64_t value = 0;
    if (!file.open(folder.at("n")) || !file.read_number(&value)) return std::string("no");
    return value == kUnknown ? std::string("max") : std::to_string(value);
  };
  CHECK_EQ(number("4096\n"), std::string("4096"));
  CHECK_EQ(number("0\n"), std::string("0"));
  CHECK_EQ(number("max\n"), std::string("max"));
  CHECK_EQ(number("9223372036854771712\n"), std::string("max"));
  CHECK_EQ(number("\n"), std::string("no"));
  CHECK_EQ(number(""), std::string("no"));
  uint64_t value = 0;
  const char text[] = "file 1\nfile_dirty 2\nshmem 3";
  CHECK(find_number(text, "file ", &value) && value == 1);
  CHECK(find_number(text, "file_dirty ", &value) && value == 2);
  CHECK(find_number(text, "shmem ", &value) && value == 3);
  CHECK(!find_number(text, "dirty ", &value));
  CHECK(!find_number("", "a ", &value));
}

TEST(a_rate_is_of_a_window_however_often_it_is_asked_for) {
  for (const uint64_t step : {1, 10, 100, 250, 700}) {
    RateWindow rate(500);
    uint64_t last = 0;
    for (uint64_t ms = 0; ms <= 5000; ms += step) last = rate.add(1000 + ms, ms * 3);
    CHECK(last > 2700 && last <= 3000);
    // And none any more.
    for (uint64_t ms = 0; ms <= 1500; ms += step) last = rate.add(6000 + ms, 15000);
    CHECK_EQ(last, uint64_t{0});
  }
  // A little in a moment is no rate.
  RateWindow rate(500);
  rate.add(1000, 0);
  CHECK_EQ(rate.add(1001, 10), uint64_t{40});
}

TEST(the_machine_has_memory_and_tells_of_shared_memory) {
  const Gauges gauges = source_named("meminfo")->open();
  REQUIRE(gauges.size() == 1);
  Gauge* const gauge = gauges[0].get();
  const Reading reading = look(gauge);
  const long pages = sysconf(_SC_PHYS_PAGES);
  CHECK_EQ(reading.limit, static_cast<uint64_t>(pages) * kernel_page_size());
  CHECK(reading.available > 0 && reading.available < reading.limit);
  CHECK(!gauge->of_cgroup());
  // Others may free as much at the same moment: not ten times in a row.
  bool rose = false;
  for (int i = 0; i < 10 && !rose; ++i) {
    const uint64_t before = gauge->shared_memory();
    GrowingMemfd memory;
    memory.grow(16 * kMiB);
    const uint64_t after = gauge->shared_memory();
    rose = after >= before + 12 * kMiB && after <= before + 64 * kMiB;
  }
  CHECK(rose);
}

TEST(major_faults_raise_a_level_that_falls_again) {
  const BigFile file(16 * kMiB);
  if (!file.valid()) SKIP("no large file to read");
  const auto faults = [] {
    rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return usage.ru_majflt;
  };
  static const SourceReport report = source_named("major-faults")->probe();
  if (!report.available) SKIP(report.reason.c_str());
  // From before the gauge: not counted.
  file.touch(0, 300);
  const Gauges gauges = source_named("major-faults")->open();
  REQUIRE(gauges.size() == 1);
  Gauge* const gauge = gauges[0].get();
  CHECK_EQ(look(gauge, 1000).level, Level::kNone);
  CHECK_EQ(look(gauge, 1010).level, Level::kNone);
  const auto fault = [&](long count) {
    file.drop();
    const long before = faults();
    for (uint64_t at = 0; faults() - before < count && at < 2 * static_cast<uint64_t>(count); at += 10) {
      file.touch(at, 10);
    }
    return faults() - before >= count;
  };
  if (!fault(300)) SKIP("files stay in memory here");
  CHECK_EQ(look(gauge, 1900).level, Level::kLow);
  if (!fault(1200)) SKIP("files stay in memory here");
  CHECK_EQ(look(gauge, 2000).level, Level::kMedium);
  CHECK(look(gauge, 2000).again_ms > 0);
  CHECK_EQ(look(gauge, 4000).level, Level::kNone);
  CHECK_EQ(look(gauge, 5200).level, Level::kNone);
}

TEST(a_canary_that_the_kernel_took_is_pressure) {
  const Gauges gauges = source_named("ashmem")->open();
  if (gauges.empty()) SKIP("no ashmem device");
  REQUIRE(gauges.size() == 2);
  Gauge* const canary = gauges[0].get();
  uint64_t now = 1000;
  CHECK_EQ(look(canary, now).level, Level::kNone);
  // Looking does not keep it alive, nor does it take it for lost.
  for (int i = 0; i < 10; ++i) CHECK_EQ(look(canary, now += 100).level, Level::kNone);
  UnpinnedArea others;
  if (!others.discard_caches()) SKIP("only root may have the kernel discard");
  CHECK_EQ(look(canary, now).level, Level::kLow);
  CHECK_EQ(look(canary, now += 500).level, Level::kLow);
  CHECK(look(canary, now).again_ms > 0);
  CHECK(others.discard_caches());
  CHECK_EQ(look(canary, now += 100).level, Level::kMedium);
  CHECK_EQ(look(canary, now += 1999).level, Level::kMedium);
  CHECK_EQ(look(canary, now += 1).level, Level::kNone);
  CHECK_EQ(look(canary, now += 5000).level, Level::kNone);
  CHECK(others.discard_caches());
  CHECK_EQ(look(canary, now += 100).level, Level::kLow);
}

TEST(losses_of_regions_are_pressure) {
  note_kernel_loss();  // before anybody asks
  const Gauges gauges = source_named("ashmem")->open();
  if (gauges.empty()) SKIP("no ashmem device");
  Gauge* const losses = gauges.back().get();
  CHECK_EQ(look(losses, 1000).level, Level::kNone);
  note_kernel_loss();
  CHECK_EQ(look(losses, 1100).level, Level::kMedium);
  CHECK_EQ(look(losses, 3000).level, Level::kMedium);
  CHECK_EQ(look(losses, 3200).level, Level::kNone);
}

TEST(base64_is_decoded_or_refused) {
  std::string bytes;
  CHECK(decode_base64("c29tZSAzNTAwMCA1MDAwMDAA", &bytes));
  CHECK_EQ(bytes, std::string("some 35000 500000", 17) + std::string(1, 0));
  CHECK(decode_base64("", &bytes) && bytes.empty());
  CHECK(decode_base64("YQ==", &bytes) && bytes == "a");
  CHECK(decode_base64("YWI=", &bytes) && bytes == "ab");
  CHECK(decode_base64("+/+/", &bytes) && bytes == "\xfb\xff\xbf");
  for (const char* bad : {"YQ", "YQ=", "Y===", "====", "YQ==YQ==", "Y Q=", "YW=j", "-_-_"})
    CHECK(!decode_base64(bad, &bytes));
}

TEST(errors_in_the_service_managers_variables_are_said) {
  const Folder folder;
  const auto reason = [](const char* watch, const char* write) {
    forget_environment();
    if (watch) setenv("MEMORY_PRESSURE_WATCH", watch, 1);
    if (write) setenv("MEMORY_PRESSURE_WRITE", write, 1);
    const Source* const source = source_named("service-manager");
    const SourceReport report = source->probe();
    CHECK(!report.available);
    CHECK(source->open().empty());
    forget_environment();
    return report.reason;
  };
  const auto says = [](const std::string& text, const char* part) {
    return text.find(part) != std::string::npos;
  };
  CHECK(says(reason(nullptr, nullptr), "is not set"));
  CHECK(says(reason("", nullptr), "is not set"));
  CHECK(says(reason("/dev/null", nullptr), "switched it off"));
  CHECK(says(reason("memory.pressure", nullptr), "not an absolute path"));
  CHECK(says(reason(folder.at("missing").c_str(), nullptr), "No such file"));
  CHECK(says(reason(folder.path().c_str(), nullptr), "neither a file, a FIFO nor a socket"));
  put(folder.at("file"), "");
  CHECK(says(reason(folder.at("file").c_str(), "not base64"), "not Base64"));
  // A socket that nobody listens on.
  const Fd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un name = {};
  name.sun_family = AF_UNIX;
  strncpy(name.sun_path, folder.at("socket").c_str(), sizeof name.sun_path - 1);
  CHECK_EQ(bind(socket.get(), reinterpret_cast<sockaddr*>(&name), sizeof name), 0);
  CHECK(says(reason(folder.at("socket").c_str(), nullptr), "connect"));
}

TEST(a_fifo_of_the_service_manager_is_heard) {
  const Folder folder;
  const std::string path = folder.at("fifo");
  REQUIRE(mkfifo(path.c_str(), 0600) == 0);
  setenv("MEMORY_PRESSURE_WATCH", path.c_str(), 1);
  setenv("MEMORY_PRESSURE_WRITE", "aGVsbG8=", 1);  // hello
  CHECK(source_named("service-manager")->probe().available);
  const Gauges gauges = source_named("service-manager")->open();
  forget_environment();
  REQUIRE(gauges.size() == 1);
  Gauge* const gauge = gauges[0].get();
  CHECK_EQ(gauge->where(), path);
  const Fd manager(open(path.c_str(), O_RDWR | O_NONBLOCK | O_CLOEXEC));
  // What this process has said itself is no event.
  wait_and_wake(gauge, 0);
  Reading reading = look(gauge, 1000);
  CHECK_EQ(reading.level, Level::kNone);
  CHECK(reading.guarded);
  CHECK_EQ(wait_and_wake(gauge, 0), 0);
  CHECK_EQ(write(manager.get(), std::string(2000, 'x').data(), 2000), ssize_t{2000});
  CHECK_EQ(wait_and_wake(gauge, 0), 1);
  CHECK_EQ(wait_and_wake(gauge, 0), 0);  // drained
  reading = look(gauge, 2000);
  CHECK_EQ(reading.level, Level::kMedium);
  CHECK(!reading.guarded);
  CHECK(reading.again_ms > 0);
  // It falls in steps.
  CHECK_EQ(look(gauge, 4400).level, Level::kMedium);
  CHECK_EQ(look(gauge, 4600).level, Level::kLow);
  CHECK_EQ(look(gauge, 7100).level, Level::kNone);
  CHECK(look(gauge, 7100).guarded);
}

TEST(a_fifo_whose_reader_took_what_was_written_is_heard_at_once) {
  const Folder folder;
  const std::string path = folder.at("fifo");
  REQUIRE(mkfifo(path.c_str(), 0600) == 0);
  setenv("MEMORY_PRESSURE_WATCH", path.c_str(), 1);
  setenv("MEMORY_PRESSURE_WRITE", "aGVsbG8=", 1);
  const Gauges gauges = source_named("service-manager")->open();
  forget_environment();
  REQUIRE(gauges.size() == 1);
  const Fd manager(open(path.c_str(), O_RDWR | O_NONBLOCK | O_CLOEXEC));
  char said[16] = {0};
  CHECK_EQ(read(manager.get(), said, sizeof said), ssize_t{5});
  CHECK_EQ(std::string(said), std::string("hello"));
  CHECK_EQ(write(manager.get(), "x", 1), ssize_t{1});
  CHECK_EQ(wait_and_wake(gauges[0].get(), 0), 1);
  CHECK_EQ(look(gauges[0].get(), 1000).level, Level::kMedium);
}

TEST(a_socket_of_the_service_manager_is_heard_until_it_hangs_up) {
  const Folder folder;
  const std::string path = folder.at("socket");
  Fd listener(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un name = {};
  name.sun_family = AF_UNIX;
  strncpy(name.sun_path, path.c_str(), sizeof name.sun_path - 1);
  REQUIRE(bind(listener.get(), reinterpret_cast<sockaddr*>(&name), sizeof name) == 0);
  REQUIRE(listen(listener.get(), 4) == 0);
  setenv("MEMORY_PRESSURE_WATCH", path.c_str(), 1);
  setenv("MEMORY_PRESSURE_WRITE", "aGVsbG8=", 1);
  const Gauges gauges = source_named("service-manager")->open();
  forget_environment();
  REQUIRE(gauges.size() == 1);
  Gauge* const gauge = gauges[0].get();
  Fd manager(accept(listener.get(), nullptr, nullptr));
  char said[16] = {0};
  CHECK_EQ(read(manager.get(), said, sizeof said), ssize_t{5});
  CHECK_EQ(wait_and_wake(gauge, 0), 0);
  CHECK_EQ(look(gauge, 1000).level, Level::kNone);
  CHECK_EQ(write(manager.get(), "x", 1), ssize_t{1});
  CHECK_EQ(wait_and_wake(gauge, 0), 1);
  CHECK_EQ(look(gauge, 2000).level, Level::kMedium);
  CHECK_EQ(write(manager.get(), "x", 1), ssize_t{1});
  manager.reset();
  CHECK_EQ(wait_and_wake(gauge, 0), 1);
  CHECK_EQ(wait_and_wake(gauge, 0), 0);
  // The last event counts; after it there is nothing more to read.
  CHECK_EQ(look(gauge, 3000).level, Level::kMedium);
  Reading reading;
  CHECK(!gauge->read(9000, &reading));
}
