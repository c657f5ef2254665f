// The native half of FdChannel.
#pragma once

#include <napi.h>

#include <memory>

#include "addon/channel_environment.h"
#include "core/channel/send_queue.h"

namespace ashmem_compat::addon {

class ChannelHandle final : public Napi::ObjectWrap<ChannelHandle>, private Pollable {
 public:
  using Shared = std::shared_ptr<ChannelEnvironment>;

  static Napi::Function define(Napi::Env env, Shared* shared);
  // A handle that owns `socket`; an empty value, with an exception pending, if there is none.
  static Napi::Value create(Napi::Env env, const ChannelEnvironment& environment, Fd socket);

  explicit ChannelHandle(const Napi::CallbackInfo& info);
  ~ChannelHandle();

 private:
  Napi::Value send(const Napi::CallbackInfo& info);
  Napi::Value receive(const Napi::CallbackInfo& info);
  void wait(const Napi::CallbackInfo& info);
  void close(const Napi::CallbackInfo& info);
  Napi::Value peer(const Napi::CallbackInfo& info);
  Napi::Value fd(const Napi::CallbackInfo& info);

  void on_ready(Napi::Env env) override;
  Napi::Value take_payload(Napi::Env env);
  // Brings the poller, the event loop and the garbage collector in line with what is being waited for.
  Status update();
  void shut();
  void told_sent(Napi::Env env, const Status& status);

  Shared shared_;
  Fd socket_;
  channel::Watch watch_;
  channel::FrameReader reader_;
  channel::SendQueue queue_;
  channel::SpinBudget spin_;
  channel::Peer peer_;
  bool waiting_ = false;  // a receive() is
  uint32_t armed_ = 0;    // events that the poller was asked for and has not reported
  bool held_ = false;
};

}  // namespace ashmem_compat::addon
