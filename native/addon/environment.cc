#include "addon/environment.h"

namespace ashmem_compat::addon {

Napi::Value Environment::make_error(Napi::Env env, const Status& status) {
  if (error_factory_.IsEmpty()) {
    return Napi::Error::New(env, status.detail ? status.detail : "ashmem-compat: no error factory").Value();
  }
  Napi::Value syscall =
      status.syscall ? Napi::Value(Napi::String::New(env, status.syscall)) : env.Undefined();
  Napi::Value detail = status.detail ? Napi::Value(Napi::String::New(env, status.detail)) : env.Undefined();
  return error_factory_.Call({Napi::Number::New(env, static_cast<int>(status.code)),
                              Napi::Number::New(env, status.error), syscall, detail});
}

void Environment::raise(Napi::Env env, const Status& status) {
  Napi::Value error = make_error(env, status);
  if (!env.IsExceptionPending()) napi_throw(env, error);
}

}  // namespace ashmem_compat::addon
