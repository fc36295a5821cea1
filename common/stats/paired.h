// Paired comparison of two methods: what a - b is over the pairs (the same seed, stream, task).
//
// t = mean / (sd / sqrt(n)) with n - 1 degrees of freedom, p two-sided; Cohen's d_z = mean / sd
// (Cohen 1988, section 2.3.5). The mean and sd are summary.h's of the differences. What is
// undefined is absent: spread, interval and test of one pair; test and d_z of differences that are
// all equal (their interval has no width). Relative error of p below 1e-10.
//
//   PERENNIAL_ASSIGN_OR_RETURN(stats::PairedDifference d, stats::ComparePaired(ours, theirs));
//   // d.mean, d.interval->low, *d.p, d.wins.rate
#ifndef PERENNIAL_COMMON_STATS_PAIRED_H_
#define PERENNIAL_COMMON_STATS_PAIRED_H_

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "absl/status/statusor.h"
#include "common/random/stream.h"
#include "common/stats/bootstrap.h"
#include "common/stats/summary.h"

namespace perennial::stats {

// How often a is greater than b, less, and equal.
struct WinRate {
  int64_t wins = 0;
  int64_t losses = 0;
  int64_t ties = 0;
  double rate = 0;  // (wins + ties / 2) / n
};

struct PairedDifference {
  int64_t n = 0;
  double mean = 0;
  std::optional<double> standard_deviation;  // with n - 1 in the denominator
  double level = 0;                          // of `interval`
  std::optional<Interval> interval;          // of the mean, by Student's t
  std::optional<double> t;
  std::optional<double> p;  // two-sided
  std::optional<double> cohens_dz;
  WinRate wins;
};

// All of these: InvalidArgument for no pairs, samples of unequal length, or a value that is not
// finite (its sample and index are named).
absl::StatusOr<PairedDifference> ComparePaired(std::span<const double> a, std::span<const double> b,
                                               double level = 0.95);
absl::StatusOr<WinRate> CountWins(std::span<const double> a, std::span<const double> b);
// a - b, pair by pair; for bootstrap.h with another statistic or with clusters, for wilcoxon.h.
absl::StatusOr<std::vector<double>> Differences(std::span<const double> a,
                                                std::span<const double> b);

// Percentile and BCa interval of the mean difference, resampling pairs; needs two of them.
absl::StatusOr<BootstrapResult> PairedBootstrap(std::span<const double> a,
                                                std::span<const double> b,
                                                const BootstrapOptions& options,
                                                const random::Stream& stream);

}  // namespace perennial::stats

#endif  // PERENNIAL_COMMON_STATS_PAIRED_H_
