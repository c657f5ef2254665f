// An address range of a region's data. It stays valid until the last owner drops it, whatever happens to the region.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "core/platform/fault_guard.h"
#include "core/status.h"

namespace ashmem_compat {

class Mapping {
 public:
  // Maps `length` bytes of `fd` from offset 0. `flags` as mmap(2) takes them; anonymous if fd is -1.
  static Result<std::shared_ptr<Mapping>> map(int fd, uint64_t length, int flags);

  // The same for who may only read, so that a stray write hurts nobody: it changes a copy of the page. `sharing`:
  // MAP_PRIVATE, or MAP_SHARED for a file whose private mappings do not show its bytes.
  static Result<std::shared_ptr<Mapping>> map_read_only(int fd, uint64_t length, int sharing);

  Mapping(void* base, size_t length) : base_(base), length_(length) {}
  ~Mapping();
  Mapping(const Mapping&) = delete;
  Mapping& operator=(const Mapping&) = delete;

  char* data() const { return static_cast<char*>(base_); }
  size_t length() const { return length_; }

  // For a file whose kernel answers a touch of what it has discarded with SIGBUS: `mend` is asked then, until the pages are let
  // go. `context` must live as long.
  void guard_discards(MendFault mend, void* context);

  // Maps a private mapping's file once more at the same addresses: copies that stray writes made are gone.
  Status map_again(int fd);

  // For an owner that lets go: unmaps if it is the last; else lets the pages go and leaves zeros at the addresses.
  static void close(std::shared_ptr<Mapping>& mapping) {
    if (mapping && mapping.use_count() > 1) mapping->replace_with_zeros();
    mapping.reset();
  }

  // Lets the pages go at once and puts zeros in their place. Unlike munmap(2) it is safe while another thread (zlib, a
  // socket write) works on the bytes: the addresses stay good.
  void replace_with_zeros();

 private:
  void end_guards();

  void* base_;
  size_t length_;
  bool guarded_ = false;
  bool discards_guarded_ = false;
};

}  // namespace ashmem_compat
