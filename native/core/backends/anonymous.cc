// anonymous: private memory that the kernel discards by itself. MADV_FREE at unpin, and pin tells exactly what was lost.
//
// The kernel says nothing when it frees such a page; it simply reads as zeros from then on. So at unpin the first word of
// every page is kept aside and a cookie put in its place, and at pin a compare-and-swap puts the word back: it fails on a
// page that was freed. The same CAS writes to the page, which is what cancels a pending free (mm/rmap.c: a dirty
// lazyfree page is kept); as the hardware makes test and write one, the kernel cannot come between.
//
// Sources: madvise(2) MADV_FREE (Linux 4.5), mm/madvise.c, mm/rmap.c, /proc/PID/pagemap in proc(5).

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <atomic>

#include "core/backends/backend.h"
#include "core/pins/layout.h"
#include "core/platform/atomics.h"
#include "core/platform/fork_guard.h"
#include "core/platform/page.h"
#include "core/platform/residency.h"
#include "core/platform/system_calls.h"
#include "core/platform/zeroed_array.h"
#include "core/pressure/purge_watch.h"

#ifndef MADV_FREE
#define MADV_FREE 8
#endif

namespace ashmem_compat {
namespace {

// What is known of a page whose unit nobody pins.
enum class Mark : uint8_t {
  kNone = 0,   // pinned
  kCookie,     // freed lazily: its cookie tells whether it is still there
  kUntouched,  // there was no page at unpin: it reads as zeros, and there is nothing to lose
  kLost,       // discarded by purge(), or found to be lost
};

class AnonymousRegion final : public Region {
 public:
  ~AnonymousRegion() override { close(); }

  Status open(const RegionOptions& options, const Layout& layout);

  int fd() const override { return -1; }
  bool purgeable() const override { return !closed(); }
  Status pin(uint64_t offset, uint64_t length, bool* purged, std::vector<ByteRange>* lost) override;
  Status unpin(uint64_t offset, uint64_t length) override;
  Status pinned(uint64_t offset, uint64_t length, bool* pinned) override;
  Status purge(uint64_t offset, uint64_t length, uint64_t* bytes) override;
  Status begin_read(uint64_t offset, uint64_t length, ReadTicket* ticket) override;
  bool end_read(uint64_t offset, uint64_t length, const ReadTicket& ticket) override;
  // Unpinned bytes carry cookies, so that it holds what it reads.
  Status begin_optimistic(uint64_t offset, uint64_t length, OptimisticTicket* ticket) override;
  Status end_optimistic(uint64_t offset, uint64_t length, const OptimisticTicket& ticket,
                        std::vector<ByteRange>* lost) override;
  Status protect() override {
    if (Status s = usable(); !s.ok()) return s;
    return Status::Of(Code::kNotShareable, "a region of one process has nobody to be protected from");
  }
  Priority priority() const override { return priority_; }
  Status set_priority(Priority priority) override {
    if (Status s = usable(); !s.ok()) return s;
    priority_ = priority;  // remembered, no more: it is the kernel that chooses
    return Status::Ok();
  }
  Status watch_purges(PurgeListener* listener) override;
  Status stats(RegionStats* stats) override;
  void close() override;

 private:
  // Outlives the region, for the watcher's thread.
  struct Discards {
    std::atomic<uint64_t> request{0}, kernel{0};
  };
  void found_lost(uint64_t page) {
    marks_[page] = Mark::kLost;
    discards_->kernel.fetch_add(page_bytes(page), std::memory_order_relaxed);
  }
  uint64_t page_bytes(uint64_t page) const {
    const uint64_t start = page << page_shift_;
    return size_ - start < page_ ? size_ - start : page_;
  }
  Status usable() const {
    if (closed()) return Status::Of(Code::kRegionClosed, "the region is closed");
    if (!same_process(process_)) return Status::Of(Code::kForked, "a region object does not survive fork()");
    return Status::Ok();
  }
  uint64_t* word_of(uint64_t page) const {
    return reinterpret_cast<uint64_t*>(mapping_->data() + page * page_);
  }
  uint64_t pages_to(uint64_t unit) const {
    const uint64_t page = unit << unit_shift_ >> page_shift_;
    return page < page_count_ ? page : page_count_;
  }
  bool survived(uint64_t page) const { return load_relaxed(word_of(page)) == cookie_; }
  void retain(uint64_t page);
  Status lose_again(const std::vector<ByteRange>& lost);
  void release(uint64_t first_unit, uint64_t count);
  bool in_memory(uint64_t page, uint64_t end);

