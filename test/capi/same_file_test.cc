// Which fds are of one open file, where the call that tells is missing, refused, or deadly as on Android.
#include "capi/same_file.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "native/check.h"
#include "native/processes.h"
#include "native/seccomp.h"

using namespace ashmem_compat::capi;
using namespace ashmem_compat::testing;

namespace {

// /dev/null stands for the device: its fds tell as little by fstat(2). Whether two of one open file, and of two, are told apart; 90: no device.
int compare() {
  const int one = open("/dev/null", O_RDONLY);
  const int other = open("/dev/null", O_RDONLY);
  const int copy = dup(one);
  FileId id;
  if (one < 0 || !identify(one, &id) || !id.is_device) return 90;
  const bool same = is_same_file(copy, id, one, id);
  const bool different = is_same_file(other, id, one, id);
  close(one);
  close(other);
  close(copy);
  return different ? 1 : same ? 2 : 3;  // 2: told; 3: taken for two
}

}  // namespace

TEST(two_open_files_of_a_device_are_told_apart) {
  Child child(compare);
  CHECK_EQ(child.reap(), has_call(SYS_kcmp) ? 2 : 3);
}

TEST(without_the_call_two_are_taken_for_two) {
  for (const unsigned action : {SECCOMP_RET_TRAP, SECCOMP_RET_KILL_PROCESS, SECCOMP_RET_ERRNO | ENOSYS}) {
    Child child([&] { return filter_call(SYS_kcmp, action) ? compare() : 91; });
    CHECK_EQ(child.reap(), 3);
  }
}
