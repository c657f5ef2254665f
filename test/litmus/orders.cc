#include "orders.h"

#include <string.h>

#include <utility>

namespace litmus {
namespace {

// Plain memory, written before the threads begin: nothing here may order one thread after another.
std::set<std::string> weak;
thread_local std::set<std::string> met;

struct Stop {
  std::string order;
  std::function<void()> action;
};
thread_local Stop stop;

struct LateWrite {
  const void* address;
  uint64_t value;
  std::function<void()> write;
};
thread_local std::vector<LateWrite> late_writes;

}  // namespace

bool keeps_order(const char* operation, const char* function) {
  const std::string order = std::string(operation) + ' ' + function;
  if (stop.action && stop.order == order) std::exchange(stop.action, nullptr)();
  met.insert(order);
  const bool keeps = weak.count(order) == 0;
  if (keeps && strncmp(operation, "load", 4) != 0) drain();
  return keeps;
}

std::vector<std::string> split(const std::string& orders) {
  std::vector<std::string> all;
  for (size_t begin = 0; begin < orders.size();) {
    const size_t comma = orders.find(", ", begin);
    const size_t end = comma == std::string::npos ? orders.size() : comma;
    all.push_back(orders.substr(begin, end - begin));
    begin = end + 2;
  }
  return all;
}

void weaken(const std::string& orders) {
  for (const std::string& order : split(orders)) weak.insert(order);
}

void stop_before(const char* operation, const char* function, std::function<void()> action) {
  stop = {std::string(operation) + ' ' + function, std::move(action)};
}

void write_late(const void* address, uint64_t value, std::function<void()> write) {
  late_writes.push_back({address, value, std::move(write)});
}

void drain() {
  for (const LateWrite& late : std::exchange(late_writes, {})) late.write();
}

namespace {
const LateWrite* last_late(const void* address) {
  for (auto late = late_writes.rbegin(); late != late_writes.rend(); ++late) {
    if (late->address == address) return &*late;
  }
  return nullptr;
}
}  // namespace

bool is_late(const void* address) { return last_late(address) != nullptr; }

void read_late(const void* address, void* value, size_t size) {
  memcpy(value, &last_late(address)->value, size);
}

const std::set<std::string>& orders_met() { return met; }

}  // namespace litmus
