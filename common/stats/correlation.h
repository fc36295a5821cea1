// Pearson's, Spearman's and Kendall's correlation, and partial correlation, with p values.
//
// - Pearson: p two-sided from t = r sqrt((n - 2) / (1 - r^2)); the interval is Fisher's z.
// - Spearman: Pearson of average ranks; p likewise from t.
// - Kendall's tau-b (Kendall 1938, 1945; Knight, JASA 61, 1966, for O(n log n)): p exact without
//   ties for n <= 33 or at most one pair out of order, otherwise normal with the variance corrected
//   for ties. As scipy.stats.kendalltau.
// - Partial: the correlation of what is left of x and y after least squares on an intercept and k
//   covariates (Gram-Schmidt with reorthogonalisation, of centred columns), with n - 2 - k degrees
//   of freedom; of ranks for Spearman's. Fisher's interval with k fewer observations.
// Undefined is absent: the coefficient where x or y is constant or a function of the covariates; p
// without a degree of freedom left; the interval for n - k < 4. Intervals of Spearman's and
// Kendall's coefficients are the bootstrap's (bootstrap.h, BootstrapIndices).
// Error of coefficients below 1e-13, relative error of p below 1e-9 down to 1e-50.
//
//   PERENNIAL_ASSIGN_OR_RETURN(stats::Correlation c, stats::KendallTauB(width, forgetting));
//   // *c.coefficient, *c.p
#ifndef PERENNIAL_COMMON_STATS_CORRELATION_H_
#define PERENNIAL_COMMON_STATS_CORRELATION_H_

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "absl/status/statusor.h"
#include "common/stats/summary.h"

namespace perennial::stats {

struct Correlation {
  int64_t n = 0;
  std::optional<double> coefficient;          // in [-1, 1]
  std::optional<double> p;                    // two-sided
  std::optional<Interval> interval;           // Pearson's and partial Pearson's
  std::optional<int64_t> degrees_of_freedom;  // of t; absent for Kendall's
  bool exact = false;                         // p is Kendall's exact one
};

enum class PartialKind { kPearson, kSpearman };

// All: InvalidArgument for fewer than two pairs, unequal lengths, a value that is not finite, a
// level outside (0, 1).
absl::StatusOr<Correlation> PearsonCorrelation(std::span<const double> x, std::span<const double> y,
                                               double level = 0.95);
absl::StatusOr<Correlation> SpearmanCorrelation(std::span<const double> x,
                                                std::span<const double> y);
absl::StatusOr<Correlation> KendallTauB(std::span<const double> x, std::span<const double> y);

// covariates[j] is a column of as many values as x. InvalidArgument also for covariates that are
// constant or linearly dependent (the first such column is named), or for more of them than n - 2.
absl::StatusOr<Correlation> PartialCorrelation(std::span<const double> x, std::span<const double> y,
                                               std::span<const std::vector<double>> covariates,
                                               PartialKind kind = PartialKind::kPearson,
                                               double level = 0.95);

}  // namespace perennial::stats

#endif  // PERENNIAL_COMMON_STATS_CORRELATION_H_
