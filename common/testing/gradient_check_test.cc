#include "common/testing/gradient_check.h"

#include <cmath>
#include <limits>
#include <vector>

#include "gtest/gtest.h"

namespace perennial::testing {
namespace {

// f(x, y) = sin(x) y^2
double Function(std::span<const double> p) { return std::sin(p[0]) * p[1] * p[1]; }

TEST(GradientErrorTest, AcceptsTheGradientAndFindsAWrongOne) {
  const std::vector<double> point = {0.7, -1.3};
  std::vector<double> gradient = {std::cos(0.7) * 1.69, 2 * std::sin(0.7) * -1.3};
  EXPECT_LT(GradientError(Function, point, gradient), 1e-9);
  gradient[1] *= 1.01;
  EXPECT_GT(GradientError(Function, point, gradient), 1e-3);
}

TEST(GradientErrorTest, NotANumberIsAnError) {
  const std::vector<double> point = {0.7, -1.3};
  const std::vector<double> gradient = {std::numeric_limits<double>::quiet_NaN(), 0};
  EXPECT_FALSE(GradientError(Function, point, gradient) < 1);
}

}  // namespace
}  // namespace perennial::testing
