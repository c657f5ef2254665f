// R1 and T7: what the dead leave behind.
#include "litmus.h"
#include "orders.h"

using Take = litmus::PinTable::Take;

namespace litmus {

// A holder's bits are void once its slot is free, and then its life word is all that tells of what it has written.
LITMUS(detach_then_purge, "cas_release release", "load_seq_cst is_void, load_seq_cst set_hazard") {
  Shared region;
  Peer holder(region), purger(region);
  holder.attach();
  purger.attach();
  run_threads({[&] {
                 in_turn(0, [&] {
                   holder.pin_and_write(Take::kKept);
                   holder.slots().release();
                 });
               },
               [&] { in_turn(1, [&] { MUST(purger.purge(0) != 0); }); }});
}

// Two are told of a loss, one of them refills and is gone without a word, a third sees to it (R1), and the other refills (T2b).
LITMUS(refiller_gone_then_refill, "cas_release release", "cas_acq_rel forget_holder",
       "cas_acq_rel begin_refill") {
  Shared region;
  region.set_state(0, UnitState::kPurged);
  Peer gone(region), third(region), other(region);
  gone.attach();
  third.attach();
  other.attach();
  run_threads({[&] {
                 in_turn(0, [&] { MUST(other.take(0) == Take::kLost); });
                 in_turn(3, [&] {
                   MUST(other.table().begin_refill(0));
                   region.write(0);
                 });
               },
               [&] {
                 in_turn(1, [&] {
                   gone.become_refiller();
                   region.write(0);
                   gone.slots().release();
                 });
               },
               [&] {
                 in_turn(2, [&] {
                   Census census(third.slots());
                   MUST(third.table().held(0, census));
                 });
               }});
}

// A purger that dies in its discard says nothing more; but who comes after it has to know of the unpin that was before it.
LITMUS(unpin_then_dead_purger_then_purge, "cas_release give", "load_acquire mark, cas_seq_cst adopt") {
  Shared region;
  Peer holder(region), dead(region), next(region);
  holder.attach();
  next.attach();
  dead.on_discard = [](uint64_t) -> Status { Mortal::die(); };
  Mortal purger([&] { in_turn(1, [&] { dead.attach().purge(0); }); });
  run_threads({[&] { in_turn(0, [&] { holder.use(); }); },
               [&] {
                 purger.await(1);
                 in_turn(2, [&] { MUST(next.purge(0) != 0); });
               }});
}

}  // namespace litmus
