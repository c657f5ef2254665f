#include "core/pressure/watcher.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <mutex>

#include "core/platform/clock.h"
#include "core/platform/condition.h"
#include "core/platform/fd.h"
#include "core/platform/fork_guard.h"
#include "core/platform/urgent_thread.h"
#include "core/pressure/demands.h"
#include "core/pressure/panel.h"
#include "core/pressure/purge_watch.h"
#include "core/pressure/reclaimer.h"

namespace ashmem_compat::pressure {
namespace {

constexpr uint64_t kMiB = uint64_t{1} << 20;
constexpr int kAfterPurgeMs = 1;        // whoever took that much may be taking more
constexpr uint64_t kAlertMs = 50;       // for so long
constexpr uint64_t kAheadMs = 4;        // from a reading to the effect of what is done about it
constexpr uint64_t kLeastNs = 500'000;  // between two looks
constexpr uint64_t kTellEveryMs = 10;
constexpr uint64_t kNothingLeftMs =
    100;  // before looking again for something to purge where there was nothing
constexpr uint64_t kStallReclaimMs = 100;
constexpr uint64_t kSignalHoldsMs = 1000;  // how long a shrink signal keeps the level up
constexpr uint64_t kFreshLookMs = 200;
constexpr uint64_t kCreditAtLeast = kMiB, kCreditAtMost = uint64_t{1} << 40;
constexpr int kRunsInVain = 40;  // of up to 50 ms

uint64_t mark_in_bytes(double asked, uint64_t by_default, uint64_t limit) {
  if (!(asked > 0)) return by_default;
  const double bytes = asked < 1 ? asked * static_cast<double>(limit) : asked;
  return bytes < static_cast<double>(limit) ? static_cast<uint64_t>(bytes) : limit;
}

Marks marks_for(const ListenOptions& options, const Marks& by_default, uint64_t limit) {
  Marks marks;
  marks.critical = mark_in_bytes(options.critical, by_default.critical, limit);
  marks.medium = std::max(mark_in_bytes(options.medium, by_default.medium, limit), marks.critical);
  marks.low = std::max(mark_in_bytes(options.low, by_default.low, limit), marks.medium);
  return marks;
}

// One listener's view of the gauges.
struct Ear {
  Listener* listener;
  ListenOptions options;
  uint64_t edition = 0;
  std::vector<LevelKeeper> keepers;  // by entry of the panel
  Verdict verdict;
  uint64_t told_ms = 0;
};

struct PurgeEar {
  uint64_t id;
  PurgeListener* listener;
  TotalsQuestion question;
  uint64_t sum;
};

class Watcher {
 public:
  // That of this process, running; null if it cannot be started. Never destroyed, since its thread runs to the end.
  static Watcher* get(Status* why);
  // The same if it runs already, else null.
  static Watcher* running() {
    Watcher* known = current.load(std::memory_order_acquire);
    return known && same_process(known->process_) && known->started_.load(std::memory_order_acquire)
               ? known
               : nullptr;
  }

  void add(const ListenOptions& options, Listener* listener);
  void remove(Listener* listener);
  Verdict present(Listener* listener);
  uint64_t add(PurgeListener* listener, TotalsQuestion question);
  void remove(uint64_t purge_ear);
  std::vector<GaugeReport> look_now();
  WatcherStats stats();
  void before_filling(uint64_t bytes);
  bool known_little_left() const { return little_left_.load(std::memory_order_relaxed); }

  void demand(uint64_t bytes) {
    demanded_.fetch_add(bytes, std::memory_order_relaxed);
    signals_.fetch_add(1, std::memory_order_release);
    kick();
  }
  void kick() {
    const uint64_t one = 1;
    (void)!write(control_.get(), &one, sizeof one);
  }
  void wake_if_asleep() {
    if (asleep_.load()) kick();
  }

 private:
  explicit Watcher(uint64_t process) : process_(process), control_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}

  Status start();
  [[noreturn]] void loop();
  void pause();
  bool needed();
  void look();
  void serve_demands(uint64_t now);
  void judge_filling();
  void reclaim(uint64_t now);
  void reclaim_for(Demand& demand, Panel::Entry* entry);
  Marks asked_of(const Panel::Entry& entry);
  void tell(uint64_t now);
  void judge(Ear& ear, uint64_t now);
  void tell_of_purges();
  void report();
  void count();
  bool wait_for_look(std::unique_lock<std::mutex>& guard);

