#include "addon/monitor.h"

#include <time.h>

namespace ashmem_compat::addon {
namespace {

// process.hrtime() has the same clock.
uint64_t now_us() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1'000'000 + static_cast<uint64_t>(now.tv_nsec) / 1000;
}

void set(napi_env env, napi_value object, const char* name, double number) {
  napi_value value;
  if (napi_create_double(env, number, &value) == napi_ok) napi_set_named_property(env, object, name, value);
}

}  // namespace

Status Monitor::open(const pressure::ListenOptions& options, Napi::Function callback) {
  Status status = bridge_->add(this);
  if (!status.ok()) return status;
  callback_ = Napi::Persistent(callback);
  open_ = true;
  status = pressure::listen(options, this);
  if (status.ok()) return status;
  open_ = false;
  bridge_->remove(this);
  callback_.Reset();
  return status;
}

void Monitor::close() {
  if (!open_) return;
  silence();
  bridge_->remove(this);
}

// Also from the bridge, which forgets us then.
void Monitor::silence() {
  open_ = false;
  pressure::stop(this);
  if (held_) bridge_->release();
  held_ = false;
  callback_.Reset();
}

void Monitor::hold(bool on) {
  if (!open_ || on == held_) return;
  held_ = on;
  if (on) {
    bridge_->hold();
  } else {
    bridge_->release();
  }
}

void Monitor::on_pressure(const pressure::Verdict& verdict, bool) {
  {
    const std::lock_guard<std::mutex> guard(mutex_);
    heard_ = {verdict, now_us(), false};
  }
  bridge_->post(this);
}

napi_value Monitor::to_js(napi_env env, const Heard& heard) {
  const pressure::Verdict& verdict = heard.verdict;
  napi_value object;
  napi_value source;
  if (napi_create_object(env, &object) != napi_ok) return nullptr;
  set(env, object, "level", static_cast<int>(verdict.level));
  if (napi_create_string_utf8(env, verdict.source, NAPI_AUTO_LENGTH, &source) == napi_ok) {
    napi_set_named_property(env, object, "source", source);
  }
  if (verdict.available != pressure::kUnknown) {
    set(env, object, "available", static_cast<double>(verdict.available));
  }
  set(env, object, "wanted", static_cast<double>(verdict.wanted));
  set(env, object, "remaining", static_cast<double>(verdict.remaining));
  set(env, object, "exhausted",
      (verdict.exhausted[0] ? 1 : 0) | (verdict.exhausted[1] ? 2 : 0) | (verdict.exhausted[2] ? 4 : 0));
  set(env, object, "freedCheap", static_cast<double>(verdict.freed[0]));
  set(env, object, "freedNormal", static_cast<double>(verdict.freed[1]));
  set(env, object, "freedPrecious", static_cast<double>(verdict.freed[2]));
  set(env, object, "unmet", static_cast<double>(verdict.unmet));
  set(env, object, "at", static_cast<double>(heard.at_us));
  return object;
}

napi_value Monitor::verdict(napi_env env) {
  Heard heard;
  if (open_) {
    heard.verdict = pressure::present(this);
    heard.at_us = now_us();
  } else {
    const std::lock_guard<std::mutex> guard(mutex_);
    heard = heard_;
  }
  return to_js(env, heard);
}

void Monitor::deliver(napi_env env) {
  Heard heard;
  {
    const std::lock_guard<std::mutex> guard(mutex_);
    if (heard_.told) return;
    heard_.told = true;
    heard = heard_;
  }
  // No wrapper of node-addon-api from here on: in a worker that is being terminated each of these may fail, and that is all.
  napi_handle_scope scope;
  if (!open_ || napi_open_handle_scope(env, &scope) != napi_ok) return;
  napi_value self;
  napi_value callback;
  napi_value result;
  napi_value argument = to_js(env, heard);
  if (argument != nullptr && napi_get_undefined(env, &self) == napi_ok &&
      napi_get_reference_value(env, callback_, &callback) == napi_ok && callback != nullptr) {
    napi_call_function(env, self, callback, 1, &argument, &result);
  }
  napi_close_handle_scope(env, scope);
}

}  // namespace ashmem_compat::addon
