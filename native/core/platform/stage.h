// Points inside an operation where a test may stop or kill the process. Nothing at all in the library that ships.
#pragma once

namespace ashmem_compat {

enum class Stage {
  kSlotClaimed,         // A1/A2 done, hazards not yet read
  kSweeping,            // A3, after some units
  kHazardSet,           // a recoverer between publishing its hazard and reading the life word
  kBeforeClear,         // a recoverer that has validated the slot, just before it clears the bit
  kBeforeMark,          // a purger that has found a unit idle, before its CAS
  kMarked,              // a purger has taken units to PURGING
  kDiscarded,           // the bytes are gone, the generations not yet raised
  kBeforeTake,          // a pin, before its CAS
  kTaken,               // a pin, after its CAS
  kRefilling,           // a pin that has become the refiller
  kBeforeGive,          // an unpin, before its CAS
  kBeforeFirstMapping,  // an attach, while the size of an ashmem area may still change
  kGivenUp,             // units that nobody may hold any more are about to be looked at (K2)
  kBeforeKernelPin,     // K1, the unit is ours alone
  kKernelPinned,        // K1, the kernel has answered, and nobody else knows
  kBeforeKernelUnpin,   // K2, the units are ours alone
  kKernelUnpinned,      // K2, before anybody knows
  kTargetFound,         // reclaim: /proc/PID is open, the process is not yet held by a pidfd
  kBeforeAdvice,        // reclaim: before each call that advises
  kFillTaken,           // cache: a fill has an owner, and no token yet
  kEntryWritten,        // cache: bytes, key and meta are there, nobody knows of them
  kEntryNamed,          // cache: the entry says what it is, and belongs to its writer alone
  kEntryShared,         // cache: the entry is the cache's, and in no table yet
  kEntryIndexed,        // cache: the entry can be found, what it replaces too
  kEntryVoid,           // cache: an entry is none any more, and still in the tables
  kEntryUnlinked,       // cache: out of the tables, its block not yet freed
  kPoolLocked,          // a pool's lock is taken, and nothing is done under it
  kPoolDirty,           // the pool is marked as being changed, and is not
  kExtentHeld,          // a free extent is held that is in its list still
  kSplitting,           // both parts are held, and are one
  kSplit,               // the first part is cut off, the rest is nobody's
  kMerging,             // both neighbours are held, and are two
  kMerged,              // the second is nobody's, the first not yet larger
  kSlabTaken,           // a place in a slab is taken, for no block yet
  kPlaced,              // the block has room, and its record says nothing
  kDescribed,           // all is written but the record's state
  kCommitted,           // the block is there, and nobody has been told
  kDoomed,              // the block is no more, its room is not free yet
  kForgotten,           // its record is free, its room is not
  kRoomFreed,           // all is free, and the pool is marked still
  kPoolClean,           // the mark is gone, the lock is not
  kRebuilding,          // the tables of a pool are made anew
};

#ifdef ASHMEM_COMPAT_STAGES
extern void (*stage_hook)(Stage);
inline void stage(Stage at) {
  if (stage_hook) stage_hook(at);
}
#else
inline void stage(Stage) {}
#endif

}  // namespace ashmem_compat
