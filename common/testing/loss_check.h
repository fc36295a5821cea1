// The gradient check of a loss written as a LibTorch expression, in one line:
//
//   EXPECT_LT(testing::LossGradientError(loss, {{64, 10}, {64, 32}}, /*seed=*/1), 1e-7);
#ifndef PERENNIAL_COMMON_TESTING_LOSS_CHECK_H_
#define PERENNIAL_COMMON_TESTING_LOSS_CHECK_H_

#include <cstdint>
#include <utility>
#include <vector>

#include "common/nn/autograd_loss.h"

namespace perennial::testing {

// AutogradLoss's gradient in double at standard normal leaves of the given {rows, columns}, against
// central differences: see GradientError. The leaves have gaps between their rows, as those of a
// network may. Infinity, and a logged line, if the expression fails. Constants of the expression
// must be double too; at kinks of the loss the two differ.
double LossGradientError(const nn::LossExpression& loss,
                         const std::vector<std::pair<int64_t, int64_t>>& shapes, uint64_t seed);

}  // namespace perennial::testing

#endif  // PERENNIAL_COMMON_TESTING_LOSS_CHECK_H_
