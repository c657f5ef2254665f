#include "addon/channel_handle.h"

#include <sys/epoll.h>

#include <cstring>
#include <string>

#include "addon/channel_js.h"

namespace ashmem_compat::addon {
namespace {

using channel::Kind;

// Up to here copying is cheaper than an ArrayBuffer with a finalizer of its own.
constexpr size_t kCopyLimit = size_t{64} * 1024;

}  // namespace

Napi::Function ChannelHandle::define(Napi::Env env, Shared* shared) {
  return DefineClass(env, "ChannelHandle",
                     {
                         method<ChannelHandle, &ChannelHandle::send>("send"),
                         method<ChannelHandle, &ChannelHandle::receive>("receive"),
                         method<ChannelHandle, &ChannelHandle::wait>("wait"),
                         method<ChannelHandle, &ChannelHandle::close>("close"),
                         method<ChannelHandle, &ChannelHandle::peer>("peer"),
                         method<ChannelHandle, &ChannelHandle::fd>("fd"),
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
    raise(info.Env(), peer.status());
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
    raise(env, Status::Of(Code::kChannelClosed, "the channel is closed"));
    return {};
  }
  const auto kind = static_cast<Kind>(info[0].As<Napi::Number>().Uint32Value());
  int fds[channel::kMaxFds];
  size_t fd_count = 0;
  if (info[2].IsArray()) {
    fd_count = info[2].As<Napi::Array>().Length();
    for (uint32_t i = 0; i < fd_count && i < channel::kMaxFds; i++) {
      napi_value number;
      if (napi_get_element(env, info[2], i, &number) != napi_ok) return {};
      if (napi_get_value_int32(env, number, &fds[i]) != napi_ok) return {};
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
  raise(env, status);
  return {};
}

Napi::Value ChannelHandle::take_payload(Napi::Env env) {
  const size_t length = reader_.length();
  if (reader_.kind() == Kind::kNone) return env.Undefined();
  const uint8_t* payload = reader_.payload();
  if (reader_.kind() == Kind::kJson) {
    const channel::Text text = channel::classify_text(payload, length);
    if (text == channel::Text::kInvalid) {
      raise(env, Status::Of(Code::kBadMessage, "the message is not valid UTF-8"));
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
  napi_value buffer;
  if (length <= kCopyLimit) {
    void* copy;
    if (napi_create_arraybuffer(env, length, &copy, &buffer) != napi_ok) return {};
    if (length > 0) std::memcpy(copy, payload, length);
  } else {
    channel::Bytes owned = reader_.release_payload();
    const auto free_bytes = [](napi_env, void* bytes, void*) { std::free(bytes); };
    if (napi_create_external_arraybuffer(env, owned.get(), length, free_bytes, nullptr, &buffer) != napi_ok)
      return {};
    static_cast<void>(owned.release());
  }
  napi_value bytes;
  if (napi_create_typedarray(env, napi_uint8_array, length, buffer, 0, &bytes) != napi_ok) return {};
  return {env, bytes};
}

// receive(woken): [payload, fds], or undefined when there is no whole message yet.
Napi::Value ChannelHandle::receive(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  if (!socket_.valid()) {
    raise(env, Status::Of(Code::kChannelClosed, "the channel is closed"));
    return {};
  }
  // Whoever was woken has waited long enough to make looking again pointless.
  const bool woken = info[0].As<Napi::Boolean>().Value();
  Result<channel::Read> result = woken ? channel::read_frame(socket_.get(), reader_)
                                       : channel::read_frame_soon(socket_.get(), reader_, spin_);
  if (!result.ok()) {
    const Code code = result.status().code;
    if (code == Code::kBadMessage) shut();  // where the next message begins nobody knows
    raise(env, result.status());
    return {};
  }
  if (result.value() == channel::Read::kNothingYet) return env.Undefined();

  const Status verdict = reader_.verdict();
  if (!verdict.ok()) {
    reader_.next();
    raise(env, verdict);
    return {};
  }
  const Napi::Value payload = take_payload(env);
  const napi_value fds = payload.IsEmpty() ? nullptr : integers(env, reader_.fds(), reader_.fd_count());
  napi_value message = nullptr;
  if (fds == nullptr || napi_create_array_with_length(env, 2, &message) != napi_ok ||
      napi_set_element(env, message, 0, payload) != napi_ok ||
      napi_set_element(env, message, 1, fds) != napi_ok) {
    // Nobody gets the descriptors.
    reader_.next();
    return {};
  }
  reader_.release_fds();
  reader_.next();
  return {env, message};
}

// wait(on): whether onReadable() is to be called, once, when there is something to read.
void ChannelHandle::wait(const Napi::CallbackInfo& info) {
  waiting_ = info[0].As<Napi::Boolean>().Value();
  const Status status = update();
  if (!status.ok()) {
    waiting_ = false;
    update();
    raise(info.Env(), status);
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
  const int ids[] = {static_cast<int>(peer_.pid), static_cast<int>(peer_.uid), static_cast<int>(peer_.gid)};
  return {env, integers(env, ids, 3)};
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
    call_method(env, self, "onReadable", env.Undefined());
    if (env.IsExceptionPending()) return;
  }
  if (socket_.valid()) {
    const Status status = update();
    if (!status.ok()) raise(env, status);
  }
}

void ChannelHandle::told_sent(Napi::Env env, const Status& status) {
  if (!can_run_javascript(env)) return;
  call_method(env, Value(), "onSent",
              status.ok() ? env.Undefined() : Environment::of(env).make_error(env, status));
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
