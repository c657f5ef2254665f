#include "core/pressure/victims.h"

#include <algorithm>

namespace ashmem_compat::pressure {
namespace {

// The first to go is the least.
bool goes_before(const Victim& a, const Victim& b) {
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
    total_ += victim.bytes;
    while (total_ - chosen_.front().bytes >= want_) {
      total_ -= chosen_.front().bytes;
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

bool wanted(Want want, PinTable& table, uint64_t unit, Census& census) {
  switch (want) {
    case Want::kIdle: return table.plainly_idle(unit);
    case Want::kAbandoned: return table.idle(unit, census);
    case Want::kStrays: return table.is_purged(unit) && !table.held(unit, census);
  }
  return false;
}

}  // namespace

bool still_idle(const Attachment& attachment, const Victim& victim) {
  const uint32_t now = coarse_stamp();
  const PinTable& table = attachment.table();
  for (uint64_t u = victim.first; u < victim.first + victim.count; ++u) {
    if (now - table.stamp(u) < victim.age) return false;
  }
  return true;
}

std::vector<Victim> find_victims(const Attachments& among, Want want, uint64_t bytes, uint64_t longest) {
  Choice choice(bytes);
  const uint32_t now = coarse_stamp();
  for (Attachment* one : among) {
    Attachment& attachment = *one;
    ResidentUnits* resident = attachment.resident_units();
    if (!resident) continue;
    PinTable& table = attachment.table();
    Census census(attachment.slots());
    const Layout& layout = attachment.control().layout();
    const uint64_t most = std::max<uint64_t>(longest / layout.granularity, 1);
    Victim run;
    uint64_t looked_to = 0;
    for (uint64_t unit = 0; unit < layout.unit_count; ++unit) {
      if (unit >= looked_to) {
        unit = resident->skip_hole(unit);
        looked_to = unit + resident->stretch();
        if (unit >= layout.unit_count) break;
      }
      if (!wanted(want, table, unit, census)) continue;
      const uint32_t age = now - table.stamp(unit);
      const bool joins =
          run.count != 0 && run.first + run.count == unit && run.count < most && same_age(run.age, age);
      if (!joins) {
        choice.add(run);
        run = Victim{attachment.id(), age, unit, 0, 0};
      }
      ++run.count;
      run.bytes += layout.unit_bytes(unit);
      run.age = std::min(run.age, age);
    }
    choice.add(run);
  }
  return choice.take();
}

}  // namespace ashmem_compat::pressure
