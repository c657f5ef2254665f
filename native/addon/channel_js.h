// The calls into JavaScript that a channel makes while its environment may be about to go: a worker that is
// terminated goes on running native code for a moment, in which every such call fails, and failing is all
// that may happen. (The wrappers of node-addon-api end the process when they cannot throw.)
#pragma once

#include <napi.h>

#include <type_traits>

#include "addon/environment.h"

namespace ashmem_compat::addon {

inline bool can_run_javascript(napi_env env) {
  napi_value array;
  bool ignored;
  return napi_create_array(env, &array) == napi_ok && napi_has_element(env, array, 0, &ignored) == napi_ok;
}

inline Napi::Value raise(Napi::Env env, const Status& status) {
  if (can_run_javascript(env)) Environment::of(env).raise(env, status);
  return {};
}

// object[name](argument). What the function throws is left pending.
inline void call_method(Napi::Env env, napi_value object, const char* name, napi_value argument) {
  napi_value function;
  napi_value result;
  if (napi_get_named_property(env, object, name, &function) != napi_ok) return;
  napi_call_function(env, object, function, 1, &argument, &result);
}

// A new array of integers; null when JavaScript cannot run any more.
inline napi_value integers(napi_env env, const int* values, size_t count) {
  napi_value array;
  if (napi_create_array_with_length(env, count, &array) != napi_ok) return nullptr;
  for (uint32_t i = 0; i < count; i++) {
    napi_value number;
    if (napi_create_int32(env, values[i], &number) != napi_ok) return nullptr;
    if (napi_set_element(env, array, i, number) != napi_ok) return nullptr;
  }
  return array;
}

// The descriptor of an instance method of T, an ObjectWrap, as T::InstanceMethod would make it.
template <typename T, auto kMethod>
Napi::ClassPropertyDescriptor<T> method(const char* name) {
  napi_property_descriptor descriptor{};
  descriptor.utf8name = name;
  descriptor.attributes = napi_default_method;
  descriptor.method = [](napi_env env, napi_callback_info raw) -> napi_value {
    const Napi::CallbackInfo info(env, raw);
    void* self;
    if (napi_unwrap(env, info.This(), &self) != napi_ok) return nullptr;
    if constexpr (std::is_void_v<decltype((static_cast<T*>(self)->*kMethod)(info))>) {
      (static_cast<T*>(self)->*kMethod)(info);
      return nullptr;
    } else {
      return (static_cast<T*>(self)->*kMethod)(info);
    }
  };
  return descriptor;
}

}  // namespace ashmem_compat::addon
