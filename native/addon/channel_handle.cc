#include "addon/channel_handle.h"

#include <sys/epoll.h>

#include <cstring>
#include <string>

#include "addon/environment.h"

namespace ashmem_compat::addon {
namespace {

using channel::Kind;

// Up to here copying is cheaper than an ArrayBuffer with a finalizer of its own.
constexpr size_t kCopyLimit = 64 * 1024;

}  // namespace

Napi::Function ChannelHandle::define(Napi::Env env, Shared* shared) {
  return DefineClass(env, "ChannelHandle",
                     {
                         InstanceMethod<&ChannelHandle::send>("send"),
                         InstanceMethod<&ChannelHandle::receive>("receive"),
                         InstanceMethod<&ChannelHandle::wait>("wait"),
                         InstanceMethod<&ChannelHandle::close>("close"),
                         InstanceMethod<&ChannelHandle::peer>("peer"),
                         InstanceMethod<&ChannelHandle::fd>("fd"),
                     },
                     shared);
}

Napi::Value ChannelHandle::create(Napi::Env env, const ChannelEnvironment& environment, Fd socket) {
  return construct(env, environment.channel_class, socket);
}

ChannelHandle::ChannelHandle(const Napi::CallbackInfo& info)
    : Napi::ObjectWrap<ChannelHandle>(info), shared_(*static_cast<Shared*>(info.Data())) {
  if (!info[0].IsExternal()) {
    Napi::TypeError::New(info.Env(), "not for direct use").ThrowAsJavaScriptException();
    return;
  }
  socket_ = std::move(*info[0].As<Napi::External<Fd>>().Data());
  Result<channel::Peer> peer = channel::peer_of(socket_.get());
  if (!peer.ok()) {
    Environment::of(info.Env()).raise(info.Env(), peer.status());
    return;
  }
  peer_ = peer.value();
}

ChannelHandle::~ChannelHandle() {
  // No Unref() here: there is no object any more. Held still means that the environment goes down.
  shared_->bridge.disarm(watch_);
  if (held_) shared_->bridge.release();
}

// send(kind, payload, fds): 0 when the kernel has it, -1 when it is queued and onSent() will tell, n > 0 when
// fds[n - 1] is not open.
Napi::Value ChannelHandle::send(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  if (!socket_.valid()) {
    Environment::of(env).raise(env, Status::Of(Code::kChannelClosed, "the channel is closed"));
    return {};
  }
  const auto kind = static_cast<Kind>(info[0].As<Napi::Number>().Uint32Value());
  int fds[channel::kMaxFds];
  size_t fd_count = 0;
  if (info[2].IsArray()) {
    const Napi::Array list = info[2].As<Napi::Array>();
    fd_count = list.Length();
    for (uint32_t i = 0; i < fd_count && i < channel::kMaxFds; i++) {
      fds[i] = list.Get(i).As<Napi::Number>().Int32Value();
    }
  }

  const uint8_t* payload = nullptr;
  size_t length = 0;
  char small[4096];
  std::string large;
  if (kind == Kind::kJson) {
    // Filled to the brim means that there may be more.
    napi_get_value_string_utf8(env, info[1], small, sizeof small, &length);
    payload = reinterpret_cast<const uint8_t*>(small);
    if (length + 4 >= sizeof small) {
      large = info[1].As<Napi::String>().Utf8Value();
      payload = reinterpret_cast<const uint8_t*>(large.data());
      length = large.size();
    }
  } else if (kind == Kind::kBytes) {
    const Napi::Uint8Array bytes = info[1].As<Napi::Uint8Array>();
    payload = bytes.Data();
    length = bytes.ByteLength();
  }

  size_t bad_fd = fd_count;
  Result<channel::SendQueue::Outcome> result =
      queue_.send(socket_.get(), kind, payload, length, fds, fd_count, bad_fd);
  if (!result.ok() && bad_fd < fd_count) return Napi::Number::New(env, static_cast<double>(bad_fd + 1));
  Status status = result.status();
  if (status.ok()) {
    if (result.value() == channel::SendQueue::Outcome::kSent) return Napi::Number::New(env, 0);
    status = update();
    if (status.ok()) return Napi::Number::New(env, -1);
    // Nobody would ever send it on.
    shut();
  }
  Environment::of(env).raise(env, status);
  return {};
}

Napi::Value ChannelHandle::take_payload(Napi::Env env) {
  const size_t length = reader_.length();
  if (reader_.kind() == Kind::kNone) return env.Undefined();
  const uint8_t* payload = reader_.payload();
  if (reader_.kind() == Kind::kJson) {
    const channel::Text text = channel::classify_text(payload, length);
    if (text == channel::Text::kInvalid) {
      Environment::of(env).raise(env, Status::Of(Code::kBadMessage, "the message is not valid UTF-8"));
      return {};
    }
    const auto* chars =
        reinterpret_cast<const char*>(payload != nullptr ? payload : reinterpret_cast<const uint8_t*>(""));
    napi_value string = nullptr;
    if (text == channel::Text::kAscii) {
      napi_create_string_latin1(env, chars, length, &string);
    } else {
      napi_create_string_utf8(env, chars, length, &string);
    }
    return {env, string};
  }
  if (length <= kCopyLimit) {
    Napi::Uint8Array copy = Napi::Uint8Array::New(env, length);
    if (length > 0) std::memcpy(copy.Data(), payload, length);
    return copy;
  }
  uint8_t* owned = reader_.release_payload().release();
  const auto buffer =
      Napi::ArrayBuffer::New(env, owned, length, [](Napi::Env, void* bytes) { std::free(bytes); });
  return Napi::Uint8Array::New(env, length, buffer, 0);
}

// receive(woken): [payload, fds], or undefined when there is no whole message yet.
Napi::Value ChannelHandle::receive(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  if (!socket_.valid()) {
    Environment::of(env).raise(env, Status::Of(Code::kChannelClosed, "the channel is closed"));
    return {};
  }
  // Whoever was woken has waited long enough to make looking again pointless.
  const bool woken = info[0].ToBoolean();
  Result<channel::Read> result = woken ? channel::read_frame(socket_.get(), reader_)
                                       : channel::read_frame_soon(socket_.get(), reader_, spin_);
  if (!result.ok()) {
    const Code code = result.status().code;
    if (code == Code::kBadMessage) shut();  // where the next message begins nobody knows
    Environment::of(env).raise(env, result.status());
    return {};
  }
  if (result.value() == channel::Read::kNothingYet) return env.Undefined();

  const Status verdict = reader_.verdict();
  if (!verdict.ok()) {
    reader_.next();
    Environment::of(env).raise(env, verdict);
    return {};
  }
  const Napi::Value payload = take_payload(env);
  if (env.IsExceptionPending()) {
    reader_.next();
    return {};
  }
  const auto fds = Napi::Array::New(env, reader_.fd_count());
  for (uint32_t i = 0; i < reader_.fd_count(); i++) fds.Set(i, Napi::Number::New(env, reader_.fds()[i]));
  reader_.release_fds();
  reader_.next();
  const auto message = Napi::Array::New(env, 2);
  message.Set(0u, payload);
  message.Set(1u, fds);
  return message;
}

// wait(on): whether onReadable() is to be called, once, when there is something to read.
void ChannelHandle::wait(const Napi::CallbackInfo& info) {
  waiting_ = info[0].ToBoolean();
  const Status status = update();
  if (!status.ok()) {
    waiting_ = false;
    update();
    Environment::of(info.Env()).raise(info.Env(), status);
  }
}

void ChannelHandle::close(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  channel::SendQueue unsent;
  std::swap(unsent, queue_);
  shut();
  unsent.fail_all(Status::Of(Code::kChannelClosed, "the channel was closed before the message was sent"),
                  [&](const Status& status) { told_sent(env, status); });
}

Napi::Value ChannelHandle::peer(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const auto ids = Napi::Array::New(env, 3);
  ids.Set(0u, Napi::Number::New(env, peer_.pid));
  ids.Set(1u, Napi::Number::New(env, peer_.uid));
  ids.Set(2u, Napi::Number::New(env, peer_.gid));
  return ids;
}

Napi::Value ChannelHandle::fd(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), socket_.get());
}

