// The regions of this process, found by fd.
#pragma once

#include <memory>
#include <mutex>
#include <vector>

#include "capi/entry.h"

namespace ashmem_compat::capi {

// One at a time: everything below is called between construction and destruction of a Guard, which also drops regions
// whose fds the program has closed. A fork waits for it, and the child starts with an empty table.
class Guard {
 public:
  Guard();
  ~Guard();
  Guard(const Guard&) = delete;
  Guard& operator=(const Guard&) = delete;
};

// A new region; the program's fd of it, or minus an errno.
int create(const char* name, size_t size);

// The region of an fd of the program, attached to if need be; null with *error. ENOTTY: it is none.
Entry* find(int fd, int* error);

}  // namespace ashmem_compat::capi
