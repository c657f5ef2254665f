// Signals by which a process is told from outside to give memory back: the value of sigqueue(3) is the KiB that are wanted; kill(2), or
// 0, says only that memory is short.
#pragma once

#include "core/status.h"

namespace ashmem_compat::pressure {

// From here on `signo` becomes a demand() (watcher.h), whichever thread gets it. A handler that was there before is called after it;
// an action that is none (ignore, default) is replaced. Counted: as many stop_listening_for_signal() end it. kOutOfRange for what is no
// signal, kSystem (sigaction, for one that cannot be caught). Any thread.
Status listen_for_signal(int signo);

// The last one restores what was there before the first, unless somebody else has taken the signal over meanwhile: then his handler stays.
void stop_listening_for_signal(int signo);

}  // namespace ashmem_compat::pressure
