// How good predicted effects are, as far as it can be told without counterfactuals, on units that
// the model was not fitted to: what chooses between models where the truth is not known.
//
//   factual loss  mean of (Y - mu_T(x))^2: of the outcomes alone, blind to effects
//   PEHE_nn       sqrt of the mean of (tau(x) - tau_nn)^2, tau_nn from nearest neighbours
//   (metrics.h) DR loss       mean of (S - tau(x))^2, S the AIPW scores (average_effect.h) R loss
//   mean of ((Y - m) - (t - e) tau(x))^2, m = e mu_1 + (1 - e) mu_0
//                 (Nie and Wager 2021)
//
// mu and e of the last two are nuisances that have nothing to do with the models that are compared.
// For two arms.
//
//   PERENNIAL_ASSIGN_OR_RETURN(const SelectionCriteria criteria,
//                              SelectionCriteriaOf(held_out, predictions, nuisances, neighbours));
#ifndef PERENNIAL_CAUSAL_ESTIMATORS_SELECTION_H_
#define PERENNIAL_CAUSAL_ESTIMATORS_SELECTION_H_

#include <optional>
#include <span>

#include "absl/status/statusor.h"
#include "causal/data/observations.h"
#include "causal/models/model.h"

namespace perennial::causal {

struct SelectionCriteria {
  std::optional<double> factual_loss;  // Of models that predict outcomes.
  double pehe_nn = 0;
  double dr_loss = 0;
  double r_loss = 0;
};

// Of units [n] that are held out: predictions [n] of the model, nuisances [n] with outcomes and
// propensities, neighbour_effects [n]. InvalidArgument for more than two arms, lengths that do not
// fit, and propensities that are 0 or 1.
absl::StatusOr<SelectionCriteria> SelectionCriteriaOf(const Observations& held_out,
                                                      const Predictions& predictions,
                                                      const Predictions& nuisances,
                                                      std::span<const double> neighbour_effects);

}  // namespace perennial::causal

#endif  // PERENNIAL_CAUSAL_ESTIMATORS_SELECTION_H_
