// Discards unpinned units of this process's regions until a demand is met: by priority class, least recently unpinned first across
// regions, in runs. After every run it looks again at what is prompt, so it takes what is needed and little more.
//
// Several processes with the same regions do the work once: whoever begins takes the lease in the region's header, the others wait for
// it and look again. Nobody depends on it: it lapses after a few milliseconds without progress, and is not asked in an emergency.
#pragma once

#include <map>

#include "core/pressure/gauge.h"
#include "core/pressure/victims.h"

namespace ashmem_compat::pressure {

constexpr int kClasses = 3;  // cheap, normal, precious

// What is to be reached.
class Demand {
 public:
  virtual ~Demand() = default;
  // Bytes still to free, by a look at this moment; `freed`: how much the reclaimer has freed for it so far.
  virtual uint64_t missing(uint64_t freed) = 0;
  // No time to be polite, or to leave to the kernel what is its work.
  virtual bool urgent() const = 0;
  // The less time, the less it matters which units go.
  virtual Order order() const { return urgent() ? Order::kByPlace : Order::kByAge; }
  // The gauge that must show it, or null where nothing can.
  virtual Gauge* gauge() const { return nullptr; }
};

class Reclaimer {
 public:
  struct Outcome {
    uint64_t freed[kClasses] = {};
    uint64_t remaining = 0;
    bool exhausted[kClasses] = {};  // nothing is left of the class; false also where it was not looked at
    uint64_t sum() const { return freed[0] + freed[1] + freed[2]; }
  };

  // Takes some tens of milliseconds at most, and then leaves the rest to the next call.
  Outcome run(Demand& demand);
  // The gauges are others now.
  void forget_gauges() { futile_.clear(); }
  // For a demand that may come soon: has victims ready, and the memory and mappings that take time when there is none left.
  void prepare(Order order);

  // Bytes freed, and how many calls freed any.
  uint64_t reclaimed() const { return reclaimed_; }
  uint64_t runs() const { return runs_; }

 private:
  // Those of `all` that may be purged for the demand, of one class.
  Attachments of_class(const Attachments& all, int priority_class, const Demand& demand);
  enum class Step { kUsedUp, kSomebodyElse, kTimeOver };
  Step use_stock(const Attachments& among, int priority_class, Demand& demand, uint64_t start,
                 Outcome* outcome);
  bool take(Want want, const Attachments& all, Demand& demand, uint64_t start, Outcome* outcome);
  static void look_at_all(const Attachments& among);
  void find(const Attachments& among, Want want, uint64_t bytes, Order order);
  Outcome finish(const Outcome& outcome);
  uint64_t purge(Attachment& attachment, const Victim& victim, uint64_t missing, Gauge* gauge);
  void expect_effect(const Attachment& attachment, Gauge* gauge);
  void note_effect(const Attachment& attachment, Gauge* gauge, uint64_t freed);

  // Regions whose pages are charged to another cgroup than the one that is short: to purge them frees nothing there.
  struct Futility {
    uint64_t freed = 0;  // since shared_before, in one run
    uint64_t run = 0;
    uint64_t shared_before = 0;
    int in_vain = 0;
    uint64_t until_ms = 0;  // not to be tried again before
  };
  std::map<std::pair<uint64_t, const Gauge*>, Futility> futile_;

  // Victims that were found and not needed, by age the last first: good for a moment, as finding them means to look at every unit.
  std::vector<Victim> stock_;
  Want stock_of_ = Want::kIdle;
  int stock_class_ = 0;
  Order stock_order_ = Order::kByAge;
  bool all_in_stock_ = false;  // when it was filled: of what was looked at
  bool all_looked_at_ = false;
  uint64_t stocked_ms_ = 0;
  uint64_t reclaimed_ = 0, runs_ = 0, calls_ = 0;
};

}  // namespace ashmem_compat::pressure
