// SPDX-License-Identifier: GPL-2.0
// Private memory: what is lost and what is kept, and what else can happen to a mapping meanwhile.
#include <sys/uio.h>

#include "vrange.h"

TEST(volatile_memory_stays_while_nobody_asks_for_memory) {
  uint8_t* bytes = filled_private(16, 0);
  let_go(bytes, 16);
  CHECK(count(bytes, 16, 0, kept) == 16);
  CHECK(!take_back(bytes, 16));
  CHECK(count(bytes, 16, 0, kept) == 16);
}

TEST(a_discarded_page_is_sigbus_until_it_is_taken_back_and_zero_then) {
  uint8_t* bytes = filled_private(16, 0);
  let_go(bytes, 16);
  discard_all();
  CHECK(count(bytes, 16, 0, lost) == 16);
  CHECK(!can_write(bytes + 5 * PAGE + 123));
  CHECK(take_back(bytes, 16));
  CHECK(count(bytes, 16, 0, zero) == 16);
  CHECK(!take_back(bytes, 16));
  fill(bytes, 16, 3);
  discard_all();
  CHECK(count(bytes, 16, 3, kept) == 16);
}

TEST(v12_does_the_same_as_v11) {
  uint8_t* bytes = filled_private(4, 0);
  int purged = 5;
  CHECK(vrange12(bytes, 4 * PAGE, VOLATILE, 0, &purged) == 4 * PAGE && purged == 0);
  discard_all();
  CHECK(count(bytes, 4, 0, lost) == 4);
  CHECK(vrange12(bytes, 2 * PAGE, NONVOLATILE, 0, &purged) == 2 * PAGE && purged == 1);
  CHECK(take_back(bytes + 2 * PAGE, 2));
}

TEST(memory_that_is_not_marked_is_left_alone) {
  uint8_t* bytes = filled_private(32, 0);
  let_go(bytes + 8 * PAGE, 16);
  discard_all();
  CHECK(count(bytes, 8, 0, kept) == 8);
  CHECK(count(bytes + 8 * PAGE, 16, 8, lost) == 16);
  CHECK(count(bytes + 24 * PAGE, 8, 24, kept) == 8);
}

TEST(no_more_is_discarded_than_is_asked_for) {
  uint8_t* bytes = filled_private(64, 0);
  discard_all();
  let_go(bytes, 64);
  discard(10);
  CHECK(count(bytes, 64, 0, lost) == 10);
  discard(1);
  CHECK(count(bytes, 64, 0, lost) == 11);
  CHECK(take_back(bytes, 64));
  CHECK(count(bytes, 64, 0, zero) == 11);
  CHECK(count(bytes, 64, 0, kept) == 53);
}

TEST(a_loss_is_reported_for_the_part_in_which_it_is) {
  uint8_t* bytes = filled_private(64, 0);
  discard_all();
  let_go(bytes, 64);
  discard(8);
  CHECK(!take_back(bytes + 32 * PAGE, 32));
  CHECK(take_back(bytes, 4));
  CHECK(take_back(bytes + 4 * PAGE, 4));
  CHECK(!take_back(bytes + 8 * PAGE, 24));
}

TEST(taking_back_the_middle_leaves_both_ends_volatile) {
  uint8_t* bytes = filled_private(12, 0);
  let_go(bytes, 12);
  CHECK(!take_back(bytes + 4 * PAGE, 4));
  discard_all();
  CHECK(count(bytes, 4, 0, lost) == 4);
  CHECK(count(bytes + 4 * PAGE, 4, 4, kept) == 4);
  CHECK(count(bytes + 8 * PAGE, 4, 8, lost) == 4);
  CHECK(take_back(bytes, 12));
}

