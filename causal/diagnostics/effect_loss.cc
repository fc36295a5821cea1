#include "causal/diagnostics/effect_loss.h"

#include <algorithm>
#include <cstddef>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "common/base/status_macros.h"
#include "common/stats/samples.h"

namespace perennial::causal {

absl::StatusOr<Estimate> ExcessEffectLoss(std::span<const double> effect,
                                          std::span<const double> scores,
                                          std::span<const int32_t> fold_of,
                                          std::span<const int32_t> cluster, double level) {
  PERENNIAL_RETURN_IF_ERROR(stats::CheckPairs(effect, scores, 2));
  if (fold_of.size() != scores.size()) {
    return absl::InvalidArgumentError(
        absl::StrCat("there are folds of ", fold_of.size(), " units for ", scores.size()));
  }
  if (!cluster.empty() && cluster.size() != scores.size()) {
    return absl::InvalidArgumentError(
        absl::StrCat("there are clusters of ", cluster.size(), " units for ", scores.size()));
  }
  const auto n = static_cast<double>(scores.size());
  const auto folds = static_cast<size_t>(*std::ranges::max_element(fold_of)) + 1;
  std::vector<double> sum_of_fold(folds);
  std::vector<double> units_of_fold(folds);
  double sum = 0;
  for (size_t i = 0; i < scores.size(); ++i) {
    sum += scores[i];
    sum_of_fold[fold_of[i]] += scores[i];
    ++units_of_fold[fold_of[i]];
  }
  if (units_of_fold.back() == n) {
    return absl::InvalidArgumentError("all units are in one fold: nothing is outside it");
  }
  std::vector<double> terms(scores.size());
  double mean = 0;
  for (size_t i = 0; i < terms.size(); ++i) {
    const int32_t fold = fold_of[i];
    const double others = (sum - sum_of_fold[fold]) / (n - units_of_fold[fold]);
    // (S - tau)^2 - (S - c)^2, without the difference of large squares.
    terms[i] = (others - effect[i]) * (2 * scores[i] - effect[i] - others);
    mean += terms[i] / n;
  }
  for (double& term : terms) term -= mean;
  return EstimateFromInfluence(mean, terms, cluster, level);
}

}  // namespace perennial::causal
