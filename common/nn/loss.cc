#include "common/nn/loss.h"

#include <algorithm>
#include <limits>

#include "common/base/logging.h"
#include "common/kernels/matrix.h"
#include "common/kernels/softmax.h"

// The rest of this file is compiled once for every instruction set that Highway knows.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "common/nn/loss.cc"
#include "common/kernels/simd-inl.h"
// After simd-inl.h, which includes this file again for each instruction set.
#include "common/kernels/masked-inl.h"
#include "hwy/contrib/math/math-inl.h"

#ifndef PERENNIAL_COMMON_NN_LOSS_CC_ONCE_
#define PERENNIAL_COMMON_NN_LOSS_CC_ONCE_
namespace perennial::nn {
// Losses that are sums over elements, of one function of output and target.
enum class ElementLoss { kSquared, kHuber, kLogistic };
// Rows whose softmax is computed at a time, at most, and what counts as a row of few classes.
constexpr int64_t kMaxRows = 64;
constexpr int64_t kShortRow = 16;
}  // namespace perennial::nn
#endif  // PERENNIAL_COMMON_NN_LOSS_CC_ONCE_

HWY_BEFORE_NAMESPACE();
namespace perennial::nn {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;
using kernels::HWY_NAMESPACE::ForEach;
using kernels::HWY_NAMESPACE::ForEachPart;
// At most 16 bytes.
template <typename T>
using Quarter = hn::CappedTag<T, 16 / sizeof(T)>;
template <typename T>
using Tag = kernels::HWY_NAMESPACE::Tag<T>;

// values[i] = log(values[i]). Highway's functions make numbers of NaN.
template <typename T>
HWY_INLINE void LogInPlace(T* values, int64_t count) {
  const Tag<T> d;
  ForEachPart<T>(count, [=](auto part, int64_t i) HWY_ATTR {
    const auto x = part.Load(d, values + i);
    part.Store(hn::IfThenElse(hn::IsNaN(x), x, hn::Log(d, x)), d, values + i);
  });
}

// log_total[r] = log(total[r]), and numerators[r, :] *= scale[r] / total[r].
template <typename T>
void FinishSoftmaxT(const T* scale, const T* total, T* log_total,
                    kernels::MatrixView<T> numerators) {
  for (int64_t r = 0; r < numerators.rows; ++r) {
    T* row = numerators.row(r);
    const T factor = scale[r] / total[r];
    ForEach<T>(numerators.columns, [=](auto d, int64_t i) HWY_ATTR {
      hn::StoreU(hn::Mul(hn::LoadU(d, row + i), hn::Set(d, factor)), d, row + i);
    });
    log_total[r] = total[r];
  }
  LogInPlace(log_total, numerators.rows);
}

// Rows of few classes: shift[r] = max of logits[r, :], log_total[r] = log of total[r] = sum of
// exp(logits[r, :] - shift[r]), product[r, :] = scale[r] * softmax(logits[r, :]). Maxima and sums
// are taken 16 bytes at a time, whole vectors being mostly empty; the exponentials of all rows,
// packed, fill whole vectors.
template <typename T>
void ShortSoftmaxT(kernels::MatrixView<const T> logits, const T* scale, T* shift, T* log_total,
                   kernels::MatrixView<T> product) {
  const Quarter<T> q;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(q));
  const int64_t columns = logits.columns;
  const int64_t whole = columns / lanes * lanes;
  HWY_ALIGN T packed[kMaxRows * kShortRow];
  for (int64_t r = 0; r < logits.rows; ++r) {
    const T* z = logits.row(r);
    T* out = packed + r * columns;
    T max = z[0];
    if (whole > 0) {
      // The last 16 bytes may overlap those before.
      auto part = hn::LoadU(q, z + columns - lanes);
      for (int64_t i = 0; i < whole; i += lanes) part = hn::Max(part, hn::LoadU(q, z + i));
      max = hn::GetLane(hn::MaxOfLanes(q, part));
    } else {
      for (int64_t i = 1; i < columns; ++i) max = z[i] > max ? z[i] : max;
    }
    shift[r] = max;
    for (int64_t i = 0; i < whole; i += lanes) {
      hn::StoreU(hn::Sub(hn::LoadU(q, z + i), hn::Set(q, max)), q, out + i);
    }
    for (int64_t i = whole; i < columns; ++i) out[i] = z[i] - max;
  }
  const Tag<T> d;
  T* const all = packed;
  ForEachPart<T>(logits.rows * columns, [=](auto part, int64_t i) HWY_ATTR {
    const auto x = part.Load(d, all + i);
    part.Store(hn::IfThenElse(hn::IsNaN(x), x, hn::Exp(d, x)), d, all + i);
  });
  for (int64_t r = 0; r < logits.rows; ++r) {
    const T* e = packed + r * columns;
    T total = 0;
    if (whole > 0) {
      auto sum = hn::Zero(q);
      for (int64_t i = 0; i < whole; i += lanes) sum = hn::Add(sum, hn::LoadU(q, e + i));
      total = hn::GetLane(hn::SumOfLanes(q, sum));
    }
    for (int64_t i = whole; i < columns; ++i) total += e[i];
    log_total[r] = total;
  }
  HWY_ALIGN T factors[kMaxRows];
  T* const factor = factors;
  ForEachPart<T>(logits.rows, [=](auto part, int64_t r) HWY_ATTR {
    part.Store(hn::Div(part.Load(d, scale + r), part.Load(d, log_total + r)), d, factor + r);
  });
  for (int64_t r = 0; r < logits.rows; ++r) {
    const T* e = packed + r * columns;
    T* out = product.row(r);
    for (int64_t i = 0; i < whole; i += lanes) {
      hn::StoreU(hn::Mul(hn::LoadU(q, e + i), hn::Set(q, factor[r])), q, out + i);
    }
    for (int64_t i = whole; i < columns; ++i) out[i] = e[i] * factor[r];
  }
  LogInPlace(log_total, logits.rows);
}

