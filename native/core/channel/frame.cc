#include "core/channel/frame.h"

#include <unistd.h>

#include <algorithm>
#include <cstring>

namespace ashmem_compat::channel {
namespace {

constexpr uint8_t kMagic[4] = {'A', 'C', 'H', '1'};
// A peer that announces 64 MiB and sends nothing must not cost 64 MiB: the buffer follows what has arrived.
constexpr size_t kFirstCapacity = size_t{64} * 1024;

}  // namespace

void encode(const Header& header, uint8_t (&out)[kHeaderSize]) {
  std::memcpy(out, kMagic, sizeof kMagic);
  out[4] = static_cast<uint8_t>(header.kind);
  out[5] = 0;
  out[6] = static_cast<uint8_t>(header.fd_count);
  out[7] = static_cast<uint8_t>(header.fd_count >> 8);
  for (int i = 0; i < 4; i++) out[8 + i] = static_cast<uint8_t>(header.length >> (8 * i));
}

Result<Header> decode(const uint8_t (&in)[kHeaderSize]) {
  Header header;
  if (std::memcmp(in, kMagic, sizeof kMagic) != 0) {
    return Status::Of(Code::kBadMessage, "the peer sent something that is not a message of this protocol");
  }
  if (in[4] > static_cast<uint8_t>(Kind::kBytes) || in[5] != 0) {
    return Status::Of(Code::kBadMessage, "the peer sent a message of an unknown kind");
  }
  header.kind = static_cast<Kind>(in[4]);
  header.fd_count = static_cast<uint16_t>(in[6] | in[7] << 8);
  for (int i = 0; i < 4; i++) header.length |= static_cast<uint32_t>(in[8 + i]) << (8 * i);
  if (header.fd_count > kMaxFds) {
    return Status::Of(Code::kBadMessage, "the peer announced more than 253 descriptors in one message");
  }
  if (header.length > kMaxPayload || (header.kind == Kind::kNone && header.length != 0)) {
    return Status::Of(Code::kBadMessage, "the peer announced a message of an impossible length");
  }
  return header;
}

Text classify_text(const uint8_t* bytes, size_t length) {
  bool ascii = true;
  size_t i = 0;
  while (i < length) {
    uint64_t word;
    if (length - i >= sizeof word) {
      std::memcpy(&word, bytes + i, sizeof word);
      if ((word & 0x8080808080808080u) == 0) {
        i += sizeof word;
        continue;
      }
    }
    const uint8_t lead = bytes[i];
    if (lead < 0x80) {
      i++;
      continue;
    }
    ascii = false;
    const size_t extra = lead >= 0xf0 ? 3 : lead >= 0xe0 ? 2 : 1;
    if (lead < 0xc2 || lead > 0xf4 || length - i <= extra) return Text::kInvalid;
    // The second byte excludes overlong forms, surrogates and what lies beyond U+10FFFF.
    const uint8_t low = lead == 0xe0 ? 0xa0 : lead == 0xf0 ? 0x90 : 0x80;
    const uint8_t high = lead == 0xed ? 0x9f : lead == 0xf4 ? 0x8f : 0xbf;
    if (bytes[i + 1] < low || bytes[i + 1] > high) return Text::kInvalid;
    for (size_t k = 2; k <= extra; k++) {
      if ((bytes[i + k] & 0xc0) != 0x80) return Text::kInvalid;
    }
    i += extra + 1;
  }
  return ascii ? Text::kAscii : Text::kUtf8;
}

FrameReader::Space FrameReader::space() {
  if (!have_header_) return {raw_header_ + filled_, kHeaderSize - filled_};
  const size_t length = header_.length;
  if (filled_ == length) return {nullptr, 0};
  if (filled_ == capacity_) {
    const size_t grown = std::min(length, std::max(kFirstCapacity, capacity_ * 2));
    auto* bytes = static_cast<uint8_t*>(std::realloc(payload_.get(), grown));
    if (bytes == nullptr) return {nullptr, 0};
    static_cast<void>(payload_.release());
    payload_.reset(bytes);
    capacity_ = grown;
  }
  return {payload_.get() + filled_, std::min(capacity_, length) - filled_};
}

Status FrameReader::commit(size_t count) {
  filled_ += count;
  if (have_header_ || filled_ < kHeaderSize) return Status::Ok();
  Result<Header> header = decode(raw_header_);
  if (!header.ok()) {
    close_fds();
    return header.status();
  }
  header_ = header.value();
  have_header_ = true;
  filled_ = 0;
  if (fd_count_ > header_.fd_count) {
    close_fds();
    fds_lost_ = true;
  }
  return Status::Ok();
}

void FrameReader::add_fds(const int* fds, size_t count, bool truncated) {
  const size_t limit = have_header_ ? header_.fd_count : kMaxFds;
  if (truncated || count > limit - fd_count_) fds_lost_ = true;
  if (!fds_lost_) {
    std::copy_n(fds, count, fds_ + fd_count_);
    fd_count_ += count;
    return;
  }
  // A message that lost one descriptor is of no use with the others, and a hostile peer could pile them up.
  for (size_t i = 0; i < count; i++) ::close(fds[i]);
  close_fds();
}

Status FrameReader::verdict() {
  if (!fds_lost_ && fd_count_ == header_.fd_count) return Status::Ok();
  close_fds();
  return Status::Of(Code::kFdsLost, "descriptors of this message did not arrive");
}

Bytes FrameReader::release_payload() {
  capacity_ = 0;
  return std::move(payload_);
}

void FrameReader::next() {
  close_fds();
  have_header_ = false;
  fds_lost_ = false;
  filled_ = 0;
  header_ = Header{};
  // A small buffer serves the next message too; a large one is given back.
  if (capacity_ > kFirstCapacity) {
    payload_.reset();
    capacity_ = 0;
  }
}

void FrameReader::close_fds() {
  for (size_t i = 0; i < fd_count_; i++) ::close(fds_[i]);
  fd_count_ = 0;
}

}  // namespace ashmem_compat::channel
