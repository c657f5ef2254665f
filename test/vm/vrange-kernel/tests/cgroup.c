// SPDX-License-Identifier: GPL-2.0
// Under the memory limit of a cgroup, of either version.
#include <sys/mount.h>

#include "vrange.h"

#define ROOT "/sys/fs/cgroup"
enum { megabyte = 256, limit = 64 };

static char folder[64];

// Pages of programs and libraries are charged to the group in which they are first touched, and keep it from ending altogether:
// all of them are touched here, outside.
__attribute__((constructor)) static void touch_program(void) {
  mlockall(MCL_CURRENT);
  munlockall();
}

static const char* in_group(const char* name) {
  static char path[128];
  snprintf(path, sizeof(path), "%s/%s", folder, name);
  return path;
}

static void make_group(const char* name, const char* limit_file) {
  char text[32];
  snprintf(folder, sizeof(folder), ROOT "/%s", name);
  CHECK(mkdir(folder, 0755) == 0 || errno == EEXIST);
  snprintf(text, sizeof(text), "%dM", limit);
  CHECK(write_text(in_group(limit_file), text));
}

static void join_group(void) { CHECK(write_text(in_group("cgroup.procs"), "0")); }

static void remove_group(void) {
  for (int i = 0; i < 200 && rmdir(folder) != 0; i++) {
    CHECK(errno == EBUSY);
    usleep(20000);
  }
}

// In the group: a cache of three quarters of the limit, then half of the limit for something else. Without discarding, that is death.
static void need_room(void* argument) {
  const bool shared = *(bool*)argument;
  enum { pages = limit * megabyte * 3 / 4 };
  join_group();
  uint8_t* bytes = shared ? map_file(make_file(pages), pages) : map_private(pages);
  fill(bytes, pages, 0);
  let_go(bytes, pages);
  const size_t needed = limit * megabyte / 2;
  uint8_t* more = map_private(needed);
  for (size_t i = 0; i < needed; i++) more[i * PAGE] = 1;
  const size_t gone = count(bytes, pages, 0, lost);
  printf("# %zu of %d pages are lost\n", gone, pages);
  CHECK(gone >= limit * megabyte / 4 - 2 * megabyte);
  CHECK(gone < pages && count(bytes, pages, 0, kept) == pages - gone);
  CHECK(take_back(bytes, pages));
}

static void limited(bool shared) {
  // What is outside keeps what it has, though it is volatile and older.
  uint8_t* outside = filled_private(256, 0);
  let_go(outside, 256);
  CHECK(wait_for(start(need_room, &shared)) == 0);
  CHECK(!take_back(outside, 256));
  CHECK(count(outside, 256, 0, kept) == 256);
  remove_group();
}

TEST(v2_private_memory_is_discarded_under_a_limit) {
  make_group("vrange-a", "memory.max");
  limited(false);
}

TEST(v2_shared_memory_is_discarded_under_a_limit) {
  make_group("vrange-b", "memory.max");
  limited(true);
}

TEST(v2_a_group_is_asked_on_its_own) {
  make_group("vrange-c", "memory.max");
  uint8_t* outside = filled_private(16, 0);
  let_go(outside, 16);
  struct stat about;
  CHECK(stat(folder, &about) == 0);
  fflush(stdout);
  const pid_t child = fork();
  if (child == 0) {
    join_group();
    uint8_t* bytes = filled_private(16, 0);
    let_go(bytes, 16);
    discard_in(about.st_ino, 5);
    CHECK(count(bytes, 16, 0, lost) == 5);
    _exit(0);
  }
  CHECK(wait_for(child) == 0);
  CHECK(count(outside, 16, 0, kept) == 16);
  remove_group();
}

static int given_fd;

static void fill_in_group(void* argument) {
  (void)argument;
  join_group();
  uint8_t* bytes = map_file(given_fd, 64);
  fill(bytes, 64, 0);
}