// numerators = scale[r] * p * (v - sum of p * v), p = numerators / total[r], v = tangent.
template <typename T>
void SoftmaxTangentT(const T* scale, const T* total, kernels::MatrixView<const T> tangent,
                     kernels::MatrixView<T> numerators) {
  const Tag<T> d;
  for (int64_t r = 0; r < numerators.rows; ++r) {
    const T* v = tangent.row(r);
    T* row = numerators.row(r);
    auto sum = hn::Zero(d);
    ForEachPart<T>(numerators.columns, [&](auto part, int64_t i) HWY_ATTR {
      sum = hn::MulAdd(part.Load(d, row + i), part.Load(d, v + i), sum);
    });
    const auto mean = hn::Set(d, hn::GetLane(hn::SumOfLanes(d, sum)) / total[r]);
    const auto factor = hn::Set(d, scale[r] / total[r]);
    ForEachPart<T>(numerators.columns, [=](auto part, int64_t i) HWY_ATTR {
      part.Store(
          hn::Mul(hn::Mul(factor, part.Load(d, row + i)), hn::Sub(part.Load(d, v + i), mean)), d,
          row + i);
    });
  }
}

struct Squared {
  template <class D, class V>
  HWY_INLINE void Evaluate(D, V y, V t, V& loss, V& slope) const {
    const V error = hn::Sub(y, t);
    loss = hn::Mul(error, error);
    slope = hn::Add(error, error);
  }
  template <class D, class V>
  HWY_INLINE V Curvature(D d, V, V) const {
    return hn::Set(d, 2);
  }
};

