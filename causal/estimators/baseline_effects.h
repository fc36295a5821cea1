// Average effects by the baselines (baselines.h), with standard errors: what any other estimate is
// to be held against.
//
//   naive   difference of the means of an arm and control; of the ATE and the ATT alike
//   OLS-1   coefficient of the arm's indicator in one regression on the covariates; of both alike,
//           for it takes the effect to be the same for all
//   OLS-2   a regression in each arm: the difference of what they predict, averaged over all units
//           (ATE) or the arm's (ATT) (Lin, Annals of Applied Statistics 7, 2013; the ATT by Kline,
//           American Economic Review 101, 2011)
//
// Errors of the two regressions are of HC3 (ridge.h), the naive one's of each arm's own variance;
// the error of OLS-2 counts how the units were drawn, too. With clusters what the noise of their
// units brings is added up within each; intervals as EstimateFromInfluence's. They count noise, not
// confounding that a regression on covariates does not see, and no bias of a wrong model.
//
//   PERENNIAL_ASSIGN_OR_RETURN(
//       const BaselineEstimates effects,
//       BaselineEffects(observations, Baseline::kOls2, 0.95));
//   effects.ate[0].value;                                  // of arm 1
#ifndef PERENNIAL_CAUSAL_ESTIMATORS_BASELINE_EFFECTS_H_
#define PERENNIAL_CAUSAL_ESTIMATORS_BASELINE_EFFECTS_H_

#include <vector>

#include "absl/status/statusor.h"
#include "causal/data/observations.h"
#include "causal/estimators/average_effect.h"

namespace perennial::causal {

enum class Baseline { kNaive, kOls1, kOls2 };

// "naive", "ols_1", "ols_2".
const char* BaselineName(Baseline baseline);

// [arms - 1] each, arm a + 1 at a.
struct BaselineEstimates {
  std::vector<Estimate> ate;
  std::vector<Estimate> att;

  const std::vector<Estimate>& Of(Estimand estimand) const {
    return estimand == Estimand::kAte ? ate : att;
  }
};

// Penalties are those of Ols1() and Ols2(). Where a regression has as
// many columns as rows there is no noise left to tell an error by: error and interval are then NaN.
// InvalidArgument as Validate's, for a level outside (0, 1), and for a single cluster.
absl::StatusOr<BaselineEstimates> BaselineEffects(const Observations& observations,
                                                  Baseline baseline, double level);

}  // namespace perennial::causal

#endif  // PERENNIAL_CAUSAL_ESTIMATORS_BASELINE_EFFECTS_H_
