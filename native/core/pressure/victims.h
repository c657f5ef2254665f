// Which units of this process's regions to discard next: those that nobody pins, least recently unpinned first.
#pragma once

#include <memory>
#include <vector>

#include "core/pins/attachment.h"
#include "core/region.h"

namespace ashmem_compat::pressure {

// Neighbouring units that were let go at about the same time, and so are discarded by one call.
struct Victim {
  uint32_t attachment = 0;  // index into the list that was searched
  bool again = false;  // discarded before, and given memory again by a mere look: there is nothing to lose
  uint32_t age = 0;    // in ticks of coarse_stamp(), of the youngest of them
  uint64_t first = 0, count = 0;
  uint64_t resident = 0;  // bytes
};

using Attachments = std::vector<std::shared_ptr<Attachment>>;

// Of the attachments `among` (indices into `all`), the victims that together have at least `want` bytes, the first to go first;
// fewer if there are no more. Runs are `longest` bytes at most. Units that are held, or have no memory, are none.
std::vector<Victim> find_victims(const Attachments& all, const std::vector<uint32_t>& among, uint64_t want,
                                 uint64_t longest);

}  // namespace ashmem_compat::pressure
