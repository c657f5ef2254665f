// The contract of a backend: one way of having purgeable memory. docs/backends.md compares them.
//
// To add one: a file in this folder that defines a Backend, and its row in selector.cc. The contract suite runs on it.
#pragma once

#include <memory>
#include <string>

#include "core/platform/atomics.h"
#include "core/platform/fd.h"
#include "core/region.h"

namespace ashmem_compat {

struct Availability {
  bool available = false;
  std::string reason;  // why, or why not: one clause for a person
};

// What `find` found out, kept for good unless the reason was one that passes (no free descriptors, no memory).
// `*kept` belongs to the caller, and starts as null.
template <typename Found, typename Find>
const Found& remembered(const Found** kept, Find find) {
  if (const Found* known = load_acquire(kept)) return *known;
  bool passing = false;
  const Found* found = new Found(find(&passing));
  if (!passing) store_release(kept, found);
  return *found;  // never freed: others may hold a pointer into it
}

inline bool will_pass(int error) {
  return error == EMFILE || error == ENFILE || error == ENOMEM || error == EAGAIN;
}

class Backend {
 public:
  virtual const char* name() const = 0;
  virtual Scope scope() const = 0;

  // Whether it works here, found out by trying it. Cheap, cached, survives a missing system call and SIGSYS.
  virtual const Availability& probe() const = 0;

  // kOutOfRange, with the reason, for a region that this backend can never hold.
  virtual Status accepts(const RegionOptions&) const { return Status::Ok(); }
  // Whether `fd` is of this backend's kind, good or bad.
  virtual bool recognizes(int fd) const = 0;

  // Pre-condition: probe().available. options.size, granularity and max_processes as the caller gave them, unchecked.
  virtual Result<std::unique_ptr<Region>> create(const RegionOptions& options) const = 0;

  // Takes `fd` over, whatever it is; kUntrustedFd unless it is a region of this backend that cannot hurt us.
  virtual Result<std::unique_ptr<Region>> attach(Fd fd, const RegionOptions& options) const = 0;

 protected:
  ~Backend() = default;
};

extern const Backend& ashmem_backend;
extern const Backend& vrange_backend;
extern const Backend& memfd_backend;
// The same name, in scope 'process'.
extern const Backend& vrange_private_backend;
extern const Backend& anonymous_backend;

}  // namespace ashmem_compat
