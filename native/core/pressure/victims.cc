#include "core/pressure/victims.h"

#include <algorithm>

namespace ashmem_compat::pressure {
namespace {

// The first to go is the least.
bool goes_before(const Victim& a, const Victim& b) {
  if (a.again != b.again) return a.again;
  if (a.age != b.age) return a.age > b.age;
  return a.attachment != b.attachment ? a.attachment < b.attachment : a.first < b.first;
}

// The older, the less a difference matters.
constexpr uint32_t kSameMoment = 64;  // ticks
bool same_age(uint32_t a, uint32_t b) {
  const uint32_t older = std::max(a, b);
  return older - std::min(a, b) <= std::max(kSameMoment, older / 8);
}

// Keeps the first to go that are worth `want` bytes: a heap with the last to go on top.
class Choice {
 public:
  explicit Choice(uint64_t want) : want_(want) {}

  void add(const Victim& victim) {
    if (victim.count == 0) return;
    if (total_ >= want_ && !goes_before(victim, chosen_.front())) return;
    chosen_.push_back(victim);
    std::push_heap(chosen_.begin(), chosen_.end(), goes_before);
    total_ += victim.resident;
    while (total_ - chosen_.front().resident >= want_) {
      total_ -= chosen_.front().resident;
      std::pop_heap(chosen_.begin(), chosen_.end(), goes_before);
      chosen_.pop_back();
    }
  }
  std::vector<Victim> take() {
    std::sort_heap(chosen_.begin(), chosen_.end(), goes_before);
    return std::move(chosen_);
  }

 private:
  const uint64_t want_;
  uint64_t total_ = 0;
  std::vector<Victim> chosen_;
};

}  // namespace

std::vector<Victim> find_victims(const Attachments& all, const std::vector<uint32_t>& among, uint64_t want,
                                 uint64_t longest) {
  Choice choice(want);
  const uint32_t now = coarse_stamp();
  for (const uint32_t index : among) {
    Attachment& attachment = *all[index];
    ResidentUnits* resident = attachment.resident_units();
    if (!resident) continue;
    resident->forget();
    PinTable& table = attachment.table();
    Census census(attachment.slots());
    const uint64_t most = std::max<uint64_t>(longest / attachment.control().layout().granularity, 1);
    Victim run;
    uint64_t unit = 0;
    uint64_t bytes = 0;
    for (uint64_t from = 0; resident->next(from, &unit, &bytes); from = unit + 1) {
      const bool again = table.is_purged(unit);
      if (again ? table.held(unit, census) : !table.idle(unit, census)) continue;
      const uint32_t age = now - table.stamp(unit);
      const bool joins = run.count != 0 && run.first + run.count == unit && run.count < most &&
                         run.again == again && same_age(run.age, age);
      if (!joins) {
        choice.add(run);
        run = Victim{index, again, age, unit, 0, 0};
      }
      ++run.count;
      run.resident += bytes;
      run.age = std::min(run.age, age);
    }
    choice.add(run);
  }
  return choice.take();
}

}  // namespace ashmem_compat::pressure