  static std::atomic<Watcher*> current;
  const uint64_t process_;
  const Fd control_;
  std::mutex starting_;
  std::atomic<bool> started_{false};
  std::atomic<bool> asleep_{false};
  std::atomic<uint64_t> demanded_{0}, signals_{0};
  std::atomic<bool> little_left_{false};
  // Bytes that may be filled before the next look. None before the first, and after a pause: nobody knows what is left.
  std::atomic<int64_t> credit_{0};

  // The thread's own.
  Panel panel_;
  Reclaimer reclaimer_;
  uint64_t alert_until_ms_ = 0;
  uint64_t looked_ns_ = 0;
  Verdict totals_;  // what the reclaimer did and found, as verdicts tell it
  uint64_t signals_seen_ = 0;
  uint64_t outstanding_ = 0;  // bytes that signals have asked for
  int runs_in_vain_ = 0;      // for them, one after another
  uint64_t signal_wanted_ = 0, signal_remaining_ = 0;
  uint64_t signal_until_ms_ = 0;

  std::mutex mutex_;  // guards what is below
  Condition looked_;
  std::vector<Ear> ears_;
  std::vector<PurgeEar> purge_ears_;
  uint64_t last_purge_ear_ = 0;
  uint64_t looks_begun_ = 0, looks_done_ = 0;
  std::vector<GaugeReport> reports_;
  WatcherStats stats_;
};

std::atomic<Watcher*> Watcher::current{nullptr};

Watcher* Watcher::get(Status* why) {
  const uint64_t process = current_process();
  Watcher* known = current.load(std::memory_order_acquire);
  // A forked child has no thread: what it inherited is the parent's.
  while (!known || known->process_ != process) {
    auto* made = new Watcher(process);
    const Status status = made->control_.valid() ? Status::Ok() : Status::System("eventfd");
    if (!status.ok()) {
      delete made;
      *why = status;
      return nullptr;
    }
    if (!current.compare_exchange_strong(known, made, std::memory_order_acq_rel)) {
      delete made;
      continue;
    }
    known = made;
  }
  *why = known->start();
  return why->ok() ? known : nullptr;
}

// Once; where there was no thread to be had, the next call tries again.
Status Watcher::start() {
  if (started_.load(std::memory_order_acquire)) return Status::Ok();
  const std::lock_guard<std::mutex> guard(starting_);
  if (started_.load(std::memory_order_relaxed)) return Status::Ok();
  // Signals are for the threads of the application.
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  pthread_t thread;
  const int error = pthread_create(
      &thread, nullptr,
      [](void* self) -> void* {
        static_cast<Watcher*>(self)->loop();
        return nullptr;
      },
      this);
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  if (error != 0) {
    errno = error;
    return Status::System("pthread_create", Code::kSystem, "no thread to watch memory with");
  }
  pthread_detach(thread);
  started_.store(true, std::memory_order_release);
  return Status::Ok();
}

bool Watcher::needed() {
  if (Attachment::any_served() || outstanding_ != 0 || signals_.load() != signals_seen_) return true;
  const std::lock_guard<std::mutex> guard(mutex_);
  return !ears_.empty() || !purge_ears_.empty() || looks_begun_ != looks_done_;
}

void Watcher::loop() {
  prctl(PR_SET_NAME, "ashmem-pressure");  // for who looks at /proc/PID/task, or at top -H
  make_thread_urgent();
  for (;;) {
    // Said before asking, so that whoever comes between knows to wake us.
    asleep_.store(true);
    if (needed()) {
      asleep_.store(false);
      pause();
      look();
      panel_.wait(control_.get(), now_ms() < alert_until_ms_ ? kAfterPurgeMs : panel_.patience());
    } else {
      credit_.store(0, std::memory_order_relaxed);
      pollfd only{control_.get(), POLLIN, 0};
      poll(&only, 1, -1);
      asleep_.store(false);
    }
    uint64_t kicks = 0;
    (void)!read(control_.get(), &kicks, sizeof kicks);
  }
}

// So that a flood of events, or of signals, costs no more than a look in each millisecond.
void Watcher::pause() {
  timespec now{0, 0};
  clock_gettime(CLOCK_MONOTONIC, &now);
  const uint64_t ns = static_cast<uint64_t>(now.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(now.tv_nsec);
  if (ns - looked_ns_ < kLeastNs) {
    const timespec rest{0, static_cast<long>(kLeastNs - (ns - looked_ns_))};
    nanosleep(&rest, nullptr);
  }
  looked_ns_ = ns;
}

void Watcher::look() {
  const uint64_t now = now_ms();
  uint64_t begun = 0;
  {
    const std::lock_guard<std::mutex> guard(mutex_);
    begun = looks_begun_;
  }
  const uint64_t edition = panel_.edition();
  panel_.look(now, [this](const Panel::Entry& entry) { return asked_of(entry); });
  if (panel_.edition() != edition) reclaimer_.forget_gauges();
  serve_demands(now);
  if (outstanding_ != 0) alert_until_ms_ = now_ms() + kAlertMs;
  judge_filling();
  reclaim(now);
  const std::lock_guard<std::mutex> guard(mutex_);
  tell(now);
  tell_of_purges();
  count();
  if (looks_done_ != begun) report();
  looks_done_ = begun;
  looked_.notify_all();
}

// The marks of a gauge up to which some listener wants to be told at once. Of that gauge alone: those of the machine may lie beyond the limit of a
// cgroup, of which the kernel then would tell nothing at all.
Marks Watcher::asked_of(const Panel::Entry& entry) {
  const std::lock_guard<std::mutex> guard(mutex_);
  Marks highest;
  for (const Ear& ear : ears_) {
    if ((ear.options.sources >> entry.source & 1) == 0) continue;
    const Marks marks = marks_for(ear.options, entry.marks, entry.reading.limit);
    highest.low = std::max(highest.low, marks.low);
    highest.medium = std::max(highest.medium, marks.medium);
    highest.critical = std::max(highest.critical, marks.critical);
  }
  return highest;
}

// ---- purging

void Watcher::reclaim_for(Demand& demand, Panel::Entry* entry) {
  const Reclaimer::Outcome outcome = reclaimer_.run(demand);
  if (outcome.sum() != 0) alert_until_ms_ = now_ms() + kAlertMs;
  for (int c = 0; c < kClasses; ++c) {
    totals_.freed[c] += outcome.freed[c];
    totals_.exhausted[c] = outcome.exhausted[c];
  }
  if (entry) {
    entry->remaining = outcome.remaining;
    // Everything was looked at in vain.
    if (outcome.sum() == 0 && outcome.exhausted[kClasses - 1])
      entry->next_reclaim_ms = now_ms() + kNothingLeftMs;
  } else {
    signal_remaining_ = outcome.remaining;
  }
}

void Watcher::serve_demands(uint64_t now) {
  signal_wanted_ = signal_remaining_ = 0;
  const uint64_t signals = signals_.load(std::memory_order_acquire);
  if (signals != signals_seen_) signal_until_ms_ = now + kSignalHoldsMs;
  signals_seen_ = signals;
  signal_wanted_ = outstanding_ + demanded_.exchange(0, std::memory_order_relaxed);
  outstanding_ = 0;
  if (signal_wanted_ == 0) return;
  ByteDemand demand(signal_wanted_, nullptr, false);
  reclaim_for(demand, nullptr);
  // What a run had no time for is the next one's; but tables that take longer than that are not looked at for ever.
  runs_in_vain_ = signal_remaining_ < signal_wanted_ ? 0 : runs_in_vain_ + 1;
  const bool over = totals_.exhausted[kClasses - 1] || runs_in_vain_ >= kRunsInVain;
  if (over) runs_in_vain_ = 0;
  (over ? totals_.unmet : outstanding_) += signal_remaining_;
}

// Whether little is left: the reclaimer purges, or would soon. It stays so up to the low mark: the reclaimer stops below it, and who then fills at full
// speed again until it is called has what it takes decide what goes, not the policy of a cache. And how much may be filled unseen: half of the way
// there, so that no speed, and no thread that waits for a processor, takes anybody past it.
void Watcher::judge_filling() {
  bool little = false;
  uint64_t credit = kCreditAtMost;
  for (Panel::Entry& entry : panel_.entries()) {
    if (entry.reading.limit == 0) continue;
    const uint64_t soon = entry.marks.medium + entry.marks.medium / 4 + entry.falling * kAheadMs;
    const uint64_t mark = entry.little_left ? std::max(entry.marks.low, soon) : soon;
    entry.little_left = entry.reading.available < mark;
    little = little || entry.little_left;
    credit = std::min(credit, entry.little_left ? 0 : (entry.reading.available - mark) / 2);
  }
  little_left_.store(little, std::memory_order_relaxed);
  credit_.store(static_cast<int64_t>(std::max(credit, kCreditAtLeast)), std::memory_order_relaxed);
}

void Watcher::reclaim(uint64_t now) {
  uint64_t stored = kUnknown;
  const bool plenty = panel_.plenty();
  for (Panel::Entry& entry : panel_.entries()) {
    const Level level = level_of(entry.reading, entry.marks);
    if (level < Level::kMedium) entry.remaining = 0;
    if (level == Level::kNone || now < entry.next_reclaim_ms) continue;
    if (entry.reading.limit != 0) {
      const uint64_t ahead = std::min(entry.falling * kAheadMs, entry.marks.medium);
      // From a little above, where the kernel's event is: who hovers below it does not hear when memory begins to go.
      if (entry.reading.available >= entry.marks.medium + std::max(ahead, entry.marks.medium / 8)) {
        if (Attachment::any_served() && entry.falling != 0)
          reclaimer_.prepare(GaugeDemand::order_by(ahead / 2));
        continue;
      }
      GaugeDemand demand(*entry.gauge, entry.marks, entry.reading, ahead / 2);
      reclaim_for(demand, &entry);
      continue;
    }
    if (level < Level::kMedium || (plenty && entry.gauge->of_stalls())) continue;
    // A stall says that there is too little, not how much: a part of what there is, for as long as it lasts.
    entry.next_reclaim_ms = now + kStallReclaimMs;
    uint64_t bytes = entry.reading.wanted;
    if (bytes == 0) {
      if (stored == kUnknown) {
        stored = 0;
        const Attachment::Served served;
        for (const Attachment* one : served.all()) {
          const uint64_t held = one->stored_bytes();
          stored += held == Attachment::kUnknownSize ? one->control().layout().size : held;
        }
      }
      bytes = std::clamp(stored / (level == Level::kCritical ? 16 : 64), kMiB, 64 * kMiB);
    }
    ByteDemand demand(bytes, entry.gauge.get(), level == Level::kCritical);
    reclaim_for(demand, &entry);
  }
}

// ---- telling

void Watcher::judge(Ear& ear, uint64_t now) {
  std::vector<Panel::Entry>& entries = panel_.entries();
  if (ear.edition != panel_.edition()) {
    ear.edition = panel_.edition();
    ear.keepers.assign(entries.size(), LevelKeeper());
  }
  Verdict verdict = totals_;
  verdict.level = Level::kNone;
  const auto speak = [&](Level level, const char* source, uint64_t wanted, uint64_t remaining) {
    if (level > verdict.level ||
        (level == verdict.level && level != Level::kNone && wanted > verdict.wanted)) {
      verdict.level = level;
      verdict.source = source;
      verdict.wanted = wanted;
      verdict.remaining = remaining;
    }
  };
  for (size_t i = 0; i < entries.size(); ++i) {
    const Panel::Entry& entry = entries[i];
    if ((ear.options.sources >> entry.source & 1) == 0) continue;
    const Reading& reading = entry.reading;
    const Marks marks = marks_for(ear.options, entry.marks, reading.limit);
    const Level level = ear.keepers[i].update(reading, marks, now);
    if (reading.limit != 0) verdict.available = std::min(verdict.available, reading.available);
    const uint64_t wanted = reading.limit != 0 ? shortfall(reading, marks) : reading.wanted;
    speak(level, all_sources()[entry.source]->name(), wanted, std::min(wanted, entry.remaining));
  }
  if (now < signal_until_ms_) speak(Level::kMedium, "signal", signal_wanted_, signal_remaining_);
  ear.verdict = verdict;
}

void Watcher::tell(uint64_t now) {
  for (Ear& ear : ears_) {
    const Verdict before = ear.verdict;
    judge(ear, now);
    const bool changed = ear.verdict.level != before.level;
    const bool due = ear.verdict.level != Level::kNone && now - ear.told_ms >= kTellEveryMs;
    if (!changed && !due && ear.verdict.unmet == before.unmet) continue;
    ear.told_ms = now;
    ear.listener->on_pressure(ear.verdict, changed);
  }
}

void Watcher::tell_of_purges() {
  for (PurgeEar& ear : purge_ears_) {
    DiscardTotals totals;
    if (!ear.question(&totals) || totals.sum() == ear.sum) continue;
    ear.sum = totals.sum();
    ear.listener->on_purge(totals);
  }
}

// For whoever is waiting.
void Watcher::report() {
  reports_.clear();
  for (const Panel::Entry& entry : panel_.entries()) {
    const Reading& reading = entry.reading;
    reports_.push_back({all_sources()[entry.source]->name(), entry.gauge->where(), reading,
                        entry.keeper.level(),
                        reading.limit != 0 ? shortfall(reading, entry.marks) : reading.wanted, entry.marks});
  }
}

void Watcher::count() {
  timespec used{0, 0};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
  ++stats_.wakeups;
  stats_.cpu_ns = static_cast<uint64_t>(used.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(used.tv_nsec);
  stats_.reclaimed = reclaimer_.reclaimed();
  stats_.reclaims = reclaimer_.runs();
  stats_.outstanding = outstanding_;
}

// ---- what other threads ask for

void Watcher::add(const ListenOptions& options, Listener* listener) {
  {
    const std::lock_guard<std::mutex> guard(mutex_);
    Ear ear{};
    ear.listener = listener;
    ear.options = options;
    ears_.push_back(std::move(ear));
  }
  kick();
}

void Watcher::remove(Listener* listener) {
  const std::lock_guard<std::mutex> guard(mutex_);
  ears_.erase(
      std::remove_if(ears_.begin(), ears_.end(), [&](const Ear& ear) { return ear.listener == listener; }),
      ears_.end());
}

uint64_t Watcher::add(PurgeListener* listener, TotalsQuestion question) {
  DiscardTotals totals;
  question(&totals);
  listener->on_purge(totals);
  uint64_t id = 0;
  {
    const std::lock_guard<std::mutex> guard(mutex_);
    id = ++last_purge_ear_;
    purge_ears_.push_back({id, listener, std::move(question), totals.sum()});
  }
  wake_if_asleep();
  return id;
}

void Watcher::remove(uint64_t purge_ear) {
  const std::lock_guard<std::mutex> guard(mutex_);
  purge_ears_.erase(std::remove_if(purge_ears_.begin(), purge_ears_.end(),
                                   [&](const PurgeEar& ear) { return ear.id == purge_ear; }),
                    purge_ears_.end());
}

// Until a look is done that began after this call; or for some time, as the thread may be busy purging.
bool Watcher::wait_for_look(std::unique_lock<std::mutex>& guard) {
  const uint64_t mine = ++looks_begun_;
  kick();
  return looked_.wait_for(guard, kFreshLookMs, [&] { return looks_done_ >= mine; });
}

void Watcher::before_filling(uint64_t bytes) {
  const auto announced = static_cast<int64_t>(std::min(bytes, kCreditAtMost));
  if (credit_.fetch_sub(announced, std::memory_order_relaxed) >= announced) return;
  std::unique_lock<std::mutex> guard(mutex_);
  if (!wait_for_look(guard)) credit_.store(static_cast<int64_t>(kCreditAtLeast), std::memory_order_relaxed);
}

Verdict Watcher::present(Listener* listener) {
  std::unique_lock<std::mutex> guard(mutex_);
  wait_for_look(guard);
  for (const Ear& ear : ears_) {
    if (ear.listener == listener) return ear.verdict;
  }
  return {};
}

std::vector<GaugeReport> Watcher::look_now() {
  std::unique_lock<std::mutex> guard(mutex_);
  wait_for_look(guard);
  return reports_;
}

WatcherStats Watcher::stats() {
  const std::lock_guard<std::mutex> guard(mutex_);
  return stats_;
}

}  // namespace

Status listen(const ListenOptions& options, Listener* listener) {
  Status status;
  Watcher* watcher = Watcher::get(&status);
  if (watcher) watcher->add(options, listener);
  return status;
}

void stop(Listener* listener) {
  if (Watcher* watcher = Watcher::running()) watcher->remove(listener);
}

Verdict present(Listener* listener) {
  Watcher* watcher = Watcher::running();
  return watcher ? watcher->present(listener) : Verdict();
}

void begin_reclaiming() {
  Status status;
  if (Watcher* watcher = Watcher::get(&status)) watcher->wake_if_asleep();
}

void demand(uint64_t bytes) {
  if (Watcher* watcher = Watcher::running()) watcher->demand(bytes);
}

void before_filling(uint64_t bytes) {
  if (Watcher* watcher = Watcher::running()) watcher->before_filling(bytes);
}

bool little_left() {
  const Watcher* watcher = Watcher::running();
  return watcher && watcher->known_little_left();
}

std::vector<GaugeReport> look() {
  Status status;
  Watcher* watcher = Watcher::get(&status);
  return watcher ? watcher->look_now() : std::vector<GaugeReport>();
}

WatcherStats watcher_stats() {
  Watcher* watcher = Watcher::running();
  return watcher ? watcher->stats() : WatcherStats();
}

Status PurgeWatch::set(PurgeListener* listener, TotalsQuestion question) {
  end();
  if (!listener) return Status::Ok();
  Status status;
  if (Watcher* watcher = Watcher::get(&status)) id_ = watcher->add(listener, std::move(question));
  return status;
}

void PurgeWatch::end() {
  if (id_ == 0) return;
  if (Watcher* watcher = Watcher::running()) watcher->remove(id_);
  id_ = 0;
}

}  // namespace ashmem_compat::pressure
