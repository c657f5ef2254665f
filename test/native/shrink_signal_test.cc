// Shrink signals, sent by another process: what becomes of the value, and of those who had the signal before.
#include "core/pressure/shrink_signal.h"

#include <signal.h>

#include <atomic>
#include <thread>

#include "core/pressure/watcher.h"
#include "native/check.h"
#include "native/processes.h"

using namespace ashmem_compat;
using namespace ashmem_compat::pressure;
using namespace ashmem_compat::testing;

namespace {

// Hears what the watcher makes of the signals. There is no region here to give anything, so all that is wanted is unmet.
class Ear final : public Listener {
 public:
  Ear() {
    if (!listen(ListenOptions(), this).ok()) abort();
    begin_ = present(this).unmet;
  }
  ~Ear() { stop(this); }
  void on_pressure(const Verdict& verdict, bool) override {
    unmet_ = verdict.unmet;
    signalled_ = strcmp(verdict.source, "signal") == 0;
  }
  // What signals have asked for since it listens.
  uint64_t kib() const { return unmet_ > begin_ ? (unmet_ - begin_) >> 10 : 0; }
  bool comes_to(uint64_t kib_wanted) const {
    for (int i = 0; i < 20000 && kib() < kib_wanted; ++i) nap_ms(1);
    return kib() == kib_wanted;
  }
  bool becomes(bool signalled) const {
    for (int i = 0; i < 20000 && signalled_ != signalled; ++i) nap_ms(1);
    return signalled_ == signalled;
  }

 private:
  std::atomic<uint64_t> unmet_{0};
  std::atomic<bool> signalled_{false};
  uint64_t begin_ = 0;
};

const int kSignal = SIGRTMIN + 3;

struct sigaction action_of(int signo) {
  struct sigaction action;
  sigaction(signo, nullptr, &action);
  return action;
}

void handle_with(int signo, void (*handler)(int)) {
  struct sigaction action {};
  action.sa_handler = handler;
  sigaction(signo, &action, nullptr);
}

// Sent by a child, so that nothing but the signal connects the two. A signal that is queued for the process may be delivered a moment later.
void send(int signo, int value, bool queued = true) {
  const pid_t parent = getpid();
  Child child([=] {
    sigval v{};
    v.sival_int = value;
    return queued ? sigqueue(parent, signo, v) : kill(parent, signo);
  });
  CHECK_EQ(child.reap(), 0);
}

bool comes(const std::atomic<int>& counter, int count) {
  for (int i = 0; i < 20000 && counter < count; ++i) nap_ms(1);
  return counter == count;
}

std::atomic<int> chained{0};
void count_chained(int) { ++chained; }
std::atomic<int> chained_value{-1};
void count_chained_info(int, siginfo_t* info, void*) {
  chained_value = info->si_value.sival_int;
  ++chained;
}

}  // namespace

TEST(the_value_is_the_kib_wanted) {
  const Ear ear;
  CHECK(listen_for_signal(kSignal).ok());
  uint64_t sum = 0;
  for (const int kib : {1, 4096, 0x7fffffff}) {
    send(kSignal, kib);
    CHECK(ear.comes_to(sum += static_cast<uint64_t>(kib)));
  }
  stop_listening_for_signal(kSignal);
}

TEST(kill_or_no_value_or_a_negative_one_says_level_only) {
  const Ear ear;
  CHECK(listen_for_signal(kSignal).ok());
  const auto says_level_only = [&](int value, bool queued) {
    REQUIRE(ear.becomes(false));  // the one before has worn off
    send(kSignal, value, queued);
    CHECK(ear.becomes(true));
    CHECK_EQ(ear.kib(), uint64_t{0});
  };
  says_level_only(0, true);
  says_level_only(-1, true);
  says_level_only(77, false);
  stop_listening_for_signal(kSignal);
}

TEST(the_last_of_several_listeners_restores_what_was_there) {
  chained = 0;
  const Ear ear;
  handle_with(kSignal, count_chained);
  CHECK(listen_for_signal(kSignal).ok());
  CHECK(listen_for_signal(kSignal).ok());
  stop_listening_for_signal(kSignal);
  send(kSignal, 1);
  CHECK(ear.comes_to(1));
  stop_listening_for_signal(kSignal);
  CHECK(action_of(kSignal).sa_handler == &count_chained);
  stop_listening_for_signal(kSignal);  // one too many does nothing
  CHECK(action_of(kSignal).sa_handler == &count_chained);
  handle_with(kSignal, SIG_DFL);
}

