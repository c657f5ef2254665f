// Atomic operations on words that live in shared memory, the memory order in every name.
//
// The words are plain integers inside a mapping that other processes write, which std::atomic objects cannot be; the
// compiler's builtins give the same operations on them. All words are naturally aligned and lock-free where we build.
#pragma once

#include <cstdint>

namespace ashmem_compat {

template <typename T>
inline T load_relaxed(const T* p) {
  return __atomic_load_n(p, __ATOMIC_RELAXED);
}
template <typename T>
inline T load_acquire(const T* p) {
  return __atomic_load_n(p, __ATOMIC_ACQUIRE);
}
template <typename T>
inline T load_seq_cst(const T* p) {
  return __atomic_load_n(p, __ATOMIC_SEQ_CST);
}

template <typename T>
inline void store_relaxed(T* p, T v) {
  __atomic_store_n(p, v, __ATOMIC_RELAXED);
}
template <typename T>
inline void store_release(T* p, T v) {
  __atomic_store_n(p, v, __ATOMIC_RELEASE);
}
template <typename T>
inline void store_seq_cst(T* p, T v) {
  __atomic_store_n(p, v, __ATOMIC_SEQ_CST);
}

// Compare-and-swap, strong. On failure `expected` becomes what was found, read with acquire (seq_cst) order.
template <typename T>
inline bool cas_acquire(T* p, T& expected, T desired) {
  return __atomic_compare_exchange_n(p, &expected, desired, false, __ATOMIC_ACQUIRE, __ATOMIC_ACQUIRE);
}
template <typename T>
inline bool cas_release(T* p, T& expected, T desired) {
  return __atomic_compare_exchange_n(p, &expected, desired, false, __ATOMIC_RELEASE, __ATOMIC_RELAXED);
}
template <typename T>
inline bool cas_acq_rel(T* p, T& expected, T desired) {
  return __atomic_compare_exchange_n(p, &expected, desired, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE);
}
template <typename T>
inline bool cas_seq_cst(T* p, T& expected, T desired) {
  return __atomic_compare_exchange_n(p, &expected, desired, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
}

template <typename T>
inline T fetch_add_relaxed(T* p, T v) {
  return __atomic_fetch_add(p, v, __ATOMIC_RELAXED);
}
template <typename T>
inline T fetch_add_release(T* p, T v) {
  return __atomic_fetch_add(p, v, __ATOMIC_RELEASE);
}
template <typename T>
inline T fetch_or_seq_cst(T* p, T bits) {
  return __atomic_fetch_or(p, bits, __ATOMIC_SEQ_CST);
}
template <typename T>
inline T fetch_and_release(T* p, T bits) {
  return __atomic_fetch_and(p, bits, __ATOMIC_RELEASE);
}
template <typename T>
inline T fetch_and_acq_rel(T* p, T bits) {
  return __atomic_fetch_and(p, bits, __ATOMIC_ACQ_REL);
}

inline void fence_seq_cst() { __atomic_thread_fence(__ATOMIC_SEQ_CST); }
inline void fence_acquire() { __atomic_thread_fence(__ATOMIC_ACQUIRE); }

inline void cpu_relax() {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__) || defined(__arm__)
  __asm__ __volatile__("yield" ::: "memory");
#endif
}

}  // namespace ashmem_compat