template <typename T>
struct Huber {
  template <class D, class V>
  HWY_INLINE void Evaluate(D d, V y, V t, V& loss, V& slope) const {
    const V error = hn::Sub(y, t);
    const V bound = hn::Set(d, delta);
    const V half = hn::Set(d, T(0.5));
    const auto inside = hn::Lt(hn::Abs(error), bound);
    loss = hn::IfThenElse(inside, hn::Mul(hn::Mul(half, error), error),
                          hn::Mul(bound, hn::NegMulAdd(half, bound, hn::Abs(error))));
    slope = hn::IfThenElse(hn::Or(inside, hn::IsNaN(error)), error, hn::CopySign(bound, error));
  }
  template <class D, class V>
  HWY_INLINE V Curvature(D d, V y, V t) const {
    const V error = hn::Sub(y, t);
    return hn::IfThenElseZero(hn::Lt(hn::Abs(error), hn::Set(d, delta)), hn::Set(d, T(1)));
  }
  T delta;
};

// With e = exp(-|y|), s(-|y|) = e / (1 + e): no difference of large numbers, no overflow.
struct Logistic {
  template <class D, class V>
  HWY_INLINE void Evaluate(D d, V y, V t, V& loss, V& slope) const {
    const V zero = hn::Zero(d);
    const V one = hn::Set(d, 1);
    const V e = hn::Exp(d, hn::Neg(hn::Abs(y)));
    const V small = hn::Div(e, hn::Add(one, e));
    const auto positive = hn::Gt(y, zero);
    // The slope far out on the side of y; 0 there if the target lies wholly on it, also where y is
    // infinite.
    const V far = hn::IfThenElse(positive, hn::Sub(one, t), hn::Neg(t));
    const V linear = hn::IfThenZeroElse(hn::Eq(far, zero), hn::Mul(far, y));
    const auto nan = hn::IsNaN(y);
    loss = hn::IfThenElse(nan, y, hn::Add(linear, hn::Log1p(d, e)));
    slope =
        hn::IfThenElse(nan, y, hn::IfThenElse(positive, hn::Sub(far, small), hn::Add(far, small)));
  }
  template <class D, class V>
  HWY_INLINE V Curvature(D d, V y, V) const {
    const V one = hn::Set(d, 1);
    const V e = hn::Exp(d, hn::Neg(hn::Abs(y)));
    const V sum = hn::Add(one, e);
    return hn::IfThenElse(hn::IsNaN(y), y, hn::Div(e, hn::Mul(sum, sum)));
  }
};

template <typename T, typename Body>
HWY_INLINE void WithLoss(ElementLoss kind, T delta, Body body) {
  switch (kind) {
    case ElementLoss::kSquared:
      return body(Squared());
    case ElementLoss::kHuber:
      return body(Huber<T>{delta});
    case ElementLoss::kLogistic:
      return body(Logistic());
  }
}

template <typename T>
void EvaluateElementsT(ElementLoss kind, T delta, const T* y, const T* t, int64_t count, T* loss,
                       T* slope) {
  WithLoss<T>(kind, delta, [=](auto function) HWY_ATTR {
    const Tag<T> d;
    ForEachPart<T>(count, [=](auto part, int64_t i) HWY_ATTR {
      hn::VFromD<Tag<T>> value, derivative;
      function.Evaluate(d, part.Load(d, y + i), part.Load(d, t + i), value, derivative);
      part.Store(value, d, loss + i);
      part.Store(derivative, d, slope + i);
    });
  });
}

template <typename T>
void ElementCurvaturesT(ElementLoss kind, T delta, const T* y, const T* t, int64_t count,
                        T* curvature) {
  WithLoss<T>(kind, delta, [=](auto function) HWY_ATTR {
    const Tag<T> d;
    ForEachPart<T>(count, [=](auto part, int64_t i) HWY_ATTR {
      part.Store(function.Curvature(d, part.Load(d, y + i), part.Load(d, t + i)), d, curvature + i);
    });
  });
}