TEST(a_handler_that_was_there_is_called_too) {
  chained = 0;
  const Ear ear;
  handle_with(kSignal, count_chained);
  CHECK(listen_for_signal(kSignal).ok());
  send(kSignal, 2);
  CHECK(comes(chained, 1));
  CHECK(ear.comes_to(2));
  stop_listening_for_signal(kSignal);

  struct sigaction action {};
  action.sa_sigaction = count_chained_info;
  action.sa_flags = SA_SIGINFO;
  sigaddset(&action.sa_mask, SIGUSR2);
  sigaction(kSignal, &action, nullptr);
  CHECK(listen_for_signal(kSignal).ok());
  const struct sigaction ours = action_of(kSignal);
  CHECK_EQ(sigismember(&ours.sa_mask, SIGUSR2), 1);
  send(kSignal, 33);
  CHECK(comes(chained, 2));
  CHECK_EQ(chained_value.load(), 33);
  CHECK(ear.comes_to(35));
  stop_listening_for_signal(kSignal);
  CHECK(action_of(kSignal).sa_sigaction == &count_chained_info);
  handle_with(kSignal, SIG_DFL);
}

TEST(who_took_the_signal_over_keeps_it) {
  chained = 0;
  const Ear ear;
  CHECK(listen_for_signal(kSignal).ok());
  handle_with(kSignal, count_chained);
  stop_listening_for_signal(kSignal);
  CHECK(action_of(kSignal).sa_handler == &count_chained);
  // It might call ours, so ours does not come over it.
  CHECK(listen_for_signal(kSignal).ok());
  CHECK(action_of(kSignal).sa_handler == &count_chained);
  stop_listening_for_signal(kSignal);
  // Where nobody has it any more, ours comes back.
  handle_with(kSignal, SIG_DFL);
  CHECK(listen_for_signal(kSignal).ok());
  send(kSignal, 5);
  CHECK(ear.comes_to(5));
  stop_listening_for_signal(kSignal);
  CHECK(action_of(kSignal).sa_handler == SIG_DFL);
}

struct sigaction under {};
void call_the_one_under(int signo, siginfo_t* info, void* context) {
  ++chained;
  under.sa_sigaction(signo, info, context);
}

TEST(whoever_chains_to_ours_is_not_called_by_it) {
  chained = 0;
  const Ear ear;
  CHECK(listen_for_signal(kSignal).ok());
  struct sigaction over {};
  over.sa_sigaction = call_the_one_under;
  over.sa_flags = SA_SIGINFO;
  sigaction(kSignal, &over, &under);
  send(kSignal, 1);
  CHECK(ear.comes_to(1));
  stop_listening_for_signal(kSignal);
  send(kSignal, 10);  // nobody listens
  CHECK(comes(chained, 2));
  CHECK(listen_for_signal(kSignal).ok());
  send(kSignal, 100);
  CHECK(ear.comes_to(101));
  CHECK_EQ(chained.load(), 3);
  sigaction(kSignal, &under, nullptr);
  stop_listening_for_signal(kSignal);
  CHECK(action_of(kSignal).sa_handler == SIG_DFL);
}

void spoil_errno(int) { errno = EPROTO; }

TEST(system_calls_go_on_and_errno_stays) {
  const Ear ear;
  handle_with(kSignal, spoil_errno);
  CHECK(listen_for_signal(kSignal).ok());
  const struct sigaction ours = action_of(kSignal);
  CHECK((ours.sa_flags & SA_RESTART) != 0);
  CHECK((ours.sa_flags & SA_SIGINFO) != 0);
  errno = EBADMSG;
  raise(kSignal);
  CHECK_EQ(errno, EBADMSG);
  CHECK(ear.becomes(true));
  stop_listening_for_signal(kSignal);
  handle_with(kSignal, SIG_DFL);
}

TEST(without_a_watcher_a_signal_does_nothing_and_ends_nothing) {
  Child child([] {
    if (!listen_for_signal(kSignal).ok()) return 1;
    raise(kSignal);
    return 0;
  });
  CHECK_EQ(child.reap(), 0);
}

TEST(what_is_no_signal_or_cannot_be_caught_is_refused) {
  for (const int signo : {0, -1, 1000}) CHECK_EQ(listen_for_signal(signo).code, Code::kOutOfRange);
  for (const int signo : {SIGKILL, SIGSTOP}) {
    const Status status = listen_for_signal(signo);
    CHECK_EQ(status.code, Code::kSystem);
    CHECK_EQ(status.error, EINVAL);
    stop_listening_for_signal(signo);
  }
}

TEST(signals_come_while_others_listen_and_stop) {
  chained = 0;
  const Ear ear;
  CHECK(listen_for_signal(kSignal).ok());
  std::atomic<bool> done{false};
  std::thread other([&] {
    while (!done) {
      CHECK(listen_for_signal(kSignal).ok());
      stop_listening_for_signal(kSignal);
    }
  });
  for (int i = 0; i < 2000; ++i) kill(getpid(), kSignal);
  CHECK(ear.becomes(true));
  done = true;
  other.join();
  stop_listening_for_signal(kSignal);
}
