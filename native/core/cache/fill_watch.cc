#include "core/cache/fill_watch.h"

#include <utility>
#include <vector>

#include "core/platform/clock.h"
#include "core/platform/fork_guard.h"

namespace ashmem_compat {
namespace {

// How long a death, or a wake-up that was lost with the one who was to give it, can stay unnoticed.
constexpr uint32_t kLookEveryMs = 50;

}  // namespace

FillWatch::FillWatch(Fills& fills, std::function<bool(uint64_t)> is_dead, uint64_t stuck_ms,
                     Listener* listener)
    : fills_(fills),
      is_dead_(std::move(is_dead)),
      stuck_ms_(stuck_ms),
      listener_(listener),
      process_(current_process()) {}

void FillWatch::add(uint64_t id, const FillTicket& ticket) {
  const Wait wait{ticket, now_ms(), fills_.news()};
  const std::lock_guard<std::mutex> guard(mutex_);
  if (!ticket.none() && fills_.over(ticket)) {
    listener_->on_over(id, Why::kOver);
    return;
  }
  waits_.emplace(id, wait);
  if (running_ || stopping_) return;
  if (thread_.joinable()) thread_.join();  // it has only to return
  running_ = true;
  thread_ = std::thread([this] { run(); });
}

void FillWatch::remove(uint64_t id) {
  const std::lock_guard<std::mutex> guard(mutex_);
  waits_.erase(id);
}

void FillWatch::stop() {
  if (!same_process(process_)) {
    // The thread is the parent's.
    if (thread_.joinable()) thread_.detach();
    return;
  }
  {
    const std::lock_guard<std::mutex> guard(mutex_);
    stopping_ = true;
    waits_.clear();
  }
  if (!thread_.joinable()) return;
  fills_.announce();
  thread_.join();
}

bool FillWatch::is_over(const Wait& wait, uint64_t now, Why* why) const {
  // `now` may lie before a wait that was added a moment ago, or, of another clock, before a fill that began.
  const auto longer = [now](uint64_t since, uint64_t ms) { return now > since && now - since >= ms; };
  *why = Why::kOver;
  if (wait.ticket.none()) return fills_.news() != wait.news || longer(wait.since, kLookEveryMs);
  if (fills_.over(wait.ticket)) return true;
  *why = Why::kStuck;
  if (longer(wait.since, stuck_ms_) || longer(fills_.began(wait.ticket), stuck_ms_)) return true;
  *why = Why::kDead;
  return is_dead_(fills_.owner(wait.ticket));
}

void FillWatch::run() {
  uint64_t looked = 0;
  for (;;) {
    const uint32_t news = fills_.news();
    const uint64_t now = now_ms();
    {
      const std::lock_guard<std::mutex> guard(mutex_);
      // Who lives is asked of the system, so not at each wake-up.
      const bool look = now - looked >= kLookEveryMs / 2;
      if (look) looked = now;
      for (auto it = waits_.begin(); it != waits_.end();) {
        Why why = Why::kOver;
        const bool plainly = !it->second.ticket.none() && fills_.over(it->second.ticket);
        if (plainly || ((look || it->second.ticket.none()) && is_over(it->second, now, &why))) {
          const uint64_t id = it->first;
          it = waits_.erase(it);
          listener_->on_over(id, why);
        } else {
          ++it;
        }
      }
      if (waits_.empty()) {
        running_ = false;
        return;
      }
    }
    fills_.sleep(news, kLookEveryMs);
  }
}

}  // namespace ashmem_compat
