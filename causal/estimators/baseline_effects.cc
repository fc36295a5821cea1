#include "causal/estimators/baseline_effects.h"

#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <utility>

#include "absl/strings/str_cat.h"
#include "causal/estimators/baselines.h"
#include "causal/estimators/ridge.h"
#include "common/base/status_macros.h"
#include "common/kernels/aligned.h"

namespace perennial::causal {
namespace {

// Those that an effect is of.
bool Counts(const Observations& observations, int64_t unit, int arm, Estimand estimand) {
  return estimand == Estimand::kAte || observations.treatment[unit] == arm;
}

// From what the noise of each unit brings, [n], and how far its own effect is from the average,
// over n.
absl::StatusOr<Estimate> FromTerms(const Observations& observations, double value,
                                   std::vector<double> terms, bool known, double level) {
  for (double& term : terms) term *= static_cast<double>(observations.size());
  PERENNIAL_ASSIGN_OR_RETURN(Estimate estimate,
                             EstimateFromInfluence(value, terms, observations.cluster, level));
  if (!known) {
    constexpr double kUnknown = std::numeric_limits<double>::quiet_NaN();
    estimate.standard_error = estimate.low = estimate.high = kUnknown;
  }
  return estimate;
}

absl::StatusOr<std::vector<Estimate>> Naive(const Observations& observations, double level) {
  std::vector<std::vector<int32_t>> units;
  std::vector<double> means;
  for (int32_t arm = 0; arm < observations.arms; ++arm) {
    units.push_back(UnitsOf(observations, arm));
    double sum = 0;
    for (const int32_t i : units[arm]) sum += observations.outcome[i];
    means.push_back(sum / static_cast<double>(units[arm].size()));
  }
  std::vector<Estimate> estimates;
  for (int32_t arm = 1; arm < observations.arms; ++arm) {
    std::vector<double> terms(observations.size());
    for (const int32_t side : {int32_t{0}, arm}) {
      const double share = (side == 0 ? -1 : 1) / static_cast<double>(units[side].size());
      for (const int32_t i : units[side]) {
        terms[i] = share * (observations.outcome[i] - means[side]);
      }
    }
    PERENNIAL_ASSIGN_OR_RETURN(
        estimates.emplace_back(),
        FromTerms(observations, means[arm] - means[0], std::move(terms), true, level));
  }
  return estimates;
}

absl::StatusOr<std::vector<Estimate>> OfOneRegression(const Observations& observations,
                                                      double level) {
  const int64_t n = observations.size();
  const int64_t p = observations.features();
  const int64_t width = p + observations.arms - 1;
  const std::vector<double> design = WithIndicators(observations);
  const kernels::MatrixView<const double> x = {design.data(), n, width, width};
  PERENNIAL_ASSIGN_OR_RETURN(const LinearFit fit, FitRidge(x, observations.outcome, {}, {}));
  const RobustCovariance covariance(x, observations.outcome, fit);
  std::vector<double> at = fit.center;
  const std::vector<double> below = covariance.Terms(x, at.data());
  std::vector<Estimate> estimates;
  for (int32_t arm = 1; arm < observations.arms; ++arm) {
    const size_t column = p + arm - 1;
    at[column] += 1;
    std::vector<double> terms = covariance.Terms(x, at.data());
    at[column] = fit.center[column];
    for (int64_t i = 0; i < n; ++i) terms[i] -= below[i];
    PERENNIAL_ASSIGN_OR_RETURN(
        estimates.emplace_back(),
        FromTerms(observations, fit.coefficients[column], std::move(terms), width + 1 < n, level));
  }
  return estimates;
}

// What an estimand takes of the regressions.
struct Target {
  Estimand estimand;
  std::vector<std::vector<double>>
      center;                              // [arms][p], of its units, where regressions are linear.
  std::vector<double> counts;              // [arms]
  std::vector<std::vector<double>> terms;  // [arms][n]
};

Target TargetOf(const Observations& observations, Estimand estimand) {
  const int64_t n = observations.size();
  const int64_t p = observations.features();
  Target target = {
      .estimand = estimand,
      .center = std::vector<std::vector<double>>(observations.arms, std::vector<double>(p)),
      .counts = std::vector<double>(observations.arms),
      .terms = std::vector<std::vector<double>>(observations.arms, std::vector<double>(n))};
  for (int32_t arm = 1; arm < observations.arms; ++arm) {
    for (int64_t i = 0; i < n; ++i) {
      if (!Counts(observations, i, arm, estimand)) continue;
      ++target.counts[arm];
      for (int64_t j = 0; j < p; ++j) target.center[arm][j] += observations.x()(i, j);
    }
    for (double& mean : target.center[arm]) mean /= target.counts[arm];
  }
  return target;
}

absl::StatusOr<BaselineEstimates> OfOneEach(const Observations& observations, double level) {
  Target targets[] = {TargetOf(observations, Estimand::kAte),
                      TargetOf(observations, Estimand::kAtt)};
  std::vector<LinearFit> fits;
  std::vector<bool> known(observations.arms);
  for (int32_t arm = 0; arm < observations.arms; ++arm) {
    const std::vector<int32_t> units = UnitsOf(observations, arm);
    const Observations own = Select(observations, units);
    absl::StatusOr<LinearFit> fit = FitRidge(own.x(), own.outcome, {}, {.penalty = kOls2Penalty});
    if (!fit.ok()) return base::WithContext(fit.status(), absl::StrCat("arm ", arm));
    fits.push_back(*std::move(fit));
    const RobustCovariance covariance(own.x(), own.outcome, fits[arm]);
    known[arm] = observations.features() + 1 < own.size();
    for (Target& target : targets) {
      for (int32_t of = 1; of < observations.arms; ++of) {
        if (arm != 0 && arm != of) continue;
        const std::vector<double> noise = covariance.Terms(own.x(), target.center[of].data());
        for (size_t i = 0; i < units.size(); ++i) {
          target.terms[of][units[i]] += (arm == 0 ? -1 : 1) * noise[i];
        }
      }
    }
  }
  BaselineEstimates estimates;
  for (Target& target : targets) {
    std::vector<Estimate>& own = target.estimand == Estimand::kAte ? estimates.ate : estimates.att;
    for (int32_t arm = 1; arm < observations.arms; ++arm) {
      const double* const center = target.center[arm].data();
      const double value = fits[arm].Predict(center) - fits[0].Predict(center);
      for (int64_t i = 0; i < observations.size(); ++i) {
        if (!Counts(observations, i, arm, target.estimand)) continue;
        const double* const row = observations.x().row(i);
        target.terms[arm][i] +=
            (fits[arm].Predict(row) - fits[0].Predict(row) - value) / target.counts[arm];
      }
      PERENNIAL_ASSIGN_OR_RETURN(own.emplace_back(),
                                 FromTerms(observations, value, std::move(target.terms[arm]),
                                           known[0] && known[arm], level));
    }
  }
  return estimates;
}

}  // namespace

const char* BaselineName(Baseline baseline) {
  constexpr const char* kNames[] = {"naive", "ols_1", "ols_2"};
  return kNames[static_cast<int>(baseline)];
}

absl::StatusOr<BaselineEstimates> BaselineEffects(const Observations& observations,
                                                  Baseline baseline, double level) {
  PERENNIAL_RETURN_IF_ERROR(Validate(observations));
  if (baseline == Baseline::kOls2) return OfOneEach(observations, level);
  PERENNIAL_ASSIGN_OR_RETURN(std::vector<Estimate> both,
                             baseline == Baseline::kNaive ? Naive(observations, level)
                                                          : OfOneRegression(observations, level));
  return BaselineEstimates{.ate = both, .att = both};
}

}  // namespace perennial::causal
