// The unpinned ranges of an area, with the driver's rules: what PIN cuts off, what UNPIN merges, what is purged, when.
#pragma once

#include <stdint.h>

#include "preload/state.h"

namespace ashmem_preload {

class Ranges {
 public:
  // `pages`: of the area; `tracked`: how many of them have a word.
  Ranges(State* state, PageWord* words, uint64_t pages, uint64_t tracked)
      : state_(state), words_(words), pages_(pages), tracked_(tracked) {}

  // Pages first..last, first <= last < tracked. What the ioctls return.
  int pin(uint64_t first, uint64_t last);
  int unpin(uint64_t first, uint64_t last);
  int status(uint64_t first, uint64_t last) const;

  // The driver takes a length of 0 at the very end for a range that ends before it begins. Such a range is unpinned and
  // purged like any other, and counts as overlapping whatever ends at the last page.
  void unpin_empty() { store(&state_->empty_range, load(&state_->empty_range) | 1u); }

  // Unpinned pages that are not purged.
  uint64_t purgeable() const;

  // Purges every range, or the `count` that were unpinned longest ago: marks each, then discard(first, pages). Returns the
  // number of pages.
  template <typename Discard>
  uint64_t purge_all(Discard discard) {
    uint64_t total = 0;
    for (uint64_t first = 0; first < tracked_;) total += purge_run(first, &first, discard);
    purge_empty();
    return total;
  }
  template <typename Discard>
  uint64_t purge_oldest(uint64_t count, Discard discard) {
    uint64_t total = 0;
    uint64_t first = 0;
    for (; count > 0 && oldest(&first); --count) total += purge_run(first, &first, discard);
    if (count > 0) purge_empty();
    return total;
  }

 private:
  template <typename Discard>
  uint64_t purge_run(uint64_t first, uint64_t* behind, Discard discard) {
    const PageWord word = load(words_ + first);
    const uint64_t end = run_end(first, word);
    *behind = end;
    if (word == 0 || (word & kPurged) != 0) return 0;
    // Marked before it is discarded: a process killed in between has said too much, not too little.
    for (uint64_t u = first; u < end; ++u) store(words_ + u, word | kPurged);
    stage();
    discard(first, end - first);
    return end - first;
  }
  void purge_empty() {
    if (load(&state_->empty_range) != 0) store(&state_->empty_range, 3u);
  }
  uint64_t run_end(uint64_t first, PageWord word) const {
    uint64_t end = first + 1;
    while (end < tracked_ && load(words_ + end) == word) ++end;
    return end;
  }
  bool oldest(uint64_t* first) const;
  PageWord new_stamp();
  // Takes the range of no pages away if what ends at `last` overlaps it; whether it was purged.
  bool take_empty(uint64_t last);

  State* state_;
  PageWord* words_;
  uint64_t pages_;
  uint64_t tracked_;
};

}  // namespace ashmem_preload
