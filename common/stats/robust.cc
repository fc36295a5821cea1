#include "common/stats/robust.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/base/logging.h"
#include "common/base/status_macros.h"
#include "common/stats/samples.h"

namespace perennial::stats {
namespace {

double TrimmedMeanOf(std::span<double> values, double fraction) {
  CHECK(!values.empty());
  const size_t n = values.size();
  const size_t cut = static_cast<size_t>(fraction * static_cast<double>(n));
  // Brings the `cut` smallest to the front and the `cut` greatest to the back.
  if (cut > 0) {
    std::nth_element(values.begin(), values.begin() + cut, values.end());
    std::nth_element(values.begin() + cut, values.begin() + (n - cut - 1), values.end());
  }
  return MeanOf(values.subspan(cut, n - 2 * cut));
}

}  // namespace

double MeanOf(std::span<double> values) {
  CHECK(!values.empty());
  double sum = 0;
  for (const double value : values) sum += value;
  return sum / static_cast<double>(values.size());
}

double MedianOf(std::span<double> values) {
  CHECK(!values.empty());
  const size_t half = values.size() / 2;
  std::nth_element(values.begin(), values.begin() + half, values.end());
  const double upper = values[half];
  if (values.size() % 2 == 1) return upper;
  const double lower = *std::max_element(values.begin(), values.begin() + half);
  return lower + (upper - lower) / 2;
}

double InterquartileMeanOf(std::span<double> values) { return TrimmedMeanOf(values, 0.25); }

double QuantileOfSorted(std::span<const double> sorted, double q) {
  CHECK(!sorted.empty());
  CHECK(q >= 0 && q <= 1) << "q = " << q;
  const double position = q * static_cast<double>(sorted.size() - 1);
  const size_t below = static_cast<size_t>(position);
  if (below + 1 >= sorted.size()) return sorted.back();
  const double share = position - static_cast<double>(below);
  const double step = sorted[below + 1] - sorted[below];
  // From the nearer end, as numpy does: both ends are met exactly.
  return share < 0.5 ? sorted[below] + step * share : sorted[below + 1] - step * (1 - share);
}

absl::StatusOr<double> Median(std::span<const double> values) {
  PERENNIAL_RETURN_IF_ERROR(CheckSample(values, 1));
  std::vector<double> copy(values.begin(), values.end());
  return MedianOf(copy);
}

absl::StatusOr<double> Quantile(std::span<const double> values, double q) {
  PERENNIAL_RETURN_IF_ERROR(CheckSample(values, 1));
  if (!(q >= 0 && q <= 1)) {
    return absl::InvalidArgumentError(absl::StrCat("q is ", q, "; it must lie in [0, 1]"));
  }
  std::vector<double> sorted(values.begin(), values.end());
  std::sort(sorted.begin(), sorted.end());
  return QuantileOfSorted(sorted, q);
}

absl::StatusOr<double> TrimmedMean(std::span<const double> values, double fraction) {
  PERENNIAL_RETURN_IF_ERROR(CheckSample(values, 1));
  if (!(fraction >= 0 && fraction < 0.5)) {
    return absl::InvalidArgumentError(absl::StrCat("the fraction trimmed at each end is ", fraction,
                                                   "; it must lie in [0, 0.5)"));
  }
  std::vector<double> copy(values.begin(), values.end());
  return TrimmedMeanOf(copy, fraction);
}

absl::StatusOr<double> InterquartileMean(std::span<const double> values) {
  return TrimmedMean(values, 0.25);
}

}  // namespace perennial::stats
