// The one result type of the core: what went wrong, and the system call that said so.
#pragma once

#include <cerrno>
#include <type_traits>
#include <utility>

namespace ashmem_compat {

enum class Code : int {
  kOk = 0,
  kRegionClosed,
  kInvalidRange,
  kNotPinned,
  kRegionBusy,
  kUntrustedFd,
  kBackendUnavailable,
  kNotShareable,
  kReadOnly,
  kTooManyProcesses,
  kTooManyPins,
  kOutOfRange,
  kForked,
  kSystem,
  kChannelClosed,
  kMessageTooLarge,
  kTooManyFds,
  kBadMessage,
  kFdsLost,
  kAddressInUse,
  kNoSuchProcess,
  kNotPermitted,
  kNoSwap,
  kNotSupported,
  kNoSpace,
  kBlockFreed,
  kValueTooLarge,
};

// `detail` and `syscall` are string literals: a Status owns nothing and is cheap to return.
struct Status {
  Code code = Code::kOk;
  int error = 0;                  // errno, or 0 when no system call failed
  const char* syscall = nullptr;  // the call that failed, or null
  const char* detail = nullptr;   // one clause for the error message, or null

  bool ok() const { return code == Code::kOk; }
  static Status Ok() { return {}; }
  static Status Of(Code code, const char* detail) { return {code, 0, nullptr, detail}; }
  // Takes errno as the failed call left it.
  static Status System(const char* syscall, Code code = Code::kSystem, const char* detail = nullptr) {
    return {code, errno, syscall, detail};
  }
};

// A T, or the Status that says why there is none.
template <typename T>
class Result {
 public:
  static_assert(!std::is_same<T, Status>::value, "a Result of a Status is a Status");
  Result(Status status) : status_(status) {}     // NOLINT(google-explicit-constructor)
  Result(T value) : value_(std::move(value)) {}  // NOLINT(google-explicit-constructor)
  bool ok() const { return status_.ok(); }
  const Status& status() const { return status_; }
  T& value() { return value_; }
  const T& value() const { return value_; }

 private:
  Status status_;
  T value_{};
};

}  // namespace ashmem_compat
