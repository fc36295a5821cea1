#include "causal/diagnostics/effect_loss.h"

#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "common/base/status_macros.h"
#include "common/stats/samples.h"

namespace perennial::causal {

absl::StatusOr<Estimate> ExcessEffectLoss(std::span<const double> effect,
                                          std::span<const double> scores,
                                          std::span<const int32_t> cluster, double level) {
  PERENNIAL_RETURN_IF_ERROR(stats::CheckPairs(effect, scores, 2));
  if (!cluster.empty() && cluster.size() != scores.size()) {
    return absl::InvalidArgumentError(
        absl::StrCat("there are clusters of ", cluster.size(), " units for ", scores.size()));
  }
  const auto n = static_cast<double>(scores.size());
  double sum = 0;
  for (const double score : scores) sum += score;
  std::vector<double> terms(scores.size());
  double mean = 0;
  for (size_t i = 0; i < terms.size(); ++i) {
    const double others = (sum - scores[i]) / (n - 1);
    // (S - tau)^2 - (S - c)^2, without the difference of large squares.
    terms[i] = (others - effect[i]) * (2 * scores[i] - effect[i] - others);
    mean += terms[i] / n;
  }
  for (double& term : terms) term -= mean;
  return EstimateFromInfluence(mean, terms, cluster, level);
}

}  // namespace perennial::causal
