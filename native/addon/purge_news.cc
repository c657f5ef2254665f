#include "addon/purge_news.h"

namespace ashmem_compat::addon {

Status PurgeNews::open(Napi::Function callback) {
  Status status = bridge_->add(this);
  if (!status.ok()) return status;
  open_ = true;
  callback_ = Napi::Weak(callback);
  status = region_->watch_purges(this);
  if (!status.ok()) {
    open_ = false;
    bridge_->remove(this);
    return status;
  }
  // What it was told while it was set.
  const std::lock_guard<std::mutex> guard(mutex_);
  told_ = heard_;
  return status;
}

PurgeNews::~PurgeNews() {
  if (!open_) return;
  silence();
  bridge_->remove(this);
}

// Also from the bridge, which forgets us then.
void PurgeNews::silence() {
  open_ = false;
  region_->watch_purges(nullptr);  // refused after close(), which has done it
  callback_.Reset();
}

void PurgeNews::on_purge(const DiscardTotals& totals) {
  {
    const std::lock_guard<std::mutex> guard(mutex_);
    heard_ = totals;
  }
  bridge_->post(this);
}

void PurgeNews::deliver(napi_env env) {
  DiscardTotals heard;
  {
    const std::lock_guard<std::mutex> guard(mutex_);
    heard = heard_;
  }
  // A peer that writes into the counts can make one fall.
  const auto since = [](uint64_t now, uint64_t then) {
    return now > then ? static_cast<double>(now - then) : 0.0;
  };
  const double bytes[4] = {since(heard.pressure, told_.pressure), since(heard.request, told_.request),
                           since(heard.kernel, told_.kernel), since(heard.peer, told_.peer)};
  told_ = heard;
  // As Monitor::deliver().
  napi_handle_scope scope;
  if (!open_ || napi_open_handle_scope(env, &scope) != napi_ok) return;
  napi_value self;
  napi_value callback = nullptr;
  napi_value result;
  napi_value numbers[4] = {};
  bool made = napi_get_undefined(env, &self) == napi_ok;
  for (int i = 0; i < 4; ++i) {
    made = made && napi_create_double(env, bytes[i], &numbers[i]) == napi_ok;
  }
  // No callback: the region has been collected, and its finalizer is about to come.
  if (made && napi_get_reference_value(env, callback_, &callback) == napi_ok && callback != nullptr) {
    napi_call_function(env, self, callback, 4, numbers, &result);
  }
  napi_close_handle_scope(env, scope);
}

}  // namespace ashmem_compat::addon
