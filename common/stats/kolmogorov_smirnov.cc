#include "common/stats/kolmogorov_smirnov.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <vector>

#include "common/base/status_macros.h"
#include "common/stats/samples.h"

namespace perennial::stats {

absl::StatusOr<double> KolmogorovSmirnovStatistic(std::span<const double> x,
                                                  std::span<const double> y) {
  PERENNIAL_RETURN_IF_ERROR(CheckSample(x, 1, "first sample"));
  PERENNIAL_RETURN_IF_ERROR(CheckSample(y, 1, "second sample"));
  std::vector<double> sorted_x(x.begin(), x.end());
  std::vector<double> sorted_y(y.begin(), y.end());
  std::sort(sorted_x.begin(), sorted_x.end());
  std::sort(sorted_y.begin(), sorted_y.end());
  double greatest = 0;
  size_t i = 0;
  size_t j = 0;
  while (i < x.size() && j < y.size()) {
    // Both functions step over all values equal to the least that is left, then are compared.
    const double least = std::min(sorted_x[i], sorted_y[j]);
    while (i < x.size() && sorted_x[i] == least) ++i;
    while (j < y.size() && sorted_y[j] == least) ++j;
    greatest = std::max(greatest, std::abs(static_cast<double>(i) / static_cast<double>(x.size()) -
                                           static_cast<double>(j) / static_cast<double>(y.size())));
  }
  return greatest;
}

}  // namespace perennial::stats
