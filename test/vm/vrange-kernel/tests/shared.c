// SPDX-License-Identifier: GPL-2.0
// Shared memory: volatility belongs to the file, whoever maps it.
#include "vrange.h"

struct shared {
  int fd;
  uint8_t* bytes;
};

static struct shared make_shared(size_t pages, unsigned seed) {
  struct shared made = {make_file(pages), NULL};
  made.bytes = map_file(made.fd, pages);
  fill(made.bytes, pages, seed);
  return made;
}

TEST(volatile_memory_stays_while_nobody_asks_for_memory) {
  struct shared it = make_shared(16, 0);
  let_go(it.bytes, 16);
  CHECK(count(it.bytes, 16, 0, kept) == 16);
  CHECK(!take_back(it.bytes, 16));
  discard_all();
  CHECK(count(it.bytes, 16, 0, kept) == 16);
}

TEST(a_discarded_page_is_sigbus_until_it_is_taken_back_and_zero_then) {
  struct shared it = make_shared(16, 0);
  let_go(it.bytes, 16);
  discard_all();
  CHECK(count(it.bytes, 16, 0, lost) == 16);
  CHECK(!can_write(it.bytes + 5 * PAGE + 77));
  CHECK(take_back(it.bytes, 16));
  CHECK(count(it.bytes, 16, 0, zero) == 16);
  CHECK(!take_back(it.bytes, 16));
  fill(it.bytes, 16, 9);
  discard_all();
  CHECK(count(it.bytes, 16, 9, kept) == 16);
}

TEST(memory_that_is_not_marked_is_left_alone) {
  struct shared it = make_shared(32, 0), other = make_shared(32, 7);
  let_go(it.bytes + 8 * PAGE, 16);
  discard_all();
  CHECK(count(it.bytes, 8, 0, kept) == 8);
  CHECK(count(it.bytes + 8 * PAGE, 16, 8, lost) == 16);
  CHECK(count(it.bytes + 24 * PAGE, 8, 24, kept) == 8);
  CHECK(count(other.bytes, 32, 7, kept) == 32);
}

TEST(no_more_is_discarded_than_is_asked_for) {
  struct shared it = make_shared(64, 0);
  discard_all();
  let_go(it.bytes, 64);
  discard(10);
  CHECK(count(it.bytes, 64, 0, lost) == 10);
  discard(3);
  CHECK(count(it.bytes, 64, 0, lost) == 13);
  CHECK(!take_back(it.bytes + 32 * PAGE, 32));
  CHECK(take_back(it.bytes, 32));
  CHECK(count(it.bytes, 64, 0, zero) == 13);
}

TEST(all_mappings_lose_a_page_together) {
  struct shared it = make_shared(8, 0);
  uint8_t* again = map_file(it.fd, 8);
  CHECK(count(again, 8, 0, kept) == 8);
  let_go(it.bytes, 8);
  discard_all();
  CHECK(count(it.bytes, 8, 0, lost) == 8);
  CHECK(count(again, 8, 0, lost) == 8);
  // Taken back through one, there through both.
  CHECK(take_back(again, 8));
  CHECK(!take_back(it.bytes, 8));
  CHECK(count(it.bytes, 8, 0, zero) == 8);
}

TEST(an_offset_is_that_of_the_file) {
  struct shared it = make_shared(16, 0);
  uint8_t* window = mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, it.fd, 8 * PAGE);
  CHECK(window != MAP_FAILED);
  let_go(window, 4);
  discard_all();
  for (unsigned i = 0; i < 16; i++)
    CHECK(state_of(it.bytes + i * PAGE, i) == (i >= 8 && i < 12 ? lost : kept));
  CHECK(take_back(it.bytes, 16));
}

static void take_back_there(void* argument) {
  struct shared* it = argument;
  uint8_t* mine = map_file(it->fd, 8);
  CHECK(count(mine, 8, 0, lost) == 8);
  CHECK(take_back(mine, 8));
  fill(mine, 8, 40);
}

TEST(another_process_sees_the_loss_and_can_mend_it) {
  struct shared it = make_shared(8, 0);
  let_go(it.bytes, 8);
  discard_all();
  CHECK(wait_for(start(take_back_there, &it)) == 0);
  CHECK(count(it.bytes, 8, 40, kept) == 8);
  CHECK(!take_back(it.bytes, 8));
}

static void let_go_there(void* argument) {
  struct shared* it = argument;
  let_go(map_file(it->fd, 8), 8);
}

TEST(what_a_process_has_marked_stays_volatile_after_its_end) {
  struct shared it = make_shared(8, 0);
  CHECK(wait_for(start(let_go_there, &it)) == 0);
  discard_all();
  CHECK(count(it.bytes, 8, 0, lost) == 8);
}

TEST(volatility_outlives_every_mapping) {
  struct shared it = make_shared(8, 0);
  let_go(it.bytes, 8);
  CHECK(munmap(it.bytes, 8 * PAGE) == 0);
  discard_all();
  it.bytes = map_file(it.fd, 8);
  CHECK(count(it.bytes, 8, 0, lost) == 8);
  CHECK(take_back(it.bytes, 8));
}

