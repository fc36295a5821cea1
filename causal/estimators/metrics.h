// Errors of predicted effects where the truth is known, and what stands for them where it is not.
//
// tau(x) = E[Y(a) | x] - E[Y(0) | x] is the effect of an arm, tau_hat the predicted one.
// Definitions of the literature since Shalit, Johansson and Sontag (ICML 2017): each is of one data
// set; a table averages over data sets afterwards.
//
//   PERENNIAL_ASSIGN_OR_RETURN(const auto errors, EffectErrorsOf(test, *test.truth, predictions));
//   errors[0].sqrt_pehe;                                    // of arm 1
#ifndef PERENNIAL_CAUSAL_ESTIMATORS_METRICS_H_
#define PERENNIAL_CAUSAL_ESTIMATORS_METRICS_H_

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "absl/status/statusor.h"
#include "causal/data/observations.h"
#include "causal/models/model.h"
#include "common/kernels/aligned.h"

namespace perennial::causal {

// Of one arm against control.
struct EffectErrors {
  double sqrt_pehe;  // sqrt of the mean of (tau_hat - tau)^2 over all units.
  // mean tau_hat - mean tau, with its sign, over all units, those of the arm, and those of control;
  // absent where a sample has no such units. An error is the magnitude: ate_error and so on.
  double ate_bias;
  std::optional<double> att_bias;
  std::optional<double> atc_bias;
  // Standard deviation of tau over all units (over n): the sqrt_pehe of the best constant.
  double effect_sd;

  double ate_error() const;
  std::optional<double> att_error() const;
  std::optional<double> atc_error() const;
};

// [arms - 1], arm a + 1 at a. InvalidArgument where lengths do not fit or a prediction is not
// finite.
absl::StatusOr<std::vector<EffectErrors>> EffectErrorsOf(const Observations& observations,
                                                         const Truth& truth,
                                                         const Predictions& predictions);

// The value of the policy pi that treats where effect > 0, from units whose arm, of two, was drawn
// by lot:
//
//   P(pi = 1) mean(y | pi = 1, t = 1) + P(pi = 0) mean(y | pi = 0, t = 0)
//
// 1 less it is the policy risk of Shalit, Johansson and Sontag, where outcomes lie in [0, 1].
// effect [n], treatment [n] of 0 and 1, outcome [n]. None where an arm has no units, or the policy
// gives an arm to some, none of whom was in it. InvalidArgument for lengths, arms and numbers that
// are not these.
absl::StatusOr<std::optional<double>> RandomisedPolicyValue(std::span<const double> effect,
                                                            std::span<const int32_t> treatment,
                                                            std::span<const double> outcome);

// Whose effects the nearest neighbours stand in for.
enum class NeighbourSide {
  kTreated,  // Units of the arm; neighbours among control.
  kBoth,     // Units of control as well; neighbours in the arm.
};

// y_i - y_j for a unit of the arm and its nearest neighbour in control, y_j - y_i for a unit of
// control; j is nearest by the Euclidean distance of standardised covariates. Where several are
// equally near, y_j is their mean, so that the order of the rows has no say.
struct NeighbourEffects {
  std::vector<int32_t> units;
  std::vector<double> effect;  // As long as units.
};

// Exact search, n_a * n_0 distances; for arm 1 or greater. To be made once for all models that are
// compared. InvalidArgument if the arm or control has no units.
absl::StatusOr<NeighbourEffects> NeighbourEffectsOf(const Observations& observations, int arm,
                                                    NeighbourSide side);

// sqrt of the mean of (tau_hat - neighbour effect)^2 over neighbours.units; effect [n].
double SqrtPeheNn(const NeighbourEffects& neighbours, std::span<const double> effect);

}  // namespace perennial::causal

#endif  // PERENNIAL_CAUSAL_ESTIMATORS_METRICS_H_
