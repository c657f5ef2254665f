#include <atomic>
#include <memory>

#include "floors.h"

namespace floors {
namespace {

constexpr uint64_t kBit = 1;

void set_bits(std::atomic<uint64_t>* words, uint64_t count) {
  for (uint64_t i = 0; i < count; ++i) {
    uint64_t word = words[i].load(std::memory_order_relaxed);
    while (!words[i].compare_exchange_weak(word, word | kBit, std::memory_order_acquire,
                                           std::memory_order_relaxed)) {
    }
  }
}

void clear_bits(std::atomic<uint64_t>* words, uint64_t count) {
  for (uint64_t i = 0; i < count; ++i) {
    uint64_t word = words[i].load(std::memory_order_relaxed);
    while (!words[i].compare_exchange_weak(word, word & ~kBit, std::memory_order_release,
                                           std::memory_order_relaxed)) {
    }
  }
}

}  // namespace

Samples pin_words(const Arguments& arguments) {
  const uint64_t units = arguments[0];
  const uint64_t rounds = arguments[1];
  const auto words = std::make_unique<std::atomic<uint64_t>[]>(units);
  for (uint64_t i = 0; i < units; ++i) words[i].store(0, std::memory_order_relaxed);
  Samples samples;
  for (uint64_t batch = 0; batch <= arguments[2]; ++batch) {
    const double start = now_ns();
    for (uint64_t round = 0; round < rounds; ++round) {
      set_bits(words.get(), units);
      clear_bits(words.get(), units);
    }
    const double took = now_ns() - start;
    if (batch > 0) samples.push_back(took / static_cast<double>(rounds * units));
  }
  return samples;
}

}  // namespace floors
