// A region that this process knows by fd, and what of it the process has pinned.
#pragma once

#include <memory>
#include <vector>

#include "capi/same_file.h"
#include "core/region.h"

namespace ashmem_compat::capi {

class Entry {
 public:
  // `holds_all`: the process made the region, and so has it all pinned.
  Entry(std::unique_ptr<Region> region, const FileId& id, bool holds_all);

  Region& region() { return *region_; }
  const FileId& id() const { return id_; }
  int protection() const { return protection_; }

  // The fds of the program by which it is known.
  void add_fd(int fd);
  // Forgets those that were closed, or are something else by now. False once the program has no fd of it left.
  bool still_open();

  // Ranges as the driver takes them: whole pages, 0: to the end. What the C functions return, minus an errno.
  int pin(size_t offset, size_t length);
  int unpin(size_t offset, size_t length);
  int64_t purge(size_t offset, size_t length);
  int protect(int protection);

 private:
  struct Pages {
    uint64_t first, end;
  };
  bool to_pages(size_t offset, size_t length, Pages* pages) const;
  uint64_t unit_of(uint64_t page) const { return page / pages_per_unit_; }
  bool holds(uint64_t unit) const;
  // Calls run(first unit, end) for each run of units of first..last that `wanted` says yes to, until it gives an error.
  template <typename Wanted, typename Run>
  Status for_each_run(uint64_t first, uint64_t last, Wanted wanted, Run run);
  Status pin_units(uint64_t first, uint64_t end, bool* purged);
  Status unpin_units(uint64_t first, uint64_t end);
  uint64_t offset_of(uint64_t unit) const { return unit * region_->granularity(); }
  uint64_t length_of(uint64_t first, uint64_t end) const;

  std::unique_ptr<Region> region_;
  FileId id_;
  std::vector<int> fds_;
  int protection_;
  uint64_t page_;
  uint64_t page_count_;
  uint64_t pages_per_unit_;
  // Per page, though pins are per unit: a unit stays pinned until its last page is unpinned.
  std::vector<bool> held_;
};

int errno_of(const Status& status);

}  // namespace ashmem_compat::capi
