// What the files of SIMD kernels share. Such a file begins with
//
//   #undef HWY_TARGET_INCLUDE
//   #define HWY_TARGET_INCLUDE "common/kernels/<file>.cc"
//   #include "common/kernels/simd-inl.h"
//
// and is then compiled once for every instruction set that Highway knows, as is this header: hence
// its unusual guard.
//
// A kernel is a template NameT<T> over float and double in the namespace HWY_NAMESPACE. Then
//   PERENNIAL_KERNEL(Name)       inside HWY_NAMESPACE: makes it visible to the dispatcher
//   PERENNIAL_EXPORT(Name)       once, outside: its table of instruction sets
//   PERENNIAL_DISPATCH(Name, arguments...)   calls the best one of this CPU, for the T in scope

#include "hwy/foreach_target.h"  // Before the guard: it includes the file again, and us.

#if defined(PERENNIAL_COMMON_KERNELS_SIMD_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef PERENNIAL_COMMON_KERNELS_SIMD_INL_H_
#undef PERENNIAL_COMMON_KERNELS_SIMD_INL_H_
#else
#define PERENNIAL_COMMON_KERNELS_SIMD_INL_H_
#endif

#include <cstdint>

#include "hwy/highway.h"

#ifndef PERENNIAL_KERNEL
#define PERENNIAL_KERNEL(name)               \
  constexpr auto& name##32 = name##T<float>; \
  constexpr auto& name##64 = name##T<double>;
#define PERENNIAL_EXPORT(name) \
  HWY_EXPORT(name##32);        \
  HWY_EXPORT(name##64);
#define PERENNIAL_DISPATCH(name, ...)              \
  do {                                             \
    if constexpr (sizeof(T) == 4) {                \
      HWY_DYNAMIC_DISPATCH(name##32)(__VA_ARGS__); \
    } else {                                       \
      HWY_DYNAMIC_DISPATCH(name##64)(__VA_ARGS__); \
    }                                              \
  } while (false)
#endif

HWY_BEFORE_NAMESPACE();
namespace perennial::kernels {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

template <typename T>
using Tag = hn::ScalableTag<T>;
// One lane, for what a full vector does not cover.
template <typename T>
using One = hn::CappedTag<T, 1>;

// Calls op(tag, offset) for whole vectors, then one element at a time.
template <typename T, typename Op>
HWY_INLINE void ForEach(int64_t count, Op op) {
  const Tag<T> d;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  int64_t i = 0;
  for (; i + lanes <= count; i += lanes) op(d, i);
  for (; i < count; ++i) op(One<T>(), i);
}

}  // namespace HWY_NAMESPACE
}  // namespace perennial::kernels
HWY_AFTER_NAMESPACE();

#endif
