// Finite differences in double.
//
//   EXPECT_LT(testing::GradientError(loss, point, gradient), 1e-7);
#ifndef PERENNIAL_COMMON_TESTING_GRADIENT_CHECK_H_
#define PERENNIAL_COMMON_TESTING_GRADIENT_CHECK_H_

#include <functional>
#include <span>

namespace perennial::testing {

using ScalarFunction = std::function<double(std::span<const double>)>;

// The largest difference, over all coordinates, between `gradient` and the central difference of
// `function` at `point`, relative to 1 + |gradient|.
double GradientError(const ScalarFunction& function, std::span<const double> point,
                     std::span<const double> gradient, double step = 1e-5);

}  // namespace perennial::testing

#endif  // PERENNIAL_COMMON_TESTING_GRADIENT_CHECK_H_
