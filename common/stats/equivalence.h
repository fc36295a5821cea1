// Equivalence of paired methods (TOST), and what a paired t test of a given size can see.
//
// Source: Schuirmann, J. Pharmacokinetics and Biopharmaceutics 15 (1987); Lakens, "Equivalence
// tests", SPPS 8 (2017). Two one-sided t tests of the mean of a - b: above `low`, below `high`.
// Both significant at alpha means equivalent within the margins, which is the (1 - 2 alpha) t
// interval inside them.
//
// Power is that of the two-sided paired t test, both tails, by the noncentral t distribution
// (noncentral_t.h), as statsmodels' TTestPower. Relative error of power and effect below 1e-9 up to
// 1,000 pairs, of p below 1e-10.
//
//   PERENNIAL_ASSIGN_OR_RETURN(stats::Equivalence e,
//                              stats::TestEquivalence(ours, theirs, -0.01, 0.01));
//   // e.equivalent, *e.p
//   PERENNIAL_ASSIGN_OR_RETURN(double effect, stats::MinimumDetectableEffect(20, 0.013));
#ifndef PERENNIAL_COMMON_STATS_EQUIVALENCE_H_
#define PERENNIAL_COMMON_STATS_EQUIVALENCE_H_

#include <cstdint>
#include <optional>
#include <span>

#include "absl/status/statusor.h"
#include "common/stats/summary.h"

namespace perennial::stats {

struct Equivalence {
  int64_t n = 0;
  double mean = 0;
  double standard_deviation = 0;
  // Absent if all differences are equal.
  std::optional<double> p_low;   // of the hypothesis that the mean is at most `low`
  std::optional<double> p_high;  // of the hypothesis that the mean is at least `high`
  std::optional<double> p;       // the greater of the two
  Interval interval = {0, 0};    // of the mean, with coverage 1 - 2 alpha
  // p < alpha; of equal differences, whether they lie between the margins.
  bool equivalent = false;
};

// InvalidArgument for fewer than two pairs, samples of unequal length, a value that is not finite,
// margins that are not finite or not low < high, or an alpha outside (0, 0.5).
absl::StatusOr<Equivalence> TestEquivalence(std::span<const double> a, std::span<const double> b,
                                            double low, double high, double alpha = 0.05);

// All of these take n >= 2 pairs, the standard deviation (>= 0) of the differences, alpha in (0, 1)
// and, but for the first, a power in (alpha, 1); otherwise InvalidArgument.

// The chance that the test finds a mean difference of `effect`. Needs standard_deviation > 0.
absl::StatusOr<double> PairedTestPower(int64_t n, double effect, double standard_deviation,
                                       double alpha = 0.05);
// The smallest |mean difference| that the test finds with this power.
absl::StatusOr<double> MinimumDetectableEffect(int64_t n, double standard_deviation,
                                               double alpha = 0.05, double power = 0.8);
// The fewest pairs with which the test finds a mean difference of `effect`, not zero, with this
// power. InvalidArgument if that is more than ten million.
absl::StatusOr<int64_t> RequiredPairs(double effect, double standard_deviation, double alpha = 0.05,
                                      double power = 0.8);

}  // namespace perennial::stats

#endif  // PERENNIAL_COMMON_STATS_EQUIVALENCE_H_
