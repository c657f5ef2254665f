#include "core/reclaim/memory_usage.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include <cstddef>

#include "core/platform/fd.h"
#include "core/reclaim/line_reader.h"

namespace ashmem_compat::reclaim {
namespace {

struct Field {
  const char* name;  // with its colon, as it begins the line
  uint64_t* bytes;
};

// Fills in the fields, which are in kB. How many were found.
template <size_t N>
size_t read_fields(int fd, const Field (&fields)[N]) {
  LineReader lines(fd);
  size_t found = 0;
  while (const char* line = lines.next()) {
    for (const Field& field : fields) {
      const size_t length = strlen(field.name);
      if (strncmp(line, field.name, length) != 0) continue;
      *field.bytes = strtoull(line + length, nullptr, 10) * 1024;
      ++found;
    }
  }
  return found;
}

}  // namespace

Result<MemoryUsage> process_usage(int proc) {
  MemoryUsage usage;
  const Fd rollup(openat(proc, "smaps_rollup", O_RDONLY | O_CLOEXEC));
  if (rollup.valid() && read_fields(rollup.get(), {Field{"Rss:", &usage.rss},
                                                   {"Pss:", &usage.pss},
                                                   {"Anonymous:", &usage.anonymous},
                                                   {"Swap:", &usage.swap}}) > 0) {
    return usage;
  }
  const Fd status(openat(proc, "status", O_RDONLY | O_CLOEXEC));
  if (!status.valid() && errno != ENOENT && errno != ESRCH) return Status::System("openat");
  if (!status.valid() || read_fields(status.get(), {Field{"VmRSS:", &usage.rss},
                                                    {"RssAnon:", &usage.anonymous},
                                                    {"VmSwap:", &usage.swap}}) == 0) {
    return Status::Of(Code::kNoSuchProcess, "the process has ended");
  }
  return usage;
}

uint64_t system_page_cache() {
  const Fd meminfo(open("/proc/meminfo", O_RDONLY | O_CLOEXEC));
  uint64_t cached = kUnknown;
  uint64_t shmem = kUnknown;
  if (!meminfo.valid() || read_fields(meminfo.get(), {Field{"Cached:", &cached}, {"Shmem:", &shmem}}) != 2) {
    return kUnknown;
  }
  return cached > shmem ? cached - shmem : 0;
}

}  // namespace ashmem_compat::reclaim
