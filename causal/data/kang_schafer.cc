#include "causal/data/kang_schafer.h"

#include <cmath>
#include <utility>
#include <vector>

#include "causal/data/check_range.h"
#include "causal/data/logit.h"
#include "causal/data/simulation.h"
#include "common/base/status_macros.h"

namespace perennial::causal {

std::array<double, 4> KangSchaferTransform(const std::array<double, 4>& z) {
  const double product = z[0] * z[2] / 25 + 0.6;
  const double sum = z[1] + z[3] + 20;
  return {std::exp(z[0] / 2), z[1] / (1 + std::exp(z[0])) + 10, product * product * product,
          sum * sum};
}

absl::StatusOr<Observations> KangSchafer(const KangSchaferConfig& config,
                                         const random::Stream& stream) {
  PERENNIAL_RETURN_IF_ERROR(CheckRange("n", static_cast<double>(config.n), 2, 1e7));
  PERENNIAL_RETURN_IF_ERROR(CheckRange("sigma", config.sigma, 0, 1e6));
  PERENNIAL_RETURN_IF_ERROR(CheckRange("effect", config.effect, -1e6, 1e6));
  PERENNIAL_RETURN_IF_ERROR(CheckRange("kappa", config.kappa, -10, 10));
  const int64_t n = config.n;
  Observations sample = {.covariate_names = NumberedNames(config.transformed ? "x" : "z", 4)};
  sample.covariates.reserve(n * 4);
  Truth& truth = sample.truth.emplace();
  truth.mean_outcome.assign(2, std::vector<double>(n));
  truth.propensity.assign(2, std::vector<double>(n));
  random::Stream covariates = stream.Split("covariates");
  for (int64_t i = 0; i < n; ++i) {
    std::array<double, 4> z;
    for (double& value : z) value = covariates.Normal();
    const std::array<double, 4> seen = config.transformed ? KangSchaferTransform(z) : z;
    sample.covariates.insert(sample.covariates.end(), seen.begin(), seen.end());
    truth.mean_outcome[0][i] = 210 + 27.4 * z[0] + 13.7 * (z[1] + z[2] + z[3]);
    truth.mean_outcome[1][i] = truth.mean_outcome[0][i] + config.effect;
    const double logit = config.kappa * (-z[0] + 0.5 * z[1] - 0.25 * z[2] - 0.1 * z[3]);
    truth.propensity[0][i] = Sigmoid(-logit);
    truth.propensity[1][i] = Sigmoid(logit);
  }
  sample.treatment = DrawArms(truth.propensity, stream.Split("treatment"));
  random::Stream noise = stream.Split("outcome");
  sample.outcome.resize(n);
  for (int64_t i = 0; i < n; ++i) {
    sample.outcome[i] = truth.mean_outcome[sample.treatment[i]][i] + config.sigma * noise.Normal();
  }
  return Validated(std::move(sample));
}

}  // namespace perennial::causal
