#include "addon/cache_waits.h"

#include <algorithm>

#include "addon/cache_table.h"

namespace ashmem_compat::addon {

CacheWaits::~CacheWaits() {
  watch_.stop();
  settle(waiting_);
  if (added_) bridge_->remove(this);
}

Status CacheWaits::add(uint64_t id, const FillTicket& ticket) {
  if (!added_) {
    if (Status s = bridge_->add(this); !s.ok()) return s;
    added_ = true;
  }
  if (waiting_++ == 0) bridge_->hold();
  watch_.add(id, ticket);
  return Status::Ok();
}

void CacheWaits::remove(uint64_t id) {
  watch_.remove(id);
  const std::lock_guard<std::mutex> guard(mutex_);
  const auto same = [id](const std::pair<uint64_t, FillWatch::Why>& one) { return one.first == id; };
  over_.erase(std::remove_if(over_.begin(), over_.end(), same), over_.end());
  settle(1);
}

void CacheWaits::settle(size_t waits) {
  if (waits == 0 || waiting_ == 0) return;
  waiting_ -= std::min(waits, waiting_);
  if (waiting_ == 0) bridge_->release();
}

void CacheWaits::on_over(uint64_t id, FillWatch::Why why) {
  {
    const std::lock_guard<std::mutex> guard(mutex_);
    over_.emplace_back(id, why);
  }
  bridge_->post(this);
}

void CacheWaits::deliver(napi_env env) {
  std::vector<std::pair<uint64_t, FillWatch::Why>> over;
  {
    const std::lock_guard<std::mutex> guard(mutex_);
    over.swap(over_);
  }
  settle(over.size());
  napi_handle_scope scope;
  if (over.empty() || napi_open_handle_scope(env, &scope) != napi_ok) return;
  napi_value self;
  napi_value callback = nullptr;
  if (napi_get_undefined(env, &self) == napi_ok &&
      napi_get_reference_value(env, table_->on_fill_over, &callback) == napi_ok && callback != nullptr) {
    // Nothing of this object is touched from here on: what is called may close the cache.
    for (const auto& [id, why] : over) {
      napi_value arguments[2];
      napi_value result;
      napi_create_double(env, static_cast<double>(id), &arguments[0]);
      napi_create_double(env, static_cast<double>(why), &arguments[1]);
      if (napi_call_function(env, self, callback, 2, arguments, &result) != napi_ok) break;
    }
  }
  napi_close_handle_scope(env, scope);
}

void CacheWaits::silence() {
  added_ = false;
  watch_.stop();
}

}  // namespace ashmem_compat::addon
