#include "capi/entry.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "core/platform/page.h"

namespace ashmem_compat::capi {
namespace {

constexpr int kAll = PROT_READ | PROT_WRITE | PROT_EXEC;

// The library's own fds of a region: the object's, and the one of this process's place in it.
constexpr int kOwnFds = 2;
constexpr int kOwnFdsOfReader = 1;

}  // namespace

int errno_of(const Status& status) {
  if (status.error != 0 && status.code == Code::kSystem) return status.error;
  switch (status.code) {
    case Code::kInvalidRange:
    case Code::kOutOfRange: return EINVAL;
    case Code::kUntrustedFd: return ENOTTY;
    case Code::kReadOnly: return EPERM;
    case Code::kRegionBusy: return EBUSY;
    case Code::kTooManyProcesses: return EUSERS;
    case Code::kBackendUnavailable: return ENODEV;
    default: return status.error != 0 ? status.error : EINVAL;
  }
}

Entry::Entry(std::unique_ptr<Region> region, const FileId& id, bool holds_all)
    : region_(std::move(region)),
      id_(id),
      protection_(region_->read_only() ? kAll & ~PROT_WRITE : kAll),
      page_(page_size()),
      page_count_((region_->size() + page_ - 1) / page_),
      pages_per_unit_(region_->granularity() / page_),
      held_(page_count_, holds_all) {}

void Entry::add_fd(int fd) {
  for (const int known : fds_) {
    if (known == fd) return;
  }
  fds_.push_back(fd);
}

bool Entry::still_open() {
  for (size_t i = 0; i < fds_.size();) {
    FileId id;
    if (identify(fds_[i], &id) && is_same_file(fds_[i], id, region_->fd(), id_)) {
      ++i;
    } else {
      fds_[i] = fds_.back();
      fds_.pop_back();
    }
  }
  if (!fds_.empty()) return true;
  // The program may have copies that it has never shown us, and then what it has pinned is still pinned.
  return count_fds_of(region_->fd(), id_) > (region_->read_only() ? kOwnFdsOfReader : kOwnFds);
}

bool Entry::to_pages(size_t offset, size_t length, Pages* pages) const {
  if (((offset | length) & (page_ - 1)) != 0) return false;
  pages->first = offset / page_;
  if (pages->first > page_count_) return false;
  const uint64_t count = length == 0 ? page_count_ - pages->first : length / page_;
  if (count > page_count_ - pages->first) return false;
  pages->end = pages->first + count;
  return true;
}

bool Entry::holds(uint64_t unit) const {
  const uint64_t end = (unit + 1) * pages_per_unit_;
  for (uint64_t page = unit * pages_per_unit_; page < end && page < page_count_; ++page) {
    if (held_[page]) return true;
  }
  return false;
}

uint64_t Entry::length_of(uint64_t first, uint64_t end) const {
  const uint64_t length = (end - first) * region_->granularity();
  const uint64_t left = region_->size() - offset_of(first);
  return length < left ? length : left;
}

Status Entry::pin_units(uint64_t first, uint64_t end, bool* purged) {
  bool lost = false;
  const Status status = region_->pin(offset_of(first), length_of(first, end), &lost, nullptr);
  *purged = *purged || lost;
  return status;
}

Status Entry::unpin_units(uint64_t first, uint64_t end) {
  return region_->unpin(offset_of(first), length_of(first, end));
}

template <typename Wanted, typename Run>
Status Entry::for_each_run(uint64_t first, uint64_t last, Wanted wanted, Run run) {
  for (uint64_t unit = first; unit <= last;) {
    if (!wanted(unit)) {
      ++unit;
      continue;
    }
    uint64_t end = unit + 1;
    while (end <= last && wanted(end)) ++end;
    if (Status s = run(unit, end); !s.ok()) return s;
    unit = end;
  }
  return Status::Ok();
}

int Entry::pin(size_t offset, size_t length) {
  Pages pages;
  if (!to_pages(offset, length, &pages)) return -EINVAL;
  if (pages.first == pages.end) return 0;
  const uint64_t first = unit_of(pages.first);
  const uint64_t last = unit_of(pages.end - 1);
  const auto not_held = [this](uint64_t unit) { return !holds(unit); };
  bool purged = false;
  uint64_t done = first;  // where the pins of this call end
  const Status status = for_each_run(first, last, not_held, [&](uint64_t begin, uint64_t end) {
    const Status s = pin_units(begin, end, &purged);
    if (s.ok()) done = end;
    return s;
  });
  if (!status.ok()) {
    // All of the range or none. The losses that were told already stay told: what was filled again by nobody is purged yet.
    for_each_run(
        first, done - (done > first), [&](uint64_t unit) { return unit < done && !holds(unit); },
        [this](uint64_t begin, uint64_t end) { return unpin_units(begin, end); });
    return -errno_of(status);
  }
  for (uint64_t page = pages.first; page < pages.end; ++page) held_[page] = true;
  return purged ? 1 : 0;
}

int Entry::unpin(size_t offset, size_t length) {
  Pages pages;
  if (!to_pages(offset, length, &pages)) return -EINVAL;
  if (region_->read_only()) return -EPERM;
  if (pages.first == pages.end) return 0;
  const uint64_t first = unit_of(pages.first);
  const uint64_t last = unit_of(pages.end - 1);
  std::vector<bool> was_held(last - first + 1);
  for (uint64_t unit = first; unit <= last; ++unit) was_held[unit - first] = holds(unit);
  for (uint64_t page = pages.first; page < pages.end; ++page) held_[page] = false;
  const Status status = for_each_run(
      first, last, [&](uint64_t unit) { return was_held[unit - first] && !holds(unit); },
      [this](uint64_t begin, uint64_t end) { return unpin_units(begin, end); });
  return status.ok() ? 0 : -errno_of(status);
}

int64_t Entry::purge(size_t offset, size_t length) {
  Pages pages;
  if (!to_pages(offset, length, &pages)) return -EINVAL;
  // Whole units of it only.
  const uint64_t first = (pages.first + pages_per_unit_ - 1) / pages_per_unit_;
  const uint64_t end = pages.end == page_count_ ? unit_of(page_count_ - 1) + 1 : pages.end / pages_per_unit_;
  if (first >= end) return 0;
  uint64_t bytes = 0;
  const Status status = region_->purge(offset_of(first), length_of(first, end), &bytes);
  return status.ok() ? static_cast<int64_t>(bytes) : -errno_of(status);
}

int Entry::protect(int protection) {
  if ((protection & ~protection_) != 0) return -EINVAL;
  if ((protection_ & PROT_WRITE) != 0 && (protection & PROT_WRITE) == 0) {
    if (Status s = region_->protect(); !s.ok()) return -errno_of(s);
    // Where protecting means a new open file, the program's fds become that file, under their numbers.
    const int own = region_->fd();
    if ((fcntl(own, F_GETFL) & O_ACCMODE) == O_RDONLY) {
      for (const int fd : fds_) {
        const int flags = fcntl(fd, F_GETFD);
        if (flags < 0 || dup3(own, fd, (flags & FD_CLOEXEC) != 0 ? O_CLOEXEC : 0) < 0) return -errno;
      }
    }
  }
  protection_ = protection;
  return 0;
}

}  // namespace ashmem_compat::capi
