#include "core/backends/selector.h"

#include <string.h>

#include <algorithm>

namespace ashmem_compat {
namespace {

// The order of preference within a scope.
const Backend* const kBackends[] = {&ashmem_backend, &vrange_backend, &memfd_backend, &vrange_private_backend,
                                    &anonymous_backend};

bool only_of_its_name(const Backend* backend) {
  for (const Backend* other : kBackends) {
    if (other != backend && strcmp(other->name(), backend->name()) == 0) return false;
  }
  return true;
}

bool candidate(const Backend* backend, const std::string& name, Scope scope) {
  if (name.empty()) return backend->scope() == scope;
  return name == backend->name() && (backend->scope() == scope || only_of_its_name(backend));
}

}  // namespace

std::vector<BackendReport> probe_backends() {
  std::vector<BackendReport> reports;
  for (const Backend* backend : kBackends) {
    const Availability& found = backend->probe();
    BackendReport report = {backend->name(), found.available, found.reason};
    // Of two scopes with one name, the one that works.
    auto same = std::find_if(reports.begin(), reports.end(), [&](const BackendReport& other) {
      return strcmp(other.name, report.name) == 0;
    });
    if (same == reports.end()) {
      reports.push_back(std::move(report));
    } else if (report.available && !same->available) {
      *same = std::move(report);
    }
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
