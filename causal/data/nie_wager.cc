#include "causal/data/nie_wager.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <utility>
#include <vector>

#include "causal/data/check_range.h"
#include "causal/data/logit.h"
#include "causal/data/simulation.h"
#include "common/base/logging.h"
#include "common/base/status_macros.h"

namespace perennial::causal {
namespace {

double Positive(double x) { return std::max(x, 0.0); }

}  // namespace

NieWagerPoint NieWagerAt(NieWagerSetting setting, double adj, std::span<const double> x) {
  CHECK_GE(x.size(), 5u);
  NieWagerPoint at = {};
  switch (setting) {
    case NieWagerSetting::kA: {
      const double wave = std::sin(std::numbers::pi * x[0] * x[1]);
      at = {.baseline = wave + 2 * (x[2] - 0.5) * (x[2] - 0.5) + x[3] + 0.5 * x[4],
            .effect = (x[0] + x[1]) / 2,
            .propensity = std::clamp(wave, 0.1, 0.9)};
      break;
    }
    case NieWagerSetting::kB:
      at = {.baseline = std::max({x[0] + x[1], x[2], 0.0}) + Positive(x[3] + x[4]),
            .effect = x[0] + Softplus(x[1]),
            .propensity = 0.5};
      break;
    case NieWagerSetting::kC:
      at = {.baseline = 2 * Softplus(x[0] + x[1] + x[2]),
            .effect = 1,
            .propensity = Sigmoid(-(x[1] + x[2]))};
      break;
    case NieWagerSetting::kD: {
      const double first = Positive(x[0] + x[1] + x[2]);
      const double second = Positive(x[3] + x[4]);
      at = {.baseline = (first + second) / 2,
            .effect = first - second,
            .propensity = 1 / (1 + std::exp(-x[0]) + std::exp(-x[1]))};
      break;
    }
  }
  if (adj != 0) at.propensity = Sigmoid(std::log(at.propensity / (1 - at.propensity)) - adj);
  return at;
}

absl::StatusOr<Observations> NieWager(const NieWagerConfig& config, const random::Stream& stream) {
  PERENNIAL_RETURN_IF_ERROR(CheckRange("n", static_cast<double>(config.n), 2, 1e7));
  PERENNIAL_RETURN_IF_ERROR(CheckRange("p", static_cast<double>(config.p), 5, 10000));
  PERENNIAL_RETURN_IF_ERROR(CheckSize(config.n, config.p));
  PERENNIAL_RETURN_IF_ERROR(CheckRange("sigma", config.sigma, 0, 1e6));
  PERENNIAL_RETURN_IF_ERROR(CheckRange("adj", config.adj, -20, 20));
  const int64_t n = config.n;
  const int64_t p = config.p;
  Observations sample = {.covariate_names = NumberedNames("x", p)};
  random::Stream covariates = stream.Split("covariates");
  sample.covariates.resize(n * p);
  for (double& value : sample.covariates) {
    value = config.setting == NieWagerSetting::kA ? covariates.Uniform() : covariates.Normal();
  }
  Truth& truth = sample.truth.emplace();
  truth.mean_outcome.assign(2, std::vector<double>(n));
  truth.propensity.assign(2, std::vector<double>(n));
  for (int64_t i = 0; i < n; ++i) {
    const NieWagerPoint at =
        NieWagerAt(config.setting, config.adj, std::span(sample.covariates).subspan(i * p, p));
    truth.mean_outcome[0][i] = at.baseline - at.effect / 2;
    truth.mean_outcome[1][i] = at.baseline + at.effect / 2;
    truth.propensity[0][i] = 1 - at.propensity;
    truth.propensity[1][i] = at.propensity;
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
