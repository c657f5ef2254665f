// Faults at addresses of ours, mended in a signal handler so that the access goes on. Faults elsewhere, and signals that were
// sent, go to the handler that was there before.
#pragma once

#include <signal.h>

#include <cstddef>
#include <cstdint>

namespace ashmem_compat {

struct Fault {
  int code;  // si_code: SEGV_ACCERR, BUS_ADRERR, ...
  char* address;
  size_t offset;  // of the address in what is guarded
};

// Runs inside the signal handler, in any thread: system calls, memory and atomics, nothing else. True: the access may be
// tried again. False: the fault is not this one's to mend. `own` is false in a child that inherited the guard by fork().
using MendFault = bool (*)(const Fault& fault, bool own, void* context);

// From here on `mend` is asked of faults of this kind (SIGSEGV, SIGBUS) in base .. base + length.
void guard_range(int signal, char* base, size_t length, MendFault mend, void* context);

// To be called before the addresses are given back, with what guard_range() had. No `mend` of it is running on return.
void end_guard(int signal, char* base);

// Whether the running kernel lets anybody who has a file leave its pages to be discarded, so that a touch of any shared mapping
// may raise SIGBUS. Once it was found out, for good.
bool discards_expected();
void expect_discards();

// For a `mend`: puts zeros of this process's own in place of the page. False if that cannot be.
bool replace_page_with_zeros(char* address);

}  // namespace ashmem_compat
