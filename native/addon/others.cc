// What the command line needs for regions of other processes: their descriptors, and holds of what is in them.
#include <errno.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "addon/environment.h"
#include "addon/own_fd.h"
#include "core/backends/ashmem_device.h"
#include "core/platform/fd.h"
#include "core/platform/system_calls.h"
#include "core/pool/keeper.h"

namespace ashmem_compat::addon {
namespace {

constexpr int kKcmpFile = 0;  // linux/kcmp.h

long compare(int32_t pid, int fd, int32_t other_pid, int other_fd) {
  return syscall(SYS_kcmp, pid, other_pid, kKcmpFile, fd, other_fd);
}

// Android's filters kill a process for these calls in the releases that do not have them.
bool may(int (*call)(void*)) {
  const Trial trial = try_call(call, nullptr);
  return !trial.killed && trial.error != ENOSYS;
}

bool may_take() {
  static const bool known = may([](void*) {
    const int pidfd = raw_pidfd_open(getpid(), 0);
    if (pidfd < 0) return errno;
    return raw_pidfd_getfd(pidfd, -1) < 0 ? errno : 0;
  });
  return known;
}

bool may_compare() {
  static const bool known = may([](void*) { return compare(getpid(), 0, getpid(), 0) < 0 ? errno : 0; });
  return known;
}

Status taking_failed(const char* syscall) {
  switch (errno) {
    case ESRCH: return Status::System(syscall, Code::kNoSuchProcess, "no process has this pid");
    case EPERM:
      return Status::System(syscall, Code::kNotPermitted,
                            "this takes the rights of a debugger of the process");
    default: return Status::System(syscall);
  }
}

Result<Fd> take(int32_t pid, int fd) {
  if (!may_take())
    return Status::Of(Code::kNotSupported, "pidfd_getfd(2) takes Linux 5.6, and a filter that allows it");
  const Fd pidfd(raw_pidfd_open(pid, 0));
  if (!pidfd.valid()) return taking_failed("pidfd_open");
  Fd taken(raw_pidfd_getfd(pidfd.get(), fd));
  if (!taken.valid()) return taking_failed("pidfd_getfd");
  return Result<Fd>(std::move(taken));
}

int32_t number(const Napi::CallbackInfo& info, size_t i) { return info[i].As<Napi::Number>().Int32Value(); }

Napi::Value take_fd_js(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  Result<Fd> taken = take(number(info, 0), number(info, 1));
  if (!taken.ok()) {
    Environment::of(env).raise(env, taken.status());
    return env.Undefined();
  }
  return Napi::Number::New(env, taken.value().release());
}

Napi::Value area_size_js(const Napi::CallbackInfo& info) {
  const int fd = number(info, 0);
  const int64_t size = ashmem::is_area(fd) ? ashmem::size_of(fd) : 0;
  return Napi::Number::New(info.Env(), size < 0 ? 0 : static_cast<double>(size));
}

Napi::Value same_open_file_js(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  if (!may_compare()) return env.Undefined();
  const long order = compare(number(info, 0), number(info, 1), number(info, 2), number(info, 3));
  if (order < 0) return env.Undefined();
  return Napi::Boolean::New(env, order == 0);
}

// (fd, whether it is a cache): { keeper, held, lost }. The keeper's end, or the process's, ends the holds.
Napi::Value hold_blocks_js(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  const RegionKind kind = info[1].As<Napi::Boolean>().Value() ? RegionKind::kCache : RegionKind::kPool;
  Result<Fd> fd = own_fd(number(info, 0));
  Result<std::unique_ptr<Keeper>> made = fd.ok() ? Keeper::attach(std::move(fd.value()), kind) : fd.status();
  if (!made.ok()) {
    Environment::of(env).raise(env, made.status());
    return env.Undefined();
  }
  Keeper* keeper = made.value().release();
  Napi::Object result = Napi::Object::New(env);
  result.Set("held", static_cast<double>(keeper->held()));
  result.Set("lost", static_cast<double>(keeper->lost()));
  result.Set("keeper",
             Napi::External<Keeper>::New(env, keeper, [](Napi::Env, Keeper* kept) { delete kept; }));
  return result;
}

}  // namespace

void register_others(Napi::Env env, Napi::Object exports) {
  exports.Set("takeFd", Napi::Function::New(env, take_fd_js));
  exports.Set("areaSize", Napi::Function::New(env, area_size_js));
  exports.Set("sameOpenFile", Napi::Function::New(env, same_open_file_js));
  exports.Set("holdBlocks", Napi::Function::New(env, hold_blocks_js));
}

}  // namespace ashmem_compat::addon
