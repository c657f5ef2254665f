// What the channel part of the addon keeps per Node environment.
#pragma once

#include <napi.h>

#include <memory>

#include "addon/channel_js.h"
#include "addon/poller_bridge.h"
#include "core/platform/fd.h"

namespace ashmem_compat::addon {

struct ChannelEnvironment {
  explicit ChannelEnvironment(Napi::Env env) : bridge(env) {}
  PollerBridge bridge;
  Napi::FunctionReference channel_class;
  Napi::FunctionReference server_class;
};

// Handed to the constructors, which JavaScript has no other way to call.
template <typename T>
Napi::Value construct(Napi::Env env, const Napi::FunctionReference& constructor, T& resource) {
  // ObjectWrap's own constructor ends the process when it cannot throw.
  if (!can_run_javascript(env)) return {};
  napi_value argument;
  napi_value instance;
  if (napi_create_external(env, &resource, nullptr, nullptr, &argument) != napi_ok) return {};
  if (napi_new_instance(env, constructor.Value(), 1, &argument, &instance) != napi_ok) return {};
  return {env, instance};
}

}  // namespace ashmem_compat::addon
