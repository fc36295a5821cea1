// Models that every other one must beat. Each is a fit of one step whose prediction for an arm is
// an affine function of the covariates.
//
//   null              no effect: the mean outcome, in every arm
//   naive difference  a constant effect: the mean outcome of each arm
//   OLS-1             a constant effect: one regression on covariates and an indicator of each arm
//   OLS-2             a regression in each arm
//
// Binary outcomes are treated as numbers (the linear probability model); predictions of the two
// regressions may leave [0, 1].
//
//   PERENNIAL_ASSIGN_OR_RETURN(const auto fit, Ols2({})(FitData{.observations = train, ...}));
#ifndef PERENNIAL_CAUSAL_ESTIMATORS_BASELINES_H_
#define PERENNIAL_CAUSAL_ESTIMATORS_BASELINES_H_

#include <cstdint>
#include <vector>

#include "causal/data/observations.h"
#include "causal/estimators/ridge.h"
#include "causal/models/model.h"

namespace perennial::causal {

// Of Ols2, so that covariates that hardly vary within an arm do not run away outside it.
inline constexpr double kOls2Penalty = 1e-3;

// Covariates [p] and the indicators of arms 1, 2, ..: what Ols1 fits to, [n, p + arms - 1].
std::vector<double> WithIndicators(const Observations& observations);
// The rows of the units of an arm, in their order.
std::vector<int32_t> UnitsOf(const Observations& observations, int32_t arm);

ModelFactory NullEffect();
ModelFactory NaiveDifference();
// Least squares by default. A penalty (ridge.h) shrinks the indicators, too.
ModelFactory Ols1(const RidgeOptions& options = {});
// With {.cross_validation = true} each arm picks its own penalty. With standard_errors predictions
// have effect_error: by RobustCovariance in each arm, units taken as independent of each other.
ModelFactory Ols2(const RidgeOptions& options = {.penalty = kOls2Penalty},
                  bool standard_errors = false);

}  // namespace perennial::causal

#endif  // PERENNIAL_CAUSAL_ESTIMATORS_BASELINES_H_
