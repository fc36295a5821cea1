#include "causal/balance/pairwise.h"

#include <algorithm>
#include <bit>
#include <limits>
#include <type_traits>

#include "common/base/logging.h"

// The rest of this file is compiled once for every instruction set that Highway knows.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "causal/balance/pairwise.cc"
#include "common/kernels/simd-inl.h"
// Only then what it compiles for each of them.
#include "common/kernels/exp-inl.h"
#include "common/kernels/masked-inl.h"
#include "hwy/contrib/math/math-inl.h"

HWY_BEFORE_NAMESPACE();
namespace perennial::causal {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;
using kernels::MatrixView;
using kernels::HWY_NAMESPACE::ExpOfNegative;
using kernels::HWY_NAMESPACE::ForEachPart;
template <typename T>
using Tag = kernels::HWY_NAMESPACE::Tag<T>;

// Four rows at a time, so that an addition need not wait for the one before; the last rows are
// repeated to make up four. From the vector that their diagonal is in; the rest is mirrored.
template <typename T>
void SquaredDistancesT(MatrixView<const T> points, MatrixView<const T> transposed,
                       MatrixView<T> squared) {
  const Tag<T> d;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  const int64_t n = points.rows;
  for (int64_t begin = 0; begin < n; begin += 4) {
    const int64_t row[4] = {begin, std::min(begin + 1, n - 1), std::min(begin + 2, n - 1),
                            std::min(begin + 3, n - 1)};
    const T* p0 = points.row(row[0]);
    const T* p1 = points.row(row[1]);
    const T* p2 = points.row(row[2]);
    const T* p3 = points.row(row[3]);
    const int64_t first = begin / lanes * lanes;
    ForEachPart<T>(n - first, [&](auto part, int64_t i) HWY_ATTR {
      auto sum0 = hn::Zero(d), sum1 = sum0, sum2 = sum0, sum3 = sum0;
      const T* other = transposed.data + first + i;
      for (int64_t k = 0; k < points.columns; ++k, other += transposed.stride) {
        const auto o = part.Load(d, other);
        const auto d0 = hn::Sub(o, hn::Set(d, p0[k]));
        const auto d1 = hn::Sub(o, hn::Set(d, p1[k]));
        const auto d2 = hn::Sub(o, hn::Set(d, p2[k]));
        const auto d3 = hn::Sub(o, hn::Set(d, p3[k]));
        sum0 = hn::MulAdd(d0, d0, sum0);
        sum1 = hn::MulAdd(d1, d1, sum1);
        sum2 = hn::MulAdd(d2, d2, sum2);
        sum3 = hn::MulAdd(d3, d3, sum3);
      }
      part.Store(sum0, d, squared.row(row[0]) + first + i);
      part.Store(sum1, d, squared.row(row[1]) + first + i);
      part.Store(sum2, d, squared.row(row[2]) + first + i);
      part.Store(sum3, d, squared.row(row[3]) + first + i);
    });
  }
  for (int64_t i = 0; i < n; ++i) {
    const T* from = squared.row(i);
    for (int64_t j = i + 1; j < n; ++j) squared(j, i) = from[j];
  }
}

// Numbers that are not negative have the order of their bits, so the k-th smallest is found by
// halving the range of bits: one pass over the matrix for each. Every pair stands there twice, and
// the diagonal behind all of them.
template <typename T>
void MedianOfPairsT(MatrixView<const T> squared, double* median) {
  using Bits = std::conditional_t<sizeof(T) == 4, uint32_t, uint64_t>;
  const Tag<T> d;
  constexpr T kInfinity = std::numeric_limits<T>::infinity();
  const auto infinity = hn::Set(d, kInfinity);
  const auto count_up_to = [&](T bound) HWY_ATTR {
    int64_t count = 0;
    for (int64_t r = 0; r < squared.rows; ++r) {
      const T* row = squared.row(r);
      ForEachPart<T>(squared.columns, [&](auto part, int64_t i) HWY_ATTR {
        const auto x = part.Select(d, part.Load(d, row + i), infinity);
        count += static_cast<int64_t>(hn::CountTrue(d, hn::Le(x, hn::Set(d, bound))));
      });
    }
    return count;
  };
  const int64_t pairs = squared.rows * (squared.rows - 1) / 2;
  const int64_t lower = (pairs + 1) / 2;
  const int64_t upper = pairs / 2 + 1;
  Bits low = 0;
  Bits high = std::bit_cast<Bits>(kInfinity);
  while (low < high) {
    const Bits middle = low + (high - low) / 2;
    if (count_up_to(std::bit_cast<T>(middle)) >= 2 * lower) {
      high = middle;
    } else {
      low = middle + 1;
    }
  }
  const T value = std::bit_cast<T>(low);
  T next = value;
  if (upper > lower && count_up_to(value) < 2 * upper) {
    auto least = infinity;
    for (int64_t r = 0; r < squared.rows; ++r) {
      const T* row = squared.row(r);
      ForEachPart<T>(squared.columns, [&](auto part, int64_t i) HWY_ATTR {
        const auto x = part.Select(d, part.Load(d, row + i), infinity);
        least = hn::Min(least, hn::IfThenElse(hn::Gt(x, hn::Set(d, value)), x, infinity));
      });
    }
    next = hn::GetLane(hn::MinOfLanes(d, least));
  }
  *median = 0.5 * static_cast<double>(value) + 0.5 * static_cast<double>(next);
}

template <typename T>
void GaussianRowsT(T factor, const T* c, T* sums, MatrixView<T> q) {
  const Tag<T> d;
  const auto negative = hn::Set(d, -factor);
  for (int64_t r = 0; r < q.rows; ++r) {
    T* row = q.row(r);
    auto sum = hn::Zero(d);
    ForEachPart<T>(q.columns, [&](auto part, int64_t i) HWY_ATTR {
      // What is beyond the row loads as 0, as does its c.
      const auto k = ExpOfNegative(d, hn::Mul(negative, part.Load(d, row + i)));
      const auto product = hn::Mul(part.Load(d, c + i), k);
      sum = hn::Add(sum, product);
      part.Store(product, d, row + i);
    });
    sums[r] = hn::GetLane(hn::SumOfLanes(d, sum));
  }
}

template <typename T>
void DistanceRowsT(const T* c, T* sums, MatrixView<T> q) {
  const Tag<T> d;
  for (int64_t r = 0; r < q.rows; ++r) {
    T* row = q.row(r);
    auto sum = hn::Zero(d);
    ForEachPart<T>(q.columns, [&](auto part, int64_t i) HWY_ATTR {
      const auto distance = hn::Sqrt(part.Load(d, row + i));
      const auto weight = part.Load(d, c + i);
      sum = hn::MulAdd(weight, distance, sum);
      const auto quotient =
          hn::IfThenElseZero(hn::Gt(distance, hn::Zero(d)), hn::Div(weight, distance));
      part.Store(quotient, d, row + i);
    });
    sums[r] = hn::GetLane(hn::SumOfLanes(d, sum));
  }
}

template <typename T>
void SquareRootsT(T scale, MatrixView<T> q) {
  const Tag<T> d;
  for (int64_t r = 0; r < q.rows; ++r) {
    T* row = q.row(r);
    ForEachPart<T>(q.columns, [&](auto part, int64_t i) HWY_ATTR {
      part.Store(hn::Mul(hn::Set(d, scale), hn::Sqrt(part.Load(d, row + i))), d, row + i);
    });
  }
}

template <typename T>
void NegativeLogSumExpT(MatrixView<const T> l, const T* shift, const T* offset, T* out) {
  const Tag<T> d;
  const auto lowest = hn::Set(d, -std::numeric_limits<T>::infinity());
  // Totals of a stretch of rows, whose logarithms are then taken together.
  constexpr int64_t kStretch = 64;
  HWY_ALIGN T totals[kStretch];
  HWY_ALIGN T peaks[kStretch];
  for (int64_t begin = 0; begin < l.rows; begin += kStretch) {
    const int64_t count = std::min(kStretch, l.rows - begin);
    for (int64_t r = 0; r < count; ++r) {
      const T* row = l.row(begin + r);
      auto most = lowest;
      ForEachPart<T>(l.columns, [&](auto part, int64_t i) HWY_ATTR {
        const auto x = hn::Add(part.Load(d, row + i), part.Load(d, shift + i));
        most = hn::Max(most, part.Select(d, x, lowest));
      });
      const auto peak = hn::MaxOfLanes(d, most);
      auto sum = hn::Zero(d);
      ForEachPart<T>(l.columns, [&](auto part, int64_t i) HWY_ATTR {
        const auto x = hn::Add(part.Load(d, row + i), part.Load(d, shift + i));
        sum = hn::Add(sum, part.Select(d, ExpOfNegative(d, hn::Sub(x, peak)), hn::Zero(d)));
      });
      peaks[r] = hn::GetLane(peak);
      totals[r] = hn::GetLane(hn::SumOfLanes(d, sum));
    }
    ForEachPart<T>(count, [&](auto part, int64_t i) HWY_ATTR {
      const auto total = part.Load(d, totals + i);
      // Highway's logarithm makes a number of NaN.
      const auto log = hn::IfThenElse(hn::IsNaN(total), total, hn::Log(d, total));
      const auto whole = hn::Add(part.Load(d, peaks + i), log);
      part.Store(hn::Sub(part.Load(d, offset + begin + i), whole), d, out + begin + i);
    });
  }
}

template <typename T>
void PlanRowsT(bool symmetric, const T* u, const T* v, T constant, T root, MatrixView<T> l) {
  const Tag<T> d;
  const auto zero = hn::Zero(d);
  for (int64_t r = 0; r < l.rows; ++r) {
    T* row = l.row(r);
    ForEachPart<T>(l.columns, [&](auto part, int64_t i) HWY_ATTR {
      const auto x = part.Load(d, row + i);
      auto plan = ExpOfNegative(d, hn::Add(x, hn::Add(hn::Set(d, u[r]), part.Load(d, v + i))));
      if (symmetric) {
        plan = hn::Add(
            plan, ExpOfNegative(d, hn::Add(x, hn::Add(hn::Set(d, v[r]), part.Load(d, u + i)))));
      }
      const auto s = root == 0 ? hn::Set(d, constant)
                               : hn::IfThenElseZero(hn::Lt(x, zero), hn::Div(hn::Set(d, root), x));
      part.Store(hn::Mul(s, plan), d, row + i);
    });
  }
}

template <typename T>
void AddPullT(MatrixView<const T> pull, MatrixView<const T> points, MatrixView<const T> others,
              const T* scale, MatrixView<T> out) {
  const Tag<T> d;
  const int64_t n = points.rows;
  for (int64_t begin = 0; begin < n; begin += 4) {
    const int64_t row[4] = {begin, std::min(begin + 1, n - 1), std::min(begin + 2, n - 1),
                            std::min(begin + 3, n - 1)};
    const T* w0 = pull.row(row[0]);
    const T* w1 = pull.row(row[1]);
    const T* w2 = pull.row(row[2]);
    const T* w3 = pull.row(row[3]);
    ForEachPart<T>(points.columns, [&](auto part, int64_t i) HWY_ATTR {
      const auto p0 = part.Load(d, points.row(row[0]) + i);
      const auto p1 = part.Load(d, points.row(row[1]) + i);
      const auto p2 = part.Load(d, points.row(row[2]) + i);
      const auto p3 = part.Load(d, points.row(row[3]) + i);
      auto sum0 = hn::Zero(d), sum1 = sum0, sum2 = sum0, sum3 = sum0;
      const T* other = others.data + i;
      for (int64_t j = 0; j < others.rows; ++j, other += others.stride) {
        const auto o = part.Load(d, other);
        sum0 = hn::MulAdd(hn::Set(d, w0[j]), hn::Sub(p0, o), sum0);
        sum1 = hn::MulAdd(hn::Set(d, w1[j]), hn::Sub(p1, o), sum1);
        sum2 = hn::MulAdd(hn::Set(d, w2[j]), hn::Sub(p2, o), sum2);
        sum3 = hn::MulAdd(hn::Set(d, w3[j]), hn::Sub(p3, o), sum3);
      }
      // All are read before one is written: the last rows may be one.
      const auto add = [&](auto sum, int64_t r) HWY_ATTR {
        return hn::MulAdd(hn::Set(d, scale[row[r]]), sum, part.Load(d, out.row(row[r]) + i));
      };
      sum0 = add(sum0, 0);
      sum1 = add(sum1, 1);
      sum2 = add(sum2, 2);
      sum3 = add(sum3, 3);
      part.Store(sum0, d, out.row(row[0]) + i);
      part.Store(sum1, d, out.row(row[1]) + i);
      part.Store(sum2, d, out.row(row[2]) + i);
      part.Store(sum3, d, out.row(row[3]) + i);
    });
  }
}

template <typename T>
void WeightedColumnSumsT(MatrixView<const T> x, const T* weights, bool accumulate, T* out) {
  const Tag<T> d;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  const int64_t whole = x.columns / (4 * lanes) * (4 * lanes);
  const auto start = [&](auto part, int64_t i)
                         HWY_ATTR { return accumulate ? part.Load(d, out + i) : hn::Zero(d); };
  for (int64_t i = 0; i < whole; i += 4 * lanes) {
    const kernels::HWY_NAMESPACE::Whole part;
    auto sum0 = start(part, i), sum1 = start(part, i + lanes), sum2 = start(part, i + 2 * lanes),
         sum3 = start(part, i + 3 * lanes);
    const T* from = x.data + i;
    for (int64_t r = 0; r < x.rows; ++r, from += x.stride) {
      const auto w = hn::Set(d, weights[r]);
      sum0 = hn::MulAdd(w, hn::LoadU(d, from), sum0);
      sum1 = hn::MulAdd(w, hn::LoadU(d, from + lanes), sum1);
      sum2 = hn::MulAdd(w, hn::LoadU(d, from + 2 * lanes), sum2);
      sum3 = hn::MulAdd(w, hn::LoadU(d, from + 3 * lanes), sum3);
    }
    part.Store(sum0, d, out + i);
    part.Store(sum1, d, out + i + lanes);
    part.Store(sum2, d, out + i + 2 * lanes);
    part.Store(sum3, d, out + i + 3 * lanes);
  }
  ForEachPart<T>(x.columns - whole, [&](auto part, int64_t at) HWY_ATTR {
    const int64_t i = whole + at;
    auto sum = start(part, i);
    for (int64_t r = 0; r < x.rows; ++r) {
      sum = hn::MulAdd(hn::Set(d, weights[r]), part.Load(d, x.row(r) + i), sum);
    }
    part.Store(sum, d, out + i);
  });
}

template <typename T>
void AddOuterT(const T* weights, const T* row, MatrixView<T> out) {
  const Tag<T> d;
  for (int64_t r = 0; r < out.rows; ++r) {
    T* to = out.row(r);
    const auto w = hn::Set(d, weights[r]);
    ForEachPart<T>(out.columns, [&](auto part, int64_t i) HWY_ATTR {
      part.Store(hn::MulAdd(w, part.Load(d, row + i), part.Load(d, to + i)), d, to + i);
    });
  }
}

PERENNIAL_KERNEL(SquaredDistances)
PERENNIAL_KERNEL(MedianOfPairs)
PERENNIAL_KERNEL(GaussianRows)
PERENNIAL_KERNEL(DistanceRows)
PERENNIAL_KERNEL(SquareRoots)
PERENNIAL_KERNEL(NegativeLogSumExp)
PERENNIAL_KERNEL(PlanRows)
PERENNIAL_KERNEL(AddPull)
PERENNIAL_KERNEL(WeightedColumnSums)
PERENNIAL_KERNEL(AddOuter)

}  // namespace HWY_NAMESPACE
}  // namespace perennial::causal
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace perennial::causal {

using kernels::MatrixView;

PERENNIAL_EXPORT(SquaredDistances)
PERENNIAL_EXPORT(MedianOfPairs)
PERENNIAL_EXPORT(GaussianRows)
PERENNIAL_EXPORT(DistanceRows)
PERENNIAL_EXPORT(SquareRoots)
PERENNIAL_EXPORT(NegativeLogSumExp)
PERENNIAL_EXPORT(PlanRows)
PERENNIAL_EXPORT(AddPull)
PERENNIAL_EXPORT(WeightedColumnSums)
PERENNIAL_EXPORT(AddOuter)

template <typename T>
void SquaredDistances(MatrixView<const T> points, MatrixView<const T> transposed,
                      MatrixView<T> squared) {
  CHECK(transposed.rows == points.columns && transposed.columns == points.rows);
  CHECK(squared.rows == points.rows && squared.columns == points.rows);
  PERENNIAL_DISPATCH(SquaredDistances, points, transposed, squared);
}

template <typename T>
double MedianOfPairs(MatrixView<const T> squared) {
  CHECK_EQ(squared.rows, squared.columns);
  CHECK_GE(squared.rows, 2);
  double median = 0;
  PERENNIAL_DISPATCH(MedianOfPairs, squared, &median);
  return median;
}

template <typename T>
void GaussianRows(T factor, const T* c, T* sums, MatrixView<T> q) {
  PERENNIAL_DISPATCH(GaussianRows, factor, c, sums, q);
}

template <typename T>
void DistanceRows(const T* c, T* sums, MatrixView<T> q) {
  PERENNIAL_DISPATCH(DistanceRows, c, sums, q);
}

template <typename T>
void SquareRoots(T scale, MatrixView<T> q) {
  PERENNIAL_DISPATCH(SquareRoots, scale, q);
}

template <typename T>
void NegativeLogSumExp(MatrixView<const T> l, const T* shift, const T* offset, T* out) {
  CHECK_GT(l.columns, 0);
  PERENNIAL_DISPATCH(NegativeLogSumExp, l, shift, offset, out);
}

template <typename T>
void PlanRows(bool symmetric, const T* u, const T* v, T constant, T root, MatrixView<T> l) {
  CHECK(!symmetric || l.rows == l.columns);
  PERENNIAL_DISPATCH(PlanRows, symmetric, u, v, constant, root, l);
}

template <typename T>
void AddPull(MatrixView<const T> pull, MatrixView<const T> points, MatrixView<const T> others,
             const T* scale, MatrixView<T> out) {
  CHECK(pull.rows == points.rows && pull.columns == others.rows);
  CHECK_EQ(points.columns, others.columns);
  CHECK(SameShape(points, out));
  PERENNIAL_DISPATCH(AddPull, pull, points, others, scale, out);
}

template <typename T>
void WeightedColumnSums(MatrixView<const T> x, const T* weights, bool accumulate, T* out) {
  PERENNIAL_DISPATCH(WeightedColumnSums, x, weights, accumulate, out);
}

template <typename T>
void AddOuter(const T* weights, const T* row, MatrixView<T> out) {
  PERENNIAL_DISPATCH(AddOuter, weights, row, out);
}

#define PERENNIAL_INSTANTIATE(T)                                                              \
  template void SquaredDistances<T>(MatrixView<const T>, MatrixView<const T>, MatrixView<T>); \
  template double MedianOfPairs<T>(MatrixView<const T>);                                      \
  template void GaussianRows<T>(T, const T*, T*, MatrixView<T>);                              \
  template void DistanceRows<T>(const T*, T*, MatrixView<T>);                                 \
  template void SquareRoots<T>(T, MatrixView<T>);                                             \
  template void NegativeLogSumExp<T>(MatrixView<const T>, const T*, const T*, T*);            \
  template void PlanRows<T>(bool, const T*, const T*, T, T, MatrixView<T>);                   \
  template void AddPull<T>(MatrixView<const T>, MatrixView<const T>, MatrixView<const T>,     \
                           const T*, MatrixView<T>);                                          \
  template void WeightedColumnSums<T>(MatrixView<const T>, const T*, bool, T*);               \
  template void AddOuter<T>(const T*, const T*, MatrixView<T>);
PERENNIAL_INSTANTIATE(float)
PERENNIAL_INSTANTIATE(double)
#undef PERENNIAL_INSTANTIATE

}  // namespace perennial::causal
#endif  // HWY_ONCE
