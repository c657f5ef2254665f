// SPDX-License-Identifier: GPL-2.0
// The call itself: its numbers, its arguments, what it says.
#include "vrange.h"

TEST(the_numbers_are_those_of_no_other_call) {
  CHECK(v11_number > 512 && v12_number > 512 && v11_number != v12_number);
  CHECK(syscall(v12_number + 1, 0, 0, 0, 0) == -1 && errno == ENOSYS);
  CHECK(syscall(v11_number - 1, 0, 0, 0, 0) == -1 && errno == ENOSYS);
}

TEST(the_numbers_cannot_be_changed) {
  struct stat about;
  CHECK(stat("/proc/sys/vm/vrange_v11_nr", &about) == 0 && (about.st_mode & 0777) == 0444);
  CHECK(stat("/proc/sys/vm/vrange_v12_nr", &about) == 0 && (about.st_mode & 0777) == 0444);
}

TEST(the_start_must_be_at_a_page) {
  uint8_t* bytes = map_private(4);
  int purged = 7;
  CHECK(vrange(bytes + 1, PAGE, VOLATILE, &purged) == -1 && errno == EINVAL);
  CHECK(vrange12(bytes + 8, PAGE, NONVOLATILE, 0, &purged) == -1 && errno == EINVAL);
  CHECK(purged == 7);
}

TEST(the_length_is_rounded_down_to_pages) {
  uint8_t* bytes = filled_private(3, 0);
  int purged;
  CHECK(vrange(bytes, 2 * PAGE + PAGE - 1, VOLATILE, &purged) == 2 * PAGE);
  discard_all();
  CHECK(!can_read(bytes + PAGE, NULL));
  CHECK(can_read(bytes + 2 * PAGE, NULL));
}

TEST(nothing_cannot_be_marked) {
  uint8_t* bytes = map_private(1);
  int purged;
  CHECK(vrange(bytes, 0, VOLATILE, &purged) == -1 && errno == EINVAL);
  CHECK(vrange(bytes, PAGE - 1, VOLATILE, &purged) == -1 && errno == EINVAL);
}

TEST(a_range_beyond_the_end_of_the_address_space_is_refused) {
  uint8_t* bytes = map_private(1);
  int purged;
  CHECK(vrange(bytes, SIZE_MAX, VOLATILE, &purged) == -1 && errno == EINVAL);
  CHECK(vrange((void*)0xffff800000000000UL, PAGE, VOLATILE, &purged) == -1 && errno == ENOMEM);
}

TEST(other_modes_and_flags_are_refused) {
  uint8_t* bytes = map_private(1);
  int purged;
  for (int mode = -3; mode < 10; mode++) {
    if (mode == NONVOLATILE || mode == VOLATILE) continue;
    CHECK(vrange(bytes, PAGE, mode, &purged) == -1 && errno == EINVAL);
  }
  CHECK(vrange12(bytes, PAGE, VOLATILE, 1, &purged) == -1 && errno == EINVAL);
  CHECK(vrange12(bytes, PAGE, VOLATILE, 1UL << 63, &purged) == -1 && errno == EINVAL);
}

TEST(nothing_is_done_if_the_loss_cannot_be_reported) {
  uint8_t* bytes = filled_private(1, 0);
  CHECK(vrange(bytes, PAGE, VOLATILE, NULL) == -1 && errno == EFAULT);
  CHECK(vrange(bytes, PAGE, VOLATILE, (int*)8) == -1 && errno == EFAULT);
  discard_all();
  CHECK(state_of(bytes, 0) == kept);
}

TEST(purged_is_set_to_zero_by_every_call) {
  uint8_t* bytes = filled_private(2, 0);
  int purged = 99;
  CHECK(vrange(bytes, PAGE, VOLATILE, &purged) == PAGE && purged == 0);
  purged = 99;
  CHECK(vrange12(bytes, PAGE, NONVOLATILE, 0, &purged) == PAGE && purged == 0);
  // Also by one that fails later.
  purged = 99;
  CHECK(munmap(bytes, 2 * PAGE) == 0);
  CHECK(vrange(bytes, PAGE, VOLATILE, &purged) == -1 && errno == ENOMEM && purged == 0);
}

TEST(a_hole_ends_the_call_with_what_was_done) {
  uint8_t* bytes = filled_private(4, 0);
  int purged;
  CHECK(munmap(bytes + 2 * PAGE, PAGE) == 0);
  CHECK(vrange(bytes, 4 * PAGE, VOLATILE, &purged) == 2 * PAGE);
  CHECK(vrange12(bytes + 2 * PAGE, PAGE, VOLATILE, 0, &purged) == -1 && errno == ENOMEM);
  discard_all();
  CHECK(!can_read(bytes, NULL) && !can_read(bytes + PAGE, NULL));
  CHECK(can_read(bytes + 3 * PAGE, NULL));
  CHECK(vrange(bytes, 4 * PAGE, NONVOLATILE, &purged) == 2 * PAGE && purged == 1);
}

TEST(what_cannot_be_volatile_ends_the_call_with_what_was_done) {
  uint8_t* bytes = filled_private(3, 0);
  const int fd = make_file(1);
  int purged;
  CHECK(mmap(bytes + PAGE, PAGE, PROT_READ, MAP_PRIVATE | MAP_FIXED, fd, 0) != MAP_FAILED);
  CHECK(vrange(bytes, 3 * PAGE, VOLATILE, &purged) == PAGE);
  CHECK(vrange(bytes + PAGE, 2 * PAGE, VOLATILE, &purged) == -1 && errno == EINVAL);
  CHECK(vrange(bytes + PAGE, 2 * PAGE, NONVOLATILE, &purged) == -1 && errno == EINVAL);
}

TEST(a_range_may_reach_over_several_mappings) {
  uint8_t* bytes = filled_private(6, 0);
  CHECK(mprotect(bytes + 2 * PAGE, 2 * PAGE, PROT_READ) == 0);
  let_go(bytes, 6);
  discard_all();
  CHECK(count(bytes, 6, 0, lost) == 6);
  CHECK(take_back(bytes, 6));
  CHECK(count(bytes, 6, 0, zero) == 6);
}

TEST(mappings_of_files_on_disk_and_huge_pages_are_refused) {
  int purged;
  const int fd = open("/proc/self/exe", O_RDONLY);
  void* mapped = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, 0);
  CHECK(mapped != MAP_FAILED);
  CHECK(vrange(mapped, PAGE, VOLATILE, &purged) == -1 && errno == EINVAL);
  mapped = mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, fd, 0);
  CHECK(vrange(mapped, PAGE, VOLATILE, &purged) == -1 && errno == EINVAL);
}
