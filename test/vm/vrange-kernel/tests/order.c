// SPDX-License-Identifier: GPL-2.0
// What is discarded first, and what happens when the whole machine is short of memory.
#include <sys/swap.h>

#include "vrange.h"

TEST(the_least_recently_marked_goes_first) {
  uint8_t* bytes = filled_private(40, 0);
  discard_all();
  // 3, 0, 2, 1: neither by address nor backwards.
  const int order[] = {3, 0, 2, 1};
  for (int i = 0; i < 4; i++) let_go(bytes + order[i] * 10 * PAGE, 10);
  for (int i = 0; i < 4; i++) {
    for (int k = 0; k < 4; k++) {
      CHECK(count(bytes + order[k] * 10 * PAGE, 10, order[k] * 10, lost) == (k < i ? 10 : 0));
    }
    discard(10);
  }
  CHECK(count(bytes, 40, 0, lost) == 40);
}

TEST(private_and_shared_memory_are_in_one_order) {
  uint8_t* own = filled_private(20, 0);
  uint8_t* shared = map_file(make_file(20), 20);
  fill(shared, 20, 50);
  discard_all();
  let_go(own, 10);
  let_go(shared, 10);
  let_go(own + 10 * PAGE, 10);
  let_go(shared + 10 * PAGE, 10);
  discard(15);
  CHECK(count(own, 10, 0, lost) == 10);
  CHECK(count(shared, 20, 50, lost) == 5);
  discard(10);
  CHECK(count(shared, 20, 50, lost) == 10);
  CHECK(count(own, 20, 0, lost) == 15);
  discard(10);
  CHECK(count(own, 20, 0, lost) == 20);
  CHECK(count(shared, 20, 50, lost) == 15);
}

TEST(marking_again_makes_it_the_newest) {
  uint8_t* bytes = filled_private(30, 0);
  discard_all();
  for (int i = 0; i < 3; i++) let_go(bytes + i * 10 * PAGE, 10);
  let_go(bytes, 10);
  discard(20);
  CHECK(count(bytes, 10, 0, kept) == 10);
  CHECK(count(bytes + 10 * PAGE, 20, 10, lost) == 20);
}

TEST(what_is_left_of_a_range_keeps_its_place) {
  uint8_t* bytes = filled_private(40, 0);
  discard_all();
  let_go(bytes, 30);
  let_go(bytes + 30 * PAGE, 10);
  CHECK(!take_back(bytes + 10 * PAGE, 10));
  discard(20);
  CHECK(count(bytes, 10, 0, lost) == 10);
  CHECK(count(bytes + 20 * PAGE, 10, 20, lost) == 10);
  CHECK(count(bytes + 30 * PAGE, 10, 30, kept) == 10);
}

TEST(a_moved_range_keeps_its_place) {
  uint8_t* bytes = filled_private(20, 0);
  discard_all();
  let_go(bytes, 10);
  let_go(bytes + 10 * PAGE, 10);
  uint8_t* place = map_private(10);
  CHECK(mremap(bytes, 10 * PAGE, 10 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, place) == place);
  discard(10);
  CHECK(count(place, 10, 0, lost) == 10);
  CHECK(count(bytes + 10 * PAGE, 10, 10, kept) == 10);
}

static size_t free_memory(void) { return (size_t)number_after("/proc/meminfo", "MemAvailable:") / 4; }

// Uses more than there is without the volatile pages, a little at a time, as a neighbour would.
static void use_memory(void* argument) {
  const size_t pages = *(size_t*)argument;
  CHECK(write_text("/proc/self/oom_score_adj", "1000"));
  uint8_t* bytes = map_private(pages);
  for (size_t i = 0; i < pages; i++) bytes[i * PAGE] = 1;
}

enum { chunk = 2048 };

// A cache of half of the memory in chunks, oldest first, and a neighbour that needs a part of that: some is lost, from the oldest on, not all.
static void survive(uint8_t* bytes, size_t chunks) {
  for (size_t i = 0; i < chunks; i++) {
    fill(bytes + i * chunk * PAGE, chunk, (unsigned)i);
    let_go(bytes + i * chunk * PAGE, chunk);
  }
  const long before = discarded_pages();
  size_t needed = free_memory() + chunks * chunk / 2;
  CHECK(wait_for(start(use_memory, &needed)) == 0);
  long taken = -1;
  size_t lost_pages = 0, last_loss = 0;
  // kswapd may still be at it when the neighbour is gone, and says how much it took when it has taken it.
  for (int tries = 0; tries < 100 && (long)lost_pages != taken; tries++) {
    usleep(100000);
    taken = discarded_pages() - before;
    lost_pages = last_loss = 0;
    for (size_t i = 0; i < chunks; i++) {
      const size_t here = count(bytes + i * chunk * PAGE, chunk, (unsigned)i, lost);
      lost_pages += here;
      if (here) last_loss = i;
    }
  }
  printf("# %zu of %zu pages are lost, the last of them in chunk %zu of %zu; the kernel counts %ld\n",
         lost_pages, chunks * chunk, last_loss, chunks, taken);
  CHECK(lost_pages > 0 && (long)lost_pages == taken);
  for (size_t i = 0; i < chunks; i++) {
    const size_t here = count(bytes + i * chunk * PAGE, chunk, (unsigned)i, lost);
    CHECK(here + count(bytes + i * chunk * PAGE, chunk, (unsigned)i, kept) == chunk);
  }
  CHECK(lost_pages < chunks * chunk);
  // The shrinkers of two reclaimers may each be in a range of their own.
  CHECK(last_loss <= lost_pages / chunk + 3);
  CHECK(take_back(bytes, chunks * chunk));
}

