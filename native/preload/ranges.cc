#include "preload/ranges.h"

namespace ashmem_preload {

PageWord Ranges::new_stamp() {
  // A peer may have written anything there; the stamp only has to be no 0, and wraps in a word.
  PageWord stamp = (load(&state_->last_stamp) + 1) & (~uint64_t{0} >> 1);
  if (stamp == 0) stamp = 1;
  store(&state_->last_stamp, stamp);
  return stamp << 1;
}

bool Ranges::take_empty(uint64_t last) {
  const uint32_t empty = load(&state_->empty_range);
  if (empty == 0 || last + 1 != pages_) return false;
  store(&state_->empty_range, 0u);
  return (empty & 2) != 0;
}

int Ranges::pin(uint64_t first, uint64_t last) {
  PageWord seen = take_empty(last) ? kPurged : 0;
  // A range that reaches beyond both ends is split. Its rear then counts as unpinned just now, as in the driver.
  const PageWord around = load(words_ + first);
  if (around != 0 && first > 0 && load(words_ + first - 1) == around && run_end(first, around) > last + 1) {
    const PageWord rear = new_stamp() | (around & kPurged);
    // From the back, so that at no time a third range lies between the two.
    for (uint64_t u = run_end(first, around); u-- > last + 1;) store(words_ + u, rear);
  }
  for (uint64_t u = first; u <= last; ++u) {
    const PageWord word = load(words_ + u);
    if (word == 0) continue;
    seen |= word;
    store(words_ + u, PageWord{0});
  }
  return (seen & kPurged) != 0;
}

int Ranges::unpin(uint64_t first, uint64_t last) {
  PageWord purged = take_empty(last) ? kPurged : 0;
  const PageWord head = load(words_ + first);
  if (head != 0 && run_end(first, head) > last) return 0;  // part of one range: not even its age changes
  const PageWord rear = load(words_ + last);
  while (head != 0 && first > 0 && load(words_ + first - 1) == head) --first;
  if (rear != 0) last = run_end(last, rear) - 1;
  for (uint64_t u = first; u <= last; ++u) purged |= load(words_ + u) & kPurged;
  const PageWord word = new_stamp() | purged;
  for (uint64_t u = first; u <= last; ++u) store(words_ + u, word);
  return 0;
}

int Ranges::status(uint64_t first, uint64_t last) const {
  if (load(&state_->empty_range) != 0 && last + 1 == pages_) return 0;
  for (uint64_t u = first; u <= last; ++u) {
    if (load(words_ + u) != 0) return 0;
  }
  return 1;
}

uint64_t Ranges::purgeable() const {
  uint64_t count = 0;
  for (uint64_t u = 0; u < tracked_; ++u) {
    const PageWord word = load(words_ + u);
    count += word != 0 && (word & kPurged) == 0;
  }
  return count;
}

bool Ranges::oldest(uint64_t* first) const {
  PageWord least = ~PageWord{0};
  PageWord before = 0;
  for (uint64_t u = 0; u < tracked_; ++u) {
    const PageWord word = load(words_ + u);
    if (word != before && word != 0 && (word & kPurged) == 0 && word < least) {
      least = word;
      *first = u;
    }
    before = word;
  }
  return least != ~PageWord{0};
}

}  // namespace ashmem_preload
