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

// By name; or, with an empty name, the first that works for the scope and can hold such a region. kBackendUnavailable,
// kOutOfRange.
Result<const Backend*> choose_backend(const std::string& name, Scope scope,
                                      const RegionOptions& options = {});

// Makes a region of the backend so chosen.
Result<std::unique_ptr<Region>> create_region(const std::string& name, Scope scope,
                                              const RegionOptions& options);
// Attaches to the region in `fd`: of that backend, or, with an empty name, of whichever the fd is. kBackendUnavailable,
// kUntrustedFd, and what the backend says.
Result<std::unique_ptr<Region>> attach_region(const std::string& name, Fd fd, const RegionOptions& options);

}  // namespace ashmem_compat
