#include "common/stats/summary.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/stats/student_t.h"

namespace perennial::stats {

absl::StatusOr<Summary> Summarize(std::span<const double> values) {
  if (values.empty()) return absl::InvalidArgumentError("there are no values to summarize");
  for (size_t i = 0; i < values.size(); ++i) {
    if (!std::isfinite(values[i])) {
      return absl::InvalidArgumentError(absl::StrCat("value ", i, " of ", values.size(), " is ",
                                                     values[i], ", not a finite number"));
    }
  }
  Summary summary;
  const double n = static_cast<double>(values.size());
  summary.n = static_cast<int64_t>(values.size());
  double sum = 0;
  for (const double value : values) sum += value;
  summary.mean = sum / n;

  std::vector<double> sorted(values.begin(), values.end());
  std::sort(sorted.begin(), sorted.end());
  const size_t half = sorted.size() / 2;
  summary.median = sorted.size() % 2 == 1
                       ? sorted[half]
                       : sorted[half - 1] + (sorted[half] - sorted[half - 1]) / 2;

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
