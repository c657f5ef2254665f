// The core's atomic operations (native/core/platform/atomics.h, which this header stands in the way of), each of which a litmus test
// may weaken to relaxed, or stop a thread before. An operation is known by its name and the function that makes it. What has no
// wrapper here does not compile: a new kind of operation is to be thought of.
#pragma once

#define ashmem_compat ashmem_compat_as_ordered
#include "../../../../../native/core/platform/atomics.h"
#undef ashmem_compat

#include "orders.h"

namespace ashmem_compat {

namespace as_ordered = ::ashmem_compat_as_ordered;
using as_ordered::cpu_relax;
using as_ordered::fence_acquire;
using as_ordered::fetch_add_relaxed;
using as_ordered::load_relaxed;
using as_ordered::store_relaxed;

inline void fence_seq_cst() {
  litmus::drain();
  as_ordered::fence_seq_cst();
}

// What the calling thread is to see: its own late writes too.
template <typename T>
inline T load_own(const T* p) {
  if (!litmus::is_late(p)) return __atomic_load_n(p, __ATOMIC_RELAXED);
  T value;
  litmus::read_late(p, &value, sizeof value);
  return value;
}

// The builtins take an order that is known when they are compiled: hence two of each.
#define LITMUS_LOAD(name)                                                      \
  template <typename T>                                                        \
  inline T name(const T* p, const char* function = __builtin_FUNCTION()) {     \
    const bool ordered = litmus::keeps_order(#name, function);                 \
    return ordered && !litmus::is_late(p) ? as_ordered::name(p) : load_own(p); \
  }
#define LITMUS_CAS(name)                                                                                  \
  template <typename T>                                                                                   \
  inline bool name(T* p, T& expected, T desired, const char* function = __builtin_FUNCTION()) {           \
    if (litmus::keeps_order(#name, function)) return as_ordered::name(p, expected, desired);              \
    return __atomic_compare_exchange_n(p, &expected, desired, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED); \
  }
#define LITMUS_FETCH(name, builtin)                                                                         \
  template <typename T>                                                                                     \
  inline T name(T* p, T v, const char* function = __builtin_FUNCTION()) {                                   \
    return litmus::keeps_order(#name, function) ? as_ordered::name(p, v) : builtin(p, v, __ATOMIC_RELAXED); \
  }

LITMUS_LOAD(load_acquire)
LITMUS_LOAD(load_seq_cst)
LITMUS_CAS(cas_acquire)
LITMUS_CAS(cas_release)
LITMUS_CAS(cas_acq_rel)
LITMUS_FETCH(fetch_add_release, __atomic_fetch_add)
LITMUS_FETCH(fetch_and_release, __atomic_fetch_and)
LITMUS_FETCH(fetch_and_acq_rel, __atomic_fetch_and)

#undef LITMUS_LOAD
#undef LITMUS_CAS
#undef LITMUS_FETCH

template <typename T>
inline void store_release(T* p, T v, const char* function = __builtin_FUNCTION()) {
  if (litmus::keeps_order("store_release", function)) return as_ordered::store_release(p, v);
  __atomic_store_n(p, v, __ATOMIC_RELAXED);
}

// What a weakened write of these loses besides is its place in the single order: it is seen late.
template <typename T>
inline void store_seq_cst(T* p, T v, const char* function = __builtin_FUNCTION()) {
  if (litmus::keeps_order("store_seq_cst", function)) return as_ordered::store_seq_cst(p, v);
  litmus::write_late(p, v, [p, v] { __atomic_store_n(p, v, __ATOMIC_RELAXED); });
}
template <typename T>
inline bool cas_seq_cst(T* p, T& expected, T desired, const char* function = __builtin_FUNCTION()) {
  if (litmus::keeps_order("cas_seq_cst", function)) return as_ordered::cas_seq_cst(p, expected, desired);
  const T found = load_own(p);
  const bool swaps = found == expected;
  expected = found;
  if (swaps) litmus::write_late(p, desired, [p, desired] { __atomic_store_n(p, desired, __ATOMIC_RELAXED); });
  return swaps;
}
template <typename T>
inline T fetch_or_seq_cst(T* p, T bits, const char* function = __builtin_FUNCTION()) {
  if (litmus::keeps_order("fetch_or_seq_cst", function)) return as_ordered::fetch_or_seq_cst(p, bits);
  const T found = load_own(p);
  litmus::write_late(p, found | bits, [p, bits] { __atomic_fetch_or(p, bits, __ATOMIC_RELAXED); });
  return found;
}

}  // namespace ashmem_compat
