// All gauges of this process, with what they showed last, and how soon one should look again.
#pragma once

#include <poll.h>

#include <functional>
#include <memory>
#include <vector>

#include "core/pressure/gauge.h"
#include "core/pressure/marks.h"

namespace ashmem_compat::pressure {

// Used by the watcher's thread alone.
class Panel {
 public:
  struct Entry {
    std::unique_ptr<Gauge> gauge;
    uint32_t source = 0;  // index into all_sources()
    Marks marks;          // by default, of a gauge of bytes
    Reading reading;
    uint64_t read_ms = 0;
    uint64_t falling = 0;  // bytes less available, in a millisecond
    LevelKeeper keeper;    // by the default marks
    uint64_t next_reclaim_ms = 0;
    uint64_t remaining = 0;    // of the last reclaim
    Marks asked;               // what set_marks() was called with
    bool little_left = false;  // for who fills memory, at the last look
  };

  // Reads all gauges, opening them first if need be: at the beginning, and when the process has moved to another cgroup.
  // `asked`: of a gauge of bytes, the marks, if any, that a listener wants to be told of above the default ones.
  void look(uint64_t now_ms, const std::function<Marks(const Entry&)>& asked);
  std::vector<Entry>& entries() { return entries_; }
  // Whether all gauges of bytes show twice the low mark and more, and there are such gauges.
  bool plenty() const;
  // Raised when entries() are other gauges than before.
  uint64_t edition() const { return edition_; }

  // Milliseconds until one should look again, however quiet it is.
  int patience() const;
  // Waits for an event of a gauge, for `control` (level-triggered) or the time, whatever comes first; negative: no time.
  void wait(int control, int timeout_ms);

 private:
  void open(uint64_t now_ms);

  std::vector<Entry> entries_;
  std::vector<pollfd> polled_;
  std::vector<size_t> polled_for_;
  uint64_t edition_ = 0;
  uint64_t next_check_ms_ = 0, opened_ms_ = 0;
  uint64_t membership_ = 0;  // of cgroups, as of when they were opened
  bool gone_ = false;
};

}  // namespace ashmem_compat::pressure
