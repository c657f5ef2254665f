// SPDX-License-Identifier: GPL-2.0
// All at once: what has been taken back without a loss is whole, and what has been lost is zero, whoever else is at work.
#include <pthread.h>
#include <stdatomic.h>

#include "vrange.h"

enum { units = 64, unit_pages = 4, rounds = 4000 };

static atomic_bool done;
static atomic_long losses;

static void* discarder(void* unused) {
  (void)unused;
  for (unsigned i = 0; !atomic_load(&done); i++) {
    if (i % 16 == 15) {
      discard_all();
    } else {
      discard(i % 37 + 1);
    }
  }
  return NULL;
}

static uint32_t next_random(uint32_t* state) {
  *state ^= *state << 13;
  *state ^= *state >> 17;
  return *state ^= *state << 5;
}

struct worker {
  uint8_t* bytes;
  uint32_t random;
  pthread_t thread;
};

// Lets go of and takes back units of its own, and keeps account of what must be in them.
static void* worker(void* argument) {
  struct worker* it = argument;
  bool let[units] = {false};
  unsigned seeds[units] = {0};
  for (size_t i = 0; i < units; i++) fill(it->bytes + i * unit_pages * PAGE, unit_pages, 0);
  for (unsigned round = 0; round < rounds; round++) {
    const unsigned i = next_random(&it->random) % units;
    uint8_t* unit = it->bytes + i * unit_pages * PAGE;
    if (!let[i]) {
      CHECK(count(unit, unit_pages, seeds[i], kept) == unit_pages);
      let_go(unit, unit_pages);
    } else {
      const bool gone = take_back(unit, unit_pages);
      const size_t whole = count(unit, unit_pages, seeds[i], kept);
      CHECK(whole + count(unit, unit_pages, seeds[i], zero) == unit_pages);
      CHECK(gone == (whole < unit_pages));
      if (gone) {
        atomic_fetch_add(&losses, 1);
        seeds[i] = round;
        fill(unit, unit_pages, round);
      }
    }
    let[i] = !let[i];
    if (round % 8 == 0) sched_yield();
  }
  return NULL;
}

static void run_workers(uint8_t* bytes, size_t stride) {
  struct worker workers[2];
  pthread_t thread;
  CHECK(pthread_create(&thread, NULL, discarder, NULL) == 0);
  for (int i = 0; i < 2; i++) {
    workers[i] = (struct worker){.bytes = bytes + (size_t)i * stride, .random = 77 + (uint32_t)i};
    CHECK(pthread_create(&workers[i].thread, NULL, worker, &workers[i]) == 0);
  }
  for (int i = 0; i < 2; i++) CHECK(pthread_join(workers[i].thread, NULL) == 0);
  atomic_store(&done, true);
  CHECK(pthread_join(thread, NULL) == 0);
  printf("# %ld losses\n", atomic_load(&losses));
  CHECK(atomic_load(&losses) > 0);
}

TEST(threads_with_private_memory) {
  run_workers(map_private(2 * units * unit_pages), units * unit_pages * PAGE);
}

TEST(threads_with_one_file) {
  run_workers(map_file(make_file(2 * units * unit_pages), 2 * units * unit_pages), units * unit_pages * PAGE);
}

static void work_there(void* argument) {
  struct worker it = {.bytes = argument, .random = 5};
  worker(&it);
}

TEST(processes_with_one_file) {
  uint8_t* bytes = map_file(make_file(3 * units * unit_pages), 3 * units * unit_pages);
  const pid_t other = start(work_there, bytes + 2 * units * unit_pages * PAGE);
  run_workers(bytes, units * unit_pages * PAGE);
  CHECK(wait_for(other) == 0);
}

