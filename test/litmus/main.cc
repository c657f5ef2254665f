// Runs each litmus test in a process of its own: as the core has it, where ThreadSanitizer must be silent, and with each of its
// carriers weakened, where it must find a race. Usage: litmus [PART-OF-A-NAME], or litmus NAME ORDERS for one run: what the parent calls
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "litmus.h"
#include "orders.h"
#include "silent_orders.h"

// Descriptors order nothing here: the protocol is not to be helped by reads of /proc.
extern "C" __attribute__((visibility("default"))) const char* __tsan_default_options() { return "io_sync=0"; }

namespace litmus {
namespace {

constexpr int kRaceStatus = 66;  // ThreadSanitizer's
constexpr char kAsItIs[] = "-";

int run_one(const char* name, const char* orders) {
  alarm(60);
  if (strcmp(orders, kAsItIs) != 0) weaken(orders);
  for (const Litmus& test : all()) {
    if (strcmp(test.name, name) != 0) continue;
    test.run();
    for (const std::string& order : orders_of_threads()) printf("met %s\n", order.c_str());
    return 0;
  }
  return 1;
}

struct Outcome {
  int status;
  std::string output;
  // Only the bytes of units are touched one at a time.
  bool race() const {
    return status == kRaceStatus && has("WARNING: ThreadSanitizer: data race") && has(" of size 1 at 0x");
  }
  bool has(const char* text) const { return output.find(text) != std::string::npos; }
};

Outcome run_apart(const std::string& name, const std::string& orders) {
  char self[4096];
  const ssize_t length = readlink("/proc/self/exe", self, sizeof self - 1);
  MUST(length > 0);
  self[length] = 0;
  // Names in a report cost most of the time that a run takes, and nobody reads those that are expected.
  const char* options = orders == kAsItIs ? "" : "TSAN_OPTIONS=\"$TSAN_OPTIONS:symbolize=0\" ";
  const std::string command = options + ("'" + std::string(self) + "' ") + name + " '" + orders + "' 2>&1";
  FILE* child = popen(command.c_str(), "re");
  MUST(child);
  Outcome outcome{0, {}};
  char some[4096];
  for (size_t n; (n = fread(some, 1, sizeof some, child)) > 0;) outcome.output.append(some, n);
  const int status = pclose(child);
  outcome.status = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  return outcome;
}

void note_met(const std::string& output, std::set<std::string>* met) {
  for (size_t at = 0; (at = output.find("met ", at)) != std::string::npos;) {
    const size_t end = output.find('\n', at);
    met->insert(output.substr(at + 4, end - at - 4));
    at = end;
  }
}

int failures = 0;

void expect(bool holds, const char* name, const std::string& what, const Outcome& outcome) {
  printf("%s %s: %s\n", holds ? "ok    " : "FAILED", name, what.c_str());
  if (holds) return;
  ++failures;
  printf("exit status %d\n%s\n", outcome.status, outcome.output.c_str());
}

// Every order that a thread has asked for is either one that some test misses, or one of which it is said why none does.
void expect_all_known(const std::set<std::string>& met) {
  std::set<std::string> carriers;
  for (const Litmus& test : all()) {
    for (const std::string& orders : test.carriers) {
      for (const std::string& order : split(orders)) carriers.insert(order);
    }
  }
  std::set<std::string> silent;
  for (const SilentOrder& order : kSilentOrders) silent.insert(order.order);
  for (const std::string& order : met) {
    if (carriers.count(order) == 0 && silent.count(order) == 0) {
      ++failures;
      printf("FAILED %s: no test misses it, and silent_orders.h does not say why\n", order.c_str());
    }
  }
  for (const std::string& order : silent) {
    if (met.count(order) == 0 || carriers.count(order) != 0) {
      ++failures;
      printf("FAILED %s: silent_orders.h has it, but %s\n", order.c_str(),
             met.count(order) == 0 ? "no test comes by it" : "a test misses it");
    }
  }
}

int run_all(const char* part) {
  std::set<std::string> met;
  int runs = 0;
  for (const Litmus& test : all()) {
    if (!strstr(test.name, part)) continue;
    const Outcome right = run_apart(test.name, kAsItIs);
    expect(right.status == 0, test.name, "silent", right);
    note_met(right.output, &met);
    ++runs;
    for (const std::string& orders : test.carriers) {
      const Outcome weak = run_apart(test.name, orders);
      expect(weak.race(), test.name, "a race without " + orders, weak);
      ++runs;
    }
  }
  if (*part == 0) expect_all_known(met);
  printf("%d runs, %d failed\n", runs, failures);
  return failures == 0 && runs > 0 ? 0 : 1;
}

}  // namespace
}  // namespace litmus

int main(int argc, char** argv) {
  setvbuf(stdout, nullptr, _IOLBF, 0);
  return argc > 2 ? litmus::run_one(argv[1], argv[2]) : litmus::run_all(argc > 1 ? argv[1] : "");
}
