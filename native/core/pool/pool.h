// A pool of purgeable blocks in one file: allocated, pinned and freed by any process that has the fd.
//
// What a block is stands in its record, in the annex; every list and bin is derived from the records, and made anew by who finds that a
// process died while it changed them. A block's bytes lie in an extent (pool_memory.h) of its own or, with others of its size, in a slab.
//
// A Pool may be used by several threads at once. One that was inherited by fork() answers kForked.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "core/platform/fd.h"
#include "core/pool/pool_process.h"
#include "core/pool/records.h"
#include "core/pool/slabs.h"

namespace ashmem_compat {

struct PoolOptions {
  std::string name;
  std::string backend;  // empty: the best for the scope
  Scope scope = Scope::kShared;
  RegionKind kind = RegionKind::kPool;
  uint64_t capacity = 0;     // bytes; made a whole number of units
  uint32_t max_blocks = 0;   // 0: one for each 4 KiB of capacity, at least 1024
  uint64_t extra_annex = 0;  // bytes beside the pool's own tables, for who builds on it
  uint32_t max_processes = 0;
  uint32_t busy_timeout_ms = 1000;
  bool reclaimer = false;
};

// Names a block, everywhere and for ever: after the block was freed it names none.
struct BlockRef {
  uint32_t id = 0;  // below max_blocks(): the number of its record
  uint32_t generation = 0;
};

// A block as somebody knows it who has found or allocated it. Owns nothing: who holds it counts for himself.
struct Block {
  BlockRef ref;
  uint32_t unit = 0;  // leads the extent that the block is in
  uint32_t seen = 0;  // generation of the extent as of when this Block was last told of it
  char* bytes = nullptr;
  uint64_t size = 0;
  Priority priority = Priority::kNormal;
  bool empty = false;  // the last hold of this Block found the extent discarded
};

struct PoolStats {
  uint64_t capacity = 0;   // bytes for blocks
  uint64_t live = 0;       // bytes asked for, of the blocks that are not free yet
  uint64_t allocated = 0;  // bytes of all extents that have a block in them
  uint64_t pinned = 0;     // bytes of blocks whose extent is held by somebody
  uint64_t purged = 0;     // bytes of blocks that were discarded and not refilled
  uint64_t resident = 0;   // bytes of the data in memory
  uint64_t discarded = 0;  // bytes, ever, by whomever
  uint64_t blocks = 0, max_blocks = 0;
  uint64_t doomed = 0;  // blocks that were freed and are still held, among the above
};

class Pool {
 public:
  static Result<std::unique_ptr<Pool>> create(const PoolOptions& options);
  // Of the options: kind, backend, busy_timeout_ms, reclaimer. kUntrustedFd: no pool of that kind. Takes the fd over.
  static Result<std::unique_ptr<Pool>> attach(Fd fd, const PoolOptions& options);
  ~Pool();
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;

  PoolMemory& memory() { return *memory_; }
  bool read_only() const { return read_only_; }
  uint64_t capacity() const { return tables_.unit_count * tables_.unit; }
  uint32_t max_blocks() const { return tables_.max_blocks; }
  // kRegionClosed, kForked, kReadOnly, or Ok.
  Status usable(bool to_write = true) const;

  // The annex's part for who builds on the pool: 64-byte aligned, zero at first.
  char* extra() const { return tables_.extra; }
  uint64_t extra_size() const { return tables_.extra_size; }

  // ---- the lock of the pool, for all its processes and threads; not recursive

  // Held for O(1) work, never while bytes are copied or a system call that may block is made. If the last owner died, everything that is
  // derived has been made anew before the constructor returns: the pool's own, then what the rebuilder makes.
  class Lock {
   public:
    explicit Lock(Pool& pool) : pool_(pool), status_(pool.acquire()) {
      if (pool.rebuilt_ && status_.ok()) pool.tell_rebuilt(*this);
    }
    ~Lock() {
      if (status_.ok()) pool_.release();
    }
    Lock(const Lock&) = delete;
    Lock& operator=(const Lock&) = delete;
    // kRegionBusy: a living owner has not let go of it for the whole busy timeout. kRegionClosed, kForked, kReadOnly.
    const Status& status() const { return status_; }
    bool ok() const { return status_.ok(); }

   private:
    Pool& pool_;
    const Status status_;
  };
  // `rebuild` is called under the lock after each rebuild of the pool's own tables, and is to bring what is built on the pool in line
  // with the records; it may free some. Set it before the pool is used.
  void set_rebuilder(std::function<void(const Lock&)> rebuild) { rebuilder_ = std::move(rebuild); }
  // For who found its own derived tables out of order. kSystem: no memory, and the next owner of the lock does it.
  Status rebuild(const Lock& lock);

