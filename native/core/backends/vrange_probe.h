// Whether the call that the user names is vrange: nothing is called that the running kernel has given another number's holder,
// and what is called must behave, in a child process, on memory that nobody else has.
#pragma once

#include "core/backends/backend.h"
#include "core/backends/vrange_call.h"

namespace ashmem_compat::vrange {

struct Proof {
  Call call{Abi::kV11, -1};
  bool private_memory = false;  // it works on anonymous memory of one process
  bool shared_memory = false;   // and on shared mappings of a memfd
  std::string reason;           // one clause for a person
};

// For the choice() of this moment; found out once for each. Never freed.
const Proof& proof();

}  // namespace ashmem_compat::vrange
