// How strong would a hidden confounder have to be to change the conclusion?
//
//   const EValue e = EValueOfDifference(effect.estimate, outcome_sd);
//   // Confounders tied to treatment and outcome by risk ratios below e.limit leave the sign alone.
//   PERENNIAL_ASSIGN_OR_RETURN(const Bounds b,
//                              HajekBounds(sample, propensity, 1, Estimand::kAte, 1.5));
#ifndef PERENNIAL_CAUSAL_DIAGNOSTICS_SENSITIVITY_H_
#define PERENNIAL_CAUSAL_DIAGNOSTICS_SENSITIVITY_H_

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

// Of a difference of means of an outcome of standard deviation `outcome_sd` (positive), by the
// approximation RR = exp(0.91 d) of the standardised difference d = value / outcome_sd, and
// likewise at the ends of its interval (the same source). InvalidArgument for a standard deviation
// that is not positive and for numbers that are not finite.
absl::StatusOr<EValue> EValueOfDifference(const Estimate& effect, double outcome_sd);

struct Bounds {
  double low;
  double high;
};

// The range of the Hajek estimate (average_effect.h) when the odds of each unit's true propensity
// lie within [1 / lambda, lambda] times those of the given one: the marginal sensitivity model
// (Tan, JASA 101, 2006; Zhao, Small and Bhattacharya, JRSS B 81, 2019). The weight 1 / e of a unit
// then lies between 1 + (1 / e - 1) / lambda and 1 + (1 / e - 1) lambda, and the weight e_a / e_0
// of the ATT's controls between w / lambda and w lambda. The extremes give the greatest weights to
// the outcomes beyond a threshold and the least to the rest: exact, by sorting. lambda at least 1,
// where both bounds are the estimate. Sampling error is not in it. InvalidArgument for a lambda
// below 1 and as InversePropensityWeights says.
absl::StatusOr<Bounds> HajekBounds(const Sample& sample,
                                   std::span<const std::vector<double>> propensity, int arm,
                                   Estimand estimand, double lambda);

// The same of AIPW with normalised weights (Zhao, Small and Bhattacharya, section 6): what outcome
// models predict does not depend on weights, so that only what they leave is bounded. ATE: the mean
// of mu_a - mu_0 and the bounds of the residuals, each from its own arm's model; ATT: the bounds of
// outcomes less mu_0. Needs predictions.outcome and propensity.
absl::StatusOr<Bounds> AipwBounds(const Sample& sample, const Predictions& predictions, int arm,
                                  Estimand estimand, double lambda);

// The greatest lambda, up to 1000, for which the bounds do not hold 0, to 1e-6: 1 where the
// estimate itself is 0.
absl::StatusOr<double> HajekCriticalLambda(const Sample& sample,
                                           std::span<const std::vector<double>> propensity, int arm,
                                           Estimand estimand);
absl::StatusOr<double> AipwCriticalLambda(const Sample& sample, const Predictions& predictions,
                                          int arm, Estimand estimand);

}  // namespace perennial::causal

#endif  // PERENNIAL_CAUSAL_DIAGNOSTICS_SENSITIVITY_H_
