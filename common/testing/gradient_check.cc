#include "common/testing/gradient_check.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "common/base/logging.h"

namespace perennial::testing {

double GradientError(const ScalarFunction& function, std::span<const double> point,
                     std::span<const double> gradient, double step) {
  CHECK_EQ(point.size(), gradient.size());
  std::vector<double> moved(point.begin(), point.end());
  double worst = 0;
  for (size_t i = 0; i < moved.size(); ++i) {
    moved[i] = point[i] + step;
    const double above = function(moved);
    moved[i] = point[i] - step;
    const double below = function(moved);
    moved[i] = point[i];
    const double difference = (above - below) / (2 * step);
    const double error = std::abs(difference - gradient[i]) / (1 + std::abs(gradient[i]));
    // No tolerance holds NaN.
    if (std::isnan(error)) return error;
    worst = std::max(worst, error);
  }
  return worst;
}

}  // namespace perennial::testing