  std::shared_ptr<Discards> discards_ = std::make_shared<Discards>();
  pressure::PurgeWatch purge_watch_;
  Priority priority_ = Priority::kNormal;
  uint64_t process_ = 0;
  uint64_t cookie_ = 0;
  uint64_t page_ = 0;
  int page_shift_ = 0;
  uint64_t page_count_ = 0;
  uint64_t unit_count_ = 0;
  ZeroedArray<uint32_t> pins_;   // per unit, less 1: everything is pinned at first
  ZeroedArray<Mark> marks_;      // per page
  ZeroedArray<uint64_t> words_;  // per page: the first word of a page that has a cookie
  Fd pagemap_;
  uint64_t entries_[512];  // a stretch of the pagemap
  uint64_t entries_from_ = 0, entries_to_ = 0;
};

Status AnonymousRegion::open(const RegionOptions& options, const Layout& layout) {
  name_ = options.name;
  size_ = layout.size;
  unit_shift_ = __builtin_ctzll(layout.granularity);
  backend_ = "anonymous";
  scope_ = Scope::kProcess;
  process_ = current_process();
  unit_count_ = layout.unit_count;
  page_ = kernel_page_size();  // the kernel frees its own pages, whatever a unit is
  page_shift_ = __builtin_ctzll(page_);
  page_count_ = ((size_ - 1) >> page_shift_) + 1;
  if (raw_getrandom(&cookie_, sizeof cookie_) != static_cast<ssize_t>(sizeof cookie_))
    cookie_ = reinterpret_cast<uint64_t>(this);
  cookie_ |= 1;  // never 0, which is what a freed page reads as

  pins_ = make_zeroed<uint32_t>(unit_count_);
  marks_ = make_zeroed<Mark>(page_count_);
  words_ = make_zeroed<uint64_t>(page_count_);
  if (!pins_ || !marks_ || !words_) {
    errno = ENOMEM;
    return Status::System("calloc");
  }
  Result<std::shared_ptr<Mapping>> mapping = Mapping::map(-1, size_, MAP_PRIVATE | MAP_ANONYMOUS);
  if (!mapping.ok()) return mapping.status();
  mapping_ = std::move(mapping.value());
  pagemap_.reset(::open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC));
  return Status::Ok();
}

// Puts a page back into use after its unit was unpinned.
void AnonymousRegion::retain(uint64_t page) {
  if (marks_[page] == Mark::kCookie) {
    uint64_t expected = cookie_;
    if (!cas_acq_rel(word_of(page), expected, words_[page])) found_lost(page);
  }
}

Status AnonymousRegion::pin(uint64_t offset, uint64_t length, bool* purged, std::vector<ByteRange>* lost) {
  if (Status s = usable(); !s.ok()) return s;
  uint64_t first = 0;
  uint64_t count = 0;
  if (Status s = to_units(offset, length, &first, &count); !s.ok()) return s;
  for (uint64_t u = first; u < first + count; ++u) {
    if (pins_[u] == UINT32_MAX - 2) return Status::Of(Code::kTooManyPins, "a unit is pinned 2^32 times");
  }
  *purged = false;
  for (uint64_t u = first; u < first + count; ++u) {
    if (++pins_[u] != 0) continue;  // it was pinned already: 0 stands for 1
    for (uint64_t page = pages_to(u); page < pages_to(u + 1); ++page) {
      retain(page);
      if (marks_[page] == Mark::kLost) {
        *purged = true;
        if (lost) append_range(lost, {page << page_shift_, page_bytes(page)});
      }
      marks_[page] = Mark::kNone;
    }
  }
  return Status::Ok();
}

// Whether a page is there at all, in memory or in swap. A cookie on a page that was never touched would allocate it.
bool AnonymousRegion::in_memory(uint64_t page, uint64_t end) {
  if (!pagemap_.valid()) return true;
  if (page < entries_from_ || page >= entries_to_) {
    const uint64_t want = end - page < 512 ? end - page : 512;
    const uint64_t at = reinterpret_cast<uintptr_t>(mapping_->data()) / page_ + page;
    const ssize_t got = pread(pagemap_.get(), entries_, want * 8, static_cast<off_t>(at * 8));
    if (got < 8) return true;
    entries_from_ = page;
    entries_to_ = page + static_cast<uint64_t>(got) / 8;
  }
  return (entries_[page - entries_from_] >> 62) != 0;  // bit 63 present, bit 62 swapped
}

// Hands the pages of units that have just lost their last pin to the kernel.
void AnonymousRegion::release(uint64_t first_unit, uint64_t count) {
  const uint64_t from = pages_to(first_unit);
  const uint64_t to = pages_to(first_unit + count);
  entries_from_ = entries_to_ = 0;
  bool any = false;
  for (uint64_t page = from; page < to; ++page) {
    if (!in_memory(page, to)) {
      marks_[page] = Mark::kUntouched;
      continue;
    }
    any = true;
    words_[page] = load_relaxed(word_of(page));
    store_relaxed(word_of(page), cookie_);
    marks_[page] = Mark::kCookie;
  }
  // Refused on locked memory, for one: then the kernel takes nothing, and the cookies will say so.
  if (any) madvise(mapping_->data() + (from << page_shift_), (to - from) << page_shift_, MADV_FREE);
}

Status AnonymousRegion::unpin(uint64_t offset, uint64_t length) {
  if (Status s = usable(); !s.ok()) return s;
  uint64_t first = 0;
  uint64_t count = 0;
  if (Status s = to_units(offset, length, &first, &count); !s.ok()) return s;
  for (uint64_t u = first; u < first + count; ++u) {
    if (pins_[u] + 1 == 0) return Status::Of(Code::kNotPinned, "a unit of the range is not pinned");
  }
  uint64_t run = 0;
  for (uint64_t u = first; u <= first + count; ++u) {
    const bool last_pin = u < first + count && --pins_[u] + 1 == 0;
    if (last_pin) {
      ++run;
    } else if (run > 0) {
      release(u - run, run);
      run = 0;
    }
  }
  return Status::Ok();
}

Status AnonymousRegion::pinned(uint64_t offset, uint64_t length, bool* pinned) {
  if (Status s = usable(); !s.ok()) return s;
  uint64_t first = 0;
  uint64_t count = 0;
  if (Status s = to_units(offset, length, &first, &count); !s.ok()) return s;
  *pinned = true;
  for (uint64_t u = first; u < first + count && *pinned; ++u) *pinned = pins_[u] + 1 != 0;
  return Status::Ok();
}

Status AnonymousRegion::purge(uint64_t offset, uint64_t length, uint64_t* bytes) {
  *bytes = 0;
  if (Status s = usable(); !s.ok()) return s;
  uint64_t first = 0;
  uint64_t count = 0;
  if (Status s = to_units(offset, length, &first, &count); !s.ok()) return s;
  uint64_t run = 0;
  for (uint64_t u = first; u <= first + count; ++u) {
    if (u < first + count && pins_[u] + 1 == 0) {
      ++run;
      continue;
    }
    if (run == 0) continue;
    const uint64_t from = pages_to(u - run);
    const uint64_t to = pages_to(u);
    run = 0;
    uint64_t discarded = 0;
    for (uint64_t page = from; page < to; ++page) {
      const bool was_there =
          marks_[page] == Mark::kUntouched || (marks_[page] == Mark::kCookie && survived(page));
      if (was_there) discarded += page_bytes(page);
      marks_[page] = Mark::kLost;
    }
    if (madvise(mapping_->data() + (from << page_shift_), (to - from) << page_shift_, MADV_DONTNEED) != 0) {
      return Status::System("madvise");
    }
    *bytes += discarded;
    discards_->request.fetch_add(discarded, std::memory_order_relaxed);
  }
  return Status::Ok();
}

// After an unpin of what a look has found lost: the next pin is to find it so.
Status AnonymousRegion::lose_again(const std::vector<ByteRange>& lost) {
  for (const ByteRange& range : lost) {
    // The unpin may have put a cookie there; what is lost reads as zeros.
    char* start = mapping_->data() + range.offset;
    const uint64_t pages = (range.length + page_ - 1) >> page_shift_;
    if (madvise(start, pages << page_shift_, MADV_DONTNEED) != 0) return Status::System("madvise");
    for (uint64_t i = 0; i < pages; ++i) marks_[(range.offset >> page_shift_) + i] = Mark::kLost;
  }
  return Status::Ok();
}

// Unpinned bytes carry cookies, so a reader has to take hold of them. Nothing shared is written: there is nobody to share
// with. What was lost stays lost for the next pin.
Status AnonymousRegion::begin_read(uint64_t offset, uint64_t length, ReadTicket* ticket) {
  std::vector<ByteRange> lost;
  bool purged = false;
  if (Status s = pin(offset, length, &purged, &lost); !s.ok()) return s;
  ticket->valid = !purged;
  if (!purged) return Status::Ok();
  const Status status = unpin(offset, length);
  if (Status s = lose_again(lost); !s.ok()) return s;
  return status;
}

bool AnonymousRegion::end_read(uint64_t offset, uint64_t length, const ReadTicket& ticket) {
  return ticket.valid && unpin(offset, length).ok();
}

Status AnonymousRegion::begin_optimistic(uint64_t offset, uint64_t length, OptimisticTicket* ticket) {
  if (Status s = usable(); !s.ok()) return s;
  uint64_t first = 0;
  uint64_t count = 0;
  if (Status s = any_units(offset, length, &first, &count); !s.ok()) return s;
  ticket->units.clear();
  ticket->lost.clear();
  bool purged = false;
  const ByteRange whole = to_bytes(first, 1);
  return pin(whole.offset, to_bytes(first, count).length, &purged, &ticket->lost);
}

Status AnonymousRegion::end_optimistic(uint64_t offset, uint64_t length, const OptimisticTicket& ticket,
                                       std::vector<ByteRange>* lost) {
  lost->clear();
  if (Status s = usable(); !s.ok()) return s;
  uint64_t first = 0;
  uint64_t count = 0;
  if (Status s = any_units(offset, length, &first, &count); !s.ok()) return s;
  if (Status s = unpin(to_bytes(first, 1).offset, to_bytes(first, count).length); !s.ok()) return s;
  if (Status s = lose_again(ticket.lost); !s.ok()) return s;
  // In whole units, as everywhere.
  for (const ByteRange& range : ticket.lost) {
    const uint64_t from = range.offset >> unit_shift_;
    const uint64_t to = (range.offset + range.length - 1) >> unit_shift_;
    // Pages of a unit that the range before has counted already.
    const bool again = !lost->empty() && lost->back().offset + lost->back().length > from << unit_shift_;
    if (from + again <= to) append_range(lost, to_bytes(from + again, to - from + 1 - again));
  }
  return Status::Ok();
}

Status AnonymousRegion::stats(RegionStats* stats) {
  if (Status s = usable(); !s.ok()) return s;
  *stats = RegionStats{};
  stats->size = size_;
  for (uint64_t u = 0; u < unit_count_; ++u) {
    (pins_[u] + 1 != 0 ? stats->pinned : stats->unpinned) += to_bytes(u, 1).length;
    for (uint64_t page = pages_to(u); page < pages_to(u + 1); ++page) {
      if (marks_[page] == Mark::kCookie && !survived(page)) found_lost(page);
      if (marks_[page] == Mark::kLost) stats->purged += page_bytes(page);
    }
  }
  return resident_bytes(mapping_->data(), size_, &stats->resident);
}

Status AnonymousRegion::watch_purges(PurgeListener* listener) {
  if (Status s = usable(); !s.ok()) return s;
  const std::weak_ptr<Discards> weak = discards_;
  return purge_watch_.set(listener, [weak](DiscardTotals* totals) {
    const std::shared_ptr<Discards> discards = weak.lock();
    if (!discards) return false;
    totals->request = discards->request.load(std::memory_order_relaxed);
    totals->kernel = discards->kernel.load(std::memory_order_relaxed);
    return true;
  });
}

void AnonymousRegion::close() {
  purge_watch_.end();
  Mapping::close(mapping_);
  pins_.reset();
  marks_.reset();
  words_.reset();
  pagemap_.reset();
}

int try_madv_free(void*) {
  const size_t page = kernel_page_size();
  void* memory = mmap(nullptr, page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) return errno;
  const int error = madvise(memory, page, MADV_FREE) == 0 ? 0 : errno;
  munmap(memory, page);
  return error;
}

class AnonymousBackend final : public Backend {
 public:
  const char* name() const override { return "anonymous"; }
  Scope scope() const override { return Scope::kProcess; }
  bool recognizes(int) const override { return false; }

