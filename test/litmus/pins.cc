// T1 to T5 and T8 to T10: bytes that pass from one holder to the next, and between holders and purgers.
#include "litmus.h"
#include "orders.h"

using Take = litmus::PinTable::Take;

namespace litmus {

LITMUS(unpin_then_pin, "cas_release give", "cas_acquire take_at_once") {
  Shared region;
  Peer first(region), second(region);
  first.attach();
  second.attach();
  run_threads({[&] { in_turn(0, [&] { first.use(); }); },
               [&] { in_turn(1, [&] { second.pin_and_write(Take::kKept); }); }});
}

LITMUS(refill_then_pin, "cas_release finish", "cas_acquire take_at_once") {
  Shared region;
  region.set_state(0, UnitState::kPurged);
  Peer refiller(region), next(region);
  refiller.attach();
  next.attach();
  run_threads({[&] { in_turn(0, [&] { refiller.refill(); }); },
               [&] { in_turn(1, [&] { next.pin_and_write(Take::kKept); }); }});
}

LITMUS(unpin_then_purge, "cas_release give", "load_acquire mark, cas_seq_cst mark") {
  Shared region;
  Peer holder(region), purger(region);
  holder.attach();
  purger.attach();
  run_threads(
      {[&] { in_turn(0, [&] { holder.use(); }); }, [&] { in_turn(1, [&] { MUST(purger.purge(0) != 0); }); }});
}

// The word is the same before and after: only T4 itself can take the unpin in.
LITMUS(pin_and_unpin_between_look_and_purge, "cas_release give", "cas_seq_cst mark") {
  Shared region;
  Peer holder(region), purger(region);
  holder.attach();
  purger.attach();
  run_threads({[&] {
                 in_turn(0, [&] {
                   stop_before("cas_seq_cst", "mark", [] { let_in(0, 2); });
                   MUST(purger.purge(0) != 0);
                 });
               },
               [&] { in_turn(1, [&] { holder.use(); }); }});
}

LITMUS(purge_then_pin, "cas_release set_purged", "load_acquire take_slowly, cas_acquire take_slowly") {
  Shared region;
  Peer purger(region), next(region);
  purger.attach();
  next.attach();
  run_threads({[&] { in_turn(0, [&] { MUST(purger.purge(0) != 0); }); },
               [&] { in_turn(1, [&] { next.pin_and_write(Take::kLost); }); }});
}

// The same for T2: the unit is purged once more (T9) after the pin has looked at it.
LITMUS(purge_between_look_and_pin, "cas_release set_purged", "cas_acquire take_slowly") {
  Shared region;
  region.set_state(0, UnitState::kPurged);
  Peer purger(region), next(region);
  purger.attach();
  next.attach();
  run_threads({[&] {
                 in_turn(0, [&] {
                   stop_before("cas_acquire", "take_slowly", [] { let_in(0, 2); });
                   next.pin_and_write(Take::kLost);
                 });
               },
               [&] { in_turn(1, [&] { purger.table().purge_again(0, 1); }); }});
}

LITMUS(purge_then_purge_again, "cas_release set_purged", "load_acquire mark, cas_seq_cst adopt") {
  Shared region;
  Peer first(region), second(region);
  first.attach();
  second.attach();
  run_threads({[&] { in_turn(0, [&] { MUST(first.purge(0) != 0); }); },
               [&] { in_turn(1, [&] { second.table().purge_again(0, 1); }); }});
}

// Of a discard that fails nothing must be under way when the unit is READY again.
LITMUS(failed_discard_then_pin, "cas_release unmark", "cas_acquire take_at_once") {
  Shared region;
  Peer purger(region), next(region);
  purger.attach();
  next.attach();
  purger.on_discard = [&](uint64_t unit) {
    region.read(unit);
    return Status::Of(Code::kSystem, "");
  };
  run_threads({[&] { in_turn(0, [&] { MUST(purger.purge(0) == 0); }); },
               [&] { in_turn(1, [&] { next.pin_and_write(Take::kKept); }); }});
}

LITMUS(emptied_then_pin, "cas_release give_empty", "load_acquire take_slowly, cas_acquire take_slowly") {
  Shared region;
  Peer holder(region), next(region);
  holder.attach();
  next.attach();
  run_threads({[&] {
                 in_turn(0, [&] {
                   holder.pin_and_write(Take::kKept);
                   holder.table().give_empty(0);
                 });
               },
               [&] { in_turn(1, [&] { next.pin_and_write(Take::kLost); }); }});
}

// Who joins a refiller reads what the refiller has not yet written over: the hole that the purger left.
LITMUS(purge_then_pin_beside_the_refiller, "cas_release set_purged",
       "load_acquire take_slowly, load_acquire held, cas_acquire take_slowly") {
  Shared region;
  Peer purger(region), refiller(region), third(region);
  purger.attach();
  refiller.attach();
  third.attach();
  run_threads({[&] { in_turn(0, [&] { MUST(purger.purge(0) != 0); }); },
               [&] { in_turn(1, [&] { refiller.become_refiller(); }); },
               [&] {
                 in_turn(2, [&] {
                   MUST(third.take(0) == Take::kKept);
                   region.read(0);
                 });
               }});
}

// A holder that was told of the loss is told that another has made it good.
LITMUS(refill_then_look, "cas_release finish", "load_acquire look") {
  Shared region;
  region.set_state(0, UnitState::kPurged);
  Peer refiller(region), holder(region);
  refiller.attach();
  holder.attach();
  run_threads({[&] {
                 in_turn(0, [&] { MUST(holder.take(0) == Take::kLost); });
                 in_turn(2, [&] {
                   Census census(holder.slots());
                   MUST(holder.table().look(0, false, census) == Take::kKept);
                   region.read(0);
                 });
               },
               [&] { in_turn(1, [&] { refiller.refill(); }); }});
}

LITMUS(initial_hold_then_purge, "store_seq_cst end_initial_hold", "load_acquire initial_hold") {
  Shared region;
  Peer creator(region);
  creator.attach(true);
  Peer purger(region);
  purger.attach();
  run_threads({[&] {
                 in_turn(0, [&] {
                   region.write(0);
                   creator.table().end_initial_hold();
                 });
               },
               [&] { in_turn(1, [&] { MUST(purger.purge(0) != 0); }); }});
}

}  // namespace litmus
