// An area: a memfd that stands for an open file of the device. Its data begins at offset 0; its last kStateBytes are the
// state. Nothing is remembered in the process: each call finds out what the fd is, locks the area, maps its state, and lets
// go of all of it. So a process may do with its fds what it likes, in any thread, child or program, and when it closes the
// last one the memory is free at once.
//
// The lock is one that the kernel drops when its owner dies: an OFD lock on an open file of our own (all fds of the area
// are one open file, and could not exclude each other).
#pragma once

#include <signal.h>
#include <stdint.h>
#include <sys/types.h>

#include "preload/ranges.h"
#include "preload/state.h"

namespace ashmem_preload {

size_t page_bytes();

// Makes a new area and opens it with the flags of an open(2). The fd, or -1 with errno.
int make_area(int flags);

// Whether the fd is an area, by a look at its inode only: one system call for any other file. Leaves errno alone.
bool is_area(int fd);

class Area {
 public:
  // Locks the area. Not valid() if the fd is none after all, or the area cannot be had: error() says why, 0 for the former.
  explicit Area(int fd);
  ~Area();
  Area(const Area&) = delete;
  Area& operator=(const Area&) = delete;

  bool valid() const { return state_ != nullptr; }
  int error() const { return error_; }

  State& state() { return *state_; }
  uint64_t size() const { return load(&state_->size); }
  // Whole pages, as the driver rounds: the largest sizes wrap to 0.
  uint64_t rounded_size() const;
  bool backed() const { return load(&state_->backed) != 0; }
  // How many bytes of data there is room for.
  uint64_t capacity() const { return state_offset_; }
  Ranges ranges();
  // Gives the memory of these pages back. They read as zeros afterwards.
  void discard(uint64_t first, uint64_t pages);

  // Another open file of the same memfd, read-only: mappings of it can never be made writable. -1 if there is no /proc.
  int open_for_reading() const;
  // Our own open file, for looking at the data without touching the program's position.
  int file() const { return file_; }

 private:
  bool lock();

  int fd_;
  int file_ = -1;
  bool owns_lock_by_file_ = true;  // an OFD lock
  int error_ = 0;
  uint64_t state_offset_ = 0;
  State* state_ = nullptr;
  sigset_t signals_;
  int cancel_state_ = 0;
};

}  // namespace ashmem_preload
