// Where two write and then look at what the other has written, one of both must see the other: T4 and T6, A1 and the hazards. A late
// write is what these would suffer from on a machine that keeps a store back.
#include "crowd.h"
#include "freed_slot.h"
#include "litmus.h"
#include "orders.h"

using Take = litmus::PinTable::Take;

namespace litmus {

LITMUS(purge_beside_a_pin_with_a_row, "fetch_or_seq_cst enter_row") {
  Crowd crowd;
  run_threads({[&] {
                 in_turn(0, [&] {
                   MUST(crowd.high.take(0) == Take::kKept);
                   let_in(0, 2);
                   crowd.region.write(0);
                 });
               },
               [&] { in_turn(1, [&] { crowd.low.purge(0); }); }});
}

LITMUS(pin_with_a_row_beside_a_purge, "cas_seq_cst mark") {
  Crowd crowd;
  crowd.low.on_discard = [&](uint64_t unit) {
    let_in(0, 2);
    crowd.region.write(unit);
    return Status::Ok();
  };
  run_threads({[&] { in_turn(0, [&] { crowd.low.purge(0); }); },
               [&] {
                 in_turn(1, [&] {
                   if (crowd.high.take(0) == Take::kKept) crowd.region.write(0);
                 });
               }});
}

// Nor may the kernel be told to take what such a pin has found in nobody's hands.
LITMUS(pin_with_a_row_beside_the_kernel, "cas_seq_cst mark_relinquished") {
  static Crowd* crowd;
  const KernelPins kernel{
      [](int, char*, uint64_t, uint64_t, bool*) { return Status::Ok(); },
      [](int, char*, uint64_t, uint64_t) {
        let_in(0, 2);
        crowd->region.write(0);
        return Status::Ok();
      },
      false,
      false,
  };
  const std::unique_ptr<Crowd> made = std::make_unique<Crowd>(&kernel);
  crowd = made.get();
  run_threads({[&] { in_turn(0, [&] { crowd->low.table().relinquish(0, 1); }); },
               [&] {
                 in_turn(1, [&] {
                   if (crowd->high.take(0) == Take::kKept) crowd->region.write(0);
                 });
               }});
}

LITMUS(attach_beside_a_recovery, "store_seq_cst set_hazard") {
  FreedSlot scene;
  run_threads({[&] {
                 in_turn(0, [&] {
                   scene.recover([&] {
                     let_in(0, 2);
                     scene.region.write(0);
                   });
                 });
               },
               [&] {
                 in_turn(1, [&] {
                   scene.next.attach();
                   if (scene.next.slots().own() == 0) scene.region.write(0);
                 });
               }});
}

LITMUS(recovery_beside_an_attach, "cas_seq_cst claim, store_seq_cst settle") {
  FreedSlot scene;
  run_threads({[&] {
                 in_turn(0, [&] {
                   stop_before("store_release", "settle", [] { let_in(0, 2); });
                   scene.next.attach_to_first_slot_and_write();
                 });
               },
               [&] { in_turn(1, [&] { scene.recover([&] { scene.region.write(0); }); }); }});
}

// The same where the slot is a dead owner's: A2 and A3.
LITMUS(recovery_beside_an_attach_in_a_dead_slot,
       "cas_seq_cst sweep_dead, store_seq_cst sweep_dead, cas_seq_cst claim, store_seq_cst settle") {
  Shared region(2);
  Peer dead(region), recoverer(region), next(region);
  Mortal owner([&] {
    dead.attach();
    Mortal::die();
  });
  owner.await(0);
  recoverer.attach();
  const uint64_t life = region.control().slot(0)->life;
  run_threads({[&] {
                 in_turn(1, [&] {
                   stop_before("store_release", "settle", [] { let_in(1, 3); });
                   next.attach_to_first_slot_and_write();
                 });
               },
               [&] { in_turn(2, [&] { recoverer.slots().recover(0, life, [&] { region.write(0); }); }); }});
}

}  // namespace litmus
