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
  // The reasons are never freed: a Status borrows its text.
  const char* reason = name.empty() ? "no backend works here" : "no such backend";
  for (const Backend* backend : kBackends) {
    if (name.empty() ? backend->scope() != scope : name != backend->name()) continue;
    const Availability& found = backend->probe();
    if (found.available) return backend;
    reason = found.reason.c_str();
  }
  for (const Planned& planned : kPlanned) {
    if (name == planned.name) reason = (new std::string(planned_reason(planned)))->c_str();
  }
  return Status::Of(Code::kBackendUnavailable, reason);
}

}  // namespace ashmem_compat
