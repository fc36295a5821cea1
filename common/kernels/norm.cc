#include "common/kernels/norm.h"

#include <algorithm>
#include <cmath>

#include "common/base/logging.h"

// The rest of this file is compiled once for every instruction set that Highway knows.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "common/kernels/norm.cc"
#include "common/kernels/simd-inl.h"
// Only then what it compiles for each of them.
#include "common/kernels/masked-inl.h"

HWY_BEFORE_NAMESPACE();
namespace perennial::kernels {
namespace HWY_NAMESPACE {

// Sum over the columns of term(part, i), of which a partial vector's other lanes are dropped.
template <typename T, typename Term>
HWY_INLINE T RowSum(int64_t columns, Term term) {
  const Tag<T> d;
  auto sum = hn::Zero(d);
  ForEachPart<T>(columns, [&](auto part, int64_t i) HWY_ATTR {
    sum = hn::Add(sum, part.Select(d, term(part, i), hn::Zero(d)));
  });
  return hn::GetLane(hn::SumOfLanes(d, sum));
}

template <class D, class V>
HWY_INLINE V InverseDeviation(D d, V variance, hn::TFromD<D> epsilon) {
  return hn::Div(hn::Set(d, 1), hn::Sqrt(hn::Add(variance, hn::Set(d, epsilon))));
}

template <typename T>
void LayerNormForwardT(T epsilon, const T* gamma, const T* beta, MatrixView<const T> x,
                       MatrixView<T> normalized, T* inverse_deviation, MatrixView<T> y) {
  const Tag<T> d;
  const T count = static_cast<T>(x.columns);
  for (int64_t r = 0; r < x.rows; ++r) {
    const T* row = x.row(r);
    T* kept = normalized.row(r);
    T* out = y.row(r);
    const T sum =
        RowSum<T>(x.columns, [&](auto part, int64_t i) HWY_ATTR { return part.Load(d, row + i); });
    const auto mean = hn::Set(d, sum / count);
    const T squares = RowSum<T>(x.columns, [&](auto part, int64_t i) HWY_ATTR {
      const auto centred = hn::Sub(part.Load(d, row + i), mean);
      return hn::Mul(centred, centred);
    });
    inverse_deviation[r] = 1 / std::sqrt(squares / count + epsilon);
    const auto inverse = hn::Set(d, inverse_deviation[r]);
    ForEachPart<T>(x.columns, [&](auto part, int64_t i) HWY_ATTR {
      const auto n = hn::Mul(hn::Sub(part.Load(d, row + i), mean), inverse);
      const auto v = hn::MulAdd(part.Load(d, gamma + i), n, part.Load(d, beta + i));
      part.Store(n, d, kept + i);
      part.Store(v, d, out + i);
    });
  }
}

template <typename T>
void LayerNormBackwardT(const T* gamma, MatrixView<const T> normalized, const T* inverse_deviation,
                        MatrixView<const T> dy, MatrixView<T> dx) {
  const Tag<T> d;
  const T count = static_cast<T>(dy.columns);
  for (int64_t r = 0; r < dy.rows; ++r) {
    const T* n = normalized.row(r);
    const T* gradient = dy.row(r);
    T* out = dx.row(r);
    const auto scaled = [&](auto part, int64_t i) HWY_ATTR {
      return hn::Mul(part.Load(d, gamma + i), part.Load(d, gradient + i));
    };
    const auto mean = hn::Set(d, RowSum<T>(dy.columns, scaled) / count);
    const T product = RowSum<T>(dy.columns, [&](auto part, int64_t i) HWY_ATTR {
      return hn::Mul(scaled(part, i), part.Load(d, n + i));
    });
    const auto slope = hn::Set(d, product / count);
    const auto inverse = hn::Set(d, inverse_deviation[r]);
    ForEachPart<T>(dy.columns, [&](auto part, int64_t i) HWY_ATTR {
      const auto centred = hn::Sub(scaled(part, i), mean);
      part.Store(hn::Mul(inverse, hn::NegMulAdd(part.Load(d, n + i), slope, centred)), d, out + i);
    });
  }
}

// Statistics of columns are summed row by row, a stretch of columns at a time, into vectors on the
// stack: walking down a column would meet the same few sets of the cache in every row.
constexpr int64_t kStretch = 512;

// Calls op(begin, count) for stretches of columns.
template <typename Op>
HWY_INLINE void ForEachStretch(int64_t columns, Op op) {
  for (int64_t begin = 0; begin < columns; begin += kStretch) {
    op(begin, std::min(kStretch, columns - begin));
  }
}

// sums[i] = scale * sum over rows of term(part, r, i). `sums` holds whole vectors.
template <typename T, typename Term>
HWY_INLINE void ColumnTotals(int64_t rows, int64_t count, T scale, T* sums, Term term) {
  const Tag<T> d;
  ForEachPart<T>(count, [&](auto, int64_t i) HWY_ATTR { hn::Store(hn::Zero(d), d, sums + i); });
  for (int64_t r = 0; r < rows; ++r) {
    ForEachPart<T>(count, [&](auto part, int64_t i) HWY_ATTR {
      hn::Store(hn::Add(hn::Load(d, sums + i), term(part, r, i)), d, sums + i);
    });
  }
  ForEachPart<T>(count, [&](auto, int64_t i) HWY_ATTR {
    hn::Store(hn::Mul(hn::Load(d, sums + i), hn::Set(d, scale)), d, sums + i);
  });
}

// normalized = (x - centre) * inverse, y = gamma * normalized + beta, for columns from `begin`.
template <typename T>
HWY_INLINE void ApplyNorm(int64_t begin, int64_t count, const T* centre, const T* inverse,
                          const T* gamma, const T* beta, MatrixView<const T> x,
                          MatrixView<T> normalized, MatrixView<T> y) {
  const Tag<T> d;
  for (int64_t r = 0; r < x.rows; ++r) {
    const T* row = x.row(r) + begin;
    T* kept = normalized.row(r) + begin;
    T* out = y.row(r) + begin;
    ForEachPart<T>(count, [&](auto part, int64_t i) HWY_ATTR {
      const auto n = hn::Mul(hn::Sub(part.Load(d, row + i), hn::Load(d, centre + i)),
                             hn::Load(d, inverse + i));
      const auto v = hn::MulAdd(part.Load(d, gamma + begin + i), n, part.Load(d, beta + begin + i));
      part.Store(n, d, kept + i);
      part.Store(v, d, out + i);
    });
  }
}

template <typename T>
void BatchNormForwardT(T epsilon, const T* gamma, const T* beta, MatrixView<const T> x,
                       MatrixView<T> normalized, T* mean, T* variance, MatrixView<T> y) {
  const Tag<T> d;
  const T share = x.rows == 0 ? T(0) : 1 / static_cast<T>(x.rows);
  HWY_ALIGN T centre[kStretch];
  HWY_ALIGN T spread[kStretch];
  ForEachStretch(x.columns, [&](int64_t begin, int64_t count) HWY_ATTR {
    const auto load = [&](auto part, int64_t r, int64_t i)
                          HWY_ATTR { return part.Load(d, x.row(r) + begin + i); };
    ColumnTotals<T>(x.rows, count, share, centre, load);
    ColumnTotals<T>(x.rows, count, share, spread, [&](auto part, int64_t r, int64_t i) HWY_ATTR {
      const auto centred = hn::Sub(load(part, r, i), hn::Load(d, centre + i));
      return hn::Mul(centred, centred);
    });
    ForEachPart<T>(count, [&](auto part, int64_t i) HWY_ATTR {
      const auto v = hn::Load(d, spread + i);
      part.Store(hn::Load(d, centre + i), d, mean + begin + i);
      part.Store(v, d, variance + begin + i);
      hn::Store(InverseDeviation(d, v, epsilon), d, spread + i);
    });
    ApplyNorm<T>(begin, count, centre, spread, gamma, beta, x, normalized, y);
  });
}

template <typename T>
void BatchNormBackwardT(T epsilon, const T* gamma, MatrixView<const T> normalized,
                        const T* variance, MatrixView<const T> dy, MatrixView<T> dx) {
  const Tag<T> d;
  const T share = dy.rows == 0 ? T(0) : 1 / static_cast<T>(dy.rows);
  HWY_ALIGN T mean[kStretch];
  HWY_ALIGN T slope[kStretch];
  HWY_ALIGN T scale[kStretch];
  ForEachStretch(dy.columns, [&](int64_t begin, int64_t count) HWY_ATTR {
    const auto gradient = [&](auto part, int64_t r, int64_t i)
                              HWY_ATTR { return part.Load(d, dy.row(r) + begin + i); };
    const auto kept = [&](auto part, int64_t r, int64_t i)
                          HWY_ATTR { return part.Load(d, normalized.row(r) + begin + i); };
    ColumnTotals<T>(dy.rows, count, share, mean, gradient);
    ColumnTotals<T>(dy.rows, count, share, slope, [&](auto part, int64_t r, int64_t i) HWY_ATTR {
      return hn::Mul(gradient(part, r, i), kept(part, r, i));
    });
    ForEachPart<T>(count, [&](auto part, int64_t i) HWY_ATTR {
      const auto inverse = InverseDeviation(d, part.Load(d, variance + begin + i), epsilon);
      hn::Store(hn::Mul(part.Load(d, gamma + begin + i), inverse), d, scale + i);
    });
    for (int64_t r = 0; r < dy.rows; ++r) {
      T* out = dx.row(r) + begin;
      ForEachPart<T>(count, [&](auto part, int64_t i) HWY_ATTR {
        const auto centred = hn::Sub(gradient(part, r, i), hn::Load(d, mean + i));
        const auto rest = hn::NegMulAdd(kept(part, r, i), hn::Load(d, slope + i), centred);
        part.Store(hn::Mul(hn::Load(d, scale + i), rest), d, out + i);
      });
    }
  });
}

template <typename T>
void FixedNormForwardT(T epsilon, const T* gamma, const T* beta, const T* mean, const T* variance,
                       MatrixView<const T> x, MatrixView<T> normalized, MatrixView<T> y) {
  const Tag<T> d;
  HWY_ALIGN T centre[kStretch];
  HWY_ALIGN T inverse[kStretch];
  ForEachStretch(x.columns, [&](int64_t begin, int64_t count) HWY_ATTR {
    ForEachPart<T>(count, [&](auto part, int64_t i) HWY_ATTR {
      const auto v = part.Load(d, variance + begin + i);
      hn::Store(part.Load(d, mean + begin + i), d, centre + i);
      hn::Store(InverseDeviation(d, v, epsilon), d, inverse + i);
    });
    ApplyNorm<T>(begin, count, centre, inverse, gamma, beta, x, normalized, y);
  });
}

template <typename T>
void FixedNormBackwardT(T epsilon, const T* gamma, const T* variance, MatrixView<const T> dy,
                        MatrixView<T> dx) {
  const Tag<T> d;
  HWY_ALIGN T scale[kStretch];
  ForEachStretch(dy.columns, [&](int64_t begin, int64_t count) HWY_ATTR {
    ForEachPart<T>(count, [&](auto part, int64_t i) HWY_ATTR {
      const auto inverse = InverseDeviation(d, part.Load(d, variance + begin + i), epsilon);
      hn::Store(hn::Mul(part.Load(d, gamma + begin + i), inverse), d, scale + i);
    });
    for (int64_t r = 0; r < dy.rows; ++r) {
      const T* gradient = dy.row(r) + begin;
      T* out = dx.row(r) + begin;
      ForEachPart<T>(count, [&](auto part, int64_t i) HWY_ATTR {
        part.Store(hn::Mul(part.Load(d, gradient + i), hn::Load(d, scale + i)), d, out + i);
      });
    }
  });
}

template <typename T>
void ColumnProductSumsT(MatrixView<const T> a, MatrixView<const T> b, T scale, bool accumulate,
                        T* out) {
  const Tag<T> d;
  HWY_ALIGN T sums[kStretch];
  ForEachStretch(a.columns, [&](int64_t begin, int64_t count) HWY_ATTR {
    ColumnTotals<T>(a.rows, count, scale, sums, [&](auto part, int64_t r, int64_t i) HWY_ATTR {
      return hn::Mul(part.Load(d, a.row(r) + begin + i), part.Load(d, b.row(r) + begin + i));
    });
    ForEachPart<T>(count, [&](auto part, int64_t i) HWY_ATTR {
      const auto sum = hn::Load(d, sums + i);
      T* to = out + begin + i;
      part.Store(accumulate ? hn::Add(part.Load(d, to), sum) : sum, d, to);
    });
  });
}

PERENNIAL_KERNEL(LayerNormForward)
PERENNIAL_KERNEL(LayerNormBackward)
PERENNIAL_KERNEL(BatchNormForward)
PERENNIAL_KERNEL(BatchNormBackward)
PERENNIAL_KERNEL(FixedNormForward)
PERENNIAL_KERNEL(FixedNormBackward)
PERENNIAL_KERNEL(ColumnProductSums)

}  // namespace HWY_NAMESPACE
}  // namespace perennial::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace perennial::kernels {

