// SipHash, a keyed hash of bytes: without the key nobody can choose keys that collide. Aumasson and Bernstein, "SipHash: a fast
// short-input PRF". SipHash-1-3 is what tables use; 2-4 is here because the authors gave test values for it.
#pragma once

#include <cstdint>
#include <cstring>

namespace ashmem_compat {

namespace sip {

inline uint64_t rotate(uint64_t x, int by) { return x << by | x >> (64 - by); }

struct State {
  uint64_t a, b, c, d;
  void round() {
    a += b;
    c += d;
    b = rotate(b, 13) ^ a;
    d = rotate(d, 16) ^ c;
    a = rotate(a, 32);
    c += b;
    a += d;
    b = rotate(b, 17) ^ c;
    d = rotate(d, 21) ^ a;
    c = rotate(c, 32);
  }
};

// Little-endian on every platform we build for, as all of the protocol.
inline uint64_t word_at(const char* p) {
  uint64_t w;
  memcpy(&w, p, sizeof w);
  return w;
}

}  // namespace sip

struct HashKey {
  uint64_t low = 0, high = 0;
};

template <int kRounds, int kFinalRounds>
uint64_t siphash(const HashKey& key, const char* bytes, size_t length) {
  sip::State s{key.low ^ 0x736f6d6570736575u, key.high ^ 0x646f72616e646f6du, key.low ^ 0x6c7967656e657261u,
               key.high ^ 0x7465646279746573u};
  const char* const end = bytes + (length & ~size_t{7});
  for (; bytes != end; bytes += 8) {
    const uint64_t w = sip::word_at(bytes);
    s.d ^= w;
    for (int i = 0; i < kRounds; ++i) s.round();
    s.a ^= w;
  }
  uint64_t last = uint64_t{length} << 56;
  for (size_t i = 0; i < (length & 7); ++i) {
    last |= static_cast<uint64_t>(static_cast<unsigned char>(bytes[i])) << 8 * i;
  }
  s.d ^= last;
  for (int i = 0; i < kRounds; ++i) s.round();
  s.a ^= last;
  s.c ^= 0xff;
  for (int i = 0; i < kFinalRounds; ++i) s.round();
  return s.a ^ s.b ^ s.c ^ s.d;
}

// Of a key of the cache. Never 0, which stands for "none" in its tables.
inline uint64_t hash_of(const HashKey& key, const char* bytes, size_t length) {
  const uint64_t hash = siphash<1, 3>(key, bytes, length);
  return hash != 0 ? hash : 1;
}

}  // namespace ashmem_compat
