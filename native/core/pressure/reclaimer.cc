#include "core/pressure/reclaimer.h"

#include <time.h>

#include <algorithm>

#include "core/pins/lease.h"
#include "core/platform/clock.h"

namespace ashmem_compat::pressure {
namespace {

constexpr uint64_t kMiB = uint64_t{1} << 20;
constexpr uint64_t kLongestRun =
    4 * kMiB;  // bounds what is taken too much, and how long a pin may have to wait
constexpr uint64_t kAtLeastChosen =
    32 * kMiB;  // finding victims means to look at everything: not for every run
constexpr uint64_t kLongestMs = 50;
constexpr uint64_t kLeaseMs = 5;              // without progress, then it is anybody's
constexpr uint64_t kPoliteMs = 30;            // the longest that one demand waits for others
constexpr uint64_t kEnoughToTell = 4 * kMiB;  // a cgroup's statistics lag by half a MiB or so
constexpr uint64_t kFutileMs = 1000;

constexpr int class_of(Priority priority) {
  return priority == Priority::kCheap ? 0 : priority == Priority::kPrecious ? 2 : 1;
}

void nap() {
  timespec half_ms{0, 500'000};
  nanosleep(&half_ms, nullptr);
}

}  // namespace

std::vector<uint32_t> Reclaimer::of_class(const Attachments& all, int priority_class, const Demand& demand) {
  std::vector<uint32_t> found;
  const uint64_t now = now_ms();
  for (uint32_t i = 0; i < all.size(); ++i) {
    Attachment& attachment = *all[i];
    const Priority priority = priority_of(load_relaxed(&attachment.control().header()->priority));
    if (class_of(priority) != priority_class || !attachment.ours() || !attachment.purgeable()) continue;
    Gauge* gauge = demand.gauge();
    // The kernel sees a shortage of the machine itself, and knows of all processes what is oldest. Not that of a cgroup.
    if (attachment.kernel_discards() && gauge && !gauge->of_cgroup() && !demand.urgent()) continue;
    const auto known = futile_.find({&attachment, gauge});
    if (known != futile_.end() && now < known->second.until_ms) continue;
    found.push_back(i);
  }
  return found;
}

// Leaves the region alone for a while if what is freed of it is not charged to what is short.
void Reclaimer::note_effect(const Attachment& attachment, Gauge* gauge, uint64_t shared_before,
                            uint64_t freed) {
  if (!gauge || !gauge->of_cgroup() || shared_before == kUnknown) return;
  Futility& account = futile_[{&attachment, gauge}];
  if (account.freed == 0) account.shared_before = shared_before;
  account.freed += freed;
  if (account.freed < kEnoughToTell) return;
  const uint64_t shared = gauge->shared_memory();
  const bool pays = shared == kUnknown || shared + account.freed / 2 <= account.shared_before;
  account = Futility{};
  if (!pays) account.until_ms = now_ms() + kFutileMs;
}

// Bytes that came free: units may be empty, and others free memory of the file at the same time.
uint64_t Reclaimer::purge(Attachment& attachment, const Victim& victim, Gauge* gauge) {
  const uint64_t shared_before = gauge && gauge->of_cgroup() ? gauge->shared_memory() : kUnknown;
  const uint64_t before = attachment.stored_bytes();
  PinTable& table = attachment.table();
  const PinTable::Purged result =
      victim.again ? table.purge_again(victim.first, victim.count) : table.purge(victim.first, victim.count);
  attachment.note_discard(true, result.bytes);
  const uint64_t after = attachment.stored_bytes();
  const bool told = before != Attachment::kUnknownSize && after != Attachment::kUnknownSize;
  const uint64_t freed = std::min(!told            ? result.bytes
                                  : before > after ? before - after
                                                   : 0,
                                  victim.resident);
  note_effect(attachment, gauge, shared_before, freed);
  return freed;
}

Reclaimer::Outcome Reclaimer::run(Demand& demand) {
  Outcome outcome;
  const uint64_t start = now_ms();
  const Attachments all = Attachment::served();
  outcome.remaining = demand.missing(0);
  for (int c = 0; c < kClasses && outcome.remaining != 0;) {
    const std::vector<Victim> victims =
        find_victims(all, of_class(all, c, demand), std::max(outcome.remaining, kAtLeastChosen), kLongestRun);
    uint64_t freed_now = 0;
    bool wait = false;
    for (const Victim& victim : victims) {
      Attachment& attachment = *all[victim.attachment];
      const uint64_t now = now_ms();
      const uint32_t me = attachment.slots().own() + 1;
      wait = !take_lease(&attachment.control().header()->lease, now, me, kLeaseMs) && !demand.urgent() &&
             now - start < kPoliteMs;
      if (wait) break;
      const uint64_t freed = purge(attachment, victim, demand.gauge());
      freed_now += freed;
      outcome.freed[c] += freed;
      reclaimed_ += freed;
      outcome.remaining = demand.missing(outcome.sum());
      if (outcome.remaining == 0 || now_ms() - start >= kLongestMs) break;
    }
    if (wait) {
      nap();
      outcome.remaining = demand.missing(outcome.sum());
    } else if (freed_now == 0) {
      outcome.exhausted[c] = true;
      ++c;
    }
    if (now_ms() - start >= kLongestMs) break;
  }
  if (outcome.sum() != 0) ++runs_;
  // It may be of regions and gauges that are gone.
  if (futile_.size() > 2 * all.size() + 64) futile_.clear();
  return outcome;
}

}  // namespace ashmem_compat::pressure
