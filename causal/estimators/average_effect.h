// Average effects of treatments, with standard errors, from predictions of nuisances.
//
// For arm a against control 0, with mu_a(x) = E[Y | x, T = a], e_a(x) = P(T = a | x), and 1_a the
// indicator of T = a:
//
//   ATE  E[Y(a) - Y(0)]              over all units
//   ATT  E[Y(a) - Y(0) | T = a]      over the units of the arm; with control weights w = e_a / e_0
//
// value                              ATE                           ATT
// plug-in                            mean of mu_a - mu_0           the same over T = a
// Horvitz-Thompson                   mean of 1_a Y/e_a - 1_0 Y/e_0 (1/n_a) sum of 1_a Y - 1_0 w Y
// Hajek                              the same, weights in each arm divided by their sum
// AIPW                               mean of mu_a - mu_0           (1/n_a) sum of
//   (Robins, Rotnitzky and Zhao 1994)  + 1_a (Y - mu_a) / e_a        (1_a - 1_0 w) (Y - mu_0)
//                                      - 1_0 (Y - mu_0) / e_0
// TMLE                               plug-in of mu fluctuated in each arm, by one constant each,
//   (van der Laan and Rubin 2006)      with weights 1/e_a, 1/e_0 (ATT: 1, w)
//
// The fluctuation of TMLE is logistic by default: outcomes and mu are mapped from the range of the
// outcomes (0 to 1 where they are binary) to [0, 1], mu is kept within [0.0005, 0.9995] of it, and
// logit mu moves. The linear one moves mu itself; its ATE is AIPW with weights divided by their
// sums.
//
// Standard errors come from the influence function at the estimates, sd / sqrt(n); with clusters
// its values are summed within each, and the variance is G / (G - 1) sum of squares / n^2 for G
// clusters, which is the former when each unit is its own cluster. Intervals are normal; with
// clusters Student's t with G - 1 degrees of freedom. What they leave out: the plug-in's error
// counts the sampling of units, not the error of mu, so it is too small; the weighting estimators'
// counts e as known. AIPW and TMLE are valid where mu and e converge fast enough and were predicted
// for units that they were not fitted to (Folds below).
//
//   const Sample sample = SampleOf(observations);
//   PERENNIAL_ASSIGN_OR_RETURN(
//       const auto effects, AverageEffects(sample, out_of_fold, EffectMethod::kAipw, {}));
//   effects[0].estimate.value;                             // of arm 1
#ifndef PERENNIAL_CAUSAL_ESTIMATORS_AVERAGE_EFFECT_H_
#define PERENNIAL_CAUSAL_ESTIMATORS_AVERAGE_EFFECT_H_

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "causal/data/observations.h"
#include "causal/models/model.h"
#include "common/random/stream.h"

namespace perennial::causal {

struct Estimate {
  double value;
  double standard_error;
  double low;  // Interval of the level asked for.
  double high;
};

// The interval, at `level`, of an estimate from its influence function [n], whose mean is 0;
// cluster [n], or empty. InvalidArgument for fewer than two units or clusters, a value that is not
// finite, or a level outside (0, 1).
absl::StatusOr<Estimate> EstimateFromInfluence(double value, std::span<const double> influence,
                                               std::span<const int32_t> cluster, double level);

// How many standard errors an interval reaches to either side, at a level in (0, 1): normal, or
// with two clusters or more Student's t with one degree of freedom less than they are.
double IntervalQuantile(double level, int64_t clusters);

// What an estimate needs of a sample; somebody else owns it.
struct Sample {
  std::span<const int32_t> treatment;  // [n], in [0, arms)
  std::span<const double> outcome;     // [n]
  int arms = 2;
  bool binary_outcome = false;
  std::span<const int32_t> cluster = {};  // [n], or empty.
};
Sample SampleOf(const Observations& observations);

enum class Estimand { kAte, kAtt };
enum class EffectMethod { kPlugIn, kHorvitzThompson, kHajek, kAipw, kTmle };
enum class Fluctuation { kLogistic, kLinear };

struct AverageEffectOptions {
  Estimand estimand = Estimand::kAte;
  double level = 0.95;
  // Units whose propensity lies outside are left out of a contrast, and the average is over the
  // rest: of e_1 where there are two arms, of e_a and e_0 where there are more. The plug-in leaves
  // out the same where it is given propensities.
  double lowest_propensity = 0;
  double highest_propensity = 1;
  Fluctuation fluctuation = Fluctuation::kLogistic;  // Of TMLE.
};

struct AverageEffect {
  Estimate estimate;
  int64_t units;    // That the estimate is of.
  int64_t trimmed;  // Left out by the band.
};

// [arms - 1], arm a + 1 at a. Takes from `predictions` what the method needs: effects (plug-in),
// outcomes (AIPW, TMLE), propensities (all but the plug-in). InvalidArgument that names what is
// missing, does not fit, or is not finite; a propensity of a unit that is kept and has no finite
// weight (0, or 1 with two arms); an arm without units in the band; a band or level out of range.
absl::StatusOr<std::vector<AverageEffect>> AverageEffects(const Sample& sample,
                                                          const Predictions& predictions,
                                                          EffectMethod method,
                                                          const AverageEffectOptions& options);

// The terms [n] whose mean is the AIPW estimate of the ATE of `arm`: a score of each unit's effect,
// unbiased given x where either nuisance is right. Errors as above.
absl::StatusOr<std::vector<double>> AipwScores(const Sample& sample, const Predictions& predictions,
                                               int arm);

// Inverse propensity weights [n] of the contrast of `arm` with control: 1/e_a and 1/e_0, or for the
// ATT 1 and e_a / e_0; 0 for units of other arms. propensity [arms][n]. InvalidArgument where one
// is outside [0, 1] or has no finite weight.
absl::StatusOr<std::vector<double>> InversePropensityWeights(
    std::span<const int32_t> treatment, std::span<const std::vector<double>> propensity, int arm,
    Estimand estimand);

// What errors call an arm: `arm "yes"` by its name [arms], or `arm 1` where there are none.
std::string ArmText(int arm, std::span<const std::string> names);

// The fold, in [0, folds), of each unit, for nuisances that are fitted to the other folds. Every
// fold holds about its share of each arm; units of one cluster are in one fold. cluster [n], or
// empty. Without clusters the sizes of folds differ by at most one, within an arm and in all;
// clusters go, the largest first, to the fold that has least of their arms. Where large clusters
// would leave an arm of several clusters in one fold, one of them goes to another: always possible
// with two arms. InvalidArgument for fewer than 2 folds, fewer units or clusters than folds, and an
// arm that the units outside some fold have none of, which is called as of arm_names.
absl::StatusOr<std::vector<int32_t>> Folds(std::span<const int32_t> treatment, int folds,
                                           std::span<const int32_t> cluster,
                                           const random::Stream& stream,
                                           std::span<const std::string> arm_names = {});

// The units in a fold, or those outside it, in their order. fold_of [n].
std::vector<int32_t> RowsOfFold(std::span<const int32_t> fold_of, int fold, bool in_fold);

}  // namespace perennial::causal

#endif  // PERENNIAL_CAUSAL_ESTIMATORS_AVERAGE_EFFECT_H_
