#include "core/pool/extents.h"

#include "core/platform/atomics.h"
#include "core/platform/stage.h"

namespace ashmem_compat {
namespace {

// Looked at in a bin whose extents may be too small, and in one where all are large enough but may be busy.
constexpr uint32_t kFirstLooks = 16;
constexpr uint32_t kLooks = 4;

}  // namespace

void Extents::insert(uint32_t u, uint32_t units) {
  PoolHead& head = *t_.head;
  mark_led(u);
  const uint32_t bin = bin_of(units);
  uint32_t next = load_relaxed(&head.bins[bin]);
  if (next > t_.unit_count) next = kNil;
  UnitInfo& info = at(u);
  info.tag = unit_tag(Use::kFree);
  info.prev = kNil;
  info.next = next;
  if (next != kNil) at(next - 1).prev = u + 1;
  at(u + units - 1).foot = units;
  head.bins[bin] = u + 1;
  head.bin_map[bin / 64] |= uint64_t{1} << bin % 64;
}

// False if the lists contradict each other.
bool Extents::unlink(uint32_t u, uint32_t units) {
  PoolHead& head = *t_.head;
  const uint32_t bin = bin_of(units);
  const uint32_t next = load_relaxed(&at(u).next);
  const uint32_t prev = load_relaxed(&at(u).prev);
  if (next > t_.unit_count || prev > t_.unit_count) return false;
  if (prev == kNil ? head.bins[bin] != u + 1 : at(prev - 1).next != u + 1) return false;
  if (next != kNil && at(next - 1).prev != u + 1) return false;
  if (next != kNil) at(next - 1).prev = prev;
  if (prev != kNil) {
    at(prev - 1).next = next;
  } else {
    head.bins[bin] = next;
    if (next == kNil) head.bin_map[bin / 64] &= ~(uint64_t{1} << bin % 64);
  }
  return true;
}

// The first of the bin that is large enough and not busy, held and no longer in its list.
Fit Extents::take_from(uint32_t bin, uint32_t units, uint32_t most, uint32_t* unit, bool* lost) {
  Fit result = Fit::kNone;
  uint32_t next = load_relaxed(&t_.head->bins[bin]);
  for (uint32_t looks = 0; next != kNil && looks < most; ++looks) {
    if (next > t_.unit_count) return Fit::kCorrupt;
    const uint32_t u = next - 1;
    next = load_relaxed(&at(u).next);
    const uint32_t span = memory_.span(u);
    if (use_of(at(u).tag) != Use::kFree || span == 0 || bin_of(span) != bin) return Fit::kCorrupt;
    if (span < units) continue;
    if (!memory_.try_hold(u, lost).ok()) {
      *unit = u;
      result = Fit::kBusy;
      continue;
    }
    stage(Stage::kExtentHeld);
    const Fit cut =
        unlink(u, span) ? (span > units ? split(u, span, units, *lost) : Fit::kOk) : Fit::kCorrupt;
    if (cut == Fit::kOk) {
      *unit = u;
      return cut;
    }
    if (cut == Fit::kBusy) {
      // The place where it would be cut: it may be taken for a leader still, by a purger who looked long ago.
      insert(u, span);
      *unit = u + units;
      result = Fit::kBusy;
    }
    memory_.drop(u);
    if (cut == Fit::kCorrupt) return cut;
  }
  return result;
}

Fit Extents::split(uint32_t u, uint32_t whole, uint32_t units, bool lost) {
  const uint32_t rest = u + units;
  bool rest_lost = false;
  if (!memory_.try_hold(rest, &rest_lost).ok()) return Fit::kBusy;
  stage(Stage::kSplitting);
  memory_.set_span(u, units, Priority::kCheap);
  stage(Stage::kSplit);
  memory_.set_span(rest, whole - units, Priority::kCheap);
  insert(rest, whole - units);
  // What was discarded as one is discarded in both parts.
  if (lost) {
    memory_.drop_empty(rest);
  } else {
    memory_.drop(rest);
  }
  return Fit::kOk;
}

Fit Extents::take(uint32_t units, Priority priority, uint32_t tag, uint32_t* unit) {
  if (units == 0 || units > t_.unit_count) return Fit::kNone;
  const uint32_t own = bin_of(units);
  bool lost = false;
  Fit found = take_from(own, units, kFirstLooks, unit, &lost);
  bool busy = found == Fit::kBusy;
  for (uint32_t bin = own + 1; found != Fit::kOk && found != Fit::kCorrupt && bin < kBins; ++bin) {
    const uint64_t map = load_relaxed(&t_.head->bin_map[bin / 64]) >> bin % 64;
    if (map == 0) {
      bin |= 63;
      continue;
    }
    bin += static_cast<uint32_t>(__builtin_ctzll(map));
    if (bin >= kBins) break;
    found = take_from(bin, units, kLooks, unit, &lost);
    busy |= found == Fit::kBusy;
  }
  if (found != Fit::kOk) return found == Fit::kNone && busy ? Fit::kBusy : found;
  memory_.set_span(*unit, units, priority);
  at(*unit).tag = tag;
  at(*unit + units - 1).foot = units;
  t_.head->used_units += units;
  return Fit::kOk;
}

Fit Extents::give(uint32_t u, bool held, bool empty) {
  uint32_t units = memory_.span(u);
  if (units == 0) {
    if (held) memory_.drop(u);
    return Fit::kCorrupt;
  }
  t_.head->used_units -= units;
  if (!held) {  // it stays as it is, until a neighbour is freed
    ++t_.head->unmerged;
    insert(u, units);
    return Fit::kOk;
  }
  Fit result = Fit::kOk;
  const uint64_t after = uint64_t{u} + units;
  if (after < t_.unit_count && use_of(at(static_cast<uint32_t>(after)).tag) == Use::kFree) {
    const uint32_t v = static_cast<uint32_t>(after);
    const uint32_t more = memory_.span(v);
    bool lost = false;
    if (more == 0) {
      result = Fit::kCorrupt;
    } else if (!memory_.try_hold(v, &lost).ok()) {
      ++t_.head->unmerged;
    } else {
      if (unlink(v, more)) {
        stage(Stage::kMerging);
        memory_.set_span(v, 0, Priority::kNormal);
        at(v).tag = unit_tag(Use::kNone);
        stage(Stage::kMerged);
        units += more;
        empty &= lost;
        memory_.set_span(u, units, Priority::kCheap);
      } else {
        result = Fit::kCorrupt;
      }
      memory_.drop(v);
    }
  }
  const uint32_t before = u > 0 ? load_relaxed(&at(u - 1).foot) : 0;
  if (before != 0 && before <= u && use_of(at(u - before).tag) == Use::kFree &&
      memory_.span(u - before) == before) {
    const uint32_t p = u - before;
    bool lost = false;
    if (!memory_.try_hold(p, &lost).ok()) {
      ++t_.head->unmerged;
    } else if (unlink(p, before)) {
      stage(Stage::kMerging);
      memory_.set_span(u, 0, Priority::kNormal);
      at(u).tag = unit_tag(Use::kNone);
      stage(Stage::kMerged);
      units += before;
      empty &= lost;
      memory_.set_span(p, units, Priority::kCheap);
      memory_.drop(u);
      u = p;
    } else {
      memory_.drop(p);
      result = Fit::kCorrupt;
    }
  }
  memory_.set_span(u, units, Priority::kCheap);
  insert(u, units);
  if (empty) {
    memory_.drop_empty(u);
  } else {
    memory_.drop(u);
  }
  return result;
}

}  // namespace ashmem_compat
