// Waits for fills of others, in a thread that is there only while there is something to wait for.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <thread>

#include "core/cache/fills.h"

namespace ashmem_compat {

class FillWatch {
 public:
  // Why a wait is over. For the last two the fill stands as it was, and is to be taken over.
  enum class Why { kOver, kDead, kStuck };

  class Listener {
   public:
    // From the thread, or from add(). Must not call back.
    virtual void on_over(uint64_t id, Why why) = 0;

   protected:
    ~Listener() = default;
  };

  // `is_dead`: as PoolMemory::is_dead(). A fill is stuck that began, or was waited for, longer than `stuck_ms` ago.
  FillWatch(Fills& fills, std::function<bool(uint64_t owner)> is_dead, uint64_t stuck_ms, Listener* listener);
  ~FillWatch() { stop(); }
  FillWatch(const FillWatch&) = delete;
  FillWatch& operator=(const FillWatch&) = delete;

  // One on_over(id) will come, perhaps at once. `ticket` without a token: when any fill is over, or a moment has passed.
  void add(uint64_t id, const FillTicket& ticket);
  // No on_over(id) comes any more, but that which may be under way.
  void remove(uint64_t id);
  // Ends the thread, and with it all waits.
  void stop();

 private:
  struct Wait {
    FillTicket ticket;
    uint64_t since;
    uint32_t news;
  };

  void run();
  bool is_over(const Wait& wait, uint64_t now, Why* why) const;

  Fills& fills_;
  const std::function<bool(uint64_t)> is_dead_;
  const uint64_t stuck_ms_;
  Listener* const listener_;
  std::mutex mutex_;
  std::map<uint64_t, Wait> waits_;
  std::thread thread_;
  bool running_ = false;
  bool stopping_ = false;
  uint64_t process_;
};

}  // namespace ashmem_compat
