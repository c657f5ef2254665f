#include "addon/channel_server.h"

#include <sys/epoll.h>

#include "addon/channel_handle.h"
#include "addon/channel_js.h"

namespace ashmem_compat::addon {

Napi::Function ServerHandle::define(Napi::Env env, Shared* shared) {
  return DefineClass(env, "ServerHandle",
                     {
                         method<ServerHandle, &ServerHandle::accept>("accept"),
                         method<ServerHandle, &ServerHandle::wait>("wait"),
                         method<ServerHandle, &ServerHandle::hold>("hold"),
                         method<ServerHandle, &ServerHandle::close>("close"),
                     },
                     shared);
}

Napi::Value ServerHandle::create(Napi::Env env, const ChannelEnvironment& environment,
                                 channel::Listener listener) {
  return construct(env, environment.server_class, listener);
}

ServerHandle::ServerHandle(const Napi::CallbackInfo& info)
    : Napi::ObjectWrap<ServerHandle>(info), shared_(*static_cast<Shared*>(info.Data())) {
  if (!info[0].IsExternal()) {
    Napi::TypeError::New(info.Env(), "not for direct use").ThrowAsJavaScriptException();
    return;
  }
  listener_ = std::move(*info[0].As<Napi::External<channel::Listener>>().Data());
  open_ = true;
  Ref();
}

ServerHandle::~ServerHandle() {
  shared_->bridge.disarm(watch_);
  if (held_) shared_->bridge.release();
}

// accept(): the next connection, or undefined when nobody waits.
Napi::Value ServerHandle::accept(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  if (!open_) return env.Undefined();
  Result<Fd> connection = listener_.accept();
  if (!connection.ok()) {
    raise(env, connection.status());
    return {};
  }
  if (!connection.value().valid()) return env.Undefined();
  return ChannelHandle::create(env, *shared_, std::move(connection.value()));
}

// wait(): onConnection() is to be called, once, when somebody waits.
void ServerHandle::wait(const Napi::CallbackInfo& info) {
  if (!open_) return;
  const Status status = shared_->bridge.arm(watch_, listener_.fd(), this, EPOLLIN);
  if (!status.ok()) raise(info.Env(), status);
}

// hold(on): whether this server keeps the process alive.
void ServerHandle::hold(const Napi::CallbackInfo& info) {
  const bool on = open_ && info[0].As<Napi::Boolean>().Value();
  if (on == held_) return;
  held_ = on;
  if (on) {
    shared_->bridge.hold();
  } else {
    shared_->bridge.release();
  }
}

void ServerHandle::close(const Napi::CallbackInfo&) {
  if (!open_) return;
  open_ = false;
  shared_->bridge.disarm(watch_);
  if (held_) shared_->bridge.release();
  held_ = false;
  listener_.close();
  Unref();
}

void ServerHandle::on_ready(Napi::Env env) {
  const Napi::HandleScope scope(env);
  call_method(env, Value(), "onConnection", env.Undefined());
}

}  // namespace ashmem_compat::addon
