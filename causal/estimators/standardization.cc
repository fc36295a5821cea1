#include "causal/estimators/standardization.h"

#include <algorithm>
#include <cmath>

#include "common/base/logging.h"

namespace perennial::causal {

Standardization StandardizationOf(kernels::MatrixView<const double> x,
                                  std::span<const double> weights) {
  CHECK_GE(x.rows, 1);
  CHECK(weights.empty() || static_cast<int64_t>(weights.size()) == x.rows);
  const size_t p = static_cast<size_t>(x.columns);
  std::vector<double> center(p);
  std::vector<double> square(p);
  std::vector<double> greatest(p);
  double total = 0;
  for (int64_t i = 0; i < x.rows; ++i) {
    const double weight = weights.empty() ? 1 : weights[i];
    if (weight == 0) continue;
    total += weight;
    const double* const row = x.row(i);
    for (size_t j = 0; j < p; ++j) {
      center[j] += weight * row[j];
      greatest[j] = std::max(greatest[j], std::abs(row[j]));
    }
  }
  CHECK_GT(total, 0) << "all weights are 0";
  for (double& c : center) c /= total;
  for (int64_t i = 0; i < x.rows; ++i) {
    const double weight = weights.empty() ? 1 : weights[i];
    if (weight == 0) continue;
    const double* const row = x.row(i);
    for (size_t j = 0; j < p; ++j) {
      square[j] += weight * (row[j] - center[j]) * (row[j] - center[j]);
    }
  }
  std::vector<double> inverse(p);
  for (size_t j = 0; j < p; ++j) {
    const double deviation = std::sqrt(square[j] / total);
    if (deviation > 1e-12 * greatest[j]) inverse[j] = 1 / deviation;
  }
  return {.center = std::move(center), .inverse = std::move(inverse)};
}

}  // namespace perennial::causal