TEST(every_other_page_can_be_volatile) {
  enum { pages = 512 };
  uint8_t* bytes = filled_private(pages, 0);
  for (size_t i = 0; i < pages; i += 2) let_go(bytes + i * PAGE, 1);
  discard_all();
  for (size_t i = 0; i < pages; i++) CHECK(state_of(bytes + i * PAGE, i) == (i % 2 ? kept : lost));
  // Over all of it at once, and back.
  let_go(bytes, pages);
  CHECK(take_back(bytes, pages));
  CHECK(count(bytes, pages, 0, zero) == pages / 2);
}

TEST(marking_again_keeps_the_loss) {
  uint8_t* bytes = filled_private(8, 0);
  let_go(bytes, 4);
  discard_all();
  let_go(bytes, 8);
  CHECK(count(bytes, 4, 0, lost) == 4);
  CHECK(count(bytes + 4 * PAGE, 4, 4, kept) == 4);
  CHECK(take_back(bytes, 8));
}

TEST(a_page_that_was_never_there_is_not_lost) {
  uint8_t* bytes = map_private(16);
  let_go(bytes, 16);
  discard_all();
  CHECK(can_read(bytes, NULL));
  CHECK(!take_back(bytes, 16));
}

TEST(use_does_not_change_volatility) {
  uint8_t* bytes = map_private(8);
  let_go(bytes, 8);
  fill(bytes, 8, 0);
  CHECK(count(bytes, 8, 0, kept) == 8);
  discard_all();
  CHECK(count(bytes, 8, 0, lost) == 8);
}

TEST(the_kernel_itself_gets_an_error_from_a_discarded_page) {
  uint8_t* bytes = filled_private(4, 0);
  int ends[2];
  CHECK(pipe(ends) == 0);
  let_go(bytes + PAGE, 1);
  discard_all();
  CHECK(write(ends[1], bytes + PAGE, 100) == -1 && errno == EFAULT);
  // As much as is there.
  CHECK(write(ends[1], bytes, 2 * PAGE) == PAGE);
  CHECK(read(ends[0], bytes + PAGE, 100) == -1 && errno == EFAULT);
  struct iovec from = {bytes + PAGE, 8}, to = {bytes, 8};
  CHECK(process_vm_readv(getpid(), &to, 1, &from, 1, 0) == -1 && errno == EFAULT);
  CHECK(open((char*)bytes + PAGE, O_RDONLY) == -1 && errno == EFAULT);
  CHECK(take_back(bytes + PAGE, 1));
  CHECK(write(ends[1], bytes + PAGE, 100) == 100);
}

TEST(a_page_in_use_by_the_kernel_is_kept) {
  uint8_t* bytes = filled_private(2, 0);
  struct iovec page = {bytes, PAGE};
  int ends[2];
  CHECK(pipe(ends) == 0);
  CHECK(vmsplice(ends[1], &page, 1, 0) == PAGE);
  let_go(bytes, 2);
  discard_all();
  CHECK(state_of(bytes, 0) == kept);
  CHECK(state_of(bytes + PAGE, 1) == lost);
  // Only as long as it is.
  static uint8_t sink[PAGE];
  CHECK(read(ends[0], sink, PAGE) == PAGE);
  discard_all();
  CHECK(state_of(bytes, 0) == lost);
}

static void expect_lost(void* bytes) {
  CHECK(count(bytes, 8, 0, lost) == 8);
  CHECK(take_back(bytes, 8));
  CHECK(count(bytes, 8, 0, zero) == 8);
}

TEST(a_child_inherits_the_loss) {
  uint8_t* bytes = filled_private(8, 0);
  let_go(bytes, 8);
  discard_all();
  CHECK(wait_for(start(expect_lost, bytes)) == 0);
  // And takes back for itself alone.
  CHECK(count(bytes, 8, 0, lost) == 8);
}

static int child_ready[2], child_go[2];

static void pause_here(void) {
  char byte = 0;
  CHECK(write(child_ready[1], &byte, 1) == 1);
  CHECK(read(child_go[0], &byte, 1) == 1);
}

static void let_child_pause(void) {
  char byte;
  CHECK(read(child_ready[0], &byte, 1) == 1);
}

