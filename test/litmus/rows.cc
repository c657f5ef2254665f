// T6: holders whose bits are in rows, and who read the unit word after they have set them.
#include "crowd.h"
#include "litmus.h"
#include "orders.h"

using Take = litmus::PinTable::Take;

namespace litmus {

LITMUS(unpin_then_pin_with_a_row, "cas_release give", "load_seq_cst take_at_once") {
  Crowd crowd;
  run_threads({[&] { in_turn(0, [&] { crowd.low.use(); }); },
               [&] { in_turn(1, [&] { crowd.high.pin_and_write(Take::kKept); }); }});
}

// Who pins by the unit word alone sees nothing of the row: the unit word has to carry the unpin, though it stays the same.
LITMUS(unpin_with_a_row_then_pin, "cas_release finish", "cas_acquire take_at_once") {
  Crowd crowd;
  run_threads({[&] { in_turn(0, [&] { crowd.high.use(); }); },
               [&] { in_turn(1, [&] { crowd.low.pin_and_write(Take::kKept); }); }});
}

// The pin comes after the purger's first look at the rows, and the unpin when it has the unit word already: its second look must take
// the unpin in.
LITMUS(unpin_with_a_row_under_a_purger, "fetch_and_release leave_row", "load_seq_cst held_in_rows") {
  Crowd crowd;
  run_threads({[&] {
                 in_turn(1, [&] { MUST(crowd.high.take(0) == Take::kKept); });
                 in_turn(3, [&] {
                   crowd.region.write(0);
                   crowd.high.give(0);
                 });
               },
               [&] {
                 in_turn(0, [&] {
                   stop_before("cas_seq_cst", "mark", [] {
                     let_in(0, 2);
                     stop_before("load_seq_cst", "held_in_rows", [] { let_in(2, 4); });
                   });
                   MUST(crowd.low.purge(0) != 0);
                 });
               }});
}

LITMUS(purge_then_pin_with_a_row, "cas_release set_purged", "load_seq_cst take_by_row") {
  Crowd crowd;
  run_threads({[&] { in_turn(0, [&] { MUST(crowd.low.purge(0) != 0); }); },
               [&] { in_turn(1, [&] { crowd.high.pin_and_write(Take::kLost); }); }});
}

}  // namespace litmus
