#include "causal/diagnostics/refutation.h"

#include <cmath>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "common/base/status_macros.h"
#include "common/stats/samples.h"
#include "common/stats/student_t.h"

namespace perennial::causal {

absl::StatusOr<RefutationTest> TestOfMean(std::span<const double> runs, double expected,
                                          double level) {
  PERENNIAL_RETURN_IF_ERROR(stats::CheckLevel(level));
  if (runs.size() < 2) {
    return absl::InvalidArgumentError(
        absl::StrCat("a test of a refutation needs at least 2 runs, there are ", runs.size()));
  }
  if (!std::isfinite(expected)) {
    return absl::InvalidArgumentError(
        absl::StrCat("a refutation should find ", expected, ", not a finite number"));
  }
  const auto count = static_cast<double>(runs.size());
  double mean = 0;
  bool equal = true;
  for (const double run : runs) {
    if (!std::isfinite(run)) {
      return absl::InvalidArgumentError(
          absl::StrCat("a run of a refutation is ", run, ", not a finite number"));
    }
    mean += run / count;
    equal = equal && run == runs[0];
  }
  if (equal) {
    return RefutationTest{runs[0], runs[0], runs[0], runs[0] == expected ? 1.0 : 0.0};
  }
  double squares = 0;
  for (const double run : runs) squares += (run - mean) * (run - mean);
  const double error = std::sqrt(squares / (count - 1) / count);
  const double reach = stats::StudentTQuantile((1 + level) / 2, count - 1) * error;
  return RefutationTest{
      .mean = mean,
      .low = mean - reach,
      .high = mean + reach,
      .p_value = 2 * stats::StudentTCdf(-std::abs(mean - expected) / error, count - 1)};
}

}  // namespace perennial::causal
