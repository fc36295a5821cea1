#include "common/nn/loss.h"

#include <algorithm>
#include <cmath>

#include "common/base/logging.h"

namespace perennial::nn {

template <typename T>
double SoftmaxCrossEntropy(kernels::MatrixView<const T> logits, std::span<const int32_t> labels,
                           std::span<const T> weights, kernels::MatrixView<T> gradient) {
  CHECK_EQ(logits.rows, static_cast<int64_t>(labels.size()));
  CHECK_EQ(logits.rows, static_cast<int64_t>(weights.size()));
  CHECK(logits.rows == gradient.rows && logits.columns == gradient.columns);
  double loss = 0;
  for (int64_t r = 0; r < logits.rows; ++r) {
    const T* z = logits.row(r);
    T* g = gradient.row(r);
    const T shift = *std::max_element(z, z + logits.columns);
    const T correct = z[labels[r]] - shift;
    T total = 0;
    for (int64_t c = 0; c < logits.columns; ++c) {
      g[c] = std::exp(z[c] - shift);
      total += g[c];
    }
    const T factor = weights[r] / total;
    for (int64_t c = 0; c < logits.columns; ++c) g[c] *= factor;
    g[labels[r]] -= weights[r];
    loss += static_cast<double>(weights[r]) * static_cast<double>(std::log(total) - correct);
  }
  return loss;
}

template double SoftmaxCrossEntropy<float>(kernels::MatrixView<const float>,
                                           std::span<const int32_t>, std::span<const float>,
                                           kernels::MatrixView<float>);
template double SoftmaxCrossEntropy<double>(kernels::MatrixView<const double>,
                                            std::span<const int32_t>, std::span<const double>,
                                            kernels::MatrixView<double>);

}  // namespace perennial::nn
