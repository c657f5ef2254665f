// What lib/pressure/native-types.ts declares.
#include <signal.h>

#include "addon/environment.h"
#include "addon/monitor.h"
#include "addon/news_bridge.h"
#include "addon/stay_loaded.h"
#include "core/pressure/gauge.h"
#include "core/pressure/shrink_signal.h"
#include "core/pressure/watcher.h"

namespace ashmem_compat::addon {
namespace {

// ---- sources

struct Probed {
  const char* name;
  pressure::SourceReport report;
};

// Tried once per process. Never destroyed, as other threads may still ask while the process ends.
const std::vector<Probed>& probed_sources() {
  static const auto* const probed = [] {
    auto* made = new std::vector<Probed>;
    for (const pressure::Source* source : pressure::all_sources()) {
      made->push_back({source->name(), source->probe()});
    }
    return made;
  }();
  return *probed;
}

Napi::Value probe_pressure(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  const std::vector<Probed>& sources = probed_sources();
  Napi::Array result = Napi::Array::New(env, sources.size());
  for (size_t i = 0; i < sources.size(); ++i) {
    Napi::Object report = Napi::Object::New(env);
    report.Set("name", sources[i].name);
    report.Set("available", sources[i].report.available);
    report.Set("reason", sources[i].report.reason);
    result.Set(static_cast<uint32_t>(i), report);
  }
  return result;
}

Napi::Value look_at_pressure(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  stay_loaded();
  const std::vector<pressure::GaugeReport> gauges = pressure::look();
  Napi::Array result = Napi::Array::New(env, gauges.size());
  for (size_t i = 0; i < gauges.size(); ++i) {
    const pressure::GaugeReport& gauge = gauges[i];
    Napi::Object report = Napi::Object::New(env);
    report.Set("source", gauge.source);
    report.Set("where", gauge.where);
    report.Set("level", static_cast<double>(static_cast<int>(gauge.level)));
    report.Set("wanted", static_cast<double>(gauge.wanted));
    if (gauge.reading.limit != 0) {
      report.Set("limit", static_cast<double>(gauge.reading.limit));
      if (gauge.reading.available != pressure::kUnknown) {
        report.Set("available", static_cast<double>(gauge.reading.available));
      }
      report.Set("low", static_cast<double>(gauge.marks.low));
      report.Set("medium", static_cast<double>(gauge.marks.medium));
      report.Set("critical", static_cast<double>(gauge.marks.critical));
    }
    result.Set(static_cast<uint32_t>(i), report);
  }
  return result;
}

Napi::Value watcher_stats_js(const Napi::CallbackInfo& info) {
  const pressure::WatcherStats stats = pressure::watcher_stats();
  Napi::Object result = Napi::Object::New(info.Env());
  result.Set("wakeups", static_cast<double>(stats.wakeups));
  result.Set("cpu", static_cast<double>(stats.cpu_ns) / 1e6);
  result.Set("reclaimed", static_cast<double>(stats.reclaimed));
  result.Set("reclaims", static_cast<double>(stats.reclaims));
  return result;
}

// ---- news

void set_news_scheduler(const Napi::CallbackInfo& info) {
  Environment::of(info.Env()).news->set_scheduler(info[0].As<Napi::Function>());
}

void deliver_news(const Napi::CallbackInfo& info) { Environment::of(info.Env()).news->deliver(info.Env()); }

// ---- monitors

Monitor& monitor_of(const Napi::CallbackInfo& info) { return *info[0].As<Napi::External<Monitor>>().Data(); }

// (sources as bits, low, medium, critical or 0 for the default, callback)
Napi::Value open_monitor(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  pressure::ListenOptions options;
  options.sources = info[0].As<Napi::Number>().Uint32Value();
  options.low = info[1].As<Napi::Number>().DoubleValue();
  options.medium = info[2].As<Napi::Number>().DoubleValue();
  options.critical = info[3].As<Napi::Number>().DoubleValue();
  auto monitor = std::make_unique<Monitor>(Environment::of(env).news);
  const Status status = monitor->open(options, info[4].As<Napi::Function>());
  if (!status.ok()) {
    Environment::of(env).raise(env, status);
    return env.Undefined();
  }
  return Napi::External<Monitor>::New(env, monitor.release(), [](Napi::Env, Monitor* made) { delete made; });
}

void close_monitor(const Napi::CallbackInfo& info) { monitor_of(info).close(); }

void hold_monitor(const Napi::CallbackInfo& info) {
  monitor_of(info).hold(info[1].As<Napi::Boolean>().Value());
}

Napi::Value monitor_verdict(const Napi::CallbackInfo& info) {
  return {info.Env(), monitor_of(info).verdict(info.Env())};
}

// ---- shrink signals

// One listen_for_signal(). Owned by a JavaScript external, so that it ends with the environment at the latest.
struct SignalHold {
  int signo = 0;  // 0: given back
  void end() {
    if (signo != 0) pressure::stop_listening_for_signal(signo);
    signo = 0;
  }
};

Napi::Value listen_for_signal_js(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  stay_loaded();
  const int signo = info[0].As<Napi::Number>().Int32Value();
  const Status status = pressure::listen_for_signal(signo);
  if (!status.ok()) {
    Environment::of(env).raise(env, status);
    return env.Undefined();
  }
  return Napi::External<SignalHold>::New(env, new SignalHold{signo}, [](Napi::Env, SignalHold* hold) {
    hold->end();
    delete hold;
  });
}

void stop_listening_for_signal_js(const Napi::CallbackInfo& info) {
  info[0].As<Napi::External<SignalHold>>().Data()->end();
}

}  // namespace

void register_pressure(Napi::Env env, Napi::Object exports) {
  Environment::of(env).news = std::make_shared<NewsBridge>(env);
  Napi::Array names = Napi::Array::New(env);
  for (const pressure::Source* source : pressure::all_sources()) names.Set(names.Length(), source->name());
  exports.Set("pressureSources", names);
  exports.Set("probePressure", Napi::Function::New(env, probe_pressure));
  exports.Set("lookAtPressure", Napi::Function::New(env, look_at_pressure));
  exports.Set("watcherStats", Napi::Function::New(env, watcher_stats_js));
  exports.Set("setNewsScheduler", Napi::Function::New(env, set_news_scheduler));
  exports.Set("deliverNews", Napi::Function::New(env, deliver_news));
  exports.Set("openMonitor", Napi::Function::New(env, open_monitor));
  exports.Set("closeMonitor", Napi::Function::New(env, close_monitor));
  exports.Set("holdMonitor", Napi::Function::New(env, hold_monitor));
  exports.Set("monitorVerdict", Napi::Function::New(env, monitor_verdict));
  exports.Set("sigrtMin", SIGRTMIN);
  exports.Set("sigrtMax", SIGRTMAX);
  exports.Set("listenForSignal", Napi::Function::New(env, listen_for_signal_js));
  exports.Set("stopListeningForSignal", Napi::Function::New(env, stop_listening_for_signal_js));
}

}  // namespace ashmem_compat::addon
