#include "common/kernels/softmax.h"

#include <limits>

#include "common/base/logging.h"

// The rest of this file is compiled once for every instruction set that Highway knows.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "common/kernels/softmax.cc"
#include "common/kernels/simd-inl.h"
// Only then what it compiles for each of them.
#include "common/kernels/exp-inl.h"
#include "common/kernels/masked-inl.h"

HWY_BEFORE_NAMESPACE();
namespace perennial::kernels {
namespace HWY_NAMESPACE {

// A row that fits one vector, which stays in the register.
template <typename T, class Part>
HWY_INLINE void SoftmaxVector(Part part, const T* logits, T* shift, T* total, T* numerators) {
  const Tag<T> d;
  const auto lowest = hn::Set(d, -std::numeric_limits<T>::infinity());
  const auto x = part.Load(d, logits);
  const auto max = hn::MaxOfLanes(d, part.Select(d, x, lowest));
  const auto e = ExpOfNegative(d, hn::Sub(x, max));
  part.Store(e, d, numerators);
  *shift = hn::GetLane(max);
  *total = hn::GetLane(hn::SumOfLanes(d, part.Select(d, e, hn::Zero(d))));
}

template <typename T>
void SoftmaxRowsT(MatrixView<const T> logits, T* shift, T* total, MatrixView<T> numerators) {
  const Tag<T> d;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  const auto lowest = hn::Set(d, -std::numeric_limits<T>::infinity());
  for (int64_t r = 0; r < logits.rows; ++r) {
    const T* row = logits.row(r);
    T* out = numerators.row(r);
    if (logits.columns == lanes) {
      SoftmaxVector(Whole(), row, shift + r, total + r, out);
      continue;
    }
    if (logits.columns < lanes) {
      SoftmaxVector(Rest{static_cast<size_t>(logits.columns)}, row, shift + r, total + r, out);
      continue;
    }
    auto max = lowest;
    ForEachPart<T>(logits.columns, [&](auto part, int64_t i) HWY_ATTR {
      max = hn::Max(max, part.Select(d, part.Load(d, row + i), lowest));
    });
    max = hn::MaxOfLanes(d, max);
    auto sum = hn::Zero(d);
    ForEachPart<T>(logits.columns, [&](auto part, int64_t i) HWY_ATTR {
      const auto e = ExpOfNegative(d, hn::Sub(part.Load(d, row + i), max));
      part.Store(e, d, out + i);
      sum = hn::Add(sum, part.Select(d, e, hn::Zero(d)));
    });
    shift[r] = hn::GetLane(max);
    total[r] = hn::GetLane(hn::SumOfLanes(d, sum));
  }
}

PERENNIAL_KERNEL(SoftmaxRows)

}  // namespace HWY_NAMESPACE
}  // namespace perennial::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace perennial::kernels {

PERENNIAL_EXPORT(SoftmaxRows)

template <typename T>
void SoftmaxRows(MatrixView<const T> logits, T* shift, T* total, MatrixView<T> numerators) {
  CHECK(SameShape(logits, numerators));
  CHECK_GT(logits.columns, 0);
  PERENNIAL_DISPATCH(SoftmaxRows, logits, shift, total, numerators);
}

#define PERENNIAL_INSTANTIATE(T) \
  template void SoftmaxRows<T>(MatrixView<const T>, T*, T*, MatrixView<T>);
PERENNIAL_INSTANTIATE(float)
PERENNIAL_INSTANTIATE(double)
#undef PERENNIAL_INSTANTIATE

}  // namespace perennial::kernels
#endif  // HWY_ONCE
