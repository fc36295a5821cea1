#include "common/kernels/activation.h"

#include "common/base/logging.h"

// The rest of this file is compiled once for every instruction set that Highway knows.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "common/kernels/activation.cc"
#include "common/kernels/simd-inl.h"
// Only then what it compiles for each of them.
#include "common/kernels/exp-inl.h"
#include "common/kernels/masked-inl.h"

HWY_BEFORE_NAMESPACE();
namespace perennial::kernels {
namespace HWY_NAMESPACE {

// A comparison, not Max: Max would turn NaN into a number on some instruction sets.
template <class D, class V>
HWY_INLINE V Rectify(D d, V z) {
  return hn::IfThenZeroElse(hn::Le(z, hn::Zero(d)), z);
}

// Phi(z) and its density. Of the lower tail, Phi(-a) = exp(-a^2 / 2) R(a), where R is smooth and
// falls like 1 / a: a polynomial of t = 1 / (1 + 0.35 a), times t. Chebyshev fit on 0 <= a <= 14.5
// (beyond, exp is 0) by tools/oracles/float_functions.py; relative error 6e-8.
template <class D, class V>
HWY_INLINE void Normal(D d, V z, V& distribution, V& density) {
  const V one = hn::Set(d, 1.0f);
  const V a = hn::Abs(z);
  const V t = hn::Div(one, hn::MulAdd(hn::Set(d, 0.35f), a, one));
  const V e = ExpOfNegative(d, hn::Mul(hn::Mul(a, a), hn::Set(d, -0.5f)));
  V tail = hn::Set(d, -0.02973227581f);
  tail = hn::MulAdd(tail, t, hn::Set(d, 0.1467839861f));
  tail = hn::MulAdd(tail, t, hn::Set(d, -0.2614105432f));
  tail = hn::MulAdd(tail, t, hn::Set(d, 0.1655101648f));
  tail = hn::MulAdd(tail, t, hn::Set(d, -0.02732191058f));
  tail = hn::MulAdd(tail, t, hn::Set(d, 0.1072124994f));
  tail = hn::MulAdd(tail, t, hn::Set(d, 0.1194250927f));
  tail = hn::MulAdd(tail, t, hn::Set(d, 0.1399143339f));
  tail = hn::MulAdd(tail, t, hn::Set(d, 0.139618635f));
  const V lower = hn::Mul(e, hn::Mul(t, tail));
  distribution = hn::IfThenElse(hn::Lt(z, hn::Zero(d)), lower, hn::Sub(one, lower));
  density = hn::Mul(e, hn::Set(d, 0.398942280f));
}

// y = value(z + bias), where z is what y holds; value(part, z, r, i) stores it.
template <typename T, typename Value>
HWY_INLINE void ForEachInput(const T* bias, MatrixView<T> y, int64_t columns, Value value) {
  const Tag<T> d;
  for (int64_t r = 0; r < y.rows; ++r) {
    const T* row = y.row(r);
    if (bias == nullptr) {
      ForEachPart<T>(columns, [&](auto part, int64_t i)
                                  HWY_ATTR { value(part, part.Load(d, row + i), r, i); });
    } else {
      ForEachPart<T>(columns, [&](auto part, int64_t i) HWY_ATTR {
        value(part, hn::Add(part.Load(d, row + i), part.Load(d, bias + i)), r, i);
      });
    }
  }
}

template <typename T>
void BiasActivationT(Activation f, const T* bias, MatrixView<T> y, MatrixView<T> saved) {
  const Tag<T> d;
  using V = hn::VFromD<Tag<T>>;
  switch (f) {
    case Activation::kIdentity:
      if (bias == nullptr) return;
      ForEachInput(bias, y, y.columns, [&](auto part, V z, int64_t r, int64_t i) HWY_ATTR {
        part.Store(z, d, y.row(r) + i);
      });
      return;
    case Activation::kRelu:
      ForEachInput(bias, y, y.columns, [&](auto part, V z, int64_t r, int64_t i) HWY_ATTR {
        part.Store(Rectify(d, z), d, y.row(r) + i);
      });
      return;
    case Activation::kLeakyRelu:
      ForEachInput(bias, y, y.columns, [&](auto part, V z, int64_t r, int64_t i) HWY_ATTR {
        const V slope = hn::Set(d, static_cast<T>(kLeakySlope));
        part.Store(hn::IfThenElse(hn::Le(z, hn::Zero(d)), hn::Mul(slope, z), z), d, y.row(r) + i);
      });
      return;
    case Activation::kElu:
      ForEachInput(bias, y, y.columns, [&](auto part, V z, int64_t r, int64_t i) HWY_ATTR {
        part.Store(hn::IfThenElse(hn::Le(z, hn::Zero(d)), Expm1OfNegative(d, z), z), d,
                   y.row(r) + i);
      });
      return;
    case Activation::kTanh:
      ForEachInput(bias, y, y.columns, [&](auto part, V z, int64_t r, int64_t i) HWY_ATTR {
        part.Store(HyperbolicTangent(d, z), d, y.row(r) + i);
      });
      return;
    case Activation::kGelu:
      if constexpr (sizeof(T) == 4) {
        ForEachInput(bias, y, y.columns, [&](auto part, V z, int64_t r, int64_t i) HWY_ATTR {
          V distribution, density;
          Normal(d, z, distribution, density);
          part.Store(z, d, saved.row(r) + i);
          part.Store(hn::Mul(z, distribution), d, y.row(r) + i);
        });
      } else {  // No error function of double in SIMD.
        for (int64_t r = 0; r < y.rows; ++r) {
          for (int64_t c = 0; c < y.columns; ++c) {
            saved(r, c) = bias == nullptr ? y(r, c) : y(r, c) + bias[c];
            y(r, c) = Activate(f, saved(r, c));
          }
        }
      }
      return;
    case Activation::kCrelu: {
      const int64_t half = y.columns / 2;
      ForEachInput(bias, y, half, [&](auto part, V z, int64_t r, int64_t i) HWY_ATTR {
        part.Store(Rectify(d, z), d, y.row(r) + i);
        part.Store(Rectify(d, hn::Neg(z)), d, y.row(r) + half + i);
      });
      return;
    }
  }
}

// delta = slope(delta, y) for each element; `other` as y, for what a slope also depends on.
template <typename T, typename Slope>
HWY_INLINE void ForEachDelta(MatrixView<const T> y, MatrixView<T> delta, int64_t columns,
                             Slope slope) {
  const Tag<T> d;
  for (int64_t r = 0; r < y.rows; ++r) {
    const T* outputs = y.row(r);
    T* row = delta.row(r);
    ForEachPart<T>(columns, [&](auto part, int64_t i) HWY_ATTR {
      const auto v = slope(part, part.Load(d, row + i), part.Load(d, outputs + i), r, i);
      part.Store(v, d, row + i);
    });
  }
}

template <typename T>
void ActivationBackwardT(Activation f, MatrixView<const T> y, MatrixView<const T> saved,
                         MatrixView<T> delta) {
  const Tag<T> d;
  using V = hn::VFromD<Tag<T>>;
  switch (f) {
    case Activation::kIdentity:
      return;
    case Activation::kRelu:
      ForEachDelta(y, delta, y.columns, [&](auto, V g, V output, int64_t, int64_t) HWY_ATTR {
        return hn::IfThenZeroElse(hn::Le(output, hn::Zero(d)), g);
      });
      return;
    case Activation::kLeakyRelu:
      ForEachDelta(y, delta, y.columns, [&](auto, V g, V output, int64_t, int64_t) HWY_ATTR {
        const V slope = hn::Set(d, static_cast<T>(kLeakySlope));
        return hn::IfThenElse(hn::Le(output, hn::Zero(d)), hn::Mul(slope, g), g);
      });
      return;
    case Activation::kElu:
      ForEachDelta(y, delta, y.columns, [&](auto, V g, V output, int64_t, int64_t) HWY_ATTR {
        return hn::IfThenElse(hn::Gt(output, hn::Zero(d)), g, hn::MulAdd(g, output, g));
      });
      return;
    case Activation::kTanh:
      ForEachDelta(y, delta, y.columns, [&](auto, V g, V output, int64_t, int64_t) HWY_ATTR {
        return hn::Mul(g, hn::NegMulAdd(output, output, hn::Set(d, T(1))));
      });
      return;
    case Activation::kGelu:
      if constexpr (sizeof(T) == 4) {
        ForEachDelta(saved, delta, y.columns, [&](auto, V g, V z, int64_t, int64_t) HWY_ATTR {
          V distribution, density;
          Normal(d, z, distribution, density);
          return hn::Mul(g, hn::MulAdd(z, density, distribution));
        });
      } else {
        for (int64_t r = 0; r < y.rows; ++r) {
          for (int64_t c = 0; c < y.columns; ++c) {
            delta(r, c) *= ActivationSlope(f, y(r, c), saved(r, c));
          }
        }
      }
      return;
    case Activation::kCrelu: {
      const int64_t half = y.columns / 2;
      ForEachDelta(y, delta, half, [&](auto part, V g, V output, int64_t r, int64_t i) HWY_ATTR {
        const V other = part.Load(d, y.row(r) + half + i);
        const V other_g = part.Load(d, delta.row(r) + half + i);
        return hn::Sub(hn::IfThenZeroElse(hn::Le(output, hn::Zero(d)), g),
                       hn::IfThenZeroElse(hn::Le(other, hn::Zero(d)), other_g));
      });
      return;
    }
  }
}

PERENNIAL_KERNEL(BiasActivation)
PERENNIAL_KERNEL(ActivationBackward)

}  // namespace HWY_NAMESPACE
}  // namespace perennial::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace perennial::kernels {

