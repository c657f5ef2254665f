#include <climits>

int main(int argc, char**) {
  volatile int sum = INT_MAX;
  sum = sum + argc;
  return 0;
}
