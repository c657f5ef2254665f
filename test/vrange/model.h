// What a kernel with vrange would know of its processes' memory: which pages are volatile, in which order they were marked, and
// which of them were discarded. Of a memfd it is the file's, of private memory the process's.
#pragma once

#include <stdint.h>
#include <sys/types.h>

#include <map>
#include <set>
#include <utility>
#include <vector>

namespace ashmem_compat::testing {

class VrangeModel {
 public:
  explicit VrangeModel(bool files) : files_(files) {}

  // The call, for a thread of a process: pages done (bytes), or minus an errno. `*purged` is only ever set.
  long change(pid_t thread, uint64_t start, uint64_t length, bool is_volatile, bool* purged);
  // Discards at most so many pages (0: all), least recently marked first: how many those were.
  uint64_t purge(uint64_t most);
  // The range of the process's private memory is another from here on.
  void forget(pid_t thread, uint64_t start, uint64_t length);
  // Discards what is volatile of the range.
  void lose(pid_t thread, uint64_t start, uint64_t length);

 private:
  // A memfd, or (device 0) the private memory of a process.
  using Memory = std::pair<uint64_t, uint64_t>;
  struct Page {
    uint64_t marked;  // when
    bool purged;
    uint64_t
        checksum;  // of private memory, as it was when marked: the address may be another mapping's by now
  };
  struct Pages {
    std::map<uint64_t, Page> all;  // by number
    std::set<pid_t> users;         // processes that may have the file open
  };
  struct Piece {
    Memory memory;
    uint64_t first, count;  // pages
  };
  long resolve(pid_t thread, uint64_t start, uint64_t length, std::vector<Piece>* pieces) const;
  void discard(const Memory& memory, Pages& pages, const std::vector<uint64_t>& chosen);

  const bool files_;
  uint64_t clock_ = 0;
  std::map<Memory, Pages> memories_;
};

}  // namespace ashmem_compat::testing
