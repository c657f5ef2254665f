// One line of /proc/PID/maps.
#pragma once

#include <cstdint>

namespace ashmem_compat::reclaim {

struct MappingLine {
  uint64_t start = 0, end = 0;    // addresses, end exclusive
  uint32_t major = 0, minor = 0;  // of the device that the file is on; 0, 0: no file
  uint64_t inode = 0;             // 0: no file
};

// False for a line that is not "START-END PERMS OFFSET MAJOR:MINOR INODE ...", or whose range is empty: whatever else a
// kernel may print there is to be passed over. What follows the inode, a path that may hold anything, is not looked at.
bool parse_maps_line(const char* line, MappingLine* out);

}  // namespace ashmem_compat::reclaim