  // ---- blocks. Those with a Lock are for who has it already; the others take it.

  // A block that the caller holds once, of which nobody else knows: if this process dies before share(), it is freed. Its bytes are
  // whatever was there. kNoSpace; kRegionBusy: there may be room, but others are in the way; kOutOfRange: size is 0 or beyond the capacity.
  Status alloc(uint64_t size, Priority priority, Block* block);
  Status alloc(const Lock&, uint64_t size, Priority priority, Block* block);
  // Others may know of it from now on, and it stays when this process dies. kBlockFreed.
  Status share(const Block& block);
  Status share(const Lock&, const Block& block);
  // Ends the block: no hold of it succeeds any more. Its bytes stay until the last hold is gone, whoever's it is; who frees it gives up his own
  // before. kBlockFreed: somebody has already.
  Status free(BlockRef ref);
  Status free(const Lock&, BlockRef ref);

  // What a name stands for, without holding it and without the lock. kBlockFreed.
  Status find(BlockRef ref, Block* block) const;
  // The block of a record, whatever its generation: false if it is free or doomed. `*shared`: beyond share().
  bool block_at(uint32_t id, Block* block, bool* shared) const;
  // Records from here on have never been used.
  uint32_t records_end() const;

  // Holds the block's extent. *lost: its bytes were discarded and nobody has said that he refilled them, or discarded since block->seen.
  // kBlockFreed, kRegionBusy, and then nothing is held.
  Status hold(Block* block, bool* lost) { return hold(block, lost, true); }
  // The same without waiting for a purger.
  Status try_hold(Block* block, bool* lost) { return hold(block, lost, false); }
  void drop(const Block& block);
  // The same by who found it lost and has not refilled it: there is nothing to purge.
  void drop_lost(const Block& block);
  // By a holder: the bytes are good (again).
  void refilled(const Block& block);
  // Whether the bytes are what was last written, as of now: tells the truth to holders, the rest may be told better.
  bool whole(const Block& block) const;
  // Whether anybody holds its extent; for a block of this process and in a slab, the block itself.
  bool held(const Block& block);

  // Brackets a read without a hold, also where the pool can only be read: what was read in between was whole if end_read says true.
  Status begin_read(const Block& block, ReadTicket* ticket);
  bool end_read(const Block& block, const ReadTicket& ticket);

  // ---- the whole

  // Discards what nobody holds; bytes.
  uint64_t purge() { return usable().ok() ? memory_->purge(0, tables_.unit_count) : 0; }
  // Looks at every block, and frees those whose owner died.
  Status stats(PoolStats* stats);
  // A number below 2^53 for a reference, and back: false if it is none of this pool.
  double handle_of(BlockRef ref) const;
  bool ref_of(double handle, BlockRef* ref) const;
  // Frees what this object allocated and never shared, and lets the memory go. All holds that came through it have been given back.
  void close();

 private:
  Pool() = default;
  Status open(std::unique_ptr<PoolMemory> memory, const PoolOptions& options, bool creator);
  Status acquire();
  void release();
  Status take_lock();
  void tell_rebuilt(const Lock& lock);
  Status hold(Block* block, bool* lost, bool patient);
  // Whether the block is what its name says: not freed.
  bool alive(const Block& block) const;
  Fit place(uint64_t size, Priority priority, Block* block, uint32_t* busy_unit);
  Fit give_room(uint64_t place);
  Fit release_record(uint32_t id);
  Fit doom(uint32_t id, const Block& block, bool shared);
  bool held_by_anybody(uint32_t id, uint32_t unit) {
    return process_->held(id) || memory_->held_by_others(unit);
  }
  Fit sweep_doomed(uint64_t most);
  Fit free_orphans();

  std::unique_ptr<PoolMemory> memory_;
  std::shared_ptr<PoolProcess> process_;
  Tables tables_;
  std::unique_ptr<Extents> extents_;
  std::unique_ptr<Slabs> slabs_;
  Records records_{tables_};
  std::function<void(const Lock&)> rebuilder_;
  bool rebuilt_ = false;  // under the lock: and the rebuilder has not been told
  uint64_t me_ = 0;
  uint64_t process_id_ = 0;
  uint32_t busy_timeout_ms_ = 1000;
  uint32_t swept_tick_ = 0;
  bool read_only_ = false;
  bool closed_ = true;
  int id_bits_ = 0;  // of a handle
  uint32_t generation_mask_ = 0;
  uint64_t own_count_ = 0;     // under the lock, as is the next
  ZeroedArray<uint64_t> own_;  // by record: its state, if this object allocated it and has not shared it
};

}  // namespace ashmem_compat
