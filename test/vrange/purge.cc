// Makes the supervisor discard what is volatile: all of it, or so many pages. Usage: vrange_purge [PAGES]
#include <stdlib.h>

#include "vrange/control.h"

int main(int argc, char** argv) {
  return ashmem_compat::testing::vrange_purge(argc > 1 ? strtoul(argv[1], nullptr, 10) : 0) < 0 ? 1 : 0;
}
