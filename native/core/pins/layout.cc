#include "core/pins/layout.h"

#include <string.h>

#include "core/platform/page.h"

namespace ashmem_compat {
namespace {

constexpr Status too_large() { return {Code::kOutOfRange, 0, nullptr, "size is too large for a region"}; }

// *at becomes the offset of the next table, of `count` elements of `bytes` each. False on overflow.
bool place(uint64_t* cursor, uint64_t count, uint64_t bytes, uint64_t* at) {
  uint64_t length = 0;
  if (!align_up(*cursor, 64, at)) return false;
  return !__builtin_mul_overflow(count, bytes, &length) && !__builtin_add_overflow(*at, length, cursor);
}

}  // namespace

Result<Layout> make_layout(uint64_t size, uint64_t granularity, uint32_t slot_count, RegionKind kind,
                           uint64_t annex_size, uint32_t word_slots) {
  if (size == 0) return Status::Of(Code::kOutOfRange, "size must be at least 1");
  if (!is_power_of_two(granularity) || granularity < page_size()) {
    return Status::Of(Code::kOutOfRange, "granularity must be a power of two and at least the page size");
  }
  if (slot_count < 1 || slot_count > kMaxSlots) {
    return Status::Of(Code::kOutOfRange, "maxProcesses must be 1 to 1020");
  }
  Layout l;
  l.size = size;
  l.granularity = granularity;
  l.slot_count = slot_count;
  l.word_slots = word_slots;
  if (!align_up(size, granularity, &l.control_offset)) return too_large();
  l.unit_count = l.control_offset / granularity;
  l.stamp_shift = granularity < 8192 ? 1 : 0;
  l.kind = kind;
  if (l.has_extents() && l.unit_count > kSpanUnits) return too_large();

  uint64_t cursor = l.control_offset;
  l.row_words = l.row_count() == 0 ? 0 : row_words_for(l.unit_count);
  uint64_t row_bits = 0;
  if (!place(&cursor, slot_count, sizeof(Slot), &l.slots_offset) ||
      !place(&cursor, kNamespaces, 8, &l.namespaces_offset) ||
      !place(&cursor, l.unit_count, 8, &l.words_offset) ||
      __builtin_mul_overflow(l.row_words, uint64_t{l.row_count()}, &row_bits) ||
      !place(&cursor, row_bits, 8, &l.rows_offset) ||
      !place(&cursor, l.unit_count, 4, &l.generations_offset) ||
      !place(&cursor, l.stamp_count(), 4, &l.stamps_offset)) {
    return too_large();
  }
  if (l.has_extents()) {
    l.annex_size = annex_size;
    if (!place(&cursor, l.unit_count, 4, &l.spans_offset) || !place(&cursor, annex_size, 1, &l.annex_offset))
      return too_large();
  }
  if (__builtin_add_overflow(cursor, uint64_t{kHeaderSize}, &cursor) ||
      !align_up(cursor, page_size(), &l.file_size)) {
    return too_large();
  }
  // A file offset is signed. Whether the address space has room for the file is for the mapping to say.
  if (l.file_size > static_cast<uint64_t>(INT64_MAX)) return too_large();
  l.header_offset = l.file_size - kHeaderSize;
  return l;
}

Status fits_address_space(const Layout& layout) {
  if (layout.file_size <= SIZE_MAX) return Status::Ok();
  return {Code::kSystem, ENOMEM, "mmap", "the region is larger than the address space of this process"};
}

void fill_header(const Layout& l, Header* h) {
  memcpy(h->magic, kMagic, sizeof kMagic);
  h->version = l.version;
  h->header_size = kHeaderSize;
  h->size = l.size;
  h->granularity = l.granularity;
  h->unit_count = l.unit_count;
  h->slot_count = l.slot_count;
  h->word_slots = l.word_slots;
  h->control_offset = l.control_offset;
  h->slots_offset = l.slots_offset;
  h->namespaces_offset = l.namespaces_offset;
  h->words_offset = l.words_offset;
  h->rows_offset = l.rows_offset;
  h->generations_offset = l.generations_offset;
  h->stamps_offset = l.stamps_offset;
  h->kind = static_cast<uint32_t>(l.kind);
  h->spans_offset = l.spans_offset;
  h->annex_offset = l.annex_offset;
  h->annex_size = l.annex_size;
}

Result<Layout> check_header(const Header& h, uint64_t file_size, uint32_t version) {
  constexpr Code kBad = Code::kUntrustedFd;
  if (memcmp(h.magic, kMagic, sizeof kMagic) != 0)
    return Status::Of(kBad, "not a region: no header at its end");
  if (h.version == kVrangeVersion && version != kVrangeVersion)
    return Status::Of(kBad, "a region whose kernel discards by vrange, which this process does not use");
  if (h.version != version) return Status::Of(kBad, "a region of another version of the protocol");
  if (h.kind > static_cast<uint32_t>(RegionKind::kCache))
    return Status::Of(kBad, "a region of an unknown kind");
  if (h.word_slots != 0 && h.word_slots != kSlotsInUnitWord)
    return Status::Of(kBad, "not a region: no such place for the holder bits");
  Result<Layout> made = make_layout(h.size, h.granularity, h.slot_count, static_cast<RegionKind>(h.kind),
                                    h.annex_size, h.word_slots);
  if (!made.ok()) return Status::Of(kBad, "not a region: impossible sizes in its header");
  Layout& l = made.value();
  l.version = version;
  if (l.file_size != file_size)
    return Status::Of(kBad, "not a region: its length is not what its header says");
  if (h.header_size != kHeaderSize || h.unit_count != l.unit_count || h.control_offset != l.control_offset ||
      h.slots_offset != l.slots_offset || h.namespaces_offset != l.namespaces_offset ||
      h.words_offset != l.words_offset || h.rows_offset != l.rows_offset ||
      h.generations_offset != l.generations_offset || h.stamps_offset != l.stamps_offset ||
      h.spans_offset != l.spans_offset || h.annex_offset != l.annex_offset || h.annex_size != l.annex_size ||
      h.name_length > kMaxName) {
    return Status::Of(kBad, "not a region: its header contradicts itself");
  }
  return made;
}

}  // namespace ashmem_compat
