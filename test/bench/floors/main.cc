#include <cstring>

#include "floors.h"

namespace {

struct Floor {
  const char* name;
  size_t arguments;
  floors::Samples (*run)(const floors::Arguments&);
};

constexpr Floor kFloors[] = {
    {"pin-words", 3, floors::pin_words},
    {"create-file", 3, floors::create_file},
    {"punch-hole", 3, floors::punch_hole},
    {"round-trip", 4, floors::round_trip},
};

}  // namespace

int main(int argc, char** argv) {
  for (const Floor& floor : kFloors) {
    if (argc < 2 || std::strcmp(argv[1], floor.name) != 0) continue;
    floors::Arguments arguments;
    for (int i = 2; i < argc; ++i) arguments.push_back(std::strtoull(argv[i], nullptr, 10));
    if (arguments.size() != floor.arguments) break;
    const floors::Samples samples = floor.run(arguments);
    std::printf("[");
    for (size_t i = 0; i < samples.size(); ++i) std::printf("%s%.3f", i == 0 ? "" : ",", samples[i]);
    std::printf("]\n");
    return 0;
  }
  std::fprintf(stderr, "usage: floors NAME ARGUMENT...\n");
  return 2;
}