static void let_child_go(void) {
  const char byte = 0;
  CHECK(write(child_go[1], &byte, 1) == 1);
}

static void take_back_and_look(void* bytes) {
  CHECK(!take_back(bytes, 8));
  pause_here();
  CHECK(count(bytes, 8, 0, kept) == 8);
}

TEST(a_page_that_a_child_has_taken_back_is_kept_for_both) {
  CHECK(pipe(child_ready) == 0 && pipe(child_go) == 0);
  uint8_t* bytes = filled_private(8, 0);
  let_go(bytes, 8);
  const pid_t child = start(take_back_and_look, bytes);
  let_child_pause();
  discard_all();
  CHECK(count(bytes, 8, 0, kept) == 8);
  let_child_go();
  CHECK(wait_for(child) == 0);
  // It is ours alone again.
  discard_all();
  CHECK(count(bytes, 8, 0, lost) == 8);
}

static void look_after_pause(void* bytes) {
  pause_here();
  CHECK(count(bytes, 8, 0, lost) == 8);
}

TEST(a_page_that_is_volatile_in_parent_and_child_is_discarded_in_both) {
  CHECK(pipe(child_ready) == 0 && pipe(child_go) == 0);
  uint8_t* bytes = filled_private(8, 0);
  let_go(bytes, 8);
  const pid_t child = start(look_after_pause, bytes);
  let_child_pause();
  discard_all();
  CHECK(count(bytes, 8, 0, lost) == 8);
  let_child_go();
  CHECK(wait_for(child) == 0);
}

TEST(a_child_does_not_lose_what_it_has_written_itself) {
  CHECK(pipe(child_ready) == 0 && pipe(child_go) == 0);
  uint8_t* bytes = filled_private(8, 0);
  const pid_t child = start(take_back_and_look, bytes);
  let_child_pause();
  let_go(bytes, 8);
  fill(bytes, 8, 0);
  discard_all();
  CHECK(count(bytes, 8, 0, lost) == 8);
  let_child_go();
  CHECK(wait_for(child) == 0);
}

static void expect_wiped(void* bytes) {
  discard_all();
  CHECK(count(bytes, 8, 0, zero) == 8);
  fill(bytes, 8, 0);
  discard_all();
  CHECK(count(bytes, 8, 0, kept) == 8);
}

TEST(wiped_on_fork_is_not_volatile_in_the_child) {
  uint8_t* bytes = filled_private(8, 0);
  CHECK(madvise(bytes, 8 * PAGE, MADV_WIPEONFORK) == 0);
  let_go(bytes, 8);
  CHECK(wait_for(start(expect_wiped, bytes)) == 0);
}

TEST(moved_memory_is_volatile_where_it_is_now) {
  uint8_t* bytes = filled_private(16, 0);
  let_go(bytes, 8);
  uint8_t* place = map_private(16);
  uint8_t* moved = mremap(bytes, 16 * PAGE, 16 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, place);
  CHECK(moved == place);
  discard_all();
  CHECK(count(moved, 8, 0, lost) == 8);
  CHECK(count(moved + 8 * PAGE, 8, 8, kept) == 8);
  // What comes to the old place is not.
  CHECK(mmap(bytes, 16 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) ==
        bytes);
  fill(bytes, 16, 0);
  discard_all();
  CHECK(count(bytes, 16, 0, kept) == 16);
  CHECK(take_back(moved, 16));
}

TEST(a_loss_moves_too) {
  uint8_t* bytes = filled_private(8, 0);
  let_go(bytes, 8);
  discard_all();
  uint8_t* place = map_private(8);
  CHECK(mremap(bytes, 8 * PAGE, 8 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, place) == place);
  CHECK(count(place, 8, 0, lost) == 8);
  CHECK(take_back(place, 8));
}

