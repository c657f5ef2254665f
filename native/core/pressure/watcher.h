// One thread per process that watches the pressure sources, has the reclaimer purge, and tells listeners. It waits for nobody: neither
// for an event loop, nor for another process.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/pressure/gauge.h"
#include "core/status.h"

namespace ashmem_compat::pressure {

// What a listener wants to hear of.
struct ListenOptions {
  uint32_t sources = ~0u;  // bit i: all_sources()[i]
  // Watermarks of gauges of bytes: 0 for the default; below 1 a part of the limit, else bytes. low >= medium >= critical.
  double low = 0, medium = 0, critical = 0;
};

// The worst that a listener's gauges say.
struct Verdict {
  Level level = Level::kNone;
  const char* source = "";  // name of the source that says so; "signal" for a shrink signal; "" for none
  uint64_t available = kUnknown;  // bytes, the least of the gauges of bytes
  uint64_t wanted = 0;            // bytes to free to be back above the medium mark, 0 at level kNone and kLow
  uint64_t remaining = 0;         // of them, what the unpinned units of this process could not give
  // Of each priority class (cheap, normal, precious): whether the regions of this process have nothing left of it, as far as
  // the reclaimer had to look; and how many bytes it has freed since it began.
  bool exhausted[3] = {false, false, false};
  uint64_t freed[3] = {0, 0, 0};
  // Bytes that shrink signals have asked for and unpinned units could not give, since the watcher began: a sum, so that nothing is
  // lost or asked twice where only the newest verdict counts.
  uint64_t unmet = 0;
};

// Told on the watcher's thread, with a lock held: must not block, nor listen() or stop().
class Listener {
 public:
  // After each look at which the level changed, or is not kNone; `changed` tells which. At most one every 10 ms.
  virtual void on_pressure(const Verdict& verdict, bool changed) = 0;

 protected:
  ~Listener() = default;
};

// Starts the thread if there is none. The listener hears of the present level first, if it is not kNone. kSystem.
Status listen(const ListenOptions& options, Listener* listener);
// When this returns, no on_pressure() call for it is running or will come.
void stop(Listener* listener);
// Its present verdict, by a fresh look of the thread, if it can make one at once.
Verdict present(Listener* listener);

// Has the thread purge the regions that Attachment::serve_reclaimer() was called for. Starts it if there is none; if that cannot be
// done now, the next call tries again.
void begin_reclaiming();

// A demand from outside: a shrink signal. bytes 0: level only. Async-signal-safe; does nothing before begin_reclaiming() or listen().
void demand(uint64_t bytes);

// Called by whoever is about to fill so many bytes of memory that others may take back: it waits for a look of the thread, up to kFreshLookMs, when half
// of what a look has found to be left is filled, and for each MiB while that is little, so that nobody outruns the reclaimer. An atomic subtraction
// where there is plenty; nothing where nothing reclaims.
void before_filling(uint64_t bytes);
// Whether a look a moment ago has found little left: who can give something up by itself, and knows better what, does so before it fills.
bool little_left();

// What the gauges showed last, for people.
struct GaugeReport {
  const char* source;
  std::string where;
  Reading reading;
  Level level;  // by the default marks
  uint64_t wanted;
  Marks marks;  // of a gauge of bytes
};
// Starts the thread if there is none, and has it look afresh.
std::vector<GaugeReport> look();

struct WatcherStats {
  uint64_t wakeups = 0;      // of the thread, since it began
  uint64_t cpu_ns = 0;       // it has used
  uint64_t reclaimed = 0;    // bytes the reclaimer of this process has freed
  uint64_t reclaims = 0;     // times that it began
  uint64_t outstanding = 0;  // bytes that signals have asked for, and that it is not done with
};
WatcherStats watcher_stats();

}  // namespace ashmem_compat::pressure
