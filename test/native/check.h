// A test framework in a page: named tests that run in order, checks that report where they are, and a skip with a reason.
//
// TEST(name) { CHECK(x); CHECK_EQ(a, b); SKIP("why"); }   int main is here. Usage: PROGRAM [PART-OF-A-NAME]
#pragma once

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <string>
#include <type_traits>
#include <vector>

namespace check {

struct Test {
  const char* name;
  void (*run)();
};

inline std::vector<Test>& tests() {
  static std::vector<Test> all;
  return all;
}
inline int failures = 0;
inline const char* skipped = nullptr;

struct Register {
  Register(const char* name, void (*run)()) { tests().push_back({name, run}); }
};

template <typename T>
std::string show(const T& v) {
  if constexpr (std::is_enum_v<T>) {
    return std::to_string(static_cast<long long>(v));
  } else if constexpr (std::is_convertible_v<T, std::string>) {
    return v;
  } else {
    return std::to_string(v);
  }
}

inline void fail(const char* file, int line, const std::string& what) {
  ++failures;
  fprintf(stderr, "%s:%d: %s (pid %d)\n", file, line, what.c_str(), static_cast<int>(getpid()));
}

}  // namespace check

#define TEST(name)                                                  \
  static void test_##name();                                        \
  static const check::Register register_##name(#name, test_##name); \
  static void test_##name()

#define CHECK(condition)                                                        \
  do {                                                                          \
    if (!(condition)) check::fail(__FILE__, __LINE__, "not true: " #condition); \
  } while (0)

#define CHECK_EQ(a, b)                                                                            \
  do {                                                                                            \
    const auto left_ = (a);                                                                       \
    const auto right_ = (b);                                                                      \
    if (!(left_ == right_)) {                                                                     \
      check::fail(__FILE__, __LINE__,                                                             \
                  #a " is " + check::show(left_) + ", expected " #b " = " + check::show(right_)); \
    }                                                                                             \
  } while (0)

// For what the rest of a test cannot do without.
#define REQUIRE(condition)                                                 \
  do {                                                                     \
    if (!(condition)) {                                                    \
      check::fail(__FILE__, __LINE__, "not true, giving up: " #condition); \
      return;                                                              \
    }                                                                      \
  } while (0)

#define SKIP(reason)           \
  do {                         \
    check::skipped = (reason); \
    return;                    \
  } while (0)

// A sanitizer reports faults in a handler of its own, and ends the process in its own way.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SKIP_UNDER_SANITIZER() SKIP("the sanitizer has a handler of its own")
#else
#define SKIP_UNDER_SANITIZER() static_cast<void>(0)
#endif

int main(int argc, char** argv) {
  int ran = 0;
  int skips = 0;
  for (const check::Test& test : check::tests()) {
    if (argc > 1 && !strstr(test.name, argv[1])) continue;
    const int before = check::failures;
    check::skipped = nullptr;
    test.run();
    const bool ok = check::failures == before;
    printf("%s %s%s%s\n",
           !ok              ? "FAILED "
           : check::skipped ? "skipped"
                            : "ok     ",
           test.name, check::skipped ? ": " : "", check::skipped ? check::skipped : "");
    fflush(stdout);
    ++ran;
    if (ok && check::skipped) ++skips;
  }
  printf("%d tests, %d failed checks, %d skipped\n", ran, check::failures, skips);
  if (check::failures != 0 || ran == 0) return 1;
  return skips == ran ? 77 : 0;
}
