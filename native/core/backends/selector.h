// Which backends there are, and which one a region gets.
#pragma once

#include <vector>

#include "core/backends/backend.h"

namespace ashmem_compat {

struct BackendReport {
  const char* name;
  bool available;
  std::string reason;
};

// Every backend the design knows, in the order of preference, whether or not it works here.
std::vector<BackendReport> probe_backends();

// By name; or, with an empty name, the first that works for the scope. kBackendUnavailable, kNotShareable.
Result<const Backend*> choose_backend(const std::string& name, Scope scope);

}  // namespace ashmem_compat
