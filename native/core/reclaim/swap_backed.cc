#include "core/reclaim/swap_backed.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <algorithm>

#include "core/platform/fd.h"
#include "core/platform/system_calls.h"
#include "core/reclaim/line_reader.h"

namespace ashmem_compat::reclaim {
namespace {

uint64_t device(uint64_t major, uint64_t minor) { return major << 32 | minor; }

int try_memfd(void*) {
  const Fd fd(raw_memfd_create("", 1 /* MFD_CLOEXEC */));
  return fd.valid() ? 0 : errno;
}

}  // namespace

SwapBackedDevices::SwapBackedDevices(int proc) {
  const Trial trial = try_call(try_memfd, nullptr);
  if (!trial.killed && trial.error == 0) {
    const Fd internal(raw_memfd_create("", 1 /* MFD_CLOEXEC */));
    struct stat st;
    if (internal.valid() && fstat(internal.get(), &st) == 0) {
      devices_.push_back(device(major(st.st_dev), minor(st.st_dev)));
    }
  }
  const Fd mounts(openat(proc, "mountinfo", O_RDONLY | O_CLOEXEC));
  if (!mounts.valid()) return;
  LineReader lines(mounts.get());
  while (const char* line = lines.next()) {
    unsigned major = 0;
    unsigned minor = 0;
    // proc(5): the type of the file system stands behind " - ".
    const char* type = strstr(line, " - ");
    if (!type || sscanf(line, "%*u %*u %u:%u", &major, &minor) != 2) continue;  // NOLINT(cert-err34-c)
    type += 3;
    if (strncmp(type, "tmpfs ", 6) == 0 || strncmp(type, "devtmpfs ", 9) == 0) {
      devices_.push_back(device(major, minor));
    }
  }
}

bool SwapBackedDevices::has(uint32_t major, uint32_t minor) const {
  return std::find(devices_.begin(), devices_.end(), device(major, minor)) != devices_.end();
}

}  // namespace ashmem_compat::reclaim
