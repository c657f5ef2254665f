#include "core/channel/poller.h"

#include <pthread.h>
#include <signal.h>
#include <sys/epoll.h>

#include <atomic>
#include <mutex>
#include <unordered_map>

#include "core/platform/fd.h"

namespace ashmem_compat::channel {

class Poller {
 public:
  // The one of this process; made on first need and never destroyed, since its thread runs to the end.
  static Result<Poller*> get();

  uint64_t add(PollSink* sink) {
    const std::lock_guard<std::mutex> guard(mutex_);
    sinks_.emplace(++last_id_, sink);
    return last_id_;
  }

  Status control(int operation, int fd, uint64_t id, uint32_t events) {
    epoll_event event{};
    event.events = events | EPOLLONESHOT;
    event.data.u64 = id;
    return ::epoll_ctl(epoll_.get(), operation, fd, &event) == 0 ? Status::Ok() : Status::System("epoll_ctl");
  }

  void remove(uint64_t id) {
    const std::lock_guard<std::mutex> guard(mutex_);
    sinks_.erase(id);
  }

  // A forked child has neither our thread nor, safely, our lock: it makes a new poller on its first need.
  static bool is_current(const Poller* poller) { return current_.load(std::memory_order_acquire) == poller; }

 private:
  Poller() : epoll_(::epoll_create1(EPOLL_CLOEXEC)) {}

  static void* run(void* self) {
    static_cast<Poller*>(self)->loop();
    return nullptr;
  }
  [[noreturn]] void loop();
  Status start();

  static std::atomic<Poller*> current_;
  Fd epoll_;
  std::mutex mutex_;
  std::unordered_map<uint64_t, PollSink*> sinks_;
  uint64_t last_id_ = 0;
};

std::atomic<Poller*> Poller::current_{nullptr};

Result<Poller*> Poller::get() {
  Poller* current = current_.load(std::memory_order_acquire);
  if (current != nullptr) return current;
  static const int at_fork =
      ::pthread_atfork(nullptr, nullptr, [] { current_.store(nullptr, std::memory_order_release); });
  static_cast<void>(at_fork);
  // Two threads may both come here; one poller is published and the other, which has no thread yet, goes.
  auto* made = new Poller();
  if (!made->epoll_.valid()) {
    const Status status = Status::System("epoll_create1");
    delete made;
    return status;
  }
  if (!current_.compare_exchange_strong(current, made, std::memory_order_acq_rel)) {
    delete made;
    return current;
  }
  const Status status = made->start();
  if (!status.ok()) {
    // Others may hold it by now, so it stays allocated; the next call tries anew.
    current_.store(nullptr, std::memory_order_release);
    return status;
  }
  return made;
}

Status Poller::start() {
  pthread_attr_t attributes;
  ::pthread_attr_init(&attributes);
  ::pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
  ::pthread_attr_setstacksize(&attributes, size_t{256} * 1024);
  // Signals are for threads that expect them.
  sigset_t all, before;
  ::sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);
  pthread_t thread;
  const int error = ::pthread_create(&thread, &attributes, &Poller::run, this);
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  ::pthread_attr_destroy(&attributes);
  return error == 0 ? Status::Ok()
                    : Status{Code::kSystem, error, "pthread_create", "no thread to wait for sockets"};
}

void Poller::loop() {
  constexpr int kBatch = 64;
  epoll_event events[kBatch];
  for (;;) {
    const int count = ::epoll_wait(epoll_.get(), events, kBatch, -1);
    if (count <= 0) continue;
    // The lock is what close() waits for: a sink that has gone from the table is not called any more.
    const std::lock_guard<std::mutex> guard(mutex_);
    for (int i = 0; i < count; i++) {
      const auto found = sinks_.find(events[i].data.u64);
      if (found != sinks_.end()) found->second->on_ready(events[i].data.u64, events[i].events);
    }
  }
}

Status Watch::open(int fd, PollSink* sink) {
  Result<Poller*> poller = Poller::get();
  if (!poller.ok()) return poller.status();
  poller_ = poller.value();
  id_ = poller_->add(sink);
  fd_ = fd;
  added_ = false;
  return Status::Ok();
}

Status Watch::arm(uint32_t events) {
  if (!Poller::is_current(poller_)) return Status::Of(Code::kForked, "the channel was opened before a fork");
  // Added no sooner than now: an entry without wishes would still report a hang-up.
  const Status status = poller_->control(added_ ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, fd_, id_, events);
  if (status.ok()) added_ = true;
  return status;
}

void Watch::close() {
  if (poller_ == nullptr) return;
  // In a forked child the table of the kernel is still the parent's, and the lock may be held by a thread
  // that is not here.
  if (Poller::is_current(poller_)) {
    if (added_) poller_->control(EPOLL_CTL_DEL, fd_, id_, 0);
    poller_->remove(id_);
  }
  poller_ = nullptr;
}

}  // namespace ashmem_compat::channel
