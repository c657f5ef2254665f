#include "core/cache/fills.h"

#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <climits>

#include "core/platform/stage.h"

namespace ashmem_compat {
namespace {

constexpr uint32_t kNoSlot = ~0u;

// Not FUTEX_PRIVATE: the word is shared by processes. A kernel of 32 bits with times of 64 has a second number, which takes no other kind
// of time than the C library's there; a time of two longs is what the old number takes everywhere.
void futex(uint32_t* word, int operation, uint32_t value, const timespec* limit) {
#if defined(__NR_futex_time64) && !defined(__LP64__)
  if (sizeof(time_t) == 8) {
    syscall(__NR_futex_time64, word, operation, value, limit, nullptr, 0);
    return;
  }
#endif
  syscall(__NR_futex, word, operation, value, limit, nullptr, 0);
}

}  // namespace

uint32_t Fills::find(uint64_t hash, uint32_t* free) const {
  *free = kNoSlot;
  for (uint32_t i = 0; i < kWindow; ++i) {
    const uint32_t at = (window(hash) + i) & (kSlots - 1);
    const uint64_t found = load_relaxed(hashes_ + at);
    if (found == hash) return at;
    if (found == 0 && *free == kNoSlot) *free = at;
  }
  return kNoSlot;
}

void Fills::take(uint32_t at, uint64_t hash, uint64_t me, uint64_t now_ms, FillTicket* ticket) {
  // 52 bits, for those who count in doubles; never 0.
  const uint64_t token = (load_relaxed(&header_->last_token) & ((uint64_t{1} << 52) - 1)) + 1;
  store_relaxed(&header_->last_token, token);
  FillSlot* s = slots_ + at;
  store_relaxed(&s->owner, me);
  store_relaxed(&s->began, now_ms);
  stage(Stage::kFillTaken);
  store_release(&s->token, token);
  store_release(hashes_ + at, hash);
  *ticket = {at, token};
}

void Fills::free(uint32_t at) {
  store_release(hashes_ + at, uint64_t{0});
  store_release(&slots_[at].token, uint64_t{0});
  const uint32_t active = load_relaxed(&header_->active);
  if (active != 0) store_relaxed(&header_->active, active - 1);
}

Fills::Begin Fills::begin(uint64_t hash, uint64_t me, uint64_t now_ms, uint64_t take_over,
                          const std::function<bool(uint64_t)>& is_dead, FillTicket* ticket) {
  uint32_t free_slot;
  const uint32_t found = find(hash, &free_slot);
  if (found != kNoSlot) {
    const uint64_t token = load_relaxed(&slots_[found].token);
    *ticket = {found, token};
    // Without a token it has no owner either: somebody died over it.
    if (token != 0 && token != take_over) return Begin::kWait;
    take(found, hash, me, now_ms, ticket);
    return Begin::kMine;
  }
  for (uint32_t i = 0; free_slot == kNoSlot && i < kWindow; ++i) {
    const uint32_t at = (window(hash) + i) & (kSlots - 1);
    if (!is_dead(load_relaxed(&slots_[at].owner))) continue;
    free(at);
    free_slot = at;
  }
  if (free_slot == kNoSlot) return Begin::kFull;
  store_relaxed(&header_->active, load_relaxed(&header_->active) + 1);
  take(free_slot, hash, me, now_ms, ticket);
  return Begin::kMine;
}

bool Fills::end(const FillTicket& ticket) {
  if (ticket.none() || over(ticket)) return false;
  free(ticket.slot & (kSlots - 1));
  return true;
}

bool Fills::overtake(uint64_t hash) {
  if (active() == 0) return false;
  uint32_t free_slot;
  const uint32_t found = find(hash, &free_slot);
  if (found == kNoSlot) return false;
  free(found);
  return true;
}

void Fills::recount() {
  uint32_t active = 0;
  for (uint32_t at = 0; at < kSlots; ++at) active += load_relaxed(hashes_ + at) != 0 ? 1 : 0;
  store_relaxed(&header_->active, active);
}

void Fills::announce() {
  __atomic_fetch_add(&header_->over, 1, __ATOMIC_SEQ_CST);
  if (load_seq_cst(&header_->waiters) != 0) futex(&header_->over, FUTEX_WAKE, INT_MAX, nullptr);
}

void Fills::sleep(uint32_t news, uint32_t ms) {
  const timespec limit{static_cast<time_t>(ms / 1000), static_cast<long>(ms % 1000) * 1'000'000};
  __atomic_fetch_add(&header_->waiters, 1, __ATOMIC_SEQ_CST);
  futex(&header_->over, FUTEX_WAIT, news, &limit);
  __atomic_fetch_sub(&header_->waiters, 1, __ATOMIC_SEQ_CST);
}

}  // namespace ashmem_compat
