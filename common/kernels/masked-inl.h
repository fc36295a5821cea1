// A loop of SIMD kernels whose last, partial vector is computed like a whole one, with masked loads
// and stores: for functions that cost more than memory (exp), and for rows of a vector or two.
// Include after simd-inl.h, whose ForEach takes the elements of a partial vector one by one.
//
//   ForEachPart<T>(count, [&](auto part, int64_t i) HWY_ATTR {
//     part.Store(hn::Exp(d, part.Load(d, x + i)), d, out + i);
//   });

#if defined(PERENNIAL_COMMON_KERNELS_MASKED_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef PERENNIAL_COMMON_KERNELS_MASKED_INL_H_
#undef PERENNIAL_COMMON_KERNELS_MASKED_INL_H_
#else
#define PERENNIAL_COMMON_KERNELS_MASKED_INL_H_
#endif

#include <cstdint>

#include "common/kernels/simd-inl.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace perennial::kernels {
namespace HWY_NAMESPACE {

// A whole vector of memory.
struct Whole {
  template <class D, typename T>
  HWY_INLINE hn::VFromD<D> Load(D d, const T* from) const {
    return hn::LoadU(d, from);
  }
  template <class D, class V, typename T>
  HWY_INLINE void Store(V v, D d, T* to) const {
    hn::StoreU(v, d, to);
  }
  // v in the lanes that are in memory, `otherwise` in the others.
  template <class D, class V>
  HWY_INLINE V Select(D, V v, V) const {
    return v;
  }
};

// The first `count` lanes of a vector; the others load zero and are not stored.
struct Rest {
  template <class D, typename T>
  HWY_INLINE hn::VFromD<D> Load(D d, const T* from) const {
#if HWY_MEM_OPS_MIGHT_FAULT  // A masked load may touch what it does not load.
    HWY_ALIGN T lanes[hn::MaxLanes(d)] = {};
    for (size_t i = 0; i < count; ++i) lanes[i] = from[i];
    return hn::Load(d, lanes);
#else
    return hn::MaskedLoad(hn::FirstN(d, count), d, from);
#endif
  }
  template <class D, class V, typename T>
  HWY_INLINE void Store(V v, D d, T* to) const {
#if HWY_MEM_OPS_MIGHT_FAULT
    HWY_ALIGN T lanes[hn::MaxLanes(d)];
    hn::Store(v, d, lanes);
    for (size_t i = 0; i < count; ++i) to[i] = lanes[i];
#else
    hn::BlendedStore(v, hn::FirstN(d, count), d, to);
#endif
  }
  template <class D, class V>
  HWY_INLINE V Select(D d, V v, V otherwise) const {
    return hn::IfThenElse(hn::FirstN(d, count), v, otherwise);
  }

  size_t count;
};

// Calls op(part, offset) for whole vectors, then for the rest if there is one.
template <typename T, typename Op>
HWY_INLINE void ForEachPart(int64_t count, Op op) {
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(Tag<T>()));
  int64_t i = 0;
  for (; i + lanes <= count; i += lanes) op(Whole(), i);
  if (i < count) op(Rest{static_cast<size_t>(count - i)}, i);
}

}  // namespace HWY_NAMESPACE
}  // namespace perennial::kernels
HWY_AFTER_NAMESPACE();

#endif
