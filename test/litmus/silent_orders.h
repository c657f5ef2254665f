// The orders of the core that no litmus test misses, and why: of all that the tests come by, as main.cc sees to.
#pragma once

namespace litmus {

struct SilentOrder {
  const char* order;
  const char* why;
};

constexpr char kEvidence[] =
    "of words that are read atomically and checked: a stale one is taken for no evidence";
constexpr char kOwn[] = "of what a process makes once for itself: here before there are threads";

constexpr SilentOrder kSilentOrders[] = {
    {"load_seq_cst bury_dead", "a look at who may be dead: A2 is made by the CAS that follows"},
    {"cas_acq_rel settle", "gives a slot back in whose name nothing was done"},
    {"store_release settle", kEvidence},
    {"load_seq_cst rows_end",
     "of who has the unit word and looks for holders: cas_seq_cst mark is the half that can be had late"},
    {"load_acquire dead", kEvidence},
    {"load_acquire own_namespace_index", "the entry says all there is to know of it"},
    {"load_seq_cst any_row", "a look before K2, which looks at the rows again when it has the unit"},
    {"load_acquire forget_holder", "the CAS that follows is ordered by itself"},
    {"fetch_add_release discard", "counts of discards, which order nothing but each other"},
    {"load_acquire current_process", kOwn},
    {"load_acquire own_identity", kOwn},
};

}  // namespace litmus
