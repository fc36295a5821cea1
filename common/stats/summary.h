// What a row of a results table says about its replicates: mean, median, spread, and the 95 %
// interval of the mean by Student's t.
//
// What is undefined is absent, never zero: the spread and the interval of fewer than two values.
// The sums are taken in the given order, so equal input gives equal bits. Of values that are all
// equal the mean is that value and the spread is none, without rounding.
//
//   PERENNIAL_ASSIGN_OR_RETURN(stats::Summary s, stats::Summarize(accuracy_by_seed));
//   // s.mean, s.ci95->low, s.ci95->high
#ifndef PERENNIAL_COMMON_STATS_SUMMARY_H_
#define PERENNIAL_COMMON_STATS_SUMMARY_H_

#include <cstdint>
#include <optional>
#include <span>

#include "absl/status/statusor.h"

namespace perennial::stats {

struct Interval {
  double low;
  double high;
};

struct Summary {
  int64_t n = 0;
  double mean = 0;
  double median = 0;
  std::optional<double> standard_deviation;  // with n - 1 in the denominator
  std::optional<Interval> ci95;              // of the mean, t with n - 1 degrees of freedom
};

// InvalidArgument for no values, or for one that is not finite (its index is named).
absl::StatusOr<Summary> Summarize(std::span<const double> values);

}  // namespace perennial::stats

#endif  // PERENNIAL_COMMON_STATS_SUMMARY_H_