static void expect_to_read(void* argument) {
  struct shared* it = argument;
  CHECK(!take_back(it->bytes, 8));
}

TEST(a_fork_shares_volatility_with_its_parent) {
  struct shared it = make_shared(8, 0);
  let_go(it.bytes, 8);
  CHECK(wait_for(start(expect_to_read, &it)) == 0);
  discard_all();
  CHECK(count(it.bytes, 8, 0, kept) == 8);
}

TEST(shared_memory_without_a_name_can_be_volatile) {
  uint8_t* bytes = mmap(NULL, 8 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  CHECK(bytes != MAP_FAILED);
  fill(bytes, 8, 0);
  let_go(bytes, 8);
  discard_all();
  CHECK(count(bytes, 8, 0, lost) == 8);
  CHECK(take_back(bytes, 8));
}

TEST(a_private_mapping_of_the_file_is_refused) {
  struct shared it = make_shared(8, 0);
  int purged;
  uint8_t* own = mmap(NULL, 8 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, it.fd, 0);
  CHECK(vrange(own, PAGE, VOLATILE, &purged) == -1 && errno == EINVAL);
  // Its own copies stay.
  own[0] = 77;
  let_go(it.bytes, 8);
  discard_all();
  CHECK(own[0] == 77);
  CHECK(!can_read(own + PAGE, NULL));
}

TEST(who_may_only_read_can_take_back_but_not_let_go) {
  struct shared it = make_shared(8, 0);
  char path[64];
  int purged;
  snprintf(path, sizeof(path), "/proc/self/fd/%d", it.fd);
  const int read_only = open(path, O_RDONLY);
  uint8_t* seen = mmap(NULL, 8 * PAGE, PROT_READ, MAP_SHARED, read_only, 0);
  CHECK(seen != MAP_FAILED);
  CHECK(vrange(seen, 8 * PAGE, VOLATILE, &purged) == -1 && errno == EACCES);
  let_go(it.bytes, 8);
  discard(2);
  CHECK(take_back(seen, 8));
  discard_all();
  CHECK(count(it.bytes, 8, 0, kept) == 6 && count(it.bytes, 8, 0, zero) == 2);
}

TEST(a_sealed_file_is_kept) {
  struct shared it = make_shared(8, 0);
  let_go(it.bytes, 8);
  CHECK(munmap(it.bytes, 8 * PAGE) == 0);
  CHECK(fcntl(it.fd, F_ADD_SEALS, F_SEAL_WRITE) == 0);
  discard_all();
  it.bytes = mmap(NULL, 8 * PAGE, PROT_READ, MAP_SHARED, it.fd, 0);
  CHECK(count(it.bytes, 8, 0, kept) == 8);
}

TEST(the_kernel_itself_gets_an_error_from_a_discarded_page) {
  struct shared it = make_shared(4, 0);
  static char buffer[2 * PAGE];
  int ends[2];
  CHECK(pipe(ends) == 0);
  let_go(it.bytes + PAGE, 1);
  discard_all();
  CHECK(write(ends[1], it.bytes + PAGE, 100) == -1 && errno == EFAULT);
  CHECK(write(ends[1], it.bytes, 2 * PAGE) == PAGE);
  CHECK(read(ends[0], it.bytes + PAGE, 100) == -1 && errno == EFAULT);
  // And so does who reads or writes the file.
  CHECK(pread(it.fd, buffer, PAGE, PAGE) == -1 && errno == EIO);
  CHECK(pread(it.fd, buffer, 2 * PAGE, 0) == PAGE);
  CHECK(pwrite(it.fd, buffer, 10, PAGE) == -1 && errno == EIO);
  CHECK(take_back(it.bytes, 4));
  CHECK(pread(it.fd, buffer, PAGE, PAGE) == PAGE && buffer[0] == 0);
  CHECK(pwrite(it.fd, buffer, 10, PAGE) == 10);
}

TEST(a_hole_is_not_lost) {
  struct shared it = {make_file(8), NULL};
  it.bytes = map_file(it.fd, 8);
  let_go(it.bytes, 8);
  discard_all();
  CHECK(count(it.bytes, 8, 0, zero) == 8);
  CHECK(!take_back(it.bytes, 8));
}

TEST(a_hole_punched_by_hand_ends_the_loss) {
  struct shared it = make_shared(8, 0);
  let_go(it.bytes, 8);
  discard_all();
  CHECK(fallocate(it.fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 4 * PAGE) == 0);
  CHECK(count(it.bytes, 4, 0, zero) == 4);
  CHECK(!take_back(it.bytes, 4));
  CHECK(take_back(it.bytes + 4 * PAGE, 4));
}

TEST(what_is_cut_off_is_not_volatile_when_the_file_grows_again) {
  struct shared it = make_shared(8, 0);
  let_go(it.bytes, 8);
  discard(6);
  CHECK(ftruncate(it.fd, 4 * PAGE) == 0);
  CHECK(ftruncate(it.fd, 8 * PAGE) == 0);
  fill(it.bytes + 4 * PAGE, 4, 4);
  discard_all();
  CHECK(count(it.bytes, 4, 0, lost) == 4);
  CHECK(count(it.bytes + 4 * PAGE, 4, 4, kept) == 4);
  CHECK(!take_back(it.bytes + 4 * PAGE, 4));
  // Nor is the loss there again if all of it had been lost.
  discard_all();
  CHECK(ftruncate(it.fd, 0) == 0);
  CHECK(ftruncate(it.fd, 8 * PAGE) == 0);
  CHECK(count(it.bytes, 8, 0, zero) == 8);
}

TEST(the_blocks_of_discarded_pages_are_free) {
  struct shared it = make_shared(64, 0);
  struct stat about;
  CHECK(fstat(it.fd, &about) == 0 && about.st_blocks == 64 * 8);
  let_go(it.bytes, 64);
  discard_all();
  CHECK(fstat(it.fd, &about) == 0 && about.st_blocks == 0);
  CHECK(take_back(it.bytes, 64));
  fill(it.bytes, 64, 0);
  CHECK(fstat(it.fd, &about) == 0 && about.st_blocks == 64 * 8);
}

TEST(a_file_can_end_with_its_pages_discarded) {
  for (int i = 0; i < 20; i++) {
    struct shared it = make_shared(64, 0);
    let_go(it.bytes, 64);
    discard(i * 4);
    CHECK(munmap(it.bytes, 64 * PAGE) == 0);
    CHECK(close(it.fd) == 0);
  }
  discard_all();
}

TEST(locked_memory_is_kept_until_it_is_unlocked) {
  struct shared it = make_shared(8, 0);
  uint8_t* again = map_file(it.fd, 8);
  CHECK(mlock(again, 4 * PAGE) == 0);
  let_go(it.bytes, 8);
  discard_all();
  CHECK(count(it.bytes, 4, 0, kept) == 4);
  CHECK(count(it.bytes + 4 * PAGE, 4, 4, lost) == 4);
  CHECK(munlock(again, 4 * PAGE) == 0);
  discard_all();
  CHECK(count(it.bytes, 4, 0, lost) == 4);
}

TEST(a_file_on_tmpfs_can_be_volatile) {
  const int fd = open("/dev/shm", O_TMPFILE | O_RDWR, 0600);
  CHECK(fd >= 0 && ftruncate(fd, 8 * PAGE) == 0);
  uint8_t* bytes = map_file(fd, 8);
  fill(bytes, 8, 0);
  let_go(bytes, 8);
  discard_all();
  CHECK(count(bytes, 8, 0, lost) == 8);
  CHECK(take_back(bytes, 8));
}

TEST(a_huge_page_can_be_discarded_in_part) {
  enum { whole = 512 };
  if (!write_text("/sys/kernel/mm/transparent_hugepage/shmem_enabled", "force"))
    SKIP("no huge pages for files");
  const int fd = make_file(2 * whole);
  uint8_t* bytes = map_file(fd, 2 * whole);
  fill(bytes, 2 * whole, 0);
  const long huge = number_after("/proc/meminfo", "ShmemHugePages:");
  write_text("/sys/kernel/mm/transparent_hugepage/shmem_enabled", "never");
  if (huge < 4096) SKIP("no huge page to be had");
  let_go(bytes + 100 * PAGE, 50);
  discard(20);
  CHECK(count(bytes, 2 * whole, 0, lost) == 20);
  discard_all();
  CHECK(count(bytes, 100, 0, kept) == 100);
  CHECK(count(bytes + 100 * PAGE, 50, 100, lost) == 50);
  CHECK(count(bytes + 150 * PAGE, 874, 150, kept) == 874);
  let_go(bytes, 2 * whole);
  discard_all();
  CHECK(count(bytes, 2 * whole, 0, lost) == 2 * whole);
  CHECK(take_back(bytes, 2 * whole));
}

TEST(several_files_may_be_marked_by_one_call) {
  uint8_t* bytes = filled_private(4, 0);
  const int one = make_file(2), two = make_file(2);
  const int flags = MAP_SHARED | MAP_FIXED;
  CHECK(mmap(bytes + PAGE, PAGE, PROT_READ | PROT_WRITE, flags, one, PAGE) != MAP_FAILED);
  CHECK(mmap(bytes + 2 * PAGE, PAGE, PROT_READ | PROT_WRITE, flags, two, 0) != MAP_FAILED);
  fill(bytes, 4, 0);
  let_go(bytes, 4);
  discard_all();
  CHECK(count(bytes, 4, 0, lost) == 4);
  CHECK(take_back(bytes, 4));
  CHECK(count(bytes, 4, 0, zero) == 4);
}