TEST(a_part_can_be_moved_out) {
  uint8_t* bytes = filled_private(12, 0);
  let_go(bytes, 12);
  uint8_t* place = map_private(4);
  CHECK(mremap(bytes + 4 * PAGE, 4 * PAGE, 4 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, place) == place);
  discard_all();
  CHECK(count(place, 4, 4, lost) == 4);
  CHECK(count(bytes, 4, 0, lost) == 4);
  CHECK(count(bytes + 8 * PAGE, 4, 8, lost) == 4);
}

#ifndef MREMAP_DONTUNMAP
#define MREMAP_DONTUNMAP 4
#endif

TEST(a_place_that_stays_mapped_after_a_move_is_not_volatile) {
  uint8_t* bytes = filled_private(8, 0);
  let_go(bytes, 8);
  uint8_t* moved = mremap(bytes, 8 * PAGE, 8 * PAGE, MREMAP_MAYMOVE | MREMAP_DONTUNMAP, NULL);
  CHECK(moved != MAP_FAILED && moved != bytes);
  fill(bytes, 8, 5);
  discard_all();
  CHECK(count(bytes, 8, 5, kept) == 8);
  CHECK(count(moved, 8, 0, lost) == 8);
}

TEST(a_mapping_that_grows_grows_by_memory_that_is_not_volatile) {
  uint8_t* place = map_private(32);
  CHECK(munmap(place, 32 * PAGE) == 0);
  uint8_t* bytes =
      mmap(place, 8 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
  CHECK(bytes == place);
  fill(bytes, 8, 0);
  let_go(bytes, 8);
  bytes = mremap(bytes, 8 * PAGE, 16 * PAGE, MREMAP_MAYMOVE);
  CHECK(bytes != MAP_FAILED);
  fill(bytes + 8 * PAGE, 8, 8);
  discard_all();
  CHECK(count(bytes, 8, 0, lost) == 8);
  CHECK(count(bytes + 8 * PAGE, 8, 8, kept) == 8);
}

TEST(what_is_unmapped_is_not_volatile_for_the_next) {
  uint8_t* bytes = filled_private(24, 0);
  let_go(bytes, 24);
  CHECK(munmap(bytes + 8 * PAGE, 8 * PAGE) == 0);
  CHECK(mmap(bytes + 8 * PAGE, 8 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1,
             0) != MAP_FAILED);
  fill(bytes + 8 * PAGE, 8, 8);
  discard_all();
  CHECK(count(bytes, 8, 0, lost) == 8);
  CHECK(count(bytes + 8 * PAGE, 8, 8, kept) == 8);
  CHECK(count(bytes + 16 * PAGE, 8, 16, lost) == 8);
  // A mapping over it, without unmapping first.
  CHECK(mmap(bytes, 24 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) ==
        bytes);
  CHECK(count(bytes, 24, 0, zero) == 24);
  CHECK(!take_back(bytes, 24));
}

TEST(protection_makes_no_difference) {
  uint8_t* bytes = filled_private(12, 0);
  let_go(bytes, 12);
  CHECK(mprotect(bytes + 4 * PAGE, 4 * PAGE, PROT_NONE) == 0);
  CHECK(mprotect(bytes + 8 * PAGE, 4 * PAGE, PROT_READ) == 0);
  discard_all();
  CHECK(mprotect(bytes, 12 * PAGE, PROT_READ | PROT_WRITE) == 0);
  CHECK(count(bytes, 12, 0, lost) == 12);
  CHECK(mprotect(bytes, 12 * PAGE, PROT_NONE) == 0);
  CHECK(take_back(bytes, 12));
}

TEST(locked_memory_is_kept_until_it_is_unlocked) {
  uint8_t* bytes = filled_private(8, 0);
  CHECK(mlock(bytes, 4 * PAGE) == 0);
  let_go(bytes, 8);
  discard_all();
  CHECK(count(bytes, 4, 0, kept) == 4);
  CHECK(count(bytes + 4 * PAGE, 4, 4, lost) == 4);
  CHECK(munlock(bytes, 4 * PAGE) == 0);
  discard_all();
  CHECK(count(bytes, 4, 0, lost) == 4);
}

TEST(a_discarded_page_cannot_be_locked) {
  uint8_t* bytes = filled_private(4, 0);
  let_go(bytes, 4);
  discard_all();
  CHECK(mlock(bytes, 4 * PAGE) == -1 && errno == ENOMEM);
}

TEST(given_back_by_hand_is_not_lost) {
  uint8_t* bytes = filled_private(8, 0);
  let_go(bytes, 8);
  discard(4);
  CHECK(madvise(bytes, 8 * PAGE, MADV_DONTNEED) == 0);
  CHECK(count(bytes, 8, 0, zero) == 8);
  CHECK(!take_back(bytes, 8));
}

TEST(lazily_freed_pages_can_be_volatile_too) {
  uint8_t* bytes = filled_private(8, 0);
  CHECK(madvise(bytes, 8 * PAGE, MADV_FREE) == 0);
  let_go(bytes, 8);
  discard_all();
  CHECK(count(bytes, 8, 0, lost) == 8);
}

TEST(residency_says_what_is_gone) {
  uint8_t* bytes = filled_private(8, 0);
  unsigned char resident[8];
  let_go(bytes, 4);
  discard_all();
  CHECK(mincore(bytes, 8 * PAGE, resident) == 0);
  for (int i = 0; i < 8; i++) CHECK((resident[i] & 1) == (i >= 4));
}

static bool is_huge(const void* at) {
  char line[512];
  bool here = false, huge = false;
  FILE* maps = fopen("/proc/self/smaps", "re");
  while (fgets(line, sizeof(line), maps)) {
    unsigned long start, end;
    if (sscanf(line, "%lx-%lx ", &start, &end) == 2) here = start <= (uintptr_t)at && (uintptr_t)at < end;
    if (here && strncmp(line, "AnonHugePages:", 14) == 0) huge |= atol(line + 14) > 0;
  }
  fclose(maps);
  return huge;
}

static uint8_t* map_huge(void) {
  enum { whole = 512 };
  uint8_t* bytes = map_private(2 * whole);
  bytes = (uint8_t*)(((uintptr_t)bytes + whole * PAGE - 1) & ~(whole * PAGE - 1));
  CHECK(madvise(bytes, whole * PAGE, MADV_HUGEPAGE) == 0);
  fill(bytes, whole, 0);
  if (!is_huge(bytes)) SKIP("no huge page to be had");
  return bytes;
}

TEST(a_huge_page_can_be_discarded) {
  uint8_t* bytes = map_huge();
  let_go(bytes, 512);
  discard_all();
  CHECK(count(bytes, 512, 0, lost) == 512);
  CHECK(take_back(bytes, 512));
  CHECK(count(bytes, 512, 0, zero) == 512);
}

TEST(a_part_of_a_huge_page_can_be_discarded) {
  uint8_t* bytes = map_huge();
  let_go(bytes + 100 * PAGE, 50);
  discard_all();
  CHECK(count(bytes, 100, 0, kept) == 100);
  CHECK(count(bytes + 100 * PAGE, 50, 100, lost) == 50);
  CHECK(count(bytes + 150 * PAGE, 362, 150, kept) == 362);
}

TEST(of_a_huge_page_no_more_is_discarded_than_is_asked_for) {
  uint8_t* bytes = map_huge();
  let_go(bytes, 512);
  discard(20);
  CHECK(count(bytes, 512, 0, lost) == 20);
}

TEST(the_memory_is_free_afterwards) {
  enum { pages = 16384 };
  discard_all();
  const long before = discarded_pages();
  uint8_t* bytes = filled_private(pages, 0);
  const long full = number_after("/proc/self/status", "RssAnon:");
  let_go(bytes, pages);
  discard_all();
  CHECK(discarded_pages() - before >= pages);
  const long empty = number_after("/proc/self/status", "RssAnon:");
  CHECK(full - empty >= (long)(pages * PAGE / 1024) - 1024);
}