PERENNIAL_EXPORT(BiasActivation)
PERENNIAL_EXPORT(ActivationBackward)

template <typename T>
void BiasActivation(Activation f, const T* bias, MatrixView<T> y, MatrixView<T> saved) {
  CHECK(f != Activation::kCrelu || y.columns % 2 == 0);
  CHECK(!SavesInputs(f) || SameShape(saved, y));
  PERENNIAL_DISPATCH(BiasActivation, f, bias, y, saved);
}

template <typename T>
void ActivationBackward(Activation f, MatrixView<const T> y, MatrixView<const T> saved,
                        MatrixView<T> delta) {
  CHECK(SameShape(y, delta));
  CHECK(f != Activation::kCrelu || y.columns % 2 == 0);
  CHECK(!SavesInputs(f) || SameShape(saved, y));
  PERENNIAL_DISPATCH(ActivationBackward, f, y, saved, delta);
}

#define PERENNIAL_INSTANTIATE(T)                                                            \
  template void BiasActivation<T>(Activation, const T*, MatrixView<T>, MatrixView<T>);      \
  template void ActivationBackward<T>(Activation, MatrixView<const T>, MatrixView<const T>, \
                                      MatrixView<T>);
PERENNIAL_INSTANTIATE(float)
PERENNIAL_INSTANTIATE(double)
#undef PERENNIAL_INSTANTIATE

}  // namespace perennial::kernels
#endif  // HWY_ONCE
