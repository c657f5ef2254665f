// Reclaim for JavaScript, on a thread of libuv's pool: it may take long, and the event loop goes on meanwhile.
#include "core/reclaim/process_reclaim.h"

#include "addon/environment.h"

namespace ashmem_compat::addon {
namespace {

Napi::Object usage_js(Napi::Env env, const reclaim::MemoryUsage& usage) {
  Napi::Object result = Napi::Object::New(env);
  const auto set = [&](const char* name, uint64_t bytes) {
    if (bytes != reclaim::kUnknown) result.Set(name, static_cast<double>(bytes));
  };
  set("rss", usage.rss);
  set("pss", usage.pss);
  set("anonymous", usage.anonymous);
  set("swap", usage.swap);
  return result;
}

class ReclaimWorker final : public Napi::AsyncWorker {
 public:
  ReclaimWorker(Napi::Env env, const reclaim::Request& request)
      : AsyncWorker(env, "ashmem-compat.reclaim"),
        request_(request),
        deferred_(Napi::Promise::Deferred::New(env)) {}

  Napi::Promise promise() const { return deferred_.Promise(); }

 protected:
  void Execute() override { result_ = reclaim::reclaim_process(request_); }

  void OnOK() override {
    Napi::Env env = Env();
    if (!result_.ok()) {
      deferred_.Reject(Environment::of(env).make_error(env, result_.status()));
      return;
    }
    const reclaim::Outcome& outcome = result_.value();
    Napi::Object result = Napi::Object::New(env);
    result.Set("means", outcome.means);
    result.Set("mappings", static_cast<double>(outcome.advised.mappings));
    result.Set("advised", static_cast<double>(outcome.advised.bytes));
    result.Set("skippedMappings", static_cast<double>(outcome.advised.skipped_mappings));
    result.Set("skipped", static_cast<double>(outcome.advised.skipped_bytes));
    if (outcome.anon_left_out) result.Set("anonLeftOut", outcome.anon_left_out);
    result.Set("before", usage_js(env, outcome.before));
    result.Set("after", usage_js(env, outcome.after));
    if (outcome.page_cache_before != reclaim::kUnknown && outcome.page_cache_after != reclaim::kUnknown) {
      result.Set("pageCacheBefore", static_cast<double>(outcome.page_cache_before));
      result.Set("pageCacheAfter", static_cast<double>(outcome.page_cache_after));
    }
    deferred_.Resolve(result);
  }

 private:
  const reclaim::Request request_;
  const Napi::Promise::Deferred deferred_;
  Result<reclaim::Outcome> result_ = Status::Of(Code::kSystem, "not run");
};

// (pid, kind 0 file, 1 anon, 2 all, cold, start, end or 0 for all addresses from start)
Napi::Value reclaim_js(const Napi::CallbackInfo& info) {
  reclaim::Request request;
  request.pid = info[0].As<Napi::Number>().Int32Value();
  request.kind = static_cast<reclaim::Kind>(info[1].As<Napi::Number>().Int32Value());
  request.advice = info[2].As<Napi::Boolean>().Value() ? reclaim::Advice::kCold : reclaim::Advice::kPageout;
  request.start = static_cast<uint64_t>(info[3].As<Napi::Number>().DoubleValue());
  const auto end = static_cast<uint64_t>(info[4].As<Napi::Number>().DoubleValue());
  if (end != 0) request.end = end;
  auto* worker = new ReclaimWorker(info.Env(), request);
  Napi::Promise promise = worker->promise();
  worker->Queue();
  return promise;
}

}  // namespace

void register_reclaim(Napi::Env env, Napi::Object exports) {
  exports.Set("reclaim", Napi::Function::New(env, reclaim_js));
}

}  // namespace ashmem_compat::addon
