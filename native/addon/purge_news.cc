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
  }
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
    totals_ = totals;
    told_ = false;
  }
  bridge_->post(this);
}

void PurgeNews::deliver(napi_env env) {
  DiscardTotals totals;
  {
    const std::lock_guard<std::mutex> guard(mutex_);
    if (told_) return;
    told_ = true;
    totals = totals_;
  }
  // As Monitor::deliver().
  napi_handle_scope scope;
  if (!open_ || napi_open_handle_scope(env, &scope) != napi_ok) return;
  napi_value self;
  napi_value callback = nullptr;
  napi_value result;
  napi_value numbers[4] = {};
  const uint64_t bytes[4] = {totals.pressure, totals.request, totals.kernel, totals.peer};
  bool made = napi_get_undefined(env, &self) == napi_ok;
  for (int i = 0; i < 4; ++i) {
    made = made && napi_create_double(env, static_cast<double>(bytes[i]), &numbers[i]) == napi_ok;
  }
  // No callback: the region has been collected, and its finalizer is about to come.
  if (made && napi_get_reference_value(env, callback_, &callback) == napi_ok && callback != nullptr) {
    napi_call_function(env, self, callback, 4, numbers, &result);
  }
  napi_close_handle_scope(env, scope);
}

}  // namespace ashmem_compat::addon