PERENNIAL_KERNEL(FinishSoftmax)
PERENNIAL_KERNEL(ShortSoftmax)
PERENNIAL_KERNEL(SoftmaxTangent)
PERENNIAL_KERNEL(EvaluateElements)
PERENNIAL_KERNEL(ElementCurvatures)

}  // namespace HWY_NAMESPACE
}  // namespace perennial::nn
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace perennial::nn {

PERENNIAL_EXPORT(FinishSoftmax)
PERENNIAL_EXPORT(ShortSoftmax)
PERENNIAL_EXPORT(SoftmaxTangent)
PERENNIAL_EXPORT(EvaluateElements)
PERENNIAL_EXPORT(ElementCurvatures)

namespace {

using kernels::MatrixView;
using kernels::SubRows;

// What a row is trained towards: weight on the class `label` (if it is not negative), `targets`
// times `weight` (if they are not null), and `everywhere` on each class that takes part.
template <typename T>
struct RowTarget {
  T operator()(int64_t c) const {
    return (c == label ? weight : T(0)) + (targets != nullptr ? weight * targets[c] : T(0)) +
           everywhere;
  }
  int64_t label = -1;
  const T* targets = nullptr;
  T weight = 1;
  T everywhere = 0;
};

// Few enough rows to stay in the first-level cache.
int64_t RowsAtATime(int64_t columns) {
  constexpr int64_t kMaxElements = 4096;
  return std::clamp<int64_t>(kMaxElements / columns, 1, kMaxRows);
}

// Softmax cross-entropy for both kinds of targets.
template <typename T>
class CrossEntropy {
 public:
  CrossEntropy(MatrixView<const T> logits, std::span<const int32_t> labels,
               std::span<const T> weights, const SoftmaxOptions& options)
      : logits_(logits), labels_(labels), weights_(weights), options_(options) {
    CHECK_EQ(logits.rows, static_cast<int64_t>(labels.size()));
    CheckOptions();
  }
  CrossEntropy(MatrixView<const T> logits, MatrixView<const T> targets, std::span<const T> weights,
               const SoftmaxOptions& options)
      : logits_(logits), targets_(targets), weights_(weights), options_(options) {
    CHECK(SameShape(logits, targets));
    CheckOptions();
  }

  double Gradient(MatrixView<T> gradient) {
    CHECK(SameShape(logits_, gradient));
    double loss = 0;
    const int64_t step = RowsAtATime(logits_.columns);
    for (int64_t first = 0; first < logits_.rows; first += step) {
      const MatrixView<T> part = SubRows(gradient, first, std::min(step, logits_.rows - first));
      const MatrixView<const T> source = Prepare(first, part);
      alignas(64) T log_total[kMaxRows];
      if (part.columns <= kShortRow) {
        PERENNIAL_DISPATCH(ShortSoftmax, source, scale_, shift_, log_total, part);
      } else {
        kernels::SoftmaxRows<T>(source, shift_, total_, part);
        PERENNIAL_DISPATCH(FinishSoftmax, scale_, total_, log_total, part);
      }
      if (plain()) {
        for (int64_t i = 0; i < part.rows; ++i) {
          const T weight = weights_[first + i];
          part(i, labels_[first + i]) -= weight;
          const T correct = static_cast<T>(cross_[i]) - shift_[i];
          loss += static_cast<double>(weight) *
                  (static_cast<double>(log_total[i]) - static_cast<double>(correct));
        }
      } else {
        for (int64_t i = 0; i < part.rows; ++i) {
          loss +=
              SubtractTarget(first + i, static_cast<double>(log_total[i]), cross_[i], part.row(i));
        }
      }
    }
    return loss;
  }

  void Hessian(MatrixView<const T> tangent, MatrixView<T> product) {
    CHECK(SameShape(logits_, tangent) && SameShape(logits_, product));
    const int64_t step = RowsAtATime(logits_.columns);
    for (int64_t first = 0; first < logits_.rows; first += step) {
      const MatrixView<T> part = SubRows(product, first, std::min(step, logits_.rows - first));
      kernels::SoftmaxRows<T>(Prepare(first, part), shift_, total_, part);
      PERENNIAL_DISPATCH(SoftmaxTangent, scale_, total_, SubRows(tangent, first, part.rows), part);
      if (!masked()) continue;
      for (int64_t i = 0; i < part.rows; ++i) {
        for (int64_t c = 0; c < part.columns; ++c) {
          if (!TakesPart(first + i, c)) part(i, c) = 0;
        }
      }
    }
  }

 private:
  bool masked() const { return options_.mask.data != nullptr; }
  bool TakesPart(int64_t r, int64_t c) const {
    return !masked() || options_.mask(options_.mask.rows == 1 ? 0 : r, c) != 0;
  }
  // One label a row, and nothing else: the common case.
  bool plain() const {
    return targets_.data == nullptr && !masked() && options_.label_smoothing == 0;
  }

  void CheckOptions() const {
    CHECK_EQ(logits_.rows, static_cast<int64_t>(weights_.size()));
    CHECK_GE(logits_.columns, 1);
    CHECK(options_.label_smoothing >= 0 && options_.label_smoothing <= 1);
    if (masked()) {
      CHECK(options_.mask.columns == logits_.columns &&
            (options_.mask.rows == logits_.rows || options_.mask.rows == 1));
    }
    for (size_t r = 0; r < labels_.size(); ++r) {
      CHECK(labels_[r] >= 0 && labels_[r] < logits_.columns &&
            TakesPart(static_cast<int64_t>(r), labels_[r]))
          << "label " << labels_[r] << " of row " << r << " is not among its classes";
    }
  }

  // Classes of row r that take part.
  int64_t Classes(int64_t r) const {
    int64_t count = 0;
    for (int64_t c = 0; c < logits_.columns; ++c) count += TakesPart(r, c) ? 1 : 0;
    return count;
  }

  RowTarget<T> Target(int64_t r) const {
    const double smoothing = options_.label_smoothing;
    RowTarget<T> target;
    if (targets_.data != nullptr) {
      target.targets = targets_.row(r);
    } else {
      target.label = labels_[r];
    }
    if (smoothing != 0) {
      target.weight = static_cast<T>(1 - smoothing);
      target.everywhere = static_cast<T>(smoothing / static_cast<double>(Classes(r)));
    }
    return target;
  }

  // Fills scale_ and cross_ for the rows from `first` on, and returns their logits. If classes are
  // masked those are written to `result`, with minus infinity for what takes no part.
  MatrixView<const T> Prepare(int64_t first, MatrixView<T> result) {
    const MatrixView<const T> logits = SubRows(logits_, first, result.rows);
    if (plain()) {
      for (int64_t i = 0; i < logits.rows; ++i) {
        scale_[i] = weights_[first + i];
        cross_[i] = static_cast<double>(logits(i, labels_[first + i]));
      }
      return logits;
    }
    for (int64_t i = 0; i < logits.rows; ++i) {
      Summarize(first + i, logits.row(i), weights_[first + i], scale_[i], cross_[i]);
    }
    if (!masked()) return logits;
    for (int64_t i = 0; i < logits.rows; ++i) {
      for (int64_t c = 0; c < logits.columns; ++c) {
        const bool takes_part = TakesPart(first + i, c);
        result(i, c) = takes_part ? logits(i, c) : -std::numeric_limits<T>::infinity();
      }
    }
    return result;
  }

  // scale = weight * sum of the targets; cross = sum of targets * (logits - largest logit).
  void Summarize(int64_t r, const T* z, T weight, T& scale, double& cross) const {
    const RowTarget<T> target = Target(r);
    T largest = -std::numeric_limits<T>::infinity();
    for (int64_t c = 0; c < logits_.columns; ++c) {
      if (TakesPart(r, c) && z[c] > largest) largest = z[c];
    }
    double sum = 0;
    cross = 0;
    for (int64_t c = 0; c < logits_.columns; ++c) {
      const double t = TakesPart(r, c) ? static_cast<double>(target(c)) : 0;
      sum += t;
      // 0 log 0 = 0.
      if (t != 0) cross += t * static_cast<double>(z[c] - largest);
    }
    scale = static_cast<T>(static_cast<double>(weight) * sum);
  }

  // Makes weight * S p into weight * (S p - t), and returns weight * loss.
  double SubtractTarget(int64_t r, double log_total, double cross, T* row) const {
    const RowTarget<T> target = Target(r);
    double sum = 0;
    bool any = false;
    for (int64_t c = 0; c < logits_.columns; ++c) {
      if (!TakesPart(r, c)) {
        row[c] = 0;
        continue;
      }
      any = true;
      const T t = target(c);
      row[c] -= weights_[r] * t;
      sum += static_cast<double>(t);
    }
    return any ? static_cast<double>(weights_[r]) * (sum * log_total - cross) : 0;
  }

  MatrixView<const T> logits_;
  std::span<const int32_t> labels_;
  MatrixView<const T> targets_;
  std::span<const T> weights_;
  SoftmaxOptions options_;
  // Of the rows at work.
  alignas(64) T scale_[kMaxRows];
  alignas(64) T shift_[kMaxRows];
  alignas(64) T total_[kMaxRows];
  double cross_[kMaxRows];  // Plain: the label's logit.
};

// Elements at a time: the vectors run over packed elements, so that matrices of few columns, and of
// any stride, are as fast as wide ones.
constexpr int64_t kBlock = 256;

// Calls body(first row, rows, first column, columns) for blocks of at most kBlock elements.
template <typename Body>
void ForEachBlock(int64_t rows, int64_t columns, Body body) {
  if (columns == 0) return;
  const int64_t width = std::min(columns, kBlock);
  const int64_t height = kBlock / width;
  for (int64_t r = 0; r < rows; r += height) {
    for (int64_t c = 0; c < columns; c += width) {
      body(r, std::min(height, rows - r), c, std::min(width, columns - c));
    }
  }
}

// The block of `matrix` that begins at (r, c), packed.
template <typename T>
void Pack(MatrixView<const T> matrix, int64_t r, int64_t rows, int64_t c, int64_t columns, T* out) {
  for (int64_t i = 0; i < rows; ++i) {
    const T* row = matrix.row(r + i) + c;
    for (int64_t j = 0; j < columns; ++j) *out++ = row[j];
  }
}

template <typename T>
void CheckShapes(MatrixView<const T> outputs, MatrixView<const T> targets,
                 std::span<const T> weights, MatrixView<const T> result) {
  CHECK(SameShape(outputs, targets) && SameShape(outputs, result));
  CHECK_EQ(outputs.rows, static_cast<int64_t>(weights.size()));
}

template <typename T>
double ElementGradient(ElementLoss kind, double delta, MatrixView<const T> outputs,
                       MatrixView<const T> targets, std::span<const T> weights,
                       MatrixView<T> gradient) {
  CheckShapes<T>(outputs, targets, weights, gradient);
  // One sum would wait for each addition.
  constexpr int64_t kSums = 8;
  double sums[kSums] = {};
  ForEachBlock(
      outputs.rows, outputs.columns, [&](int64_t r, int64_t rows, int64_t c, int64_t columns) {
        alignas(64) T y[kBlock], t[kBlock], w[kBlock], loss[kBlock], slope[kBlock];
        const int64_t count = rows * columns;
        Pack<T>(outputs, r, rows, c, columns, y);
        Pack<T>(targets, r, rows, c, columns, t);
        for (int64_t i = 0; i < rows; ++i) std::fill_n(w + i * columns, columns, weights[r + i]);
        PERENNIAL_DISPATCH(EvaluateElements, kind, static_cast<T>(delta), y, t, count, loss, slope);
        for (int64_t i = 0; i < count; ++i) {
          sums[i % kSums] += static_cast<double>(w[i]) * static_cast<double>(loss[i]);
          slope[i] *= w[i];
        }
        for (int64_t i = 0; i < rows; ++i) {
          std::copy_n(slope + i * columns, columns, gradient.row(r + i) + c);
        }
      });
  double total = 0;
  for (const double sum : sums) total += sum;
  return total;
}

template <typename T>
void ElementHessian(ElementLoss kind, double delta, MatrixView<const T> outputs,
                    MatrixView<const T> targets, std::span<const T> weights,
                    MatrixView<const T> tangent, MatrixView<T> product) {
  CheckShapes<T>(outputs, targets, weights, product);
  CHECK(SameShape(outputs, tangent));
  ForEachBlock(outputs.rows, outputs.columns,
               [&](int64_t r, int64_t rows, int64_t c, int64_t columns) {
                 alignas(64) T y[kBlock], t[kBlock], curvature[kBlock];
                 Pack<T>(outputs, r, rows, c, columns, y);
                 Pack<T>(targets, r, rows, c, columns, t);
                 PERENNIAL_DISPATCH(ElementCurvatures, kind, static_cast<T>(delta), y, t,
                                    rows * columns, curvature);
                 for (int64_t i = 0; i < rows; ++i) {
                   for (int64_t j = 0; j < columns; ++j) {
                     product(r + i, c + j) =
                         weights[r + i] * curvature[i * columns + j] * tangent(r + i, c + j);
                   }
                 }
               });
}

}  // namespace

template <typename T>
double SoftmaxCrossEntropy(MatrixView<const T> logits, std::span<const int32_t> labels,
                           std::span<const T> weights, MatrixView<T> gradient,
                           const SoftmaxOptions& options) {
  return CrossEntropy<T>(logits, labels, weights, options).Gradient(gradient);
}

template <typename T>
double SoftmaxCrossEntropy(MatrixView<const T> logits, MatrixView<const T> targets,
                           std::span<const T> weights, MatrixView<T> gradient,
                           const SoftmaxOptions& options) {
  return CrossEntropy<T>(logits, targets, weights, options).Gradient(gradient);
}

template <typename T>
void SoftmaxCrossEntropyHessian(MatrixView<const T> logits, std::span<const int32_t> labels,
                                std::span<const T> weights, MatrixView<const T> tangent,
                                MatrixView<T> product, const SoftmaxOptions& options) {
  CrossEntropy<T>(logits, labels, weights, options).Hessian(tangent, product);
}

template <typename T>
void SoftmaxCrossEntropyHessian(MatrixView<const T> logits, MatrixView<const T> targets,
                                std::span<const T> weights, MatrixView<const T> tangent,
                                MatrixView<T> product, const SoftmaxOptions& options) {
  CrossEntropy<T>(logits, targets, weights, options).Hessian(tangent, product);
}

template <typename T>
double SquaredError(MatrixView<const T> outputs, MatrixView<const T> targets,
                    std::span<const T> weights, MatrixView<T> gradient) {
  return ElementGradient<T>(ElementLoss::kSquared, 0, outputs, targets, weights, gradient);
}

template <typename T>
void SquaredErrorHessian(MatrixView<const T> outputs, MatrixView<const T> targets,
                         std::span<const T> weights, MatrixView<const T> tangent,
                         MatrixView<T> product) {
  ElementHessian<T>(ElementLoss::kSquared, 0, outputs, targets, weights, tangent, product);
}

template <typename T>
double HuberLoss(MatrixView<const T> outputs, MatrixView<const T> targets,
                 std::span<const T> weights, MatrixView<T> gradient, double delta) {
  CHECK_GT(delta, 0);
  return ElementGradient<T>(ElementLoss::kHuber, delta, outputs, targets, weights, gradient);
}

template <typename T>
void HuberLossHessian(MatrixView<const T> outputs, MatrixView<const T> targets,
                      std::span<const T> weights, MatrixView<const T> tangent,
                      MatrixView<T> product, double delta) {
  CHECK_GT(delta, 0);
  ElementHessian<T>(ElementLoss::kHuber, delta, outputs, targets, weights, tangent, product);
}

template <typename T>
double LogisticLoss(MatrixView<const T> outputs, MatrixView<const T> targets,
                    std::span<const T> weights, MatrixView<T> gradient) {
  return ElementGradient<T>(ElementLoss::kLogistic, 0, outputs, targets, weights, gradient);
}

template <typename T>
void LogisticLossHessian(MatrixView<const T> outputs, MatrixView<const T> targets,
                         std::span<const T> weights, MatrixView<const T> tangent,
                         MatrixView<T> product) {
  ElementHessian<T>(ElementLoss::kLogistic, 0, outputs, targets, weights, tangent, product);
}

template <typename T>
int32_t SampleSoftmax(std::span<const T> logits, double uniform) {
  CHECK(!logits.empty());
  const double largest = *std::ranges::max_element(logits);
  double sum = 0;
  for (const T z : logits) sum += std::exp(z - largest);
  double rest = uniform * sum;
  for (size_t c = 0; c + 1 < logits.size(); ++c) {
    rest -= std::exp(logits[c] - largest);
    if (rest < 0) return static_cast<int32_t>(c);
  }
  return static_cast<int32_t>(logits.size()) - 1;
}

#define PERENNIAL_INSTANTIATE(T)                                                                  \
  template double SoftmaxCrossEntropy<T>(MatrixView<const T>, std::span<const int32_t>,           \
                                         std::span<const T>, MatrixView<T>,                       \
                                         const SoftmaxOptions&);                                  \
  template double SoftmaxCrossEntropy<T>(MatrixView<const T>, MatrixView<const T>,                \
                                         std::span<const T>, MatrixView<T>,                       \
                                         const SoftmaxOptions&);                                  \
  template void SoftmaxCrossEntropyHessian<T>(MatrixView<const T>, std::span<const int32_t>,      \
                                              std::span<const T>, MatrixView<const T>,            \
                                              MatrixView<T>, const SoftmaxOptions&);              \
  template void SoftmaxCrossEntropyHessian<T>(MatrixView<const T>, MatrixView<const T>,           \
                                              std::span<const T>, MatrixView<const T>,            \
                                              MatrixView<T>, const SoftmaxOptions&);              \
  template int32_t SampleSoftmax<T>(std::span<const T>, double);                                  \
  template double SquaredError<T>(MatrixView<const T>, MatrixView<const T>, std::span<const T>,   \
                                  MatrixView<T>);                                                 \
  template void SquaredErrorHessian<T>(MatrixView<const T>, MatrixView<const T>,                  \
                                       std::span<const T>, MatrixView<const T>, MatrixView<T>);   \
  template double HuberLoss<T>(MatrixView<const T>, MatrixView<const T>, std::span<const T>,      \
                               MatrixView<T>, double);                                            \
  template void HuberLossHessian<T>(MatrixView<const T>, MatrixView<const T>, std::span<const T>, \
                                    MatrixView<const T>, MatrixView<T>, double);                  \
  template double LogisticLoss<T>(MatrixView<const T>, MatrixView<const T>, std::span<const T>,   \
                                  MatrixView<T>);                                                 \
  template void LogisticLossHessian<T>(MatrixView<const T>, MatrixView<const T>,                  \
                                       std::span<const T>, MatrixView<const T>, MatrixView<T>);
PERENNIAL_INSTANTIATE(float)
PERENNIAL_INSTANTIATE(double)
#undef PERENNIAL_INSTANTIATE

}  // namespace perennial::nn
#endif  // HWY_ONCE
