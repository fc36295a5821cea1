#include "causal/estimators/selection.h"

#include <cmath>
#include <vector>

#include "absl/strings/str_cat.h"
#include "causal/estimators/average_effect.h"
#include "common/base/status_macros.h"

namespace perennial::causal {

absl::StatusOr<SelectionCriteria> SelectionCriteriaOf(const Observations& held_out,
                                                      const Predictions& predictions,
                                                      const Predictions& nuisances,
                                                      std::span<const double> neighbour_effects) {
  const size_t n = held_out.treatment.size();
  if (held_out.arms != 2) {
    return absl::InvalidArgumentError(
        absl::StrCat("criteria of selection are for two arms, not ", held_out.arms));
  }
  const bool outcomes = !predictions.outcome.empty();
  if (predictions.effect.size() != 1 || predictions.effect[0].size() != n ||
      neighbour_effects.size() != n ||
      (outcomes && (predictions.outcome.size() != 2 || predictions.outcome[0].size() != n ||
                    predictions.outcome[1].size() != n))) {
    return absl::InvalidArgumentError("predictions and neighbours are not those of the units");
  }
  PERENNIAL_ASSIGN_OR_RETURN(const std::vector<double> scores,
                             AipwScores(SampleOf(held_out), nuisances, /*arm=*/1));
  SelectionCriteria criteria;
  double factual = 0;
  double neighbours = 0;
  for (size_t i = 0; i < n; ++i) {
    const int32_t t = held_out.treatment[i];
    const double y = held_out.outcome[i];
    const double tau = predictions.effect[0][i];
    if (outcomes) factual += std::pow(y - predictions.outcome[t][i], 2);
    neighbours += std::pow(tau - neighbour_effects[i], 2);
    criteria.dr_loss += std::pow(scores[i] - tau, 2);
    const double e = nuisances.propensity[1][i];
    const double m = e * nuisances.outcome[1][i] + (1 - e) * nuisances.outcome[0][i];
    criteria.r_loss += std::pow(y - m - (t - e) * tau, 2);
  }
  const auto count = static_cast<double>(n);
  if (outcomes) criteria.factual_loss = factual / count;
  criteria.pehe_nn = std::sqrt(neighbours / count);
  criteria.dr_loss /= count;
  criteria.r_loss /= count;
  return criteria;
}

}  // namespace perennial::causal
