#include "continual/analysis/curvature.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <span>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "common/base/logging.h"
#include "common/data/batch.h"
#include "common/kernels/elementwise.h"
#include "common/nn/loss.h"
#include "continual/streams/view_batches.h"

namespace perennial::continual {
namespace {

// The eigenvalues of a small symmetric matrix [n][n] and, as columns of `vectors`, its eigenvectors
// by Jacobi's cyclic rotations; `matrix` becomes diagonal.
void Diagonalise(std::vector<std::vector<double>>& matrix,
                 std::vector<std::vector<double>>& vectors) {
  const size_t n = matrix.size();
  vectors.assign(n, std::vector<double>(n, 0.0));
  double squares = 0;
  for (size_t i = 0; i < n; ++i) {
    vectors[i][i] = 1;
    for (const double value : matrix[i]) squares += value * value;
  }
  const double negligible = std::numeric_limits<double>::epsilon() * std::sqrt(squares);
  // Converges quadratically; a dozen sweeps are ample.
  for (int sweep = 0; sweep < 60; ++sweep) {
    bool rotated = false;
    for (size_t p = 0; p < n; ++p) {
      for (size_t q = p + 1; q < n; ++q) {
        const double off = matrix[p][q];
        if (std::abs(off) <= negligible) continue;
        rotated = true;
        const double theta = (matrix[q][q] - matrix[p][p]) / (2 * off);
        const double t = std::copysign(1 / (std::abs(theta) + std::hypot(theta, 1)), theta);
        const double c = 1 / std::hypot(t, 1);
        const double s = t * c;
        for (size_t k = 0; k < n; ++k) {
          const double kp = matrix[k][p], kq = matrix[k][q];
          matrix[k][p] = c * kp - s * kq;
          matrix[k][q] = s * kp + c * kq;
        }
        for (size_t k = 0; k < n; ++k) {
          const double pk = matrix[p][k], qk = matrix[q][k];
          matrix[p][k] = c * pk - s * qk;
          matrix[q][k] = s * pk + c * qk;
          const double vp = vectors[k][p], vq = vectors[k][q];
          vectors[k][p] = c * vp - s * vq;
          vectors[k][q] = s * vp + c * vq;
        }
      }
    }
    if (!rotated) return;
  }
}

template <typename T>
void Scale(double factor, nn::Row<T> row) {
  for (T& value : row) value = static_cast<T>(factor * value);
}

}  // namespace

template <typename T>
LossHessian<T>::LossHessian(const nn::Network& network, nn::ConstRow<T> row,
                            const ImageView& images)
    : network_(network),
      row_(row),
      images_(images),
      pass_(network, kMeasuringBatch),
      batch_product_(1, network.layout().size()),
      sum_(network.layout().trainable()) {
  CHECK_EQ(std::ssize(row), network.layout().size());
  CHECK(!images.empty());
}

template <typename T>
void LossHessian<T>::Multiply(nn::ConstRow<T> vector, nn::Row<T> product) {
  CHECK_EQ(std::ssize(product), network_.layout().size());
  std::ranges::fill(sum_, 0.0);
  const std::vector<T> weights(kMeasuringBatch, T(1));
  const nn::Row<T> part = batch_product_.row(0);  // Its gaps stay zero.
  ForEachBatch(
      images_, kMeasuringBatch, [&](const data::Batch& batch, std::span<const int32_t> labels) {
        const std::span<const T> ones = std::span(weights).first(labels.size());
        pass_.Forward(row_, vector, batch);
        nn::Workspace<T>& workspace = pass_.workspace();
        nn::SoftmaxCrossEntropy<T>(workspace.output(), labels, ones, workspace.output_gradient());
        nn::SoftmaxCrossEntropyHessian<T>(workspace.output(), labels, ones, pass_.output_tangent(),
                                          pass_.gradient_tangent());
        pass_.Backward(part);
        for (size_t i = 0; i < sum_.size(); ++i) sum_[i] += double{part[i]};
      });
  for (size_t i = 0; i < sum_.size(); ++i) product[i] = static_cast<T>(sum_[i] / images_.size());
}

template <typename T>
double LossHessian<T>::Flops(const nn::Network& network, int64_t images) {
  // A layer that reads the inputs takes x W, x V and R{d} x; any other R{x} W, d R{x}, d W, R{d} W
  // and d V besides.
  const double all = network.forward_flops(images);
  const double inputs = 3 * all - network.training_flops(images);
  return 3 * inputs + 8 * (all - inputs);
}

template <typename T>
int64_t LossHessian<T>::Bytes(const nn::Network& network) {
  // The pass keeps three numbers beside each output and its gradient.
  return nn::Workspace<T>::Bytes(network, kMeasuringBatch) * 5 / 2 +
         kMeasuringBatch * network.inputs() +
         network.layout().size() * static_cast<int64_t>(sizeof(T) + sizeof(double));
}

template <typename T>
absl::StatusOr<double> CurvatureAlong(LossHessian<T>& hessian, nn::ConstRow<T> direction) {
  const nn::ParameterLayout& layout = hessian.network().layout();
  CHECK_EQ(std::ssize(direction), layout.size());
  const int64_t trained = layout.trainable();
  const double length = std::sqrt(kernels::SquaredNorm<T>(direction.first(trained)));
  if (!(length > 0) || !std::isfinite(length)) {
    return absl::InvalidArgumentError(
        absl::StrCat("the direction has length ", length, "; it must be finite and above 0"));
  }
  nn::Rows<T> rows(2, layout.size());
  std::ranges::copy(direction.first(trained), rows.row(0).begin());
  Scale<T>(1 / length, rows.row(0));
  hessian.Multiply(rows.row(0), rows.row(1));
  return kernels::Dot<T>(rows.row(0), rows.row(1));
}

template <typename T>
void FillUnitGaussian(const nn::ParameterLayout& layout, const random::Stream& stream,
                      nn::Row<T> direction) {
  CHECK_EQ(std::ssize(direction), layout.size());
  std::ranges::fill(direction, T(0));
  random::Stream draws = stream;
  for (const nn::ParameterSlice& slice : layout.slices()) {
    if (slice.role == nn::ParameterRole::kBuffer) continue;
    for (T& value : direction.subspan(slice.offset, slice.size)) {
      value = static_cast<T>(draws.Normal());
    }
  }
  Scale<T>(1 / std::sqrt(kernels::SquaredNorm<T>(direction)), direction);
}

template <typename T>
TopEigenvalue FindTopEigenvalue(LossHessian<T>& hessian, const random::Stream& stream,
                                const LanczosOptions& options) {
  CHECK_GT(options.products, 0);
  const nn::ParameterLayout& layout = hessian.network().layout();
  const int products = static_cast<int>(std::min<int64_t>(options.products, layout.parameters()));
  nn::Rows<T> basis(products + 1, layout.size());
  FillUnitGaussian<T>(layout, stream, basis.row(0));
  std::vector<double> diagonal, below;
  double scale = 0;
  for (int j = 0; j < products; ++j) {
    const nn::Row<T> next = basis.row(j + 1);
    hessian.Multiply(basis.row(j), next);
    diagonal.push_back(kernels::Dot<T>(basis.row(j), next));
    scale = std::max(scale, std::sqrt(kernels::SquaredNorm<T>(next)));
    // Twice is enough (Kahan, in Parlett, "The Symmetric Eigenvalue Problem").
    for (int pass = 0; pass < 2; ++pass) {
      for (int i = 0; i <= j; ++i) {
        const double overlap = kernels::Dot<T>(basis.row(i), next);
        kernels::Axpy<T>(static_cast<T>(-overlap), basis.row(i), next);
      }
    }
    below.push_back(std::sqrt(kernels::SquaredNorm<T>(next)));
    // What is left is rounding: the space is invariant, and its eigenvalues are H's.
    if (!(below.back() > 100 * double{std::numeric_limits<T>::epsilon()} * scale)) break;
    Scale<T>(1 / below.back(), next);
  }

  const size_t n = diagonal.size();
  std::vector<std::vector<double>> matrix(n, std::vector<double>(n, 0.0)), vectors;
  for (size_t i = 0; i < n; ++i) {
    matrix[i][i] = diagonal[i];
    if (i + 1 < n) matrix[i][i + 1] = matrix[i + 1][i] = below[i];
  }
  Diagonalise(matrix, vectors);
  size_t top = 0;
  for (size_t i = 1; i < n; ++i) {
    if (matrix[i][i] > matrix[top][top]) top = i;
  }
  return {.value = matrix[top][top],
          .residual = below.back() * std::abs(vectors[n - 1][top]),
          .products = static_cast<int>(n)};
}

int64_t LanczosBytes(const nn::Network& network, const LanczosOptions& options) {
  return (options.products + 1) * network.layout().size() * static_cast<int64_t>(sizeof(float));
}

#define PERENNIAL_CURVATURE(T)                                                         \
  template class LossHessian<T>;                                                       \
  template absl::StatusOr<double> CurvatureAlong<T>(LossHessian<T>&, nn::ConstRow<T>); \
  template void FillUnitGaussian<T>(const nn::ParameterLayout&, const random::Stream&, \
                                    nn::Row<T>);                                       \
  template TopEigenvalue FindTopEigenvalue<T>(LossHessian<T>&, const random::Stream&,  \
                                              const LanczosOptions&);
PERENNIAL_CURVATURE(float)
PERENNIAL_CURVATURE(double)
#undef PERENNIAL_CURVATURE

}  // namespace perennial::continual
