#include "core/pool/pool.h"

#include <time.h>

#include "core/backends/selector.h"
#include "core/platform/fork_guard.h"
#include "core/platform/page.h"
#include "core/platform/stage.h"
#include "core/pool/private_pool_memory.h"
#include "core/pool/rebuild.h"
#include "core/pool/shared_pool_memory.h"

namespace ashmem_compat {
namespace {

constexpr uint64_t kBytesPerBlock = uint64_t{4} * 1024;
constexpr uint64_t kFewestBlocks = 1024;
// How long the lock is waited for awake, and how long a nap is then.
constexpr int kSpins = 200;
constexpr long kNapNs = 50'000;

Status untrusted(const char* detail) { return Status::Of(Code::kUntrustedFd, detail); }

}  // namespace

Result<std::unique_ptr<Pool>> Pool::create(const PoolOptions& asked) {
  PoolOptions options = asked;
  const uint64_t unit = page_size();
  if (options.capacity == 0) return Status::Of(Code::kOutOfRange, "capacity must be at least 1");
  if (options.capacity / unit >= kSpanUnits) {
    return Status::Of(Code::kOutOfRange, "capacity is too large for a pool: 2^28 pages are the most");
  }
  const uint64_t unit_count = (options.capacity + unit - 1) / unit;
  uint64_t blocks = options.max_blocks;
  if (blocks == 0) {
    blocks = unit_count * unit / kBytesPerBlock;
    if (blocks < kFewestBlocks) blocks = kFewestBlocks;
    if (blocks > kMostBlocks) blocks = kMostBlocks;
  }
  AnnexPlan plan;
  if (!plan_annex(unit_count, blocks, options.extra_annex, &plan)) {
    return Status::Of(Code::kOutOfRange, "maxBlocks must be at most 2^28");
  }
  options.max_blocks = static_cast<uint32_t>(blocks);
  RegionOptions region;
  region.name = options.name;
  region.size = unit_count * unit;
  region.max_processes = options.max_processes;
  region.busy_timeout_ms = options.busy_timeout_ms;
  region.reclaimer = options.reclaimer && options.scope == Scope::kShared;
  if (options.scope == Scope::kShared) {
    region.kind = options.kind;
    region.annex_size = plan.size;
  }
  Result<std::unique_ptr<Region>> made = create_region(options.backend, options.scope, region);
  if (!made.ok()) return made.status();
  Result<std::unique_ptr<PoolMemory>> memory =
      options.scope == Scope::kShared
          ? SharedPoolMemory::over(std::move(made.value()), options.busy_timeout_ms)
          : PrivatePoolMemory::over(std::move(made.value()), plan.size);
  if (!memory.ok()) return memory.status();
  std::unique_ptr<Pool> pool(new Pool());
  if (Status s = pool->open(std::move(memory.value()), options, true); !s.ok()) return s;
  return pool;
}

Result<std::unique_ptr<Pool>> Pool::attach(Fd fd, const PoolOptions& options) {
  RegionOptions region;
  region.kind = options.kind;
  region.busy_timeout_ms = options.busy_timeout_ms;
  region.reclaimer = options.reclaimer;
  Result<std::unique_ptr<Region>> found = attach_region(options.backend, std::move(fd), region);
  if (!found.ok()) return found.status();
  Result<std::unique_ptr<PoolMemory>> memory =
      SharedPoolMemory::over(std::move(found.value()), options.busy_timeout_ms);
  if (!memory.ok()) return memory.status();
  std::unique_ptr<Pool> pool(new Pool());
  if (Status s = pool->open(std::move(memory.value()), options, false); !s.ok()) return s;
  return pool;
}

Status Pool::open(std::unique_ptr<PoolMemory> memory, const PoolOptions& options, bool creator) {
  memory_ = std::move(memory);
  process_id_ = current_process();
  busy_timeout_ms_ = options.busy_timeout_ms;
  read_only_ = memory_->read_only();
  tables_.unit = memory_->unit();
  tables_.unit_count = memory_->unit_count();
  tables_.classes = SizeClasses(tables_.unit);
  if (memory_->annex_size() < kPoolHeadSize) return untrusted("not a pool: its annex is too small");
  char* annex = memory_->annex();
  tables_.head = reinterpret_cast<PoolHead*>(annex);
  if (creator) {
    tables_.head->extra_size = options.extra_annex;
    tables_.head->max_blocks = options.max_blocks;
    store_release(&tables_.head->magic, kPoolMagic);
  } else if (load_acquire(&tables_.head->magic) != kPoolMagic) {
    return untrusted("not a pool: its annex says nothing of blocks");
  }
  tables_.max_blocks = load_relaxed(&tables_.head->max_blocks);
  tables_.extra_size = load_relaxed(&tables_.head->extra_size);
  AnnexPlan plan;
  if (tables_.max_blocks == 0 ||
      !plan_annex(tables_.unit_count, tables_.max_blocks, tables_.extra_size, &plan) ||
      plan.size != memory_->annex_size()) {
    return untrusted("not a pool: its annex is not as large as its tables");
  }
  tables_.records = reinterpret_cast<BlockRecord*>(annex + plan.records);
  tables_.units = reinterpret_cast<UnitInfo*>(annex + plan.units);
  tables_.extra = annex + plan.extra;
  while ((uint64_t{1} << id_bits_) < tables_.max_blocks) ++id_bits_;
  generation_mask_ = id_bits_ <= 20 ? ~0u : (1u << (52 - id_bits_)) - 1;
  closed_ = false;
  if (read_only_) return Status::Ok();

  me_ = memory_->me();
  process_ = PoolProcess::of(*memory_, tables_.max_blocks);
  own_ = make_zeroed<uint64_t>(tables_.max_blocks);
  if (!process_ || !own_) {
    errno = ENOMEM;
    return Status::System("mmap", Code::kSystem, "no memory for the table of holds");
  }
  extents_ = std::make_unique<Extents>(*memory_, tables_);
  slabs_ = std::make_unique<Slabs>(*memory_, tables_, *extents_);
  return creator ? rebuild_tables(*memory_, tables_, *slabs_, *extents_, records_) : Status::Ok();
}

Pool::~Pool() { close(); }

Status Pool::usable(bool to_write) const {
  if (closed_) return Status::Of(Code::kRegionClosed, "the pool is closed");
  if (!same_process(process_id_)) {
    return Status::Of(Code::kForked, "a pool does not survive fork(): attach again with the fd");
  }
  if (to_write && read_only_) {
    return Status::Of(Code::kReadOnly, "the pool can only be read through this fd");
  }
  return Status::Ok();
}

// ---- the lock

Status Pool::take_lock() {
  uint64_t* lock = &tables_.head->lock;
  uint64_t waited_ns = 0;
  const uint64_t limit_ns = uint64_t{busy_timeout_ms_} * 1'000'000;
  for (int spins = 0;; ++spins) {
    uint64_t owner = load_relaxed(lock);
    // A lock that is ours already is what a peer wrote, as our threads take turns: the mark tells whether to believe the tables.
    if (owner == me_) return Status::Ok();
    if (owner == 0 && cas_seq_cst(lock, owner, me_)) return Status::Ok();
    if (spins < kSpins) {
      cpu_relax();
      continue;
    }
    if (owner != 0 && memory_->is_dead(owner) && cas_seq_cst(lock, owner, me_)) return Status::Ok();
    // In naps and not by the clock, so that a process which was itself stopped meanwhile does not give up early.
    if (waited_ns >= limit_ns) {
      return Status::Of(Code::kRegionBusy, "another process has the pool's lock and does not finish");
    }
    timespec nap{0, kNapNs};
    nanosleep(&nap, nullptr);
    waited_ns += kNapNs;
  }
}

Status Pool::acquire() {
  if (Status s = usable(); !s.ok()) return s;
  process_->lock().lock();
  Status status = take_lock();
  if (status.ok()) {
    stage(Stage::kPoolLocked);
    if (load_acquire(&tables_.head->dirty) != 0) {
      status = rebuild_tables(*memory_, tables_, *slabs_, *extents_, records_);
      if (status.ok()) {
        rebuilt_ = true;
      } else {
        store_release(&tables_.head->lock, uint64_t{0});
      }
    }
  }
  if (!status.ok()) {
    process_->lock().unlock();
    return status;
  }
  // Before any change: who takes the lock from us dead takes in all that we did first.
  store_seq_cst(&tables_.head->dirty, uint64_t{1});
  stage(Stage::kPoolDirty);
  return status;
}

void Pool::release() {
  stage(Stage::kRoomFreed);
  store_release(&tables_.head->dirty, uint64_t{0});
  stage(Stage::kPoolClean);
  uint64_t owner = me_;
  cas_release(&tables_.head->lock, owner, uint64_t{0});
  process_->lock().unlock();
}

void Pool::tell_rebuilt(const Lock& lock) {
  rebuilt_ = false;
  if (rebuilder_) rebuilder_(lock);
  // What the rebuilder freed may have called for another.
  rebuilt_ = false;
}

Status Pool::rebuild(const Lock& lock) {
  const Status status = rebuild_tables(*memory_, tables_, *slabs_, *extents_, records_);
  if (status.ok() && !rebuilt_) {
    rebuilt_ = true;  // so that the rebuilder does not come back here
    tell_rebuilt(lock);
  }
  return status;
}

// ---- the whole

Status Pool::stats(PoolStats* stats) {
  if (Status s = usable(false); !s.ok()) return s;
  *stats = PoolStats{};
  stats->capacity = capacity();
  stats->max_blocks = tables_.max_blocks;
  if (!read_only_) {
    Lock lock(*this);
    if (!lock.ok()) return lock.status();
    const bool corrupt = sweep_doomed(~uint64_t{0}) == Fit::kCorrupt || free_orphans() == Fit::kCorrupt;
    // A slab that a purger had while its last block was freed is none any more.
    if (corrupt || load_relaxed(&tables_.head->unmerged) != 0) {
      if (Status s = rebuild(lock); !s.ok()) return s;
    }
  }
  stats->allocated = load_relaxed(&tables_.head->used_units) * tables_.unit;
  stats->doomed = load_relaxed(&tables_.head->doomed.count);
  const uint32_t end = records_.end();
  for (uint32_t id = 0; id < end; ++id) {
    const BlockStatus status = records_.status(id);
    if (status == BlockStatus::kFree || status > BlockStatus::kDoomed) continue;
    ++stats->blocks;
    stats->live += load_relaxed(&records_.at(id).size);
    Block block;
    bool shared = false;
    if (!block_at(id, &block, &shared)) continue;
    if (!whole(block)) stats->purged += block.size;
    if (!read_only_ && held(block)) stats->pinned += block.size;
  }
  stats->resident = memory_->resident();
  stats->discarded = memory_->discarded();
  return Status::Ok();
}

double Pool::handle_of(BlockRef ref) const {
  return static_cast<double>(uint64_t{ref.generation & generation_mask_} << id_bits_ | ref.id);
}

bool Pool::ref_of(double handle, BlockRef* ref) const {
  if (!(handle >= 0 && handle <= 9007199254740991.0)) return false;
  const uint64_t bits = static_cast<uint64_t>(handle);
  const uint64_t generation = bits >> id_bits_;
  ref->id = static_cast<uint32_t>(bits & ((uint64_t{1} << id_bits_) - 1));
  ref->generation = static_cast<uint32_t>(generation);
  return static_cast<double>(bits) == handle && ref->id < tables_.max_blocks &&
         generation <= generation_mask_;
}

void Pool::close() {
  if (closed_) return;
  if (usable().ok() && own_count_ > 0) {
    Lock lock(*this);
    const uint32_t end = records_.end();
    for (uint32_t id = 0; lock.ok() && id < end && own_count_ > 0; ++id) {
      if (own_[id] != 0) free(lock, {id, record_generation(own_[id])});
    }
  }
  closed_ = true;
  memory_->region()->close();
}

}  // namespace ashmem_compat