PERENNIAL_EXPORT(LayerNormForward)
PERENNIAL_EXPORT(LayerNormBackward)
PERENNIAL_EXPORT(BatchNormForward)
PERENNIAL_EXPORT(BatchNormBackward)
PERENNIAL_EXPORT(FixedNormForward)
PERENNIAL_EXPORT(FixedNormBackward)
PERENNIAL_EXPORT(ColumnProductSums)

template <typename T>
void LayerNormForward(T epsilon, const T* gamma, const T* beta, MatrixView<const T> x,
                      MatrixView<T> normalized, T* inverse_deviation, MatrixView<T> y) {
  CHECK(SameShape(x, normalized) && SameShape(x, y));
  PERENNIAL_DISPATCH(LayerNormForward, epsilon, gamma, beta, x, normalized, inverse_deviation, y);
}

template <typename T>
void LayerNormBackward(const T* gamma, MatrixView<const T> normalized, const T* inverse_deviation,
                       MatrixView<const T> dy, MatrixView<T> dx) {
  CHECK(SameShape(dy, normalized) && SameShape(dy, dx));
  PERENNIAL_DISPATCH(LayerNormBackward, gamma, normalized, inverse_deviation, dy, dx);
}

template <typename T>
void BatchNormForward(T epsilon, const T* gamma, const T* beta, MatrixView<const T> x,
                      MatrixView<T> normalized, T* mean, T* variance, MatrixView<T> y) {
  CHECK(SameShape(x, normalized) && SameShape(x, y));
  PERENNIAL_DISPATCH(BatchNormForward, epsilon, gamma, beta, x, normalized, mean, variance, y);
}

