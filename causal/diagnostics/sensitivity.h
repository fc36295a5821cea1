// How strong would a hidden confounder have to be to change the conclusion?
//
//   PERENNIAL_ASSIGN_OR_RETURN(const double deviation, WithinArmDeviation(sample, 1));
//   PERENNIAL_ASSIGN_OR_RETURN(const EValue e, EValueOfDifference(effect.estimate, deviation));
//   // Confounders tied to treatment and outcome by risk ratios below e.limit leave the sign alone.
//   PERENNIAL_ASSIGN_OR_RETURN(const Bounds b,
//                              HajekBounds(sample, propensity, 1, Estimand::kAte, 1.5));
//   const Bounds with_sampling_error = IntervalOf(b, sample, 0.95);
#ifndef PERENNIAL_CAUSAL_DIAGNOSTICS_SENSITIVITY_H_
#define PERENNIAL_CAUSAL_DIAGNOSTICS_SENSITIVITY_H_

#include <optional>
#include <span>
#include <vector>

#include "absl/status/statusor.h"
#include "causal/estimators/average_effect.h"
#include "causal/models/model.h"

namespace perennial::causal {

// The least risk ratio, of a hidden confounder with the treatment and with the outcome both, that
// explains away an estimate: RR + sqrt(RR (RR - 1)) of a risk ratio RR of 1 or more, of 1 / RR
// below (VanderWeele and Ding, Annals of Internal Medicine 167, 2017).
struct EValue {
  double estimate;
  double limit;  // Of the interval's end nearer to 1; 1 where the interval holds 1.
};

// 0 < low <= risk_ratio <= high; InvalidArgument otherwise.
absl::StatusOr<EValue> EValueOfRiskRatio(double risk_ratio, double low, double high);

// Of a difference of means of an outcome of standard deviation `outcome_sd` (0 or more), by the
// approximation RR = exp(0.91 d) of the standardised difference d = value / outcome_sd, and
// likewise at the ends of its interval (the same source). Infinite where the ratio is beyond a
// double, as of any difference where the standard deviation is 0. InvalidArgument for a negative
// standard deviation, numbers that are not finite, and an interval without the value.
//
// Which standard deviation: the source calls d a standardised effect size, and the conversion
// (Chinn, Statistics in Medicine 19, 2000) is that of Cohen's d, in deviations within the groups
// that are compared. So it should be WithinArmDeviation. That over all units holds the effect
// itself, and those of other arms: with equal arms it is larger by the factor sqrt(1 + d^2 / 4), so
// that d would never come beyond 2. (Within arms and given covariates as well it would be smaller
// still; over arms is the safe side, as E-values grow with d.)
absl::StatusOr<EValue> EValueOfDifference(const Estimate& effect, double outcome_sd);

// The standard deviation of the outcome within `arm` and control, pooled: the root of the sum of
// squares about the mean of the own arm over n_a + n_0 - 2. InvalidArgument for lengths that do not
// fit, fewer than three units of both together, or an arm without any.
absl::StatusOr<double> WithinArmDeviation(const Sample& sample, int arm);

struct Bounds {
  double low;
  double high;
  double low_error = 0;  // Standard errors of the two.
  double high_error = 0;
};

// The range of the Hajek estimate (average_effect.h) when the odds of each unit's true propensity
// lie within [1 / lambda, lambda] times those of the given one: the marginal sensitivity model
// (Tan, JASA 101, 2006; Zhao, Small and Bhattacharya, JRSS B 81, 2019). The weight 1 / e of a unit
// then lies between 1 + (1 / e - 1) / lambda and 1 + (1 / e - 1) lambda, and the weight e_a / e_0
// of the ATT's controls between w / lambda and w lambda. The extremes give the greatest weights to
// the outcomes beyond a threshold and the least to the rest: exact, by sorting. lambda at least 1,
// where both bounds are the estimate. InvalidArgument for a lambda below 1 and as
// InversePropensityWeights and EstimateFromInfluence say.
//
// Standard errors: a bound is an extreme over weights, whose derivative is that at the best weights
// w* held fixed (the envelope theorem). So a unit's influence on an arm's extreme mean m is
// n w* (y - m) / sum w*, that of a Hajek estimate. As there, propensities count as known. Those
// that are fitted move bounds beyond lambda 1 to first order, and so do the outcome models below.
// Of 1000 samples of 400 units (sensitivity_test.cc) a bound's 95 % interval held the true one in
// 95 % with true propensities, and with fitted ones in 95 % by AIPW and 99 % by Hajek.
absl::StatusOr<Bounds> HajekBounds(const Sample& sample,
                                   std::span<const std::vector<double>> propensity, int arm,
                                   Estimand estimand, double lambda);

// The same of AIPW with normalised weights (Zhao, Small and Bhattacharya, section 6): what outcome
// models predict does not depend on weights, so that only what they leave is bounded. ATE: the mean
// of mu_a - mu_0 and the bounds of the residuals, each from its own arm's model; ATT: the bounds of
// outcomes less mu_0. Needs predictions.outcome and propensity.
absl::StatusOr<Bounds> AipwBounds(const Sample& sample, const Predictions& predictions, int arm,
                                  Estimand estimand, double lambda);

// From low - q low_error to high + q high_error, q as EstimateFromInfluence has it: an interval
// that holds the whole range with a probability of `level` at least, in large samples, and so
// whatever effect a confounder of that strength leaves possible (what Zhao, Small and Bhattacharya
// ask of theirs, which is by the bootstrap). InvalidArgument for a level outside (0, 1).
absl::StatusOr<Bounds> IntervalOf(const Bounds& bounds, const Sample& sample, double level);

// The greatest lambda, up to kGreatestLambda, for which the bounds do not hold 0, to 1e-6: 1 where
// the estimate itself is 0. With a level, that for which their interval (IntervalOf) does not: 1
// where the interval of the estimate holds 0.
inline constexpr double kGreatestLambda = 1000;
absl::StatusOr<double> HajekCriticalLambda(const Sample& sample,
                                           std::span<const std::vector<double>> propensity, int arm,
                                           Estimand estimand,
                                           std::optional<double> level = std::nullopt);
absl::StatusOr<double> AipwCriticalLambda(const Sample& sample, const Predictions& predictions,
                                          int arm, Estimand estimand,
                                          std::optional<double> level = std::nullopt);

}  // namespace perennial::causal

#endif  // PERENNIAL_CAUSAL_DIAGNOSTICS_SENSITIVITY_H_
