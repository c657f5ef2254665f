#include "addon/environment.h"

namespace ashmem_compat::addon {
namespace {

Napi::Object init(Napi::Env env, Napi::Object exports) {
  env.SetInstanceData(new Environment());
  exports.Set("setErrorFactory", Napi::Function::New(env, [](const Napi::CallbackInfo& info) {
                Environment::of(info.Env()).set_error_factory(info[0].As<Napi::Function>());
              }));
  register_region(env, exports);
  register_optimistic(env, exports);
  register_pool(env, exports);
  register_channel(env, exports);
  register_probe(env, exports);
  register_pressure(env, exports);
  register_reclaim(env, exports);
  register_others(env, exports);
  register_cache(env, exports);
  return exports;
}

}  // namespace

NODE_API_MODULE(ashmem_compat, init)

}  // namespace ashmem_compat::addon