TEST(v2_shared_memory_belongs_to_the_group_that_pays_for_it) {
  make_group("vrange-d", "memory.max");
  given_fd = make_file(64);
  CHECK(wait_for(start(fill_in_group, NULL)) == 0);
  // Marked from outside.
  uint8_t* bytes = map_file(given_fd, 64);
  let_go(bytes, 64);
  struct stat about;
  CHECK(stat(folder, &about) == 0);
  discard_in(about.st_ino, 7);
  CHECK(count(bytes, 64, 0, lost) == 7);
  // The group's end, which takes its time, leaves the rest to its parent, the root.
  remove_group();
  for (int i = 0; i < 500 && count(bytes, 64, 0, lost) == 7; i++) {
    usleep(10000);
    discard(5);
  }
  CHECK(count(bytes, 64, 0, lost) == 12);
  discard_all();
  CHECK(count(bytes, 64, 0, lost) == 64);
  CHECK(take_back(bytes, 64));
}

static void use_group(void* argument) {
  const bool shared = *(bool*)argument;
  join_group();
  uint8_t* bytes = shared ? map_file(given_fd, 64) : map_private(64);
  fill(bytes, 64, 0);
  let_go(bytes, 64);
}

TEST(v2_groups_come_and_go) {
  for (int i = 0; i < 30; i++) {
    char name[32];
    bool shared = i % 2;
    snprintf(name, sizeof(name), "vrange-e%d", i);
    make_group(name, "memory.max");
    given_fd = make_file(64);
    CHECK(wait_for(start(use_group, &shared)) == 0);
    if (i % 3 == 0) close(given_fd);
    remove_group();
    if (i % 5 == 0) discard_all();
  }
}

TEST(v2_a_group_with_swap_survives_too) {
  swap_on("128M");
  make_group("vrange-f", "memory.max");
  fflush(stdout);
  const pid_t child = fork();
  if (child == 0) {
    enum { pages = limit * megabyte * 3 / 4 };
    join_group();
    uint8_t* bytes = filled_private(pages, 0);
    let_go(bytes, pages);
    const size_t needed = limit * megabyte / 2;
    uint8_t* more = map_private(needed);
    for (size_t i = 0; i < needed; i++) more[i * PAGE] = 1;
    const size_t gone = count(bytes, pages, 0, lost);
    printf("# %zu of %d pages are lost\n", gone, pages);
    CHECK(gone > 0 && count(bytes, pages, 0, kept) == pages - gone);
    fflush(stdout);
    _exit(0);
  }
  CHECK(wait_for(child) == 0);
  remove_group();
  CHECK(system("swapoff /dev/zram0") == 0);
}

static void charge_a_little(void* cpu) {
  cpu_set_t one;
  CPU_ZERO(&one);
  CPU_SET(*(int*)cpu, &one);
  CHECK(sched_setaffinity(0, sizeof(one), &one) == 0);
  join_group();
  fill(map_private(4), 4, 0);
}

// The controller can be in one hierarchy at a time.
static void use_v1(void) {
  // Each processor holds on to the group that it last charged, even when that is gone, if nothing is left of what it charged in
  // advance. Something is left after a little.
  make_group("vrange-last", "memory.max");
  for (int cpu = 0; cpu < sysconf(_SC_NPROCESSORS_ONLN); cpu++)
    CHECK(wait_for(start(charge_a_little, &cpu)) == 0);
  remove_group();
  CHECK(write_text(ROOT "/cgroup.subtree_control", "-memory"));
  CHECK(mkdir("/tmp/cgroup-v1", 0755) == 0 || errno == EEXIST);
  // It leaves the other when nothing there is charged to a group any more.
  int status = -1;
  for (int i = 0; i < 200 && status != 0; i++) {
    CHECK(write_text("/proc/sys/vm/drop_caches", "3"));
    status = mount("cgroup", "/tmp/cgroup-v1", "cgroup", 0, "memory");
    if (status != 0) usleep(50000);
  }
  CHECK(status == 0);
}

static void make_v1_group(const char* name) {
  char text[32];
  snprintf(folder, sizeof(folder), "/tmp/cgroup-v1/%s", name);
  CHECK(mkdir(folder, 0755) == 0);
  snprintf(text, sizeof(text), "%dM", limit);
  CHECK(write_text(in_group("memory.limit_in_bytes"), text));
}

TEST(v1_memory_is_discarded_under_a_limit) {
  use_v1();
  make_v1_group("private");
  limited(false);
  make_v1_group("shared");
  limited(true);
  CHECK(umount2("/tmp/cgroup-v1", MNT_DETACH) == 0);
}