template <typename T>
void BatchNormBackward(T epsilon, const T* gamma, MatrixView<const T> normalized, const T* variance,
                       MatrixView<const T> dy, MatrixView<T> dx) {
  CHECK(SameShape(dy, normalized) && SameShape(dy, dx));
  PERENNIAL_DISPATCH(BatchNormBackward, epsilon, gamma, normalized, variance, dy, dx);
}

template <typename T>
void FixedNormForward(T epsilon, const T* gamma, const T* beta, const T* mean, const T* variance,
                      MatrixView<const T> x, MatrixView<T> normalized, MatrixView<T> y) {
  CHECK(SameShape(x, normalized) && SameShape(x, y));
  PERENNIAL_DISPATCH(FixedNormForward, epsilon, gamma, beta, mean, variance, x, normalized, y);
}

template <typename T>
void FixedNormBackward(T epsilon, const T* gamma, const T* variance, MatrixView<const T> dy,
                       MatrixView<T> dx) {
  CHECK(SameShape(dy, dx));
  PERENNIAL_DISPATCH(FixedNormBackward, epsilon, gamma, variance, dy, dx);
}

template <typename T>
void ColumnProductSums(MatrixView<const T> a, MatrixView<const T> b, T scale, bool accumulate,
                       T* out) {
  CHECK(SameShape(a, b));
  PERENNIAL_DISPATCH(ColumnProductSums, a, b, scale, accumulate, out);
}

