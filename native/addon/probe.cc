#include "addon/environment.h"
#include "core/backends/selector.h"
#include "core/backends/vrange_call.h"
#include "core/platform/page.h"

namespace ashmem_compat::addon {
namespace {

Napi::Value probe_backends_js(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  const std::vector<BackendReport> reports = probe_backends();
  Napi::Array result = Napi::Array::New(env, reports.size());
  for (size_t i = 0; i < reports.size(); ++i) {
    Napi::Object report = Napi::Object::New(env);
    report.Set("name", reports[i].name);
    report.Set("available", reports[i].available);
    report.Set("reason", reports[i].reason);
    result.Set(static_cast<uint32_t>(i), report);
  }
  return result;
}

// ("v11:NUMBER" or "v12:NUMBER")
Napi::Value enable_vrange_js(const Napi::CallbackInfo& info) {
  const Status status = vrange::enable(info[0].As<Napi::String>().Utf8Value());
  if (!status.ok()) Environment::of(info.Env()).raise(info.Env(), status);
  return info.Env().Undefined();
}

}  // namespace

void register_probe(Napi::Env env, Napi::Object exports) {
  exports.Set("pageSize", static_cast<double>(page_size()));
  exports.Set("enableVrange", Napi::Function::New(env, enable_vrange_js));
  exports.Set("probeBackends", Napi::Function::New(env, probe_backends_js));
}

}  // namespace ashmem_compat::addon
