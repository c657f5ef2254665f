#include "core/pressure/panel.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>

#include "core/pressure/sources/own_cgroups.h"

namespace ashmem_compat::pressure {
namespace {

constexpr uint64_t kQuietMs = 250;  // four wake-ups a second
constexpr uint64_t kNearMs = 10;
constexpr uint64_t kStallMs = 100;
constexpr uint64_t kCheckMs = 1000;
constexpr uint64_t kBackMs = 10'000;
// What a neighbour may take in a millisecond, at full speed: to be seen in time from as far as that.
constexpr uint64_t kSlow = uint64_t{16} << 10;  // bytes in a millisecond
constexpr uint64_t kFastest = uint64_t{4} << 20;

int patience_of(const Panel::Entry& entry) {
  const Reading& reading = entry.reading;
  uint64_t ms = kQuietMs;
  if (reading.limit == 0) {
    if (reading.level > Level::kNone) ms = kStallMs;
  } else if (!reading.guarded) {
    uint64_t next = 0;  // mark below what is available
    for (const uint64_t mark : {entry.asked.low, entry.asked.medium, entry.marks.medium}) {
      if (mark < reading.available) next = std::max(next, mark);
    }
    ms = next == 0 ? kNearMs : (reading.available - next) / kFastest;
    if (entry.falling < kSlow) ms = std::max(ms, kNearMs);
  }
  if (reading.again_ms != 0) ms = std::min(ms, reading.again_ms);
  return static_cast<int>(std::clamp<uint64_t>(ms, 1, kQuietMs));
}

bool same(const Marks& a, const Marks& b) {
  return a.low == b.low && a.medium == b.medium && a.critical == b.critical;
}

}  // namespace

void Panel::open(uint64_t now_ms) {
  membership_ = cgroup_membership();
  entries_.clear();
  const std::vector<const Source*>& sources = all_sources();
  for (uint32_t i = 0; i < sources.size(); ++i) {
    for (std::unique_ptr<Gauge>& gauge : sources[i]->open()) {
      Entry entry;
      entry.gauge = std::move(gauge);
      entry.source = i;
      entries_.push_back(std::move(entry));
    }
  }
  ++edition_;
  // With no descriptor left, some may be missing for that reason alone.
  const int spare = fcntl(0, F_DUPFD_CLOEXEC, 0);
  gone_ = spare < 0 && (errno == EMFILE || errno == ENFILE);
  if (spare >= 0) close(spare);
  opened_ms_ = now_ms;
  next_check_ms_ = now_ms + kCheckMs;
}

void Panel::look(uint64_t now_ms, const std::function<Marks(const Entry&)>& asked) {
  if (edition_ == 0) open(now_ms);
  if (now_ms >= next_check_ms_) {
    next_check_ms_ = now_ms + kCheckMs;
    // What has gone may be back; but not to be asked for again and again, as there may be somebody at its other end.
    if ((gone_ && now_ms >= opened_ms_ + kBackMs) || cgroup_membership() != membership_) open(now_ms);
  }
  const size_t before = entries_.size();
  for (size_t i = 0; i < entries_.size();) {
    Entry& entry = entries_[i];
    const uint64_t available = entry.reading.available;
    if (!entry.gauge->read(now_ms, &entry.reading)) {
      entries_.erase(entries_.begin() + static_cast<ptrdiff_t>(i));
      continue;
    }
    const uint64_t passed = std::max<uint64_t>(now_ms - entry.read_ms, 1);
    const bool falls = available != kUnknown && entry.reading.available < available;
    // Half of what it was: a neighbour's pace is not told by one look.
    entry.falling = std::max(falls ? (available - entry.reading.available) / passed : 0, entry.falling / 2);
    entry.read_ms = now_ms;
    if (entry.reading.limit != 0) {
      entry.marks = default_marks(entry.reading.limit);
      const Marks highest = asked(entry);
      const Marks ask{std::max(entry.marks.low, highest.low), std::max(entry.marks.medium, highest.medium),
                      std::max(entry.marks.critical, highest.critical)};
      if (!same(ask, entry.asked)) entry.gauge->set_marks(entry.asked = ask);
    }
    entry.keeper.update(entry.reading, entry.marks, now_ms);
    ++i;
  }
  if (entries_.size() != before) {
    ++edition_;
    gone_ = true;
  }
}

bool Panel::plenty() const {
  bool any = false;
  for (const Entry& entry : entries_) {
    if (entry.reading.limit == 0) continue;
    any = true;
    if (entry.reading.available < 2 * entry.marks.low) return false;
  }
  return any;
}

int Panel::patience() const {
  int least = static_cast<int>(kQuietMs);
  for (const Entry& entry : entries_) least = std::min(least, patience_of(entry));
  return least;
}

void Panel::wait(int control, int timeout_ms) {
  polled_.assign(1, pollfd{control, POLLIN, 0});
  polled_for_.clear();
  for (size_t i = 0; i < entries_.size(); ++i) {
    entries_[i].gauge->wait_for(&polled_);
    polled_for_.resize(polled_.size() - 1, i);
  }
  if (poll(polled_.data(), static_cast<nfds_t>(polled_.size()), timeout_ms) <= 0) return;
  for (size_t i = 1; i < polled_.size(); ++i) {
    if (polled_[i].revents != 0) entries_[polled_for_[i - 1]].gauge->woken(polled_[i]);
  }
}

}  // namespace ashmem_compat::pressure
