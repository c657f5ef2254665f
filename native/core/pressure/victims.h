// Which units of this process's regions to discard next: those that nobody pins, least recently unpinned first.
#pragma once

#include <memory>
#include <vector>

#include "core/pins/attachment.h"
#include "core/region.h"

namespace ashmem_compat::pressure {

// Neighbouring units that were let go at about the same time, and so are discarded by one call.
struct Victim {
  uint64_t attachment = 0;  // its id()
  uint32_t age = 0;         // in ticks of coarse_stamp(), of the youngest of them
  uint64_t first = 0, count = 0;
  uint64_t bytes = 0;  // at most: whether they have memory is seen when they are purged
};

// In the order in which the reclaimer wants them.
enum class Want {
  kIdle,  // what nobody pins, as far as words of the table tell: they are found without any system call, which could be
  // long in coming where there is no memory left
  kAbandoned,  // what only the dead pin, or were purging
  kStrays,  // what was discarded before, and may have memory again because of a mere look: there is nothing to lose
};

// Which neighbours go together. A discard costs about the same for few bytes and for many, so that one of small units strewn about may be slower
// than a neighbour who takes memory at full speed: the faster memory goes, the less the order counts.
enum class Order {
  kByAge,   // those of about one age
  kByRuns,  // also if the oldest is eight times as old as the youngest
  kByPlace  // all
};

using Attachments = std::vector<Attachment*>;

// The victims that together have at least `bytes` bytes, the first to go first; fewer if there are no more. Runs are `longest` bytes
// at most. Units that are held are none. Looks at the words of every unit outside of holes that is still unlooked at, for a bounded
// time: where a region's `unlooked` is not 0 afterwards, the next look goes on.
// `order`: see Order.
// Where units are grouped to extents, only those of `priority`; else the region's priority is the caller's to look at.
std::vector<Victim> find_victims(const Attachments& among, Priority priority, Want want, uint64_t bytes,
                                 uint64_t longest, Order order);
// Whether nobody has used the units since they were found.
bool still_idle(const Attachment& attachment, const Victim& victim);

}  // namespace ashmem_compat::pressure
