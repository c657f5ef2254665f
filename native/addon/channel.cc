// What lib/channel/native-types.ts declares.
#include <memory>
#include <string>

#include "addon/channel_environment.h"
#include "addon/channel_handle.h"
#include "addon/channel_js.h"
#include "addon/channel_server.h"
#include "core/channel/listener.h"

namespace ashmem_compat::addon {
namespace {

using Shared = std::shared_ptr<ChannelEnvironment>;

ChannelEnvironment& environment_of(const Napi::CallbackInfo& info) {
  return **static_cast<Shared*>(info.Data());
}

Napi::Value open_pair(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  Result<channel::Pair> pair = channel::make_pair();
  if (!pair.ok()) return raise(env, pair.status());
  const Napi::Value first = ChannelHandle::create(env, environment_of(info), std::move(pair.value().first));
  const Napi::Value second = ChannelHandle::create(env, environment_of(info), std::move(pair.value().second));
  napi_value both;
  if (first.IsEmpty() || second.IsEmpty() || napi_create_array_with_length(env, 2, &both) != napi_ok)
    return {};
  napi_set_element(env, both, 0, first);
  napi_set_element(env, both, 1, second);
  return {env, both};
}

Napi::Value open_fd(const Napi::CallbackInfo& info) {
  Result<Fd> socket = channel::adopt(info[0].As<Napi::Number>().Int32Value());
  if (!socket.ok()) return raise(info.Env(), socket.status());
  return ChannelHandle::create(info.Env(), environment_of(info), std::move(socket.value()));
}

Napi::Value connect(const Napi::CallbackInfo& info) {
  Result<Fd> socket = channel::connect_to(info[0].As<Napi::String>().Utf8Value());
  if (!socket.ok()) return raise(info.Env(), socket.status());
  return ChannelHandle::create(info.Env(), environment_of(info), std::move(socket.value()));
}

Napi::Value listen(const Napi::CallbackInfo& info) {
  Result<channel::Listener> listener = channel::Listener::open(info[0].As<Napi::String>().Utf8Value());
  if (!listener.ok()) return raise(info.Env(), listener.status());
  return ServerHandle::create(info.Env(), environment_of(info), std::move(listener.value()));
}

// fs.closeSync() in a worker warns about every descriptor that it has not opened itself.
void close_fds(const Napi::CallbackInfo& info) {
  uint32_t count = 0;
  napi_get_array_length(info.Env(), info[0], &count);
  for (uint32_t i = 0; i < count; i++) {
    napi_value number;
    int32_t fd = -1;
    if (napi_get_element(info.Env(), info[0], i, &number) != napi_ok) return;
    if (napi_get_value_int32(info.Env(), number, &fd) == napi_ok) Fd(fd).reset();
  }
}

}  // namespace

void register_channel(Napi::Env env, Napi::Object exports) {
  auto* shared = new Shared(std::make_shared<ChannelEnvironment>(env));
  // Hooks run last come, first served, so the poller bridge's own runs before this one. Handles that live on
  // until the environment's objects are finalized keep the rest alive.
  napi_add_env_cleanup_hook(
      env, [](void* data) { delete static_cast<Shared*>(data); }, shared);
  (*shared)->channel_class = Napi::Persistent(ChannelHandle::define(env, shared));
  (*shared)->server_class = Napi::Persistent(ServerHandle::define(env, shared));
  exports.Set("channelPair", Napi::Function::New<open_pair>(env, "channelPair", shared));
  exports.Set("channelFromFd", Napi::Function::New<open_fd>(env, "channelFromFd", shared));
  exports.Set("channelConnect", Napi::Function::New<connect>(env, "channelConnect", shared));
  exports.Set("channelCloseFds", Napi::Function::New<close_fds>(env, "channelCloseFds"));
  exports.Set("channelListen", Napi::Function::New<listen>(env, "channelListen", shared));
}

}  // namespace ashmem_compat::addon
