#include "core/backends/selector.h"

#include <unistd.h>

namespace ashmem_compat {
namespace {

// The order of preference within a scope.
const Backend* const kBackends[] = {&memfd_backend, &anonymous_backend};

// Named by the design, not driven by this version. Said openly, so that a program can tell "not here" from "not known".
struct Planned {
  const char* name;
  const char* device;
};
constexpr Planned kPlanned[] = {{"ashmem", "/dev/ashmem"}, {"vrange", nullptr}};

std::string planned_reason(const Planned& planned) {
  if (!planned.device) return "not in this version";
  if (access(planned.device, F_OK) != 0) return std::string("not in this version, and no ") + planned.device;
  return std::string("not in this version, though there is a ") + planned.device;
}

}  // namespace

std::vector<BackendReport> probe_backends() {
  std::vector<BackendReport> reports;
  for (const Planned& planned : kPlanned) reports.push_back({planned.name, false, planned_reason(planned)});
  for (const Backend* backend : kBackends) {
    const Availability& found = backend->probe();
    reports.push_back({backend->name(), found.available, found.reason});
  }
  return reports;
}

Result<const Backend*> choose_backend(const std::string& name, Scope scope) {
  for (const Backend* backend : kBackends) {
    if (!name.empty() && name != backend->name()) continue;
    if (name.empty() && backend->scope() != scope) continue;
    if (backend->probe().available) return backend;
    // The reason lives as long as the process: availability is found out once.
    if (!name.empty()) return Status::Of(Code::kBackendUnavailable, backend->probe().reason.c_str());
  }
  return Status::Of(Code::kBackendUnavailable, name.empty()
                                                   ? "no backend works here"
                                                   : "this version has no such backend on this machine");
}

}  // namespace ashmem_compat