TEST(global_pressure_discards_private_memory) {
  const size_t chunks = free_memory() / 2 / chunk;
  survive(map_private(chunks * chunk), chunks);
}

TEST(global_pressure_discards_shared_memory) {
  const size_t chunks = free_memory() / 2 / chunk;
  survive(map_file(make_file(chunks * chunk), chunks * chunk), chunks);
}

// All tests after this one have swap.
TEST(with_swap_too) { swap_on("256M"); }

TEST(global_pressure_with_swap_discards_private_memory) {
  const size_t chunks = free_memory() / 2 / chunk;
  uint8_t* bytes = map_private(chunks * chunk);
  for (size_t i = 0; i < chunks; i++) fill(bytes + i * chunk * PAGE, chunk, (unsigned)i);
  let_go(bytes, chunks * chunk);
  const long before = discarded_pages();
  size_t needed = free_memory() + chunks * chunk / 2;
  CHECK(wait_for(start(use_memory, &needed)) == 0);
  CHECK(discarded_pages() > before);
  size_t lost_pages = 0, kept_pages = 0;
  for (size_t i = 0; i < chunks; i++) {
    lost_pages += count(bytes + i * chunk * PAGE, chunk, (unsigned)i, lost);
    kept_pages += count(bytes + i * chunk * PAGE, chunk, (unsigned)i, kept);
  }
  printf("# %zu of %zu pages are lost\n", lost_pages, chunks * chunk);
  CHECK(lost_pages > 0 && lost_pages + kept_pages == chunks * chunk);
}

TEST(pages_in_swap_are_discarded_too) {
  enum { pages = 256 };
  uint8_t* bytes = filled_private(pages, 0);
  uint8_t* shared = map_file(make_file(pages), pages);
  fill(shared, pages, 9);
  CHECK(madvise(bytes, pages * PAGE, MADV_PAGEOUT) == 0);
  CHECK(madvise(shared, pages * PAGE, MADV_PAGEOUT) == 0);
  const long swapped = number_after("/proc/self/status", "VmSwap:");
  CHECK(swapped > 0);
  let_go(bytes, pages);
  let_go(shared, pages / 2);
  discard_all();
  CHECK(count(bytes, pages, 0, lost) == pages);
  CHECK(count(shared, pages / 2, 9, lost) == pages / 2);
  CHECK(count(shared + pages / 2 * PAGE, pages / 2, 9 + pages / 2, kept) == pages / 2);
  CHECK(number_after("/proc/self/status", "VmSwap:") < swapped);
  CHECK(take_back(bytes, pages));
  CHECK(take_back(shared, pages));
  fill(bytes, pages, 1);
  CHECK(count(bytes, pages, 1, kept) == pages);
}

static void look_at_swapped(void* argument) { CHECK(count(argument, 64, 0, kept) == 64); }

TEST(a_page_in_swap_that_a_child_has_too_is_kept) {
  uint8_t* bytes = filled_private(64, 0);
  int ends[2];
  char byte = 0;
  CHECK(pipe(ends) == 0);
  CHECK(madvise(bytes, 64 * PAGE, MADV_PAGEOUT) == 0);
  fflush(stdout);
  const pid_t child = fork();
  if (child == 0) {
    CHECK(read(ends[0], &byte, 1) == 1);
    look_at_swapped(bytes);
    _exit(0);
  }
  let_go(bytes, 64);
  discard_all();
  CHECK(write(ends[1], &byte, 1) == 1);
  CHECK(wait_for(child) == 0);
  discard_all();
  CHECK(count(bytes, 64, 0, lost) == 64);
}

TEST(swap_can_be_switched_off_with_discarded_pages_about) {
  enum { pages = 256 };
  uint8_t* bytes = filled_private(pages, 0);
  uint8_t* shared = map_file(make_file(pages), pages);
  fill(shared, pages, 9);
  let_go(bytes, pages / 2);
  let_go(shared, pages / 2);
  discard_all();
  CHECK(madvise(bytes + pages / 2 * PAGE, pages / 2 * PAGE, MADV_PAGEOUT) == 0);
  CHECK(madvise(shared + pages / 2 * PAGE, pages / 2 * PAGE, MADV_PAGEOUT) == 0);
  CHECK(swapoff("/dev/zram0") == 0);
  CHECK(count(bytes, pages, 0, lost) == pages / 2 && count(bytes, pages, 0, kept) == pages / 2);
  CHECK(count(shared, pages, 9, lost) == pages / 2 && count(shared, pages, 9, kept) == pages / 2);
}
