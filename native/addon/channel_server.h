// The native half of FdServer.
#pragma once

#include <napi.h>

#include <memory>

#include "addon/channel_environment.h"
#include "core/channel/listener.h"

namespace ashmem_compat::addon {

class ServerHandle final : public Napi::ObjectWrap<ServerHandle>, private Pollable {
 public:
  using Shared = std::shared_ptr<ChannelEnvironment>;

  static Napi::Function define(Napi::Env env, Shared* shared);
  static Napi::Value create(Napi::Env env, const ChannelEnvironment& environment, channel::Listener listener);

  explicit ServerHandle(const Napi::CallbackInfo& info);
  ~ServerHandle();

 private:
  Napi::Value accept(const Napi::CallbackInfo& info);
  void wait(const Napi::CallbackInfo& info);
  void hold(const Napi::CallbackInfo& info);
  void close(const Napi::CallbackInfo& info);

  void on_ready(Napi::Env env) override;

  Shared shared_;
  channel::Listener listener_;
  channel::Watch watch_;
  bool open_ = false;  // and then the object is kept from the garbage collector
  bool held_ = false;  // and then the event loop runs on
};

}  // namespace ashmem_compat::addon
