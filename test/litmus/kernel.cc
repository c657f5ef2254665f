// K1 to K6: who has a unit in PURGING is the only one to change what the kernel thinks of it, and knows what others have changed. The
// unit's byte stands for that, and for what the kernel does to the bytes while they are left to it.
#include "core/platform/page.h"
#include "litmus.h"
#include "orders.h"

using Take = litmus::PinTable::Take;

namespace ashmem_compat::pressure {
uint64_t kernel_losses = 0;  // the file that has it has more than is wanted here
}

namespace litmus {
namespace {

void touch(char* data, uint64_t offset, uint64_t length) {
  for (uint64_t at = offset; at < offset + length; at += page_size())
    *static_cast<volatile char*>(data + at) = 0;
}

const KernelPins kKernel{
    [](int, char* data, uint64_t offset, uint64_t length, bool* purged) {
      touch(data, offset, length);
      *purged = true;
      return Status::Ok();
    },
    [](int, char* data, uint64_t offset, uint64_t length) {
      touch(data, offset, length);
      return Status::Ok();
    },
    false,
    false,
};

// The same, but an unpin is the end of who makes it.
const KernelPins kDeadly{
    kKernel.pin,
    [](int, char*, uint64_t, uint64_t) -> Status { Mortal::die(); },
    false,
    false,
};

}  // namespace

LITMUS(unpin_then_leave_to_kernel, "cas_release give",
       "load_acquire mark_relinquished, cas_seq_cst mark_relinquished") {
  Shared region;
  Peer holder(region, &kKernel), next(region, &kKernel);
  holder.attach();
  next.attach();
  run_threads({[&] { in_turn(0, [&] { holder.use(); }); },
               [&] { in_turn(1, [&] { next.table().relinquish(0, 1); }); }});
}

LITMUS(leave_to_kernel_then_pin, "cas_release end_relinquishing",
       "load_acquire take_slowly, cas_seq_cst pin_in_kernel") {
  Shared region;
  Peer first(region, &kKernel), next(region, &kKernel);
  first.attach();
  next.attach();
  run_threads({[&] { in_turn(0, [&] { first.table().relinquish(0, 1); }); },
               [&] { in_turn(1, [&] { MUST(next.take(0) == Take::kLost); }); }});
}

LITMUS(pin_in_kernel_then_pin, "cas_release pin_in_kernel",
       "load_acquire take_slowly, cas_acquire take_slowly") {
  Shared region;
  Peer first(region, &kKernel), next(region, &kKernel);
  first.attach();
  next.attach();
  first.table().relinquish(0, 1);
  run_threads({[&] { in_turn(0, [&] { MUST(first.take(0) == Take::kLost); }); },
               [&] {
                 in_turn(1, [&] {
                   MUST(next.take(0) == Take::kLost);
                   region.read(0);
                 });
               }});
}

LITMUS(leave_to_kernel_then_purge, "cas_release end_relinquishing",
       "load_acquire mark_relinquished, load_acquire mark, cas_seq_cst mark") {
  Shared region;
  Peer first(region, &kKernel), next(region, &kKernel);
  first.attach();
  next.attach();
  run_threads({[&] { in_turn(0, [&] { first.table().relinquish(0, 1); }); },
               [&] { in_turn(1, [&] { MUST(next.purge(0) != 0); }); }});
}

// K3: of one who died on the way to the kernel.
LITMUS(adopt_then_pin, "cas_release adopt_in_kernel", "load_acquire take_slowly, cas_seq_cst pin_in_kernel") {
  Shared region;
  Peer dead(region, &kDeadly), heir(region, &kKernel), next(region, &kKernel);
  Mortal owner([&] { dead.attach().table().relinquish(0, 1); });
  owner.await(0);
  heir.attach();
  next.attach();
  run_threads({[&] { in_turn(1, [&] { heir.table().relinquish(0, 1); }); },
               [&] { in_turn(2, [&] { MUST(next.take(0) == Take::kLost); }); }});
}

LITMUS(leave_to_kernel_then_touch, "cas_release end_relinquishing",
       "load_acquire settle_touched, cas_seq_cst settle_touched") {
  Shared region;
  Peer first(region, &kKernel), next(region, &kKernel);
  first.attach();
  next.attach();
  run_threads({[&] { in_turn(0, [&] { first.table().relinquish(0, 1); }); },
               [&] { in_turn(1, [&] { MUST(next.table().settle_touched(0)); }); }});
}

LITMUS(touch_then_pin, "cas_release settle_touched", "load_acquire take_slowly, cas_seq_cst pin_in_kernel") {
  Shared region;
  Peer first(region, &kKernel), next(region, &kKernel);
  first.attach();
  next.attach();
  first.table().relinquish(0, 1);
  run_threads({[&] { in_turn(0, [&] { MUST(first.table().settle_touched(0)); }); },
               [&] { in_turn(1, [&] { MUST(next.take(0) == Take::kLost); }); }});
}

}  // namespace litmus