  const Availability& probe() const override {
    static const Availability* kept = nullptr;
    return remembered(&kept, [](bool* passing) {
      const Trial trial = try_call(try_madv_free, nullptr);
      *passing = !trial.killed && will_pass(trial.error);
      if (trial.killed) return Availability{false, "madvise: refused by a seccomp filter (SIGSYS)"};
      if (trial.error == EINVAL) return Availability{false, "MADV_FREE needs Linux 4.5"};
      if (trial.error != 0) return Availability{false, std::string("MADV_FREE: ") + strerror(trial.error)};
      return Availability{true, "MADV_FREE works; the kernel discards"};
    });
  }

  Result<std::unique_ptr<Region>> create(const RegionOptions& options) const override {
    if (options.name.size() > kMaxName) return Status::Of(Code::kOutOfRange, "name is longer than 249 bytes");
    Result<Layout> layout = make_layout(options.size, options.granularity ? options.granularity : page_size(),
                                        options.max_processes ? options.max_processes : kDefaultSlots);
    if (!layout.ok()) return layout.status();
    auto region = std::make_unique<AnonymousRegion>();
    if (Status s = region->open(options, layout.value()); !s.ok()) return s;
    return std::unique_ptr<Region>(std::move(region));
  }

  Result<std::unique_ptr<Region>> attach(Fd, const RegionOptions&) const override {
    return Status::Of(Code::kNotShareable, "an anonymous region belongs to one process and has no fd");
  }
};

const AnonymousBackend instance;

}  // namespace

const Backend& anonymous_backend = instance;

}  // namespace ashmem_compat
