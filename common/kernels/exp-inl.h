// exp(x) and exp(x) - 1 for x <= 0, and tanh: what softmax and activation functions need, in float
// with half the operations of Highway's functions for all x, which serve double. NaN stays NaN.
// Include after simd-inl.h.
//
// With x = n ln 2 + r and |r| <= ln(2) / 2, exp(x) = 2^n (1 + r + r^2 q(r)). The polynomials are
// Chebyshev and least-squares fits of relative error below 3e-8, by
// tools/oracles/float_functions.py. Float results are within two units in the last place, those
// of tanh within six.

#if defined(PERENNIAL_COMMON_KERNELS_EXP_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef PERENNIAL_COMMON_KERNELS_EXP_INL_H_
#undef PERENNIAL_COMMON_KERNELS_EXP_INL_H_
#else
#define PERENNIAL_COMMON_KERNELS_EXP_INL_H_
#endif

#include <cstdint>

#include "common/kernels/simd-inl.h"
#include "hwy/contrib/math/math-inl.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace perennial::kernels {
namespace HWY_NAMESPACE {

// x = n ln 2 + r for -126 ln 2 <= x <= 0: power = 2^n and tail = exp(r) - 1.
template <class D, class V>
HWY_INLINE void ReduceExp(D d, V x, V& power, V& tail) {
  const hn::RebindToSigned<D> bits;
  // Adding 1.5 * 2^23 rounds to an integer, which then stands in the lowest bits.
  const V magic = hn::Set(d, 0x1.8p23f);
  const V rounded = hn::MulAdd(x, hn::Set(d, 1.44269504f), magic);
  const V n = hn::Sub(rounded, magic);
  power = hn::BitCast(
      d, hn::Add(hn::ShiftLeft<23>(hn::BitCast(bits, rounded)), hn::Set(bits, 127 << 23)));
  // ln 2 in two parts, the first so short that its product with n is exact.
  const V r =
      hn::NegMulAdd(n, hn::Set(d, -2.12194440e-4f), hn::NegMulAdd(n, hn::Set(d, 0.693359375f), x));
  V q = hn::Set(d, 0.001392692661f);
  q = hn::MulAdd(q, r, hn::Set(d, 0.008363773874f));
  q = hn::MulAdd(q, r, hn::Set(d, 0.04166655011f));
  q = hn::MulAdd(q, r, hn::Set(d, 0.1666657338f));
  q = hn::MulAdd(q, r, hn::Set(d, 0.5f));
  tail = hn::MulAdd(hn::Mul(r, r), q, r);
}

// exp(x) for x <= 0; in float, results below the normal numbers are 0.
template <class D, class V>
HWY_INLINE V ExpOfNegative(D d, V x) {
  if constexpr (sizeof(hn::TFromD<D>) == 4) {
    V power, tail;
    ReduceExp(d, x, power, tail);
    return hn::IfThenZeroElse(hn::Lt(x, hn::Set(d, -87.3365f)), hn::MulAdd(power, tail, power));
  } else {
    return hn::IfThenElse(hn::IsNaN(x), x, hn::Exp(d, x));
  }
}

// exp(x) - 1 for x <= 0.
template <class D, class V>
HWY_INLINE V Expm1OfNegative(D d, V x) {
  if constexpr (sizeof(hn::TFromD<D>) == 4) {
    const V one = hn::Set(d, 1.0f);
    V power, tail;
    ReduceExp(d, x, power, tail);
    return hn::IfThenElse(hn::Lt(x, hn::Set(d, -18.0f)), hn::Neg(one),
                          hn::MulAdd(power, tail, hn::Sub(power, one)));
  } else {
    return hn::Expm1(d, x);
  }
}

// In float x P(x^2) / Q(x^2), and +-1 beyond 9.
template <class D, class V>
HWY_INLINE V HyperbolicTangent(D d, V x) {
  if constexpr (sizeof(hn::TFromD<D>) == 4) {
    const V one = hn::Set(d, 1.0f);
    const V u = hn::Mul(x, x);
    V p = hn::Set(d, 1.3314242046e-8f);
    V q = hn::Set(d, 7.7601557901e-7f);
    p = hn::MulAdd(p, u, hn::Set(d, 2.0580392465e-5f));
    q = hn::MulAdd(q, u, hn::Set(d, 3.2828035532e-4f));
    p = hn::MulAdd(p, u, hn::Set(d, 3.4938662418e-3f));
    q = hn::MulAdd(q, u, hn::Set(d, 2.5870454325e-2f));
    p = hn::MulAdd(p, u, hn::Set(d, 0.13379583241f));
    q = hn::MulAdd(q, u, hn::Set(d, 0.46712898781f));
    p = hn::MulAdd(p, u, one);
    q = hn::MulAdd(q, u, one);
    const V y = hn::Div(hn::Mul(x, p), q);
    // Beyond 9 the quotient means nothing, and before it may round above 1.
    const V beyond = hn::CopySign(one, x);
    return hn::IfThenElse(hn::Or(hn::Gt(hn::Abs(x), hn::Set(d, 9.0f)), hn::Gt(hn::Abs(y), one)),
                          beyond, y);
  } else {
    return hn::Tanh(d, x);
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace perennial::kernels
HWY_AFTER_NAMESPACE();

#endif
