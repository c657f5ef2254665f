#include <thread>

int main() {
  int shared = 0;
  std::thread other([&shared] {
    for (int i = 0; i < 1000; ++i) ++shared;
  });
  for (int i = 0; i < 1000; ++i) ++shared;
  other.join();
  return shared == 0;
}
