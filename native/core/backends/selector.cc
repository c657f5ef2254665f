#include "core/backends/selector.h"

namespace ashmem_compat {
namespace {

// The order of preference within a scope.
const Backend* const kBackends[] = {&ashmem_backend, &memfd_backend, &anonymous_backend};

// Named by the design, not driven by this version. Said openly, so that a program can tell "not here" from "not known".
struct Planned {
  const char* name;
  const Backend* before;  // where it will stand
};
const Planned kPlanned[] = {{"vrange", &memfd_backend}};
constexpr const char* kNotYet = "not in this version";

bool candidate(const Backend* backend, const std::string& name, Scope scope) {
  return name.empty() ? backend->scope() == scope : name == backend->name();
}

}  // namespace

std::vector<BackendReport> probe_backends() {
  std::vector<BackendReport> reports;
  for (const Backend* backend : kBackends) {
    for (const Planned& planned : kPlanned) {
      if (planned.before == backend) reports.push_back({planned.name, false, kNotYet});
    }
    const Availability& found = backend->probe();
    reports.push_back({backend->name(), found.available, found.reason});
  }
  return reports;
}

Result<const Backend*> choose_backend(const std::string& name, Scope scope, const RegionOptions& options) {
  // The reasons are never freed: a Status borrows its text.
  Status refusal =
      Status::Of(Code::kBackendUnavailable, name.empty() ? "no backend works here" : "no such backend");
  for (const Backend* backend : kBackends) {
    if (!candidate(backend, name, scope)) continue;
    const Availability& found = backend->probe();
    if (!found.available) {
      refusal = Status::Of(Code::kBackendUnavailable, found.reason.c_str());
      continue;
    }
    Status accepted = backend->accepts(options);
    if (accepted.ok()) return backend;
    refusal = accepted;
  }
  for (const Planned& planned : kPlanned) {
    if (name == planned.name) refusal.detail = kNotYet;
  }
  return refusal;
}

Result<std::unique_ptr<Region>> create_region(const std::string& name, Scope scope,
                                              const RegionOptions& options) {
  Result<const Backend*> backend = choose_backend(name, scope, options);
  if (!backend.ok()) return backend.status();
  return backend.value()->create(options);
}

Result<std::unique_ptr<Region>> attach_region(const std::string& name, Fd fd, const RegionOptions& options) {
  Status refusal;
  for (const Backend* backend : kBackends) {
    if (!candidate(backend, name, Scope::kShared)) continue;
    const Availability& found = backend->probe();
    if (!found.available) {
      if (refusal.ok()) refusal = Status::Of(Code::kBackendUnavailable, found.reason.c_str());
      continue;
    }
    // By name it may say itself what is wrong with the fd.
    if (!name.empty() || backend->recognizes(fd.get())) return backend->attach(std::move(fd), options);
    refusal = Status::Of(Code::kUntrustedFd, "not a file that any backend here makes regions of");
  }
  if (!name.empty() && refusal.ok()) return choose_backend(name, Scope::kShared, options).status();
  return refusal;
}

}  // namespace ashmem_compat
