// Where everything is in a region's file: docs/protocol.md, "Layout". Pure arithmetic, every step checked for overflow.
#pragma once

#include <cstddef>
#include <cstdint>

#include "core/status.h"

namespace ashmem_compat {

constexpr char kMagic[8] = {'A', 'S', 'H', 'M', 'C', 'P', 'T', '1'};
constexpr uint32_t kVersion = 1;
// The same, of a memfd whose kernel discards by vrange: who does not know of it must not take it for another.
constexpr uint32_t kVrangeVersion = 2;
constexpr uint32_t kHeaderSize = 512;
constexpr uint32_t kDefaultSlots = 60;
constexpr uint32_t kMaxSlots = 1020;
constexpr uint32_t kSlotsInUnitWord = 60;
constexpr uint32_t kNamespaces = 15;
constexpr size_t kMaxName = 249;  // memfd_create(2) takes no more

// What the units of a region are used for. In all but plain regions they are grouped to extents, and an annex lies beside the tables.
enum class RegionKind : uint32_t { kPlain = 0, kPool = 1, kCache = 2 };

// An entry of the table of spans: how many units stand and fall with this one, itself included; 0 for one that follows another. And
// what they are worth, as Priority.
constexpr uint32_t kSpanUnits = (1u << 28) - 1;
constexpr int kSpanPriorityShift = 28;
constexpr uint32_t span_entry(uint32_t units, uint32_t priority) {
  return (units & kSpanUnits) | (priority & 3) << kSpanPriorityShift;
}

struct Header {
  char magic[8];
  uint32_t version;
  uint32_t header_size;
  uint64_t size;
  uint64_t granularity;
  uint64_t unit_count;
  uint32_t slot_count;
  uint32_t word_slots;
  uint64_t control_offset;
  uint64_t slots_offset;
  uint64_t namespaces_offset;
  uint64_t words_offset;
  uint64_t rows_offset;
  uint64_t generations_offset;
  uint64_t creator;
  uint64_t creator_hold;
  uint32_t name_length;
  char name[kMaxName];
  uint64_t stamps_offset;
  uint64_t lease;
  uint64_t discarded;
  uint64_t discarded_by_kernel;
  uint32_t priority;
  uint32_t creator_stamp;
  uint32_t kind;
  uint32_t rows_end;
  uint64_t spans_offset;
  uint64_t annex_offset;
  uint64_t annex_size;
};
static_assert(offsetof(Header, slot_count) == 40 && offsetof(Header, creator) == 96, "docs/protocol.md");
static_assert(offsetof(Header, name) == 116 && offsetof(Header, stamps_offset) == 368, "docs/protocol.md");
static_assert(offsetof(Header, priority) == 400 && offsetof(Header, kind) == 408, "docs/protocol.md");
static_assert(offsetof(Header, annex_size) == 432 && sizeof(Header) <= kHeaderSize, "docs/protocol.md");

struct Slot {
  uint64_t life;
  uint64_t hazard;
  uint64_t evidence_for;
  uint64_t start_time;
  uint64_t image;
  uint64_t reserved[3];
};
static_assert(sizeof(Slot) == 64, "docs/protocol.md");

// Offsets are from the start of the file.
struct Layout {
  uint32_t version = kVersion;
  uint64_t size = 0;
  uint64_t granularity = 0;
  uint64_t unit_count = 0;
  uint32_t slot_count = 0;
  uint32_t word_slots = kSlotsInUnitWord;  // slots from here on have rows
  uint64_t row_words = 0;                  // 64-bit words of a row: whole cache lines
  uint64_t control_offset = 0;
  uint64_t slots_offset = 0;
  uint64_t namespaces_offset = 0;
  uint64_t words_offset = 0;
  uint64_t rows_offset = 0;
  uint64_t generations_offset = 0;
  uint64_t stamps_offset = 0;
  // 1 << stamp_shift units share a stamp: 4 bytes for each of the smallest units would be too much of the table.
  uint32_t stamp_shift = 0;
  RegionKind kind = RegionKind::kPlain;
  uint64_t spans_offset = 0;  // this and the annex: 0 in a plain region
  uint64_t annex_offset = 0;
  uint64_t annex_size = 0;
  uint64_t header_offset = 0;
  uint64_t file_size = 0;

  uint64_t control_size() const { return file_size - control_offset; }
  uint32_t row_count() const { return slot_count > word_slots ? slot_count - word_slots : 0; }
  bool has_extents() const { return kind != RegionKind::kPlain; }
  uint64_t stamp_count() const { return ((unit_count - 1) >> stamp_shift) + 1; }
  // Bytes of data in a unit: the last one may be cut short.
  uint64_t unit_bytes(uint64_t unit) const { return units_bytes(unit, 1); }
  uint64_t units_bytes(uint64_t first, uint64_t count) const {
    const uint64_t start = first * granularity;
    return size - start < count * granularity ? size - start : count * granularity;
  }
};

// 64-bit words of a row. It is written by one process: no two of them have a cache line in common.
constexpr uint64_t row_words_for(uint64_t unit_count) { return ((unit_count - 1) / 512 + 1) * 8; }

// Which slots have their holder bits in the unit words, where a pin by any process writes: those from here on write to rows of their own,
// and pins of different processes do not contend. Rows are for what is pinned often, and where the pins cost no system call.
constexpr uint32_t word_slots_for(RegionKind kind, bool kernel_discards) {
  return kind == RegionKind::kPlain || kernel_discards ? kSlotsInUnitWord : 0;
}

// kOutOfRange with a reason when size, granularity or slot_count cannot be, or their sums overflow. `word_slots`: 0 or kSlotsInUnitWord.
Result<Layout> make_layout(uint64_t size, uint64_t granularity, uint32_t slot_count,
                           RegionKind kind = RegionKind::kPlain, uint64_t annex_size = 0,
                           uint32_t word_slots = kSlotsInUnitWord);

// ENOMEM of mmap where a process cannot hold that much: in 32 bits a region of 4 GiB is as good a region as any, but not for us. To be
// asked before a length of it becomes a size_t.
Status fits_address_space(const Layout& layout);

void fill_header(const Layout& layout, Header* header);

// Reads the layout out of a header that anyone may have written, in a file of `file_size` bytes. kUntrustedFd unless
// it is, to the byte, what make_layout() gives, and of that version.
Result<Layout> check_header(const Header& header, uint64_t file_size, uint32_t version = kVersion);

}  // namespace ashmem_compat
