// What the channel part of the addon keeps per Node environment.
#pragma once

#include <napi.h>

#include <memory>

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
  return constructor.New({Napi::External<T>::New(env, &resource)});
}

}  // namespace ashmem_compat::addon
