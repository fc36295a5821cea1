// Bootstrap intervals of any statistic: percentile and BCa, of plain, clustered, stratified data.
//
// Source: Efron and Tibshirani, An Introduction to the Bootstrap (1993), chapters 13 and 14 (BCa:
// equations 14.9 to 14.15); ties at the estimate count half, as in scipy.stats.bootstrap. End
// points are linear quantiles (robust.h) of the resampled statistics.
// - Bootstrap draws n of the n values with replacement.
// - ClusteredBootstrap draws whole clusters: for values that belong together (steps of one seed).
//   As many clusters are drawn as there are; the number of values may vary.
// - StratifiedBootstrap draws within each stratum, as many as it holds: runs within tasks, as
//   rliable does for the interquartile mean over tasks and runs (with the percentile interval).
// The acceleration of BCa comes from the jackknife over values or clusters; over several strata it
// is that of scipy's several samples.
//
// Resample r draws from stream.Split(r): the same stream and data give the same bits, the stream is
// not advanced, and more resamples begin with the fewer ones. 10,000 resamples of 1,000 values take
// about 0.1 s for the mean and 0.3 s for the median on one core.
//
//   PERENNIAL_ASSIGN_OR_RETURN(
//       stats::BootstrapResult result,
//       stats::Bootstrap(scores, stats::InterquartileMeanOf, {.resamples = 10000},
//                        random::Stream(seed).Split("bootstrap")));
//   // result.percentile.low, result.bca->high
#ifndef PERENNIAL_COMMON_STATS_BOOTSTRAP_H_
#define PERENNIAL_COMMON_STATS_BOOTSTRAP_H_

#include <cstdint>
#include <optional>
#include <span>

#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "common/random/stream.h"
#include "common/stats/summary.h"

namespace perennial::stats {

struct BootstrapOptions {
  int64_t resamples = 10000;  // 1 to ten million
  double level = 0.95;
  // BCa evaluates the statistic once more per value or cluster, on all but that one.
  bool bca = true;
};

struct BootstrapResult {
  double estimate = 0;  // the statistic of the data
  // Of the resampled statistics, with resamples - 1 in the denominator; absent for one resample.
  std::optional<double> standard_error;
  Interval percentile = {0, 0};
  // Resamples whose statistic is not finite (the correlation of one pair drawn n times); they are
  // left out of everything else.
  int64_t undefined = 0;
  // Absent if not asked for, and where it is undefined: the resampled statistics all lie on one
  // side of the estimate, or leaving out any one value changes nothing (as if all were equal).
  std::optional<Interval> bca;
};

// A statistic of a resample, in a buffer that it may reorder: robust.h's MeanOf, MedianOf,
// InterquartileMeanOf, or a lambda.
using Statistic = absl::FunctionRef<double(std::span<double> values)>;
// A statistic of the resample that holds the elements with these indices: for a statistic of
// several columns, such as a correlation.
using IndexStatistic = absl::FunctionRef<double(std::span<const int64_t> indices)>;

// InvalidArgument for fewer than two values or clusters, or strata of one value each; for a value
// that is not finite; for a number of ids other than that of the values; for options out of range;
// for a statistic that is not finite on the data, or on no resample.
absl::StatusOr<BootstrapResult> Bootstrap(std::span<const double> values, Statistic statistic,
                                          const BootstrapOptions& options,
                                          const random::Stream& stream);
// clusters[i] is the cluster of values[i]; any numbers, only their equality matters.
absl::StatusOr<BootstrapResult> ClusteredBootstrap(std::span<const double> values,
                                                   std::span<const int64_t> clusters,
                                                   Statistic statistic,
                                                   const BootstrapOptions& options,
                                                   const random::Stream& stream);
// strata[i] is the stratum of values[i]; likewise. The buffer holds stratum after stratum, in the
// order in which they first appear, each with as many values as in the data.
absl::StatusOr<BootstrapResult> StratifiedBootstrap(std::span<const double> values,
                                                    std::span<const int64_t> strata,
                                                    Statistic statistic,
                                                    const BootstrapOptions& options,
                                                    const random::Stream& stream);
// Over the indices 0 .. n - 1; the same draws as Bootstrap of n values.
absl::StatusOr<BootstrapResult> BootstrapIndices(int64_t n, IndexStatistic statistic,
                                                 const BootstrapOptions& options,
                                                 const random::Stream& stream);

}  // namespace perennial::stats

#endif  // PERENNIAL_COMMON_STATS_BOOTSTRAP_H_
