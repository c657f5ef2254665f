// The framing without Node: every split, random chunks, garbage, and what happens to descriptors.
#include <dirent.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "core/channel/address.h"
#include "core/channel/listener.h"
#include "core/channel/send_queue.h"
#include "core/channel/stream.h"

using namespace ashmem_compat;
using namespace ashmem_compat::channel;

namespace {

int failures = 0;
#define CHECK(condition)                                                             \
  do {                                                                               \
    if (!(condition)) {                                                              \
      std::fprintf(stderr, "%s:%d: not true: %s\n", __FILE__, __LINE__, #condition); \
      failures++;                                                                    \
    }                                                                                \
  } while (false)

int open_fds() {
  int count = 0;
  DIR* dir = ::opendir("/proc/self/fd");
  while (::readdir(dir) != nullptr) count++;
  ::closedir(dir);
  return count;
}

std::string frame(Kind kind, const std::string& payload, uint16_t fd_count = 0) {
  uint8_t header[kHeaderSize];
  encode({kind, fd_count, static_cast<uint32_t>(payload.size())}, header);
  return std::string(reinterpret_cast<char*>(header), sizeof header) + payload;
}

struct Message {
  Kind kind;
  std::string payload;
};

// Feeds a reader as a socket would: never more than it asks for, and never more than `chunk()` at once.
template <typename Chunk>
Status feed(FrameReader& reader, const std::string& stream, std::vector<Message>& out, Chunk&& chunk) {
  size_t at = 0;
  for (;;) {
    while (reader.complete()) {
      out.push_back(
          {reader.kind(), std::string(reinterpret_cast<const char*>(reader.payload()), reader.length())});
      CHECK(reader.verdict().ok());
      reader.next();
      CHECK(reader.at_boundary());
    }
    if (at == stream.size()) return Status::Ok();
    const FrameReader::Space space = reader.space();
    CHECK(space.size > 0);
    const size_t count = std::min({space.size, stream.size() - at, chunk()});
    std::memcpy(space.data, stream.data() + at, count);
    at += count;
    const Status status = reader.commit(count);
    if (!status.ok()) return status;
  }
}

void every_split_gives_the_same_messages() {
  const std::string stream = frame(Kind::kJson, "{\"a\":1}") + frame(Kind::kNone, "") +
                             frame(Kind::kBytes, "") + frame(Kind::kBytes, "xyz");
  for (size_t split = 0; split <= stream.size(); split++) {
    FrameReader reader;
    std::vector<Message> got;
    const auto whole = [] { return SIZE_MAX; };
    CHECK(feed(reader, stream.substr(0, split), got, whole).ok());
    CHECK(feed(reader, stream.substr(split), got, whole).ok());
    CHECK(got.size() == 4);
    CHECK(got.size() == 4 && got[0].payload == "{\"a\":1}" && got[0].kind == Kind::kJson);
    CHECK(got.size() == 4 && got[1].kind == Kind::kNone && got[2].kind == Kind::kBytes &&
          got[3].payload == "xyz");
    CHECK(reader.at_boundary());
  }
}

void random_chunks_give_the_same_messages() {
  for (uint32_t seed = 1; seed <= 200; seed++) {
    std::mt19937 random(seed);
    std::string stream;
    std::vector<std::string> sent;
    for (int i = 0; i < 20; i++) {
      std::string payload(random() % (i == 7 ? 300'000 : 300), '\0');
      for (char& c : payload) c = static_cast<char>(random());
      stream += frame(Kind::kBytes, payload);
      sent.push_back(payload);
    }
    FrameReader reader;
    std::vector<Message> got;
    const size_t largest = 1 + random() % (seed % 3 == 0 ? 20 : 100'000);
    CHECK(feed(reader, stream, got, [&] { return 1 + random() % largest; }).ok());
    CHECK(got.size() == sent.size());
    for (size_t i = 0; i < std::min(got.size(), sent.size()); i++) CHECK(got[i].payload == sent[i]);
  }
}

void garbage_is_refused_and_never_believed() {
  for (uint32_t seed = 1; seed <= 20'000; seed++) {
    std::mt19937 random(seed);
    std::string stream = frame(Kind::kBytes, "abc", 2);
    // A frame with some bytes wrong, then noise.
    for (uint32_t i = 0; i < 1 + seed % 4; i++) stream[random() % kHeaderSize] = static_cast<char>(random());
    for (int i = 0; i < 64; i++) stream += static_cast<char>(random());
    FrameReader reader;
    for (size_t at = 0; at < stream.size() && !reader.complete();) {
      const FrameReader::Space space = reader.space();
      const size_t count = std::min<size_t>({space.size, stream.size() - at, 1 + random() % 8});
      std::memcpy(space.data, stream.data() + at, count);
      at += count;
      if (!reader.commit(count).ok()) break;
    }
    CHECK(reader.length() <= kMaxPayload);
    if (reader.complete()) static_cast<void>(reader.verdict());
  }
}

void headers_at_the_limits() {
  uint8_t raw[kHeaderSize];
  encode({Kind::kBytes, kMaxFds, kMaxPayload}, raw);
  Result<Header> header = decode(raw);
  CHECK(header.ok() && header.value().fd_count == 253 && header.value().length == 64u << 20);
  const struct {
    size_t at;
    uint8_t value;
  } wrong[] = {{0, 'B'}, {3, '2'}, {4, 3}, {5, 1}, {6, 254}, {7, 1}, {8, 1}, {11, 5}};
  for (const auto& w : wrong) {
    encode({Kind::kBytes, kMaxFds, kMaxPayload}, raw);
    raw[w.at] = w.value;
    CHECK(decode(raw).status().code == Code::kBadMessage);
  }
  encode({Kind::kNone, 0, 1}, raw);
  CHECK(!decode(raw).ok());
}

Status read_one(int fd, FrameReader& reader) {
  Result<Read> read = read_frame(fd, reader);
  if (!read.ok()) return read.status();
  CHECK(read.value() == Read::kFrame);
  return reader.verdict();
}

void send_raw(int fd, const std::string& bytes, const std::vector<int>& fds) {
  const iovec piece{const_cast<char*>(bytes.data()), bytes.size()};
  Result<size_t> sent = send_some(fd, &piece, 1, fds.data(), fds.size());
  CHECK(sent.ok() && sent.value() == bytes.size());
}

void descriptors_belong_to_their_message() {
  const int before = open_fds();
  {
    Pair pair = std::move(make_pair().value());
    const int a = pair.first.get(), b = pair.second.get();
    FrameReader reader;
    const Fd null(::open("/dev/null", O_RDONLY | O_CLOEXEC));
    const std::vector<int> one{null.get()}, two{null.get(), null.get()};
    // One promised and none sent, right before one promised and sent: neither loses nor borrows.
    send_raw(a, frame(Kind::kJson, "1", 1), {});
    send_raw(a, frame(Kind::kJson, "2", 1), one);
    send_raw(a, frame(Kind::kJson, "3", 1), two);
    send_raw(a, frame(Kind::kJson, "4", 0), one);
    send_raw(a, frame(Kind::kJson, "5", 2), two);
    const Code codes[] = {Code::kFdsLost, Code::kOk, Code::kFdsLost, Code::kFdsLost, Code::kOk};
    for (int i = 0; i < 5; i++) {
      CHECK(read_one(b, reader).code == codes[i]);
      CHECK(reader.payload()[0] == '1' + i);
      CHECK(reader.fd_count() == (i == 1 ? 1u : i == 4 ? 2u : 0u));
      reader.next();
    }
    // With the payload instead of the header is accepted; piled up on every byte they are not kept.
    const std::string late = frame(Kind::kJson, "66", 1);
    send_raw(a, late.substr(0, kHeaderSize), {});
    send_raw(a, late.substr(kHeaderSize), one);
    CHECK(read_one(b, reader).ok() && reader.fd_count() == 1);
    reader.next();
    for (const char c : frame(Kind::kBytes, std::string(100, 'x'), 1)) send_raw(a, std::string(1, c), two);
    CHECK(read_one(b, reader).code == Code::kFdsLost);
    reader.next();
    // Half a message, with descriptors, and then nothing more.
    send_raw(a, late.substr(0, 5), one);
    CHECK(read_frame(b, reader).value() == Read::kNothingYet);
    pair.first.reset();
    CHECK(read_frame(b, reader).status().code == Code::kBadMessage);
  }
  CHECK(open_fds() == before);
}

void a_queue_keeps_order_and_descriptors() {
  const int before = open_fds();
  {
    Pair pair = std::move(make_pair().value());
    SendQueue queue;
    FrameReader reader;
    std::string payload(400'000, 'p');
    size_t bad = 0;
    int sent_at_once = 0, told = 0;
    constexpr int kCount = 12;
    for (int i = 0; i < kCount; i++) {
      payload[0] = static_cast<char>('a' + i);
      Fd null(::open("/dev/null", O_RDONLY | O_CLOEXEC));
      const int fd = null.get();
      auto outcome =
          queue.send(pair.first.get(), Kind::kBytes, reinterpret_cast<const uint8_t*>(payload.data()),
                     payload.size(), &fd, 1, bad);
      CHECK(outcome.ok());
      if (outcome.value() == SendQueue::Outcome::kSent) sent_at_once++;
    }
    CHECK(sent_at_once == 0 && !queue.empty());
    for (int i = 0; i < kCount;) {
      Result<Read> read = read_frame(pair.second.get(), reader);
      CHECK(read.ok());
      if (read.value() == Read::kNothingYet) {
        queue.flush(pair.first.get(), [&](const Status& status) {
          CHECK(status.ok());
          told++;
        });
        continue;
      }
      CHECK(reader.verdict().ok() && reader.fd_count() == 1 && reader.payload()[0] == 'a' + i);
      reader.next();
      i++;
    }
    CHECK(told == kCount && queue.empty());
    int closed[2] = {0, 12345};
    CHECK(!queue.send(pair.first.get(), Kind::kNone, nullptr, 0, closed, 2, bad).ok());
    CHECK(bad == 1);
    pair.second.reset();
    CHECK(queue.send(pair.first.get(), Kind::kNone, nullptr, 0, nullptr, 0, bad).status().code ==
          Code::kChannelClosed);
  }
  CHECK(open_fds() == before);
}

void text_is_judged_as_the_standard_does() {
  const auto judge = [](const char* s) {
    return classify_text(reinterpret_cast<const uint8_t*>(s), std::strlen(s));
  };
  CHECK(judge("") == Text::kAscii && judge("plain, and longer than a word") == Text::kAscii);
  CHECK(judge("sch\xc3\xb6n") == Text::kUtf8 && judge("\xf0\x9f\x98\x80") == Text::kUtf8);
  CHECK(judge("\xf4\x8f\xbf\xbf") == Text::kUtf8 && judge("\xed\x9f\xbf") == Text::kUtf8);
  for (const char* bad : {"\x80", "\xc0\xaf", "\xc1\xbf", "\xe0\x80\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80",
                          "\xf5\x80\x80\x80", "abc\xc3", "\xe2\x82", "\xf0\x9f\x98", "\xc3(", "\xff"}) {
    CHECK(judge(bad) == Text::kInvalid);
  }
}

void names_are_checked() {
  CHECK(parse_address(std::string(107, 'a')).ok() && !parse_address(std::string(108, 'a')).ok());
  CHECK(parse_address(std::string(1, '\0') + std::string(107, 'a')).ok());
  CHECK(!parse_address(std::string(1, '\0') + std::string(108, 'a')).ok());
  CHECK(!parse_address("").ok() && !parse_address(std::string(1, '\0')).ok());
  CHECK(!parse_address(std::string("a\0b", 3)).ok() && parse_address(std::string("\0a\0b", 4)).ok());
}

}  // namespace

int main() {
  every_split_gives_the_same_messages();
  random_chunks_give_the_same_messages();
  garbage_is_refused_and_never_believed();
  headers_at_the_limits();
  descriptors_belong_to_their_message();
  a_queue_keeps_order_and_descriptors();
  text_is_judged_as_the_standard_does();
  names_are_checked();
  if (failures == 0) std::puts("channel: ok");
  return failures == 0 ? 0 : 1;
}