#define PERENNIAL_INSTANTIATE(T)                                                                   \
  template void LayerNormForward<T>(T, const T*, const T*, MatrixView<const T>, MatrixView<T>, T*, \
                                    MatrixView<T>);                                                \
  template void LayerNormBackward<T>(const T*, MatrixView<const T>, const T*, MatrixView<const T>, \
                                     MatrixView<T>);                                               \
  template void BatchNormForward<T>(T, const T*, const T*, MatrixView<const T>, MatrixView<T>, T*, \
                                    T*, MatrixView<T>);                                            \
  template void BatchNormBackward<T>(T, const T*, MatrixView<const T>, const T*,                   \
                                     MatrixView<const T>, MatrixView<T>);                          \
  template void FixedNormForward<T>(T, const T*, const T*, const T*, const T*,                     \
                                    MatrixView<const T>, MatrixView<T>, MatrixView<T>);            \
  template void FixedNormBackward<T>(T, const T*, const T*, MatrixView<const T>, MatrixView<T>);   \
  template void ColumnProductSums<T>(MatrixView<const T>, MatrixView<const T>, T, bool, T*);
PERENNIAL_INSTANTIATE(float)
PERENNIAL_INSTANTIATE(double)
#undef PERENNIAL_INSTANTIATE

}  // namespace perennial::kernels
#endif  // HWY_ONCE
