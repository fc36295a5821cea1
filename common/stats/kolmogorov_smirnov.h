// The two-sample Kolmogorov-Smirnov statistic: the greatest distance between the distribution
// functions of two samples, in [0, 1].
//
//   PERENNIAL_ASSIGN_OR_RETURN(double distance, stats::KolmogorovSmirnovStatistic(x, y));
#ifndef PERENNIAL_COMMON_STATS_KOLMOGOROV_SMIRNOV_H_
#define PERENNIAL_COMMON_STATS_KOLMOGOROV_SMIRNOV_H_

#include <span>

#include "absl/status/statusor.h"

namespace perennial::stats {

// InvalidArgument for an empty sample, or for a value that is not finite (its index is named).
absl::StatusOr<double> KolmogorovSmirnovStatistic(std::span<const double> x,
                                                  std::span<const double> y);

}  // namespace perennial::stats

#endif  // PERENNIAL_COMMON_STATS_KOLMOGOROV_SMIRNOV_H_
