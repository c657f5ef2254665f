#include "core/pressure/victims.h"

#include <algorithm>

#include "core/platform/clock.h"
#include "core/platform/table_window.h"

namespace ashmem_compat::pressure {
namespace {

// At one region. The ordinary one takes a fraction of a millisecond.
constexpr uint64_t kLongestLookMs = 10;

// The first to go is the least.
bool goes_before(const Victim& a, const Victim& b) {
  if (a.age != b.age) return a.age > b.age;
  return a.attachment != b.attachment ? a.attachment < b.attachment : a.first < b.first;
}

// The older, the less a difference matters.
constexpr uint32_t kSameMoment = 64;  // ticks
bool same_age(uint32_t a, uint32_t b, Order order) {
  if (order == Order::kByPlace) return true;
  const uint32_t older = std::max(a, b);
  const uint32_t apart = order == Order::kByRuns ? older - older / 8 : older / 8;
  return older - std::min(a, b) <= std::max(kSameMoment, apart);
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

// A region's table as it can be looked at without giving it memory; but for rows, which have a bit for each unit, and mostly have it from
// their owners.
class Sight {
 public:
  explicit Sight(Attachment& attachment)
      : table_(attachment.table()),
        layout_(attachment.control().layout()),
        census_(attachment.slots()),
        words_(attachment.fd(), layout_.words_offset, layout_.unit_count),
        stamps_(attachment.fd(), layout_.stamps_offset, layout_.stamp_count()) {}

  bool wants(Want want, uint64_t unit) {
    const uint64_t word = words_.at(unit);
    if (!words_.readable()) return false;
    if (want == Want::kIdle) return table_.plainly_idle(word) && !table_.any_row(unit);
    // The rest asks the table itself, which has memory where the word is not 0.
    if (word == 0)
      return want == Want::kAbandoned && !table_.untouched_are_held(census_) && !table_.any_row(unit);
    return want == Want::kAbandoned ? table_.idle(unit, census_)
                                    : table_.is_purged(unit) && !table_.held(unit, census_);
  }
  uint32_t age(uint64_t unit, uint32_t now) {
    return now - table_.stamp_or_creators(stamps_.at(unit >> layout_.stamp_shift));
  }

 private:
  PinTable& table_;
  const Layout& layout_;
  Census census_;
  TableWindow<uint64_t> words_;
  TableWindow<uint32_t> stamps_;
};

}  // namespace

bool still_idle(const Attachment& attachment, const Victim& victim) {
  const uint32_t now = coarse_stamp();
  const PinTable& table = attachment.table();
  for (uint64_t u = victim.first; u < victim.first + victim.count; u += table.step(u)) {
    if (now - table.stamp(u) < victim.age) return false;
  }
  return true;
}

std::vector<Victim> find_victims(const Attachments& among, Priority priority, Want want, uint64_t bytes,
                                 uint64_t longest, Order order) {
  Choice choice(bytes);
  const uint32_t now = coarse_stamp();
  for (Attachment* one : among) {
    Attachment& attachment = *one;
    ResidentUnits* resident = attachment.resident_units();
    if (!resident) {
      attachment.unlooked = 0;
      continue;
    }
    Sight sight(attachment);
    const Layout& layout = attachment.control().layout();
    const uint64_t most = std::max<uint64_t>(longest / layout.granularity, 1);
    const uint64_t until_ms = now_ms() + kLongestLookMs;
    Victim run;
    uint64_t unit = attachment.look_from;
    uint64_t extent_end = unit;
    const PinTable& table = attachment.table();
    uint64_t left = std::min(attachment.unlooked, layout.unit_count);
    uint64_t looked = 0;
    uint64_t units = 1;
    for (; left != 0; unit += units, left -= std::min(units, left)) {
      if (unit >= layout.unit_count) unit = extent_end = 0;
      // Memory in the middle of an extent does not tell where its leader is.
      if (!table.has_extents() && unit >= extent_end) {
        const uint64_t data = std::min(resident->next_extent(unit, &extent_end), layout.unit_count);
        const uint64_t hole = data - unit;
        if (hole >= left) {
          left = 0;
          break;
        }
        left -= hole;
        unit = data;
        if (unit >= layout.unit_count) unit = extent_end = 0;
      }
      units = table.step(unit);
      // The rest the next time: others have victims too.
      if (++looked % 1024 == 0 && now_ms() >= until_ms) break;
      if (table.has_extents() &&
          (table.span(unit) == 0 || priority_of(table.span_priority(unit)) != priority)) {
        continue;
      }
      if (!sight.wants(want, unit)) continue;
      const uint32_t age = sight.age(unit, now);
      const bool joins = run.count != 0 && run.first + run.count == unit && run.count + units <= most &&
                         same_age(run.age, age, order);
      if (!joins) {
        choice.add(run);
        run = Victim{attachment.id(), age, unit, 0, 0};
      }
      run.count += units;
      run.bytes += layout.units_bytes(unit, units);
      run.age = std::min(run.age, age);
    }
    choice.add(run);
    attachment.look_from = left != 0 ? unit : 0;
    attachment.unlooked = left;
  }
  return choice.take();
}

}  // namespace ashmem_compat::pressure
