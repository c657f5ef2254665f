#include "litmus.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <set>
#include <thread>

#include "core/platform/page.h"
#include "core/platform/process_identity.h"
#include "orders.h"

namespace litmus {
namespace {

int* turns() {
  static int* const word = static_cast<int*>(
      mmap(nullptr, sizeof(int), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
  return word;
}

void wait_for(int turn) {
  while (__atomic_load_n(turns(), __ATOMIC_RELAXED) != turn) {
    timespec nap{0, 20'000};
    nanosleep(&nap, nullptr);
  }
}
void hand_on(int turn) { __atomic_store_n(turns(), turn + 1, __ATOMIC_RELAXED); }

std::set<std::string> met_by_all;

}  // namespace

const std::set<std::string>& orders_of_threads() { return met_by_all; }

std::vector<Litmus>& all() {
  static std::vector<Litmus> tests;
  return tests;
}

void give_up(const char* file, int line, const char* what) {
  fprintf(stderr, "%s:%d: not true: %s\n", file, line, what);
  _exit(1);
}

Shared::Shared(uint32_t slot_count) {
  turns();
  const Layout layout = make_layout(kUnits * page_size(), page_size(), slot_count).value();
  fd_ = memfd_create("litmus", MFD_CLOEXEC);
  MUST(fd_ >= 0 && ftruncate(fd_, static_cast<off_t>(layout.file_size)) == 0);
  control_ = std::move(Control::map(fd_, layout, true).value());
  data_ =
      static_cast<char*>(mmap(nullptr, layout.control_offset, PROT_READ | PROT_WRITE, MAP_SHARED, fd_, 0));
  MUST(data_ != MAP_FAILED);
  fill_header(layout, control_.header());
  for (uint64_t unit = 0; unit < kUnits; ++unit) set_state(unit, UnitState::kReady);
  own_identity();  // made once for a process: by nobody's turn
}

Shared::~Shared() {
  munmap(data_, control_.layout().control_offset);
  close(fd_);
}

void Shared::set_state(uint64_t unit, UnitState state) const {
  *control_.word(unit) = unit_word(state, kReleased);
}

Peer::Peer(const Shared& shared, const KernelPins* kernel) : shared_(shared), kernel_(kernel) {
  on_discard = [this](uint64_t unit) {
    shared_.write(unit);
    return Status::Ok();
  };
}

Peer& Peer::attach(bool as_creator) {
  slots_ = std::make_unique<Slots>(shared_.control());
  if (as_creator) {
    slots_->claim_first();
    shared_.control().header()->creator = slots_->own_life();
    shared_.control().header()->creator_hold = slots_->own_life();
    for (uint64_t unit = 0; unit < Shared::kUnits; ++unit) *shared_.control().word(unit) = 0;
  } else {
    MUST(slots_->claim([](uint32_t) {}).ok());
  }
  Pages& pages = *this;
  table_ = std::make_unique<PinTable>(shared_.control(), *slots_, pages);
  table_->begin(as_creator);
  return *this;
}

PinTable::Take Peer::take(uint64_t unit) {
  Census census(*slots_);
  return table_->take(unit, census);
}

Status Peer::discard(uint64_t offset, uint64_t length) {
  const uint64_t granularity = shared_.control().layout().granularity;
  Status status;
  for (uint64_t at = offset; at < offset + length && status.ok(); at += granularity)
    status = on_discard(at / granularity);
  return status;
}

void in_turn(int turn, const std::function<void()>& part) {
  wait_for(turn);
  part();
  drain();
  hand_on(turn);
}

void let_in(int turn, int back) {
  hand_on(turn);
  wait_for(back);
}

void run_threads(const std::vector<std::function<void()>>& threads) {
  std::vector<std::thread> running;
  std::vector<std::set<std::string>> met(threads.size());
  running.reserve(threads.size());
  for (size_t i = 0; i < threads.size(); ++i) {
    running.emplace_back([&, i] {
      threads[i]();
      met[i] = orders_met();
    });
  }
  for (std::thread& thread : running) thread.join();
  for (const auto& some : met) met_by_all.insert(some.begin(), some.end());
}

Mortal::Mortal(const std::function<void()>& life) : pid_(fork()) {
  MUST(pid_ >= 0);
  if (pid_ != 0) return;
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  life();
  _exit(1);
}

Mortal::~Mortal() {
  kill(pid_, SIGKILL);
  waitpid(pid_, nullptr, 0);
}

void Mortal::die() {
  kill(getpid(), SIGKILL);
  for (;;) pause();
}

void Mortal::await(int turn) const {
  siginfo_t info;
  MUST(waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED | WNOWAIT) == 0);
  hand_on(turn);
}

}  // namespace litmus
