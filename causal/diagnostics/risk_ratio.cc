#include "causal/diagnostics/risk_ratio.h"

#include <cmath>
#include <cstddef>
#include <vector>

#include "absl/status/status.h"
#include "common/base/status_macros.h"

namespace perennial::causal {

absl::StatusOr<std::optional<RiskRatio>> RiskRatioOf(const Sample& sample,
                                                     const Predictions& predictions, int arm,
                                                     double level) {
  if (!sample.binary_outcome) {
    return absl::InvalidArgumentError("a risk ratio is for outcomes that are 0 or 1");
  }
  // Checks all that is used below.
  PERENNIAL_RETURN_IF_ERROR(AipwScores(sample, predictions, arm).status());
  const size_t n = sample.treatment.size();
  const auto term = [&](int of_arm, size_t i) {
    const double mu = predictions.outcome[of_arm][i];
    if (sample.treatment[i] != of_arm) return mu;
    return mu + (sample.outcome[i] - mu) / predictions.propensity[of_arm][i];
  };
  double risk[2] = {0, 0};
  for (size_t i = 0; i < n; ++i) {
    risk[0] += term(0, i);
    risk[1] += term(arm, i);
  }
  for (double& r : risk) r /= static_cast<double>(n);
  if (!(risk[0] > 0 && risk[1] > 0)) return std::nullopt;
  std::vector<double> influence(n);
  for (size_t i = 0; i < n; ++i) {
    influence[i] = (term(arm, i) - risk[1]) / risk[1] - (term(0, i) - risk[0]) / risk[0];
  }
  PERENNIAL_ASSIGN_OR_RETURN(
      const Estimate of_log,
      EstimateFromInfluence(std::log(risk[1] / risk[0]), influence, sample.cluster, level));
  const RiskRatio ratio = {.risk = risk[1],
                           .control_risk = risk[0],
                           .value = risk[1] / risk[0],
                           .log_standard_error = of_log.standard_error,
                           .low = std::exp(of_log.low),
                           .high = std::exp(of_log.high)};
  // Of risks so near to 0 that an end cannot be told from 0 or is beyond a double.
  if (!(ratio.low > 0 && std::isfinite(ratio.high) && std::isfinite(ratio.value))) {
    return std::nullopt;
  }
  return ratio;
}

}  // namespace perennial::causal
