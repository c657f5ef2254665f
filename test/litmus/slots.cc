// A1 to A5 and the hazards: slots that pass from one owner to the next. The byte of a unit stands for all that the owner of a slot
// alone may do, its bits in the first place.
#include "freed_slot.h"
#include "litmus.h"
#include "orders.h"

namespace litmus {

LITMUS(detach_then_attach, "cas_release release", "load_seq_cst claim, cas_seq_cst claim") {
  Shared region;
  Peer first(region), next(region);
  first.attach();
  run_threads({[&] {
                 in_turn(0, [&] {
                   region.write(0);
                   first.slots().release();
                 });
               },
               [&] { in_turn(1, [&] { next.attach_to_first_slot_and_write(); }); }});
}

// A recoverer may be at the bits of a slot that has no owner: whoever finds no hazard any more finds them cleared.
LITMUS(recover_then_attach, "store_release clear_hazard", "load_seq_cst hazard_on") {
  FreedSlot scene;
  run_threads({[&] { in_turn(0, [&] { MUST(scene.recover([&] { scene.region.write(0); })); }); },
               [&] { in_turn(1, [&] { scene.next.attach_to_first_slot_and_write(); }); }});
}

LITMUS(bury_then_attach, "cas_release bury_dead", "load_seq_cst claim, cas_seq_cst claim") {
  Shared region;
  Peer dead(region), sweeper(region), next(region);
  Mortal owner([&] {
    dead.attach();
    Mortal::die();
  });
  owner.await(0);
  sweeper.attach();
  run_threads(
      {[&] { in_turn(1, [&] { MUST(sweeper.slots().bury_dead([&](uint32_t) { region.write(0); })); }); },
       [&] { in_turn(2, [&] { next.attach_to_first_slot_and_write(); }); }});
}

}  // namespace litmus
