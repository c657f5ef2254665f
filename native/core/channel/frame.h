// Frames on a stream socket, as docs/protocol.md ("Channel framing") lays them out.
//
// A reader never asks for a byte beyond the frame that it is in. So every byte, and with it every descriptor,
// belongs to a known message, and what has not been asked for stays in the kernel, which closes it if nobody
// ever asks.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>

#include "core/status.h"

namespace ashmem_compat::channel {

constexpr size_t kHeaderSize = 12;
constexpr size_t kMaxPayload = size_t{64} << 20;
constexpr size_t kMaxFds = 253;  // SCM_MAX_FD: the most that the kernel takes in one message

enum class Kind : uint8_t { kNone = 0, kJson = 1, kBytes = 2 };

struct Header {
  Kind kind = Kind::kNone;
  uint16_t fd_count = 0;
  uint32_t length = 0;
};

void encode(const Header& header, uint8_t (&out)[kHeaderSize]);
Result<Header> decode(const uint8_t (&in)[kHeaderSize]);

enum class Text { kAscii, kUtf8, kInvalid };
Text classify_text(const uint8_t* bytes, size_t length);

struct Free {
  void operator()(uint8_t* p) const { std::free(p); }
};
using Bytes = std::unique_ptr<uint8_t, Free>;

// Puts one frame after another together from pieces of any size. Owns the descriptors that it was given until
// release_fds(); closes the rest.
class FrameReader {
 public:
  struct Space {
    uint8_t* data;
    size_t size;
  };

  FrameReader() = default;
  FrameReader(const FrameReader&) = delete;
  FrameReader& operator=(const FrameReader&) = delete;
  ~FrameReader() { close_fds(); }

  // Where the next bytes belong. Size 0 when the frame is complete, or when there is no memory for it.
  Space space();
  // `count` bytes have been stored there. Fails on a header that is none; the stream is lost then.
  Status commit(size_t count);
  // Descriptors that came with the bytes which the next commit() announces. `truncated`: the kernel dropped
  // some.
  void add_fds(const int* fds, size_t count, bool truncated);

  bool complete() const { return have_header_ && filled_ == header_.length; }
  bool at_boundary() const { return !have_header_ && filled_ == 0; }

  // Of a complete frame: Ok, or kFdsLost when the descriptors are not those that the header promised (they
  // are closed).
  Status verdict();
  Kind kind() const { return header_.kind; }
  const uint8_t* payload() const { return payload_.get(); }
  size_t length() const { return header_.length; }
  Bytes release_payload();
  const int* fds() const { return fds_; }
  size_t fd_count() const { return fd_count_; }
  void release_fds() { fd_count_ = 0; }
  // On to the next frame. Closes the descriptors that nobody released.
  void next();

 private:
  void close_fds();

  Header header_;
  bool have_header_ = false;
  bool fds_lost_ = false;
  size_t filled_ = 0;    // bytes of the header, then of the payload
  size_t capacity_ = 0;  // of payload_
  size_t fd_count_ = 0;
  Bytes payload_;
  uint8_t raw_header_[kHeaderSize] = {};
  int fds_[kMaxFds] = {};
};

}  // namespace ashmem_compat::channel
