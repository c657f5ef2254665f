#include "addon/news_bridge.h"

#include "addon/stay_loaded.h"

namespace ashmem_compat::addon {

Status NewsBridge::start() {
  stay_loaded();
  napi_value name;
  const bool made =
      napi_create_string_utf8(env_, "ashmem-compat pressure", NAPI_AUTO_LENGTH, &name) == napi_ok &&
      napi_create_threadsafe_function(env_, nullptr, nullptr, name, 0, 1, nullptr, nullptr, this,
                                      &NewsBridge::call_js, &function_) == napi_ok;
  if (!made) return Status::Of(Code::kSystem, "no way to hear of memory pressure in this environment");
  if (holds_ == 0) napi_unref_threadsafe_function(env_, function_);
  // Registered after Node's own hook of the function, so run before it: no call meets a function that is gone.
  napi_add_env_cleanup_hook(
      env_, [](void* self) { static_cast<NewsBridge*>(self)->shut_down(); }, this);
  return Status::Ok();
}

Status NewsBridge::add(NewsSource* source) {
  if (shut_down_) return Status::Of(Code::kSystem, "the environment is shutting down");
  if (function_ == nullptr) {
    const Status status = start();
    if (!status.ok()) return status;
  }
  sources_.insert(source);
  return Status::Ok();
}

void NewsBridge::remove(NewsSource* source) {
  sources_.erase(source);
  const std::lock_guard<std::mutex> guard(mutex_);
  if (!source->queued_) return;
  source->queued_ = false;
  // The call that is under way finds it missing. An empty queue must mean that none is, so the entry stays, as nobody's.
  for (NewsSource*& entry : queue_) {
    if (entry == source) entry = nullptr;
  }
}

void NewsBridge::hold() {
  if (holds_++ == 0 && function_ != nullptr && !shut_down_) napi_ref_threadsafe_function(env_, function_);
}

void NewsBridge::release() {
  if (--holds_ == 0 && function_ != nullptr && !shut_down_) napi_unref_threadsafe_function(env_, function_);
}

void NewsBridge::shut_down() {
  shut_down_ = true;
  for (NewsSource* source : sources_) source->silence();
  sources_.clear();
}

void NewsBridge::post(NewsSource* source) {
  bool first;
  {
    const std::lock_guard<std::mutex> guard(mutex_);
    if (source->queued_) return;
    source->queued_ = true;
    first = queue_.empty();
    queue_.push_back(source);
  }
  // One call is under way until deliver() has emptied the queue.
  if (first) napi_call_threadsafe_function(function_, nullptr, napi_tsfn_nonblocking);
}

void NewsBridge::set_scheduler(napi_value function) { napi_create_reference(env_, function, 1, &scheduler_); }

void NewsBridge::call_js(napi_env env, napi_value, void* context, void*) {
  // Without an environment this is the emptying of a queue that nobody will read.
  if (env == nullptr) return;
  napi_value self;
  napi_value scheduler;
  napi_value result;
  if (napi_get_undefined(env, &self) != napi_ok) return;
  if (napi_get_reference_value(env, static_cast<NewsBridge*>(context)->scheduler_, &scheduler) != napi_ok)
    return;
  if (scheduler != nullptr) napi_call_function(env, self, scheduler, 0, nullptr, &result);
}

void NewsBridge::deliver(napi_env env) {
  batch_.clear();
  {
    const std::lock_guard<std::mutex> guard(mutex_);
    batch_.swap(queue_);
    for (NewsSource* source : batch_) {
      if (source != nullptr) source->queued_ = false;
    }
  }
  for (NewsSource* source : batch_) {
    // Gone since, by an earlier one of the batch perhaps. A new one at the same address is delivered nothing.
    if (source == nullptr || sources_.count(source) == 0) continue;
    source->deliver(env);
    bool pending = false;
    napi_value exception;
    if (napi_is_exception_pending(env, &pending) != napi_ok || !pending) continue;
    if (napi_get_and_clear_last_exception(env, &exception) == napi_ok) napi_fatal_exception(env, exception);
  }
}

}  // namespace ashmem_compat::addon
