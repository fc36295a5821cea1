#include "continual/analysis/distance.h"

#include <cmath>
#include <cstdint>

#include "common/base/logging.h"
#include "common/kernels/elementwise.h"

namespace perennial::continual {

double Distance(const nn::ParameterLayout& layout, nn::ConstRow<float> a, nn::ConstRow<float> b) {
  CHECK_EQ(std::ssize(a), layout.size());
  CHECK_EQ(std::ssize(b), layout.size());
  double sum = 0;
  for (int64_t i = 0; i < layout.trainable(); ++i) {
    const double difference = double{b[i]} - double{a[i]};
    sum += difference * difference;
  }
  return std::sqrt(sum);
}

double RelativeDistance(const nn::ParameterLayout& layout, nn::ConstRow<float> from,
                        nn::ConstRow<float> to) {
  return Distance(layout, from, to) /
         std::sqrt(kernels::SquaredNorm<float>(from.first(layout.trainable())));
}

std::vector<std::vector<double>> DistanceMatrix(const nn::ParameterLayout& layout,
                                                std::span<const nn::ConstRow<float>> rows) {
  std::vector<std::vector<double>> distances(rows.size(), std::vector<double>(rows.size(), 0.0));
  for (size_t i = 0; i < rows.size(); ++i) {
    for (size_t j = i + 1; j < rows.size(); ++j) {
      distances[i][j] = distances[j][i] = Distance(layout, rows[i], rows[j]);
    }
  }
  return distances;
}

}  // namespace perennial::continual
