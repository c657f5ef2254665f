#include "core/region.h"

namespace ashmem_compat {

Status Region::begin_optimistic(uint64_t offset, uint64_t length, OptimisticTicket* ticket) {
  ticket->units.clear();
  ticket->lost.clear();
  uint64_t first = 0;
  uint64_t count = 0;
  if (Status s = any_units(offset, length, &first, &count); !s.ok()) return s;
  return look(first, count, false, &ticket->units);
}

Status Region::end_optimistic(uint64_t offset, uint64_t length, const OptimisticTicket& ticket,
                              std::vector<ByteRange>* lost) {
  lost->clear();
  uint64_t first = 0;
  uint64_t count = 0;
  if (Status s = any_units(offset, length, &first, &count); !s.ok()) return s;
  std::vector<uint64_t> now;
  if (Status s = look(first, count, true, &now); !s.ok()) return s;
  for (uint64_t i = 0; i < count; ++i) {
    // Whole at both ends, and the same generation.
    if ((now[i] & 1) == 0 || now[i] != ticket.units[i]) append_range(lost, to_bytes(first + i, 1));
  }
  return Status::Ok();
}

Status Region::look(uint64_t, uint64_t, bool, std::vector<uint64_t>*) {
  return Status::Of(Code::kNotSupported, "memory of a foreign maker does not tell what it has lost");
}

}  // namespace ashmem_compat
