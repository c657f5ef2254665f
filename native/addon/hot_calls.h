// What the hot calls have in common. Their arguments come through the mailbox of a table, which is the data of each such function.
#pragma once

#include <napi.h>

#include <cstdint>

#include "core/status.h"

namespace ashmem_compat::addon {

template <typename Table>
Table& table_of(napi_env env, napi_callback_info info) {
  void* data = nullptr;
  napi_get_cb_info(env, info, nullptr, nullptr, nullptr, &data);
  return *static_cast<Table*>(data);
}

inline napi_value number(napi_env env, double value) {
  napi_value result = nullptr;
  napi_create_double(env, value, &result);
  return result;
}

// Hot calls throw nothing: they give undefined, or the number of the code, and lib/ asks the table for the rest.
template <typename Table>
napi_value outcome(napi_env env, Table& table, const Status& status) {
  if (status.ok()) return nullptr;
  table.last = status;
  return number(env, static_cast<int>(status.code));
}

// Of a number in the mailbox; 0 for what is negative, too large, or no number.
inline uint64_t whole(double v) { return v >= 0 && v <= 9007199254740991.0 ? static_cast<uint64_t>(v) : 0; }

}  // namespace ashmem_compat::addon
