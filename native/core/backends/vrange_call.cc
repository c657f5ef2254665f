#include "core/backends/vrange_call.h"

#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/platform/atomics.h"
#include "core/platform/page.h"

namespace ashmem_compat::vrange {
namespace {

const Choice* chosen = nullptr;
Call the_proven{Abi::kV11, -1};
bool is_proven = false;

Choice parse(const std::string& text) {
  Choice choice;
  choice.text = text;
  const bool v11 = text.compare(0, 4, "v11:") == 0;
  const bool v12 = text.compare(0, 4, "v12:") == 0;
  if ((!v11 && !v12) || text.size() < 5 || text.size() > 8) return choice;
  if (text.find_first_not_of("0123456789", 4) != std::string::npos) return choice;
  choice.call = {v11 ? Abi::kV11 : Abi::kV12, strtol(text.c_str() + 4, nullptr, 10)};
  choice.valid = true;
  return choice;
}

constexpr int kRetries = 100;

}  // namespace

const Choice& choice() {
  if (const Choice* known = load_acquire(&chosen)) return *known;
  const char* text = getenv("ASHMEM_COMPAT_VRANGE");
  const Choice* mine = new Choice(parse(text ? text : ""));
  const Choice* none = nullptr;
  if (cas_acq_rel(&chosen, none, mine)) return *mine;
  delete mine;
  return *none;
}

Status enable(const std::string& text) {
  const Choice made = parse(text);
  if (!made.valid) return Status::Of(Code::kOutOfRange, "vrange is named by v11:NUMBER or v12:NUMBER");
  const Choice& now = choice();
  // The old one stays: its text and what was found out about it may be in use.
  if (now.text == made.text) return Status::Ok();
  if (load_acquire(&is_proven)) return Status::Of(Code::kNotSupported, "another vrange is in use already");
  store_release(&chosen, static_cast<const Choice*>(new Choice(made)));
  return Status::Ok();
}

void set_proven(const Call& call) {
  if (load_acquire(&is_proven)) return;
  the_proven = call;  // by every thread alike: while it is not proven, nobody can have used another
  store_release(&is_proven, true);
}

const Call& proven() { return the_proven; }

long raw(const Call& call, char* start, uint64_t length, int mode, unsigned long flags, int* purged) {
  const size_t bytes = static_cast<size_t>(length);
  if (call.abi == Abi::kV11) return syscall(call.number, start, bytes, mode, purged, 0, 0);
  return syscall(call.number, start, bytes, mode, flags, purged, 0);
}

Changed change(const Call& call, char* start, uint64_t length, int mode) {
  Changed changed;
  const uint64_t page = kernel_page_size();
  int idle = 0;  // calls in a row that did nothing
  while (changed.bytes < length) {
    int purged = 0;
    const uint64_t rest = length - changed.bytes;
    const long done = raw(call, start + changed.bytes, rest, mode, 0, &purged);
    if (purged != 0) changed.purged = true;
    if (done > 0 && static_cast<uint64_t>(done) <= rest && static_cast<uint64_t>(done) % page == 0) {
      changed.bytes += static_cast<uint64_t>(done);
      idle = 0;
      continue;
    }
    changed.error = done >= 0 ? EPROTO : errno;
    const bool passes = done == 0 || (done < 0 && (errno == EINTR || errno == EAGAIN));
    if (!passes || ++idle > kRetries) return changed;
    sched_yield();
  }
  changed.error = 0;
  return changed;
}

Status hold(const Call& call, char* start, uint64_t length, bool* purged) {
  const Changed done = change(call, start, length, kNonvolatile);
  *purged = done.purged;
  if (done.error == 0) return Status::Ok();
  // Back to what it was. Where that fails, it stays longer than it must.
  if (done.bytes > 0) change(call, start, done.bytes, kVolatile);
  errno = done.error;
  return Status::System("vrange", Code::kSystem, "the kernel refuses to keep the range");
}

Status release(const Call& call, char* start, uint64_t length) {
  const Changed done = change(call, start, length, kVolatile);
  // A part that is volatile already makes all of it something to ask the kernel about.
  if (done.error == 0 || done.bytes > 0) return Status::Ok();
  errno = done.error;
  return Status::System("vrange");
}

}  // namespace ashmem_compat::vrange
