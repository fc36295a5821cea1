// What replicates say of a claim: the effect with its interval, what could have been found, and the
// verdict.
//
// A contrast is the paired difference method - against over the replicates (against may be a
// constant), or of the logarithms, or of absolute deviations from each method's median (Brown and
// Forsythe's, in pairs). Squared bias and variance belong to all replicates together; of these the
// pair is one of jackknife pseudo-values
//
//   n q - (n - 1) q_i,   q = mean^2 - s^2 / n, s^2 or log s^2;  q_i the same without replicate i
//
// (Arvesen 1969, "Jackknifing U-statistics", Annals of Mathematical Statistics 40; of log s^2
// Miller 1968, "Jackknifing variances", the same journal 39), whose mean is q: of the first two
// exactly, without bias, of the logarithm but for terms of order 1 / n^2. Common random numbers
// stay paired.
//
// A contrast is tested twice: for a difference, by the two-sided paired t test, and
// for equivalence within +-smallest_effect, by TOST (common/stats/equivalence.h). Each of the two
// kinds of p values is Holm-adjusted over the claims of a family; verdicts rest on the adjusted
// ones, at the level 0.05:
//
//   claimed       equivalent     different, |effect| >= smallest         otherwise
//   kHigher       kEquivalent    kSeen if effect > 0, else kContradicted kInconclusive
//   kLower        kEquivalent    kSeen if effect < 0, else kContradicted kInconclusive
//   kDifferent    kEquivalent    kSeen                                   kInconclusive
//   kSame         kSeen          kContradicted                           kInconclusive
//
// Differences that are all equal leave nothing to test: they are what they are. Replicates that are
// missing (a unit failed) make any claim inconclusive: what is left is no fair sample.
//
//   PERENNIAL_ASSIGN_OR_RETURN(Finding finding,
//                              Measure({.smallest_effect = 0.01}, ours, theirs));
//   PERENNIAL_RETURN_IF_ERROR(AdjustFamily({&finding}));
//   const Verdict verdict = Judge(finding);
#ifndef PERENNIAL_TOOLS_CLAIMS_VERDICT_H_
#define PERENNIAL_TOOLS_CLAIMS_VERDICT_H_

#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "common/stats/summary.h"

namespace perennial::claims {

// Of each test, or of each family of them.
inline constexpr double kLevel = 0.05;
// Of the minimum detectable effect.
inline constexpr double kPower = 0.8;

enum class Direction { kHigher, kLower, kSame, kDifferent };
enum class Quantity { kValue, kDeviation, kSquaredBias, kVariance };
enum class Scale { kDifference, kLogRatio };

struct Contrast {
  Direction direction = Direction::kHigher;
  double smallest_effect = 0;  // Above 0; on the scale of the contrast.
  Quantity quantity = Quantity::kValue;
  Scale scale = Scale::kDifference;
};

struct Finding {
  Contrast contrast;
  int n = 0;
  std::vector<double> differences;          // On the scale of the contrast.
  double effect = 0;                        // Their mean.
  std::optional<stats::Interval> interval;  // Of the mean, 95 %, by Student's t.
  int greater = 0;                          // Replicates in which the method's is greater.
  int ties = 0;
  // Of a difference and of equivalence; absent if all differences are equal.
  std::optional<double> p;
  std::optional<double> p_equivalence;
  std::optional<double> p_holm;
  std::optional<double> p_equivalence_holm;
  // The smallest |effect| that the test of a difference finds with 80 % power at its own level.
  std::optional<double> minimum_detectable;
};

// `against` holds as many values as `values`, in the same order of replicates. InvalidArgument for
// fewer than two (squared bias and variance: three), for one that is not finite, for a logarithm of
// what is not above 0 (its index is named) or of a variance of 0, or for one of a squared bias,
// whose estimate can lie below 0.
absl::StatusOr<Finding> Measure(const Contrast& contrast, absl::Span<const double> values,
                                absl::Span<const double> against);

// Sets the adjusted p values; those that are absent are not counted.
absl::Status AdjustFamily(absl::Span<Finding* const> family);

enum class Verdict { kSeen, kContradicted, kEquivalent, kInconclusive, kNotTestableHere };
// "seen" ... "not testable here".
std::string VerdictText(Verdict verdict);

// After AdjustFamily.
Verdict Judge(const Finding& finding);

}  // namespace perennial::claims

#endif  // PERENNIAL_TOOLS_CLAIMS_VERDICT_H_
