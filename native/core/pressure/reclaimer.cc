#include "core/pressure/reclaimer.h"

#include <time.h>

#include <algorithm>

#include "core/pins/lease.h"
#include "core/platform/clock.h"
#include "core/pressure/demands.h"

namespace ashmem_compat::pressure {
namespace {

constexpr uint64_t kMiB = uint64_t{1} << 20;
constexpr uint64_t kLongestRun =
    4 * kMiB;  // bounds what is taken too much, and how long a pin may have to wait
constexpr uint64_t kAtLeastChosen =
    32 * kMiB;  // finding victims means to look at everything: not for every run
constexpr uint64_t kBesideOthers = kMiB;
constexpr uint64_t kUnasked = kMiB;
constexpr int kVictimsUnasked = 64;
constexpr uint64_t kLongestMs = 50;
constexpr uint64_t kLeaseMs = 2;              // without progress, then it is anybody's
constexpr uint64_t kPoliteMs = 30;            // the longest that one demand waits for others
constexpr uint64_t kEnoughToTell = 8 * kMiB;  // a cgroup's statistics lag by half a MiB or so
constexpr int kTimesInVain = 2;
constexpr uint64_t kFutileMs = 1000;
constexpr uint64_t kStockMs = 50;
constexpr uint64_t kNothingMs = 200;

constexpr int class_of(Priority priority) {
  return priority == Priority::kCheap ? 0 : priority == Priority::kPrecious ? 2 : 1;
}

constexpr Priority kOfClass[kClasses] = {Priority::kCheap, Priority::kNormal, Priority::kPrecious};

bool somebody_else_at(const Attachments& among) {
  const uint64_t now = now_ms();
  return std::any_of(among.begin(), among.end(), [now](const Attachment* one) {
    return leased_to_another(one->lease(), now, one->member(), kLeaseMs);
  });
}

void nap() {
  timespec half_ms{0, 500'000};
  nanosleep(&half_ms, nullptr);
}

}  // namespace

Attachments Reclaimer::of_class(const Attachments& all, int priority_class, const Demand& demand) {
  Attachments found;
  const uint64_t now = now_ms();
  for (Attachment* one : all) {
    Attachment& attachment = *one;
    const Priority priority = priority_of(load_relaxed(&attachment.control().header()->priority));
    // Where there are extents, each has a priority of its own.
    const bool of_class = attachment.table().has_extents() || class_of(priority) == priority_class;
    if (!of_class || !attachment.ours() || !attachment.purgeable()) continue;
    Gauge* gauge = demand.gauge();
    // The kernel sees a shortage of the machine itself, and knows of all processes what is oldest. Not all see that of a cgroup.
    const bool kernel_sees =
        gauge && (gauge->of_cgroup() ? attachment.kernel_suffices() : attachment.kernel_discards());
    if (kernel_sees && !demand.urgent()) continue;
    const auto known = futile_.find({attachment.id(), gauge});
    if (known != futile_.end() && now < known->second.until_ms) continue;
    found.push_back(one);
  }
  return found;
}

// Once in a call and for so many bytes: reading what a cgroup has takes longer than purging a small unit.
void Reclaimer::expect_effect(const Attachment& attachment, Gauge* gauge) {
  if (!gauge || !gauge->of_cgroup()) return;
  Futility& account = futile_[{attachment.id(), gauge}];
  if (account.run == calls_) return;
  account.run = calls_;
  account.freed = 0;
  account.shared_before = gauge->shared_memory();
}

// Leaves the region alone for a while if what is freed of it is not charged to what is short.
void Reclaimer::note_effect(const Attachment& attachment, Gauge* gauge, uint64_t freed) {
  if (!gauge || !gauge->of_cgroup()) return;
  Futility& account = futile_[{attachment.id(), gauge}];
  if (account.shared_before == kUnknown) return;
  account.freed += freed;
  if (account.freed < kEnoughToTell) return;
  const uint64_t shared = gauge->shared_memory();
  const bool pays = shared == kUnknown || shared + account.freed / 2 <= account.shared_before;
  account.run = 0;
  // Somebody may have taken as much shared memory meanwhile, once.
  account.in_vain = pays ? 0 : account.in_vain + 1;
  if (account.in_vain < kTimesInVain) return;
  account.in_vain = 0;
  account.until_ms = now_ms() + kFutileMs;
}

// Bytes that came free. Units without memory are left alone: nothing can be gained of them, only a loss be told.
uint64_t Reclaimer::purge(Attachment& attachment, const Victim& victim, uint64_t missing, Gauge* gauge) {
  ResidentUnits* where = attachment.resident_units();
  if (!where) return 0;
  expect_effect(attachment, gauge);
  uint64_t freed = 0;
  PinTable& table = attachment.table();
  for (const ResidentUnits::Run& run : where->resident(victim.first, victim.count, table)) {
    if (freed >= missing) break;
    // Of a long run no more than is missing.
    const uint64_t enough = (missing - freed - 1) / attachment.control().layout().granularity + 1;
    const uint64_t count = std::min(run.count, enough);
    const PinTable::Purged result = stock_of_ == Want::kStrays
                                        ? table.purge_again(run.first, count)
                                        : table.purge(run.first, count, attachment.tally(true));
    // Not what the file has less: others fill it meanwhile. What was PURGED before counts as nothing discarded, and is looked at again.
    uint64_t gone = result.bytes;
    if (stock_of_ == Want::kStrays) {
      uint64_t left = 0;
      for (const ResidentUnits::Run& rest : where->resident(run.first, run.count, table)) left += rest.bytes;
      gone = run.bytes - std::min(left, run.bytes);
    }
    freed += std::min(gone, run.bytes);
  }
  note_effect(attachment, gauge, freed);
  return freed;
}

// A search begins: nothing can be said to be missing before every unit was looked at, in as many looks as that takes.
void Reclaimer::look_at_all(const Attachments& among) {
  for (Attachment* one : among) one->unlooked = one->control().layout().unit_count;
}

void Reclaimer::find(const Attachments& among, Want want, uint64_t bytes, Order order) {
  stock_ = find_victims(among, kOfClass[stock_class_], want, bytes, kLongestRun, order);
  stock_order_ = order;
  std::reverse(stock_.begin(), stock_.end());
  stock_of_ = want;
  stocked_ms_ = now_ms();
  uint64_t found = 0;
  for (const Victim& victim : stock_) found += victim.bytes;
  all_in_stock_ = found < bytes;
  all_looked_at_ =
      std::all_of(among.begin(), among.end(), [](const Attachment* one) { return one->unlooked == 0; });
}

// Takes from the stock until the demand is met. kSomebodyElse: another process is at it.
Reclaimer::Step Reclaimer::use_stock(const Attachments& among, int priority_class, Demand& demand,
                                     uint64_t start, Outcome* outcome) {
  // A gauge takes longer to be read than a small unit to be purged: until it is asked again, what was freed counts as gained.
  uint64_t gained = 0;
  int victims = 0;
  const auto ask = [&] {
    outcome->remaining = demand.missing(outcome->sum());
    gained = 0;
    victims = 0;
  };
  while (!stock_.empty() && outcome->remaining != 0) {
    const uint64_t now = now_ms();
    if (now - start >= kLongestMs) return Step::kTimeOver;
    const Victim victim = stock_.back();
    bool more = false;  // than was taken of it
    const auto found = std::find_if(among.begin(), among.end(),
                                    [&](const Attachment* one) { return one->id() == victim.attachment; });
    if (found != among.end() && still_idle(**found, victim)) {
      Attachment& attachment = **found;
      const bool ours = take_lease(attachment.lease(), now, attachment.member(), kLeaseMs);
      if (!ours && !demand.urgent() && now - start < kPoliteMs) return Step::kSomebodyElse;
      // Besides others who do the same, a little at a time.
      const uint64_t most = ours ? outcome->remaining : std::min(outcome->remaining, kBesideOthers);
      const uint64_t freed = purge(attachment, victim, most, demand.gauge());
      outcome->freed[priority_class] += freed;
      reclaimed_ += freed;
      gained += freed;
      outcome->remaining -= std::min(freed, outcome->remaining);
      more = freed != 0 && freed >= most;
    }
    if (!more) stock_.pop_back();
    if (outcome->remaining == 0 || gained >= kUnasked || ++victims == kVictimsUnasked) ask();
  }
  if (victims != 0) ask();
  return Step::kUsedUp;
}

// Takes what is of this kind, class by class. False: the demand is met, or the time is over.
bool Reclaimer::take(Want want, const Attachments& all, Demand& demand, uint64_t start, Outcome* outcome) {
  uint64_t bytes = kAtLeastChosen;
  bool goes_on = false;  // a search that was cut short and has found nothing yet
  for (int c = 0; c < kClasses && outcome->remaining != 0;) {
    if (now_ms() - start >= kLongestMs) return false;
    const Attachments among = of_class(all, c, demand);
    const Order order = demand.order();
    const bool anew = stock_.empty() || stock_class_ != c || stock_of_ != want || order > stock_order_;
    // Not to look for what somebody else is purging meanwhile.
    if (anew && !demand.urgent() && now_ms() - start < kPoliteMs && somebody_else_at(among)) {
      nap();
      outcome->remaining = demand.missing(outcome->sum());
      continue;
    }
    stock_class_ = c;
    if (anew && !goes_on) look_at_all(among);
    goes_on = false;
    if (anew) find(among, want, std::max(bytes, outcome->remaining), order);
    const uint64_t freed_before = outcome->sum();
    const Step step = use_stock(among, c, demand, start, outcome);
    if (step == Step::kTimeOver) return false;
    if (step == Step::kSomebodyElse) {
      // What is purged meanwhile is not to be found again here.
      stock_.clear();
      nap();
      outcome->remaining = demand.missing(outcome->sum());
    } else if (anew && outcome->remaining != 0 && outcome->sum() == freed_before) {
      // The oldest had no memory; or there is nothing, as far as was looked.
      if (!all_in_stock_) {
        bytes *= 8;
      } else if (!all_looked_at_) {
        goes_on = true;
      } else {
        if (want == Want::kIdle) outcome->exhausted[c] = true;
        ++c;
      }
    }
  }
  return outcome->remaining != 0;
}

Reclaimer::Outcome Reclaimer::run(Demand& demand) {
  Outcome outcome;
  const uint64_t start = now_ms();
  ++calls_;
  const Attachment::Served served;
  if (start - stocked_ms_ > kStockMs) stock_.clear();
  outcome.remaining = demand.missing(0);
  // First what is idle beyond doubt, of all classes; nobody's leavings may keep others from giving.
  for (const Want want : {Want::kIdle, Want::kAbandoned, Want::kStrays}) {
    if (!take(want, served.all(), demand, start, &outcome)) break;
  }
  if (stock_of_ != Want::kIdle) stock_.clear();
  return finish(outcome);
}

void Reclaimer::prepare(Order order) {
  // Once in a while, the seldomer if there was nothing to find.
  if (now_ms() - stocked_ms_ < (stock_.empty() ? kNothingMs : kStockMs / 2)) return;
  const Attachment::Served served;
  for (Attachment* one : served.all()) one->resident_units();
  const ByteDemand nothing(0, nullptr, false);
  for (int c = 0; c < kClasses; ++c) {
    stock_class_ = c;
    const Attachments among = of_class(served.all(), c, nothing);
    look_at_all(among);
    find(among, Want::kIdle, kAtLeastChosen, order);
    if (!stock_.empty()) return;
  }
}

Reclaimer::Outcome Reclaimer::finish(const Outcome& outcome) {
  if (outcome.sum() != 0) ++runs_;
  // It may be of regions and gauges that are gone.
  if (futile_.size() > 256) futile_.clear();
  return outcome;
}

}  // namespace ashmem_compat::pressure
