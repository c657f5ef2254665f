// Where the pool's tables are in the annex, and what stands in them. Only what a record says is true; all else is derived.
#pragma once

#include <cstddef>
#include <cstdint>

#include "core/pool/size_classes.h"
#include "core/region.h"
#include "core/status.h"

namespace ashmem_compat {

constexpr uint64_t kPoolMagic = 0x314c4f4f504d4853;  // "SHMPOOL1"
constexpr uint32_t kBins = 216;
constexpr uint32_t kMostBlocks = 1u << 28;
// Ends a list. Units and records in lists are numbered from 1.
constexpr uint32_t kNil = 0;

struct RecordList {
  uint32_t first, last;  // record + 1, or kNil
  uint64_t count;
};

struct PoolHead {
  // Constant.
  uint64_t magic;
  uint64_t extra_size;
  uint32_t max_blocks;
  uint32_t reserved;
  // The lock: 0, or who has it. `dirty` while its owner may be changing what is derived.
  uint64_t lock;
  uint64_t dirty;
  // Never lowered: records from here on were never used, units from here on never led an extent. As numbers, not as list entries.
  uint64_t records_end;
  uint64_t units_end;
  // Derived.
  uint64_t blocks;
  uint64_t live;        // bytes
  uint64_t used_units;  // of extents that are not free
  uint64_t
      unmerged;  // rooms that were freed while a purger was in the way of joining them with their neighbours
  RecordList free, owned, doomed;
  uint64_t bin_map[4];
  uint32_t bins[kBins];
  uint32_t slabs[3][kMaxClasses];  // with room, by priority and class
};
constexpr uint64_t kPoolHeadSize = uint64_t{4} * 1024;
static_assert(sizeof(PoolHead) <= kPoolHeadSize, "docs/pool.md");

enum class BlockStatus : uint32_t { kFree = 0, kOwned = 1, kShared = 2, kDoomed = 3 };

struct BlockRecord {
  uint64_t state;   // generation of the record in the upper half, BlockStatus in the lower
  uint64_t owner;   // of an OWNED block: PoolMemory::me() of who allocated it
  uint64_t place;   // unit | index in the slab << 32 | class + 1 << 48; class + 1 = 0: an extent of its own
  uint64_t size;    // bytes asked for
  uint32_t filled;  // generation of the extent as of when the bytes were last good
  uint32_t priority;
  uint32_t next, prev;  // derived: of the free, the owned or the doomed
};
static_assert(sizeof(BlockRecord) == 48, "docs/pool.md");

constexpr uint64_t block_state(uint32_t generation, BlockStatus status) {
  return uint64_t{generation} << 32 | static_cast<uint32_t>(status);
}
constexpr BlockStatus status_of(uint64_t state) { return static_cast<BlockStatus>(state & 0xffffffff); }
constexpr uint32_t record_generation(uint64_t state) { return static_cast<uint32_t>(state >> 32); }

constexpr uint64_t place_word(uint64_t unit, uint32_t index, uint32_t class_plus_1) {
  return unit | uint64_t{index} << 32 | uint64_t{class_plus_1} << 48;
}
constexpr uint32_t place_unit(uint64_t place) { return static_cast<uint32_t>(place); }
constexpr uint32_t place_index(uint64_t place) { return static_cast<uint32_t>(place >> 32 & 0xffff); }
constexpr uint32_t place_class(uint64_t place) { return static_cast<uint32_t>(place >> 48); }

// Of each unit, all derived. `foot` is for an extent's last unit, `bitmap` for those of slabs, the rest for leaders.
struct UnitInfo {
  uint64_t bitmap;  // blocks of the slab that are not free: bit i of the k-th unit is for block 64 k + i
  uint32_t foot;    // units of the extent that ends here
  uint32_t tag;
  uint32_t next, prev;  // of the bin, or of the slabs with room
};
static_assert(sizeof(UnitInfo) == 24, "docs/pool.md");

enum class Use : uint32_t { kNone = 0, kFree = 1, kBlock = 2, kSlab = 3 };
constexpr uint32_t unit_tag(Use use) { return static_cast<uint32_t>(use); }
constexpr uint32_t slab_tag(uint32_t c, Priority priority, uint32_t used) {
  return static_cast<uint32_t>(Use::kSlab) | c << 2 | static_cast<uint32_t>(priority) << 10 | used << 12;
}
constexpr Use use_of(uint32_t tag) { return static_cast<Use>(tag & 3); }
constexpr uint32_t tag_class(uint32_t tag) { return tag >> 2 & 0xff; }
constexpr uint32_t tag_priority(uint32_t tag) { return tag >> 10 & 3; }
constexpr uint32_t tag_used(uint32_t tag) { return tag >> 12; }

// The tables as a process sees them: pointers into the annex, sizes of its own.
struct Tables {
  PoolHead* head = nullptr;
  BlockRecord* records = nullptr;
  UnitInfo* units = nullptr;
  char* extra = nullptr;
  uint64_t extra_size = 0;
  uint64_t unit = 0;
  uint64_t unit_count = 0;
  uint32_t max_blocks = 0;
  SizeClasses classes;
};

// Bytes of annex for these, and where each begins; false on overflow.
struct AnnexPlan {
  uint64_t records = 0, units = 0, extra = 0, size = 0;
};
inline bool plan_annex(uint64_t unit_count, uint64_t max_blocks, uint64_t extra_size, AnnexPlan* plan) {
  if (max_blocks > kMostBlocks || unit_count > kSpanUnits || extra_size > uint64_t{1} << 52) return false;
  plan->records = kPoolHeadSize;
  plan->units = (plan->records + max_blocks * sizeof(BlockRecord) + 63) & ~uint64_t{63};
  plan->extra = (plan->units + unit_count * sizeof(UnitInfo) + 63) & ~uint64_t{63};
  plan->size = (plan->extra + extra_size + 63) & ~uint64_t{63};
  return true;
}

}  // namespace ashmem_compat