TEST(processes_come_and_go_with_their_private_memory) {
  pthread_t thread;
  CHECK(pthread_create(&thread, NULL, discarder, NULL) == 0);
  for (int round = 0; round < 60; round++) {
    uint8_t* bytes = filled_private(256, 0);
    let_go(bytes, 256);
    fflush(stdout);
    const pid_t child = fork();
    if (child == 0) {
      // The discarder is not here. It works on us all the same.
      take_back(bytes + 64 * PAGE, 64);
      const size_t whole = count(bytes + 64 * PAGE, 64, 64, kept);
      CHECK(whole + count(bytes + 64 * PAGE, 64, 64, zero) == 64);
      uint8_t* moved = mremap(bytes + 128 * PAGE, 64 * PAGE, 128 * PAGE, MREMAP_MAYMOVE);
      CHECK(moved != MAP_FAILED);
      CHECK(munmap(bytes, 32 * PAGE) == 0);
      // Still volatile, so that one may be lost after the other.
      CHECK(count(moved, 64, 128, zero) == 0 && count(moved, 64, 128, damaged) == 0);
      _exit(0);
    }
    uint8_t* place = map_private(256);
    CHECK(mremap(bytes, 256 * PAGE, 256 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, place) == place);
    const bool gone = take_back(place, 256);
    const size_t whole = count(place, 256, 0, kept);
    CHECK(whole + count(place, 256, 0, zero) == 256);
    CHECK(gone == (whole < 256));
    CHECK(munmap(place, 256 * PAGE) == 0);
    CHECK(wait_for(child) == 0);
  }
  atomic_store(&done, true);
  CHECK(pthread_join(thread, NULL) == 0);
}

static void* toucher(void* bytes) {
  static _Atomic uint32_t sum;
  int ends[2];
  CHECK(pipe2(ends, O_NONBLOCK | O_CLOEXEC) == 0);
  // By the kernel, which must get an error and nothing worse.
  while (!atomic_load(&done)) {
    for (size_t i = 0; i < 128; i++) {
      char byte;
      if (write(ends[1], (uint8_t*)bytes + i * PAGE, 1) == 1) {
        CHECK(read(ends[0], &byte, 1) == 1);
        atomic_fetch_add(&sum, (uint32_t)byte);
      } else {
        CHECK(errno == EFAULT);
      }
    }
  }
  return NULL;
}

static void marked_and_touched(uint8_t* bytes, int fd) {
  pthread_t threads[2];
  CHECK(pthread_create(&threads[0], NULL, discarder, NULL) == 0);
  CHECK(pthread_create(&threads[1], NULL, toucher, bytes) == 0);
  for (int round = 0; round < 300; round++) {
    let_go(bytes, 128);
    if (round % 3 == 0) madvise(bytes, 64 * PAGE, MADV_DONTNEED);
    if (round % 7 == 0)
      CHECK(mprotect(bytes, 32 * PAGE, round % 2 ? PROT_READ : PROT_READ | PROT_WRITE) == 0);
    if (fd >= 0 && round % 5 == 0) {
      CHECK(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 16 * PAGE, 32 * PAGE) == 0);
    }
    sched_yield();
    take_back(bytes + round % 5 * PAGE, 100);
    CHECK(mprotect(bytes, 128 * PAGE, PROT_READ | PROT_WRITE) == 0);
    take_back(bytes, 128);
    fill(bytes, 128, 0);
  }
  atomic_store(&done, true);
  for (int i = 0; i < 2; i++) CHECK(pthread_join(threads[i], NULL) == 0);
}

TEST(the_kernel_touches_private_memory_meanwhile) { marked_and_touched(map_private(128), -1); }

TEST(the_kernel_touches_shared_memory_meanwhile) {
  const int fd = make_file(128);
  marked_and_touched(map_file(fd, 128), fd);
}

TEST(files_end_while_they_are_discarded) {
  pthread_t thread;
  CHECK(pthread_create(&thread, NULL, discarder, NULL) == 0);
  for (int round = 0; round < 300; round++) {
    const int fd = make_file(64);
    uint8_t* bytes = map_file(fd, 64);
    fill(bytes, 64, 0);
    let_go(bytes, 64);
    if (round % 4 == 0) CHECK(ftruncate(fd, 32 * PAGE) == 0);
    CHECK(munmap(bytes, 64 * PAGE) == 0);
    CHECK(close(fd) == 0);
  }
  atomic_store(&done, true);
  CHECK(pthread_join(thread, NULL) == 0);
}
