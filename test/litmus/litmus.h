// A litmus test: threads that play the processes of one region, each with slots and a pin table of its own, take turns in an order
// that is fixed. What decides whose turn it is are relaxed words, which order nothing in the eyes of ThreadSanitizer: if it is silent
// about the plain bytes that they touch in turn, then only the protocol's own words have ordered them.
//
//   LITMUS(name, "cas_release give", "load_acquire mark, cas_seq_cst mark") { ... }
//
// declares besides what must not be missing: with each of these weakened (those in one string at once) there must be a race.
#pragma once

#include <sys/types.h>

#include <functional>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "core/pins/control.h"
#include "core/pins/pin_table.h"
#include "core/pins/slots.h"

namespace litmus {

using namespace ashmem_compat;

struct Litmus {
  const char* name;
  void (*run)();
  std::vector<std::string> carriers;
};
std::vector<Litmus>& all();
struct Register {
  Register(const char* name, void (*run)(), std::vector<std::string> carriers) {
    all().push_back({name, run, std::move(carriers)});
  }
};

#define LITMUS(name, ...)                                                          \
  static void run_##name();                                                        \
  static const litmus::Register register_##name(#name, run_##name, {__VA_ARGS__}); \
  static void run_##name()

// Something did not go as the test has it: a litmus test that tests something else shows nothing.
#define MUST(condition) \
  if (!(condition)) litmus::give_up(__FILE__, __LINE__, #condition)
[[noreturn]] void give_up(const char* file, int line, const char* what);

// A region that nobody holds, all READY and RELEASED, mapped once for all.
class Shared {
 public:
  static constexpr uint64_t kUnits = 4;
  explicit Shared(uint32_t slot_count = 8);
  ~Shared();
  Shared(const Shared&) = delete;
  Shared& operator=(const Shared&) = delete;

  const Control& control() const { return control_; }
  int fd() const { return fd_; }
  char* data() const { return data_; }
  // Of one byte, plainly, as whoever holds or discards the unit may.
  void write(uint64_t unit) const { byte(unit) = 1; }
  char read(uint64_t unit) const { return byte(unit); }
  // Nobody can have been told yet.
  void set_state(uint64_t unit, UnitState state) const;

 private:
  volatile char& byte(uint64_t unit) const { return data_[unit * control_.layout().granularity]; }

  int fd_ = -1;
  Control control_;
  char* data_ = nullptr;
};

// What a process is to the protocol.
class Peer : private Pages {
 public:
  explicit Peer(const Shared& shared, const KernelPins* kernel = nullptr);

  // Takes a slot, in the thread that calls. The constructor leaves that to it.
  Peer& attach(bool as_creator = false);
  Slots& slots() { return *slots_; }
  PinTable& table() { return *table_; }

  PinTable::Take take(uint64_t unit);
  void give(uint64_t unit, PinTable::Refill refill = PinTable::Refill::kNone) { table_->give(unit, refill); }
  uint64_t purge(uint64_t unit) { return table_->purge(unit, 1).bytes; }

  // Of unit 0: pins it, and must be told so; writes its byte as its holder may.
  void pin_and_write(PinTable::Take told) {
    MUST(take(0) == told);
    shared_.write(0);
  }
  void use() {
    pin_and_write(PinTable::Take::kKept);
    give(0);
  }
  void become_refiller() { MUST(take(0) == PinTable::Take::kLost && table_->begin_refill(0)); }
  void refill() {
    become_refiller();
    shared_.write(0);
    give(0, PinTable::Refill::kFilled);
  }
  void attach_to_first_slot_and_write() {
    attach();
    MUST(slots_->own() == 0);
    shared_.write(0);
  }

  // What the kernel does to the bytes in a discard, as the threads see it.
  std::function<Status(uint64_t unit)> on_discard;

 private:
  Status discard(uint64_t offset, uint64_t length) override;
  const KernelPins* kernel() const override { return kernel_; }
  int fd() const override { return shared_.fd(); }
  char* data() const override { return shared_.data(); }

  const Shared& shared_;
  const KernelPins* kernel_;
  std::unique_ptr<Slots> slots_;
  std::unique_ptr<PinTable> table_;
};

// Waits until the turns before `turn` are over, does its part, and hands on. Relaxed, and in memory that children share.
void in_turn(int turn, const std::function<void()>& part);
// The same in the middle of something, for others to come in between: hands `turn` on, and goes on in the turn `back`.
void let_in(int turn, int back);

// Runs them at once, and returns when all have ended.
void run_threads(const std::vector<std::function<void()>>& threads);
// The orders that they have asked for, as weaken() takes them.
const std::set<std::string>& orders_of_threads();

// A real process that plays its part and dies in it. To be made before there are threads.
class Mortal {
 public:
  explicit Mortal(const std::function<void()>& life);
  ~Mortal();
  Mortal(const Mortal&) = delete;
  Mortal& operator=(const Mortal&) = delete;
  // Called by it, in the middle of its turn.
  [[noreturn]] static void die();
  // Waits for its death and hands on its turn.
  void await(int turn) const;

 private:
  pid_t pid_;
};

}  // namespace litmus
