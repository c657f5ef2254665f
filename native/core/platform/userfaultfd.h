// userfaultfd(2), to be told of touches of holes: where a mapping is watched, a touch of a page that its file does not have
// raises SIGBUS, and fails for the kernel (EFAULT).
//
// Sources: userfaultfd(2), ioctl_userfaultfd(2), UFFD_FEATURE_SIGBUS (Linux 4.14), UFFD_USER_MODE_ONLY (5.11).
#pragma once

#include <cstddef>
#include <string>

#include "core/status.h"

namespace ashmem_compat {

// Whether it works here, found out by trying it on a memfd; once. `*reason` why not. Survives a missing call and SIGSYS.
bool userfaultfd_works(std::string* reason);

// Pre-condition: userfaultfd_works(). Watches a shared mapping of a memfd, mapped for writing, until it is unmapped.
Status watch_holes(char* base, size_t length);

// For a handler of SIGBUS: fills the hole under the address with zeros, in the file. False: there is no doing it.
bool fill_hole(char* address);

}  // namespace ashmem_compat
