#include "addon/poller_bridge.h"

#include "addon/stay_loaded.h"

namespace ashmem_compat::addon {

Status PollerBridge::start() {
  stay_loaded();
  napi_value name;
  const bool made =
      napi_create_string_utf8(env_, "ashmem-compat channels", NAPI_AUTO_LENGTH, &name) == napi_ok &&
      napi_create_threadsafe_function(env_, nullptr, nullptr, name, 0, 1, nullptr, nullptr, this,
                                      &PollerBridge::call_js, &function_) == napi_ok;
  if (!made) return Status::Of(Code::kSystem, "no way to wait for sockets in this environment");
  if (holds_ == 0) napi_unref_threadsafe_function(env_, function_);
  // Registered after Node's own hook of the function, so run before it: no call meets a function that is
  // gone.
  napi_add_env_cleanup_hook(
      env_, [](void* self) { static_cast<PollerBridge*>(self)->shut_down(); }, this);
  return Status::Ok();
}

Status PollerBridge::arm(channel::Watch& watch, int fd, Pollable* pollable, uint32_t events) {
  if (shut_down_) return Status::Of(Code::kChannelClosed, "the environment is shutting down");
  if (function_ == nullptr) {
    const Status status = start();
    if (!status.ok()) return status;
  }
  if (!watch.is_open()) {
    const Status status = watch.open(fd, this);
    if (!status.ok()) return status;
    pollables_.emplace(watch.id(), std::make_pair(&watch, pollable));
  }
  return watch.arm(events);
}

void PollerBridge::disarm(channel::Watch& watch) {
  if (!watch.is_open()) return;
  pollables_.erase(watch.id());
  watch.close();
}

void PollerBridge::hold() {
  if (holds_++ == 0 && function_ != nullptr && !shut_down_) napi_ref_threadsafe_function(env_, function_);
}

void PollerBridge::release() {
  if (--holds_ == 0 && function_ != nullptr && !shut_down_) napi_unref_threadsafe_function(env_, function_);
}

void PollerBridge::shut_down() {
  shut_down_ = true;
  for (auto& entry : pollables_) entry.second.first->close();
  pollables_.clear();
}

void PollerBridge::on_ready(uint64_t watch, uint32_t) {
  bool first;
  {
    const std::lock_guard<std::mutex> guard(mutex_);
    first = ready_.empty();
    ready_.push_back(watch);
  }
  // One call is under way until deliver() has emptied the list.
  if (first) napi_call_threadsafe_function(function_, nullptr, napi_tsfn_nonblocking);
}

void PollerBridge::call_js(napi_env env, napi_value, void* context, void*) {
  // Without an environment this is the emptying of a queue that nobody will read.
  if (env != nullptr) static_cast<PollerBridge*>(context)->deliver(Napi::Env(env));
}

void PollerBridge::deliver(Napi::Env env) {
  batch_.clear();
  {
    const std::lock_guard<std::mutex> guard(mutex_);
    batch_.swap(ready_);
  }
  for (const uint64_t watch : batch_) {
    const auto found = pollables_.find(watch);  // closed since, by an earlier one of the batch perhaps
    if (found == pollables_.end()) continue;
    found->second.second->on_ready(env);
    napi_value exception;
    if (!env.IsExceptionPending() || napi_get_and_clear_last_exception(env, &exception) != napi_ok) continue;
    napi_fatal_exception(env, exception);
  }
}

}  // namespace ashmem_compat::addon
