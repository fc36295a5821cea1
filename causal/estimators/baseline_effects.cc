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

absl::StatusOr<std::vector<Estimate>> OfOneEach(const Observations& observations, Estimand estimand,
                                                double level) {
  const int64_t n = observations.size();
  const int64_t p = observations.features();
  // The units of each contrast on average, where the regressions are linear.
  std::vector<std::vector<double>> center(observations.arms, std::vector<double>(p));
  std::vector<double> counts(observations.arms);
  for (int32_t arm = 1; arm < observations.arms; ++arm) {
    for (int64_t i = 0; i < n; ++i) {
      if (!Counts(observations, i, arm, estimand)) continue;
      ++counts[arm];
      for (int64_t j = 0; j < p; ++j) center[arm][j] += observations.x()(i, j);
    }
    for (double& mean : center[arm]) mean /= counts[arm];
  }
  std::vector<LinearFit> fits;
  std::vector<std::vector<double>> terms(observations.arms, std::vector<double>(n));
  std::vector<bool> known(observations.arms);
  for (int32_t arm = 0; arm < observations.arms; ++arm) {
    const std::vector<int32_t> units = UnitsOf(observations, arm);
    const Observations own = Select(observations, units);
    absl::StatusOr<LinearFit> fit = FitRidge(own.x(), own.outcome, {}, {.penalty = kOls2Penalty});
    if (!fit.ok()) return base::WithContext(fit.status(), absl::StrCat("arm ", arm));
    fits.push_back(*std::move(fit));
    const RobustCovariance covariance(own.x(), own.outcome, fits[arm]);
    known[arm] = p + 1 < own.size();
    for (int32_t of = 1; of < observations.arms; ++of) {
      if (arm != 0 && arm != of) continue;
      const std::vector<double> noise = covariance.Terms(own.x(), center[of].data());
      for (size_t i = 0; i < units.size(); ++i) {
        terms[of][units[i]] += (arm == 0 ? -1 : 1) * noise[i];
      }
    }
  }
  std::vector<Estimate> estimates;
  for (int32_t arm = 1; arm < observations.arms; ++arm) {
    const double value =
        fits[arm].Predict(center[arm].data()) - fits[0].Predict(center[arm].data());
    for (int64_t i = 0; i < n; ++i) {
      if (!Counts(observations, i, arm, estimand)) continue;
      const double* const row = observations.x().row(i);
      terms[arm][i] += (fits[arm].Predict(row) - fits[0].Predict(row) - value) / counts[arm];
    }
    PERENNIAL_ASSIGN_OR_RETURN(
        estimates.emplace_back(),
        FromTerms(observations, value, std::move(terms[arm]), known[0] && known[arm], level));
  }
  return estimates;
}

}  // namespace

const char* BaselineName(Baseline baseline) {
  constexpr const char* kNames[] = {"naive", "ols_1", "ols_2"};
  return kNames[static_cast<int>(baseline)];
}

absl::StatusOr<std::vector<Estimate>> BaselineEffects(const Observations& observations,
                                                      Baseline baseline, Estimand estimand,
                                                      double level) {
  PERENNIAL_RETURN_IF_ERROR(Validate(observations));
  switch (baseline) {
    case Baseline::kNaive:
      return Naive(observations, level);
    case Baseline::kOls1:
      return OfOneRegression(observations, level);
    case Baseline::kOls2:
      break;
  }
  return OfOneEach(observations, estimand, level);
}

}  // namespace perennial::causal
