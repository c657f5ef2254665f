// A vrange for machines without one: answers the call for processes that have asked for it, by seccomp's user notifications.
// It tells what was discarded as the call does, and discards when it is told to; only a touch of what is gone reads zeros,
// where a kernel would raise SIGBUS.
#pragma once

#include <functional>

namespace ashmem_compat::testing {

// Calls that are not quite vrange, for who has to tell the difference.
enum class Likeness {
  kVrange,
  kNoFiles,            // private memory alone, as in v11
  kRefusesNothing,     // takes any argument
  kLeavesFlag,         // does not write *purged
  kMarksNothing,       // EINVAL for VOLATILE
  kUnmarksNothing,     // EINVAL for NONVOLATILE
  kLosesInSilence,     // discards at once, and says 'kept'
  kTouchesNeighbours,  // and clears the page after the range
  kOwnMappingOnly,     // refuses to unmark through another mapping of the file than the one that marked
  kEndsCaller,         // kills who calls
  kHangs,              // never answers
  kHurries,            // discards at once, and says so
};

struct Supervision {
  bool flags = false;  // v12
  Likeness likeness = Likeness::kVrange;
};

// Runs `body` in a child under the supervisor, which is this process: the child's exit status, or minus the signal that ended
// it. 77: there is no supervising here (a kernel without user notifications, or a supervisor already).
int run_supervised(const Supervision& how, const std::function<int()>& body);

}  // namespace ashmem_compat::testing
