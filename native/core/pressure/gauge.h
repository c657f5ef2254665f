// A source of memory pressure, and its gauges: each watches one limit (one cgroup of the chain, the machine) or one account of
// stalls. docs/pressure.md tells what each costs and how late it is.
//
// To add one: a file in sources/ that defines a Source, and its row in sources/all.cc.
#pragma once

#include <poll.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace ashmem_compat::pressure {

enum class Level : uint8_t { kNone, kLow, kMedium, kCritical };

constexpr uint64_t kUnknown = ~uint64_t{0};

// Bytes that must stay available; each level begins where less is.
struct Marks {
  uint64_t low = 0, medium = 0, critical = 0;
};

// What a gauge shows at one moment.
struct Reading {
  // Of a gauge of bytes: the limit, and how much more can be used before it strikes. What the kernel can take back by itself
  // (clean page cache) counts as available; shared memory does not. limit 0: a gauge of stalls or events.
  // A cgroup without a limit is there too, as one may be set: limit 0, and available kUnknown.
  uint64_t limit = 0;
  uint64_t available = kUnknown;
  // Of a gauge of stalls or events: what it says of its own accord, and how many bytes it asks for (0: any).
  Level level = Level::kNone;
  uint64_t wanted = 0;
  // An event will come before `available` falls to the low mark, or the level rises: until then there is no need to look.
  bool guarded = false;
  // Look again after this many milliseconds at the latest: something is under way that will send no event. 0: as the distance says.
  uint64_t again_ms = 0;
};

// Used by the watcher's thread alone.
class Gauge {
 public:
  virtual ~Gauge() = default;
  Gauge(const Gauge&) = delete;
  Gauge& operator=(const Gauge&) = delete;

  // What is watched, for a person: a path.
  virtual const std::string& where() const = 0;
  // True if what is watched is one cgroup's: then memory that is charged elsewhere does not count. False: the whole machine.
  virtual bool of_cgroup() const { return false; }

  // True if it tells of waiting, which may have other causes than want of memory: not to be believed while memory is plentiful.
  virtual bool of_stalls() const { return false; }

  // False if there is nothing to read any more. `now_ms`: CLOCK_MONOTONIC, in milliseconds.
  virtual bool read(uint64_t now_ms, Reading* reading) = 0;
  // Bytes of shared memory (tmpfs, memfd) in what is watched: shows promptly whether a discard has freed any. kUnknown if it
  // cannot be told.
  virtual uint64_t shared_memory() { return kUnknown; }

  // The marks that the next readings are compared with, for gauges that can ask the kernel for an event at a mark.
  virtual void set_marks(const Marks&) {}
  // Adds what to wait for in poll(2) besides the clock. Called before every wait.
  virtual void wait_for(std::vector<pollfd>*) {}
  // What became of one of them. Must take the event away, so that it does not come again at once.
  virtual void woken(const pollfd&) {}

 protected:
  Gauge() = default;
};

struct SourceReport {
  bool available = false;
  std::string reason;  // why, or why not: one clause for a person
};

class Source {
 public:
  virtual const char* name() const = 0;
  // Whether it works here, found out by trying it. Survives a missing file, system call, and SIGSYS. Not cached here.
  virtual SourceReport probe() const = 0;
  // The gauges of this process as it is now, none if it does not work here. Opened by the watcher's thread, anew after a process
  // has been moved to another cgroup.
  virtual std::vector<std::unique_ptr<Gauge>> open() const = 0;

 protected:
  ~Source() = default;
};

// In the order in which they are shown: cgroup-v2, cgroup-v1, psi, meminfo, major-faults, ashmem, service-manager.
const std::vector<const Source*>& all_sources();

}  // namespace ashmem_compat::pressure
