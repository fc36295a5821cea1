// The effect on a binary outcome as a ratio of risks, P(Y(a) = 1) / P(Y(0) = 1), over all units.
//
// Each risk is the mean of its AIPW terms (estimators/average_effect.h),
//
//   mu_a + 1_a (Y - mu_a) / e_a
//
// and the interval is normal for the logarithm of the ratio, by the delta method: the influence of
// a unit is its term of arm a over the risk of a, less the same of control. Without covariates, at
// e_a = n_a / n, it is the interval of Katz et al. (Biometrics 34, 1978) but for a factor of
// n / (n - 1) in the variance.
//
//   PERENNIAL_ASSIGN_OR_RETURN(const auto ratio, RiskRatioOf(sample, out_of_fold, 1));
//   if (ratio) Use(ratio->value, ratio->low, ratio->high);
#ifndef PERENNIAL_CAUSAL_DIAGNOSTICS_RISK_RATIO_H_
#define PERENNIAL_CAUSAL_DIAGNOSTICS_RISK_RATIO_H_

#include <optional>

#include "absl/status/statusor.h"
#include "causal/estimators/average_effect.h"
#include "causal/models/model.h"

namespace perennial::causal {

struct RiskRatio {
  double risk;  // Of the arm.
  double control_risk;
  double value;
  double log_standard_error;
  double low;
  double high;
};

// Of an arm, 1 or greater. Absent where a risk is not above 0, as that of an arm without events may
// be. Errors as AipwScores says (average_effect.h), and for an outcome that is not binary.
absl::StatusOr<std::optional<RiskRatio>> RiskRatioOf(const Sample& sample,
                                                     const Predictions& predictions, int arm,
                                                     double level = 0.95);

}  // namespace perennial::causal

#endif  // PERENNIAL_CAUSAL_DIAGNOSTICS_RISK_RATIO_H_
