// Location estimates that outliers move little, and quantiles.
//
// - A quantile is linear between order statistics: position q (n - 1) among the sorted values
//   (Hyndman & Fan's type 7; numpy.quantile's default), bit for bit as numpy interpolates.
// - A trimmed mean drops floor(fraction * n) values at each end, whole values only, and averages
//   the rest (scipy.stats.trim_mean).
// - The interquartile mean is the trimmed mean with fraction 0.25, what Agarwal et al., "Deep
//   reinforcement learning at the edge of the statistical precipice" (NeurIPS 2021, rliable)
//   report: of n values floor(n / 4) are dropped at each end, so 5 values lose one at each end, 3
//   none.
//
// The result does not depend on the order of the values, except for the last bits of a mean.
//
//   PERENNIAL_ASSIGN_OR_RETURN(double iqm, stats::InterquartileMean(scores));
#ifndef PERENNIAL_COMMON_STATS_ROBUST_H_
#define PERENNIAL_COMMON_STATS_ROBUST_H_

#include <span>

#include "absl/status/statusor.h"

namespace perennial::stats {

// InvalidArgument for no values or one that is not finite; for a q outside [0, 1]; for a fraction
// outside [0, 0.5).
absl::StatusOr<double> Median(std::span<const double> values);
absl::StatusOr<double> Quantile(std::span<const double> values, double q);
absl::StatusOr<double> TrimmedMean(std::span<const double> values, double fraction);
absl::StatusOr<double> InterquartileMean(std::span<const double> values);

// The same of values that were checked and may be reordered, in O(n): statistics for bootstrap.h.
// No values is a programmer error.
double MeanOf(std::span<double> values);
double MedianOf(std::span<double> values);
double InterquartileMeanOf(std::span<double> values);

// The quantile of values that are sorted already, in O(1); q in [0, 1].
double QuantileOfSorted(std::span<const double> sorted, double q);

}  // namespace perennial::stats

#endif  // PERENNIAL_COMMON_STATS_ROBUST_H_