void ChannelHandle::on_ready(Napi::Env env) {
  armed_ = 0;
  const Napi::HandleScope scope(env);
  const Napi::Object self = Value();
  queue_.flush(socket_.get(), [&](const Status& status) { told_sent(env, status); });
  if (waiting_ && socket_.valid()) {
    waiting_ = false;
    self.Get("onReadable").As<Napi::Function>().Call(self, {});
    if (env.IsExceptionPending()) return;
  }
  if (socket_.valid()) {
    const Status status = update();
    if (!status.ok()) Environment::of(env).raise(env, status);
  }
}

void ChannelHandle::told_sent(Napi::Env env, const Status& status) {
  const Napi::Object self = Value();
  const Napi::Value error = status.ok() ? env.Undefined() : Environment::of(env).make_error(env, status);
  self.Get("onSent").As<Napi::Function>().Call(self, {error});
}

Status ChannelHandle::update() {
  const uint32_t wanted = (waiting_ ? EPOLLIN : 0u) | (queue_.empty() ? 0u : EPOLLOUT);
  Status status = Status::Ok();
  // What is armed in vain is left so: its one call finds nobody waiting.
  if ((wanted & ~armed_) != 0) {
    status = shared_->bridge.arm(watch_, socket_.get(), this, wanted);
    if (status.ok()) armed_ = wanted;
  }
  const bool hold = wanted != 0 && status.ok();
  if (hold != held_) {
    held_ = hold;
    if (hold) {
      Ref();
      shared_->bridge.hold();
    } else {
      shared_->bridge.release();
      Unref();
    }
  }
  return status;
}

void ChannelHandle::shut() {
  shared_->bridge.disarm(watch_);
  armed_ = 0;
  waiting_ = false;
  reader_.next();
  socket_.reset();
  if (held_) {
    held_ = false;
    shared_->bridge.release();
    Unref();
  }
}

}  // namespace ashmem_compat::addon
