// The updates of optimizers as functors on vectors: from a gradient, wherever it comes from, to the
// new parameters and state of the same place. Every operation is the one of optimizer_update.h, in
// its order. Include after simd-inl.h.
//
//   update(Whole(), d, i, gradient)   // numbers i .. i + Lanes(d) - 1 of the run

#if defined(PERENNIAL_COMMON_KERNELS_OPTIMIZER_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef PERENNIAL_COMMON_KERNELS_OPTIMIZER_INL_H_
#undef PERENNIAL_COMMON_KERNELS_OPTIMIZER_INL_H_
#else
#define PERENNIAL_COMMON_KERNELS_OPTIMIZER_INL_H_
#endif

#include <cstdint>

#include "common/kernels/masked-inl.h"
#include "common/kernels/optimizer_update.h"
#include "common/kernels/simd-inl.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace perennial::kernels {
namespace HWY_NAMESPACE {

// gradient_scale * g + decay * w.
template <class D, typename T, class V>
HWY_INLINE V DecayedGradient(D d, T gradient_scale, T decay, V g, V w) {
  return hn::MulAdd(hn::Set(d, decay), w, hn::Mul(hn::Set(d, gradient_scale), g));
}

// smoothing * s + square_weight * g * g.
template <class D, typename T, class V>
HWY_INLINE V RunningSquare(D d, T smoothing, T square_weight, V s, V g) {
  return hn::MulAdd(hn::Set(d, smoothing), s, hn::Mul(hn::Mul(hn::Set(d, square_weight), g), g));
}

enum class SgdKind { kPlain, kMomentum, kNesterov };

// Coefficients are copies, which no store can alias.
template <typename T, SgdKind kKind>
struct SgdVectorUpdate {
  SgdCoefficients<T> c;
  T* weights;
  T* velocity;

  template <class Part, class D, class V>
  HWY_INLINE void operator()(Part part, D d, int64_t i, V gradient) const {
    const auto w = part.Load(d, weights + i);
    const auto g = DecayedGradient(d, c.gradient_scale, c.decay, gradient, w);
    auto direction = g;
    if constexpr (kKind != SgdKind::kPlain) {
      const auto v = hn::MulAdd(hn::Set(d, c.momentum), part.Load(d, velocity + i), g);
      part.Store(v, d, velocity + i);
      direction = kKind == SgdKind::kNesterov ? hn::MulAdd(hn::Set(d, c.momentum), v, g) : v;
    }
    part.Store(hn::NegMulAdd(hn::Set(d, c.rate), direction, w), d, weights + i);
  }
};

template <typename T>
struct AdamVectorUpdate {
  AdamCoefficients<T> c;
  T* weights;
  T* mean;
  T* square;

  template <class Part, class D, class V>
  HWY_INLINE void operator()(Part part, D d, int64_t i, V gradient) const {
    const auto w = part.Load(d, weights + i);
    const auto g = DecayedGradient(d, c.gradient_scale, c.decay, gradient, w);
    const auto m = hn::MulAdd(hn::Set(d, c.beta1), part.Load(d, mean + i),
                              hn::Mul(hn::Set(d, c.gradient_weight), g));
    const auto s = RunningSquare(d, c.beta2, c.square_weight, part.Load(d, square + i), g);
    part.Store(m, d, mean + i);
    part.Store(s, d, square + i);
    const auto deviation =
        hn::MulAdd(hn::Sqrt(s), hn::Set(d, c.deviation_scale), hn::Set(d, c.epsilon));
    part.Store(hn::NegMulAdd(hn::Set(d, c.rate), hn::Div(m, deviation),
                             hn::Mul(hn::Set(d, c.shrinkage), w)),
               d, weights + i);
  }
};

template <typename T, bool kMomentum>
struct RmspropVectorUpdate {
  RmspropCoefficients<T> c;
  T* weights;
  T* square;
  T* buffer;

  template <class Part, class D, class V>
  HWY_INLINE void operator()(Part part, D d, int64_t i, V gradient) const {
    const auto w = part.Load(d, weights + i);
    const auto g = DecayedGradient(d, c.gradient_scale, c.decay, gradient, w);
    const auto s = RunningSquare(d, c.smoothing, c.square_weight, part.Load(d, square + i), g);
    part.Store(s, d, square + i);
    auto direction = hn::Div(g, hn::Add(hn::Sqrt(s), hn::Set(d, c.epsilon)));
    if constexpr (kMomentum) {
      direction = hn::MulAdd(hn::Set(d, c.momentum), part.Load(d, buffer + i), direction);
      part.Store(direction, d, buffer + i);
    }
    part.Store(hn::NegMulAdd(hn::Set(d, c.rate), direction, w), d, weights + i);
  }
};

// Calls run(update) with the functor of a rule; `Run` is a template over it.
template <typename T, class Run>
HWY_INLINE void WithSgd(const SgdCoefficients<T>& c, T* weights, T* velocity, Run run) {
  if (velocity == nullptr) {
    run(SgdVectorUpdate<T, SgdKind::kPlain>{c, weights, nullptr});
  } else if (c.nesterov) {
    run(SgdVectorUpdate<T, SgdKind::kNesterov>{c, weights, velocity});
  } else {
    run(SgdVectorUpdate<T, SgdKind::kMomentum>{c, weights, velocity});
  }
}

template <typename T, class Run>
HWY_INLINE void WithRmsprop(const RmspropCoefficients<T>& c, T* weights, T* square, T* buffer,
                            Run run) {
  if (buffer == nullptr) {
    run(RmspropVectorUpdate<T, false>{c, weights, square, nullptr});
  } else {
    run(RmspropVectorUpdate<T, true>{c, weights, square, buffer});
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace perennial::kernels
HWY_AFTER_NAMESPACE();

#endif
