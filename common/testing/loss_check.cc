#include "common/testing/loss_check.h"

#include <limits>
#include <span>

#include "common/base/logging.h"
#include "common/kernels/aligned.h"
#include "common/random/stream.h"
#include "common/testing/gradient_check.h"

namespace perennial::testing {
namespace {

using kernels::MatrixView;

constexpr int64_t kGap = 3;

}  // namespace

double LossGradientError(const nn::LossExpression& loss,
                         const std::vector<std::pair<int64_t, int64_t>>& shapes, uint64_t seed) {
  // All leaves one behind the other, so that they are one point for the differences.
  int64_t size = 0;
  for (const auto& [rows, columns] : shapes) size += rows * (columns + kGap);
  std::vector<double> point(size);
  random::Stream draws = random::Stream(seed).Split("leaves");
  for (double& value : point) value = draws.Normal();

  const auto evaluate = [&](std::span<const double> values, std::span<double> gradient) {
    std::vector<MatrixView<const double>> leaves;
    std::vector<MatrixView<double>> gradients;
    int64_t offset = 0;
    for (const auto& [rows, columns] : shapes) {
      leaves.push_back({values.data() + offset, rows, columns, columns + kGap});
      gradients.push_back({gradient.data() + offset, rows, columns, columns + kGap});
      offset += rows * (columns + kGap);
    }
    return nn::AutogradLoss<double>(leaves, gradients, loss);
  };

  std::vector<double> gradient(size);
  if (const auto value = evaluate(point, gradient); !value.ok()) {
    LOG(ERROR) << value.status();
    return std::numeric_limits<double>::infinity();
  }
  std::vector<double> unused(size);
  return GradientError(
      [&](std::span<const double> moved) {
        const auto value = evaluate(moved, unused);
        return value.ok() ? *value : std::numeric_limits<double>::quiet_NaN();
      },
      point, gradient);
}

}  // namespace perennial::testing
