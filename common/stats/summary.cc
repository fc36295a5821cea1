#include "common/stats/summary.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "common/base/status_macros.h"
#include "common/stats/robust.h"
#include "common/stats/samples.h"
#include "common/stats/student_t.h"

namespace perennial::stats {

absl::StatusOr<Summary> Summarize(std::span<const double> values) {
  PERENNIAL_RETURN_IF_ERROR(CheckSample(values, 1));
  Summary summary;
  const double n = static_cast<double>(values.size());
  summary.n = static_cast<int64_t>(values.size());
  double sum = 0;
  for (const double value : values) sum += value;
  summary.mean = sum / n;

  std::vector<double> scratch(values.begin(), values.end());
  summary.median = MedianOf(scratch);
  // The sum of equal values is rounded; their mean is known, and their spread is none.
  const auto [least, greatest] = std::minmax_element(values.begin(), values.end());
  if (*least == *greatest) summary.mean = *least;

  if (values.size() < 2) return summary;
  double squares = 0;
  for (const double value : values) squares += (value - summary.mean) * (value - summary.mean);
  const double deviation = std::sqrt(squares / (n - 1));
  const double reach = StudentTQuantile(0.975, n - 1) * deviation / std::sqrt(n);
  summary.standard_deviation = deviation;
  summary.ci95 = Interval{summary.mean - reach, summary.mean + reach};
  return summary;
}

}  // namespace perennial::stats
