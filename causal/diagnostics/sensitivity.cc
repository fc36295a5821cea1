#include "causal/diagnostics/sensitivity.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "common/base/logging.h"
#include "common/base/status_macros.h"

namespace perennial::causal {
namespace {

// An outcome with the range of its weight.
struct Weighted {
  double y;
  double least;
  double greatest;
};

// The range of sum w y / sum w; `units` sorted by y.
Bounds RangeOfMean(std::span<const Weighted> units) {
  // Of the first k units one weight, of the rest the other. From k to k + 1 the mean moves towards
  // its bound for as long as unit k lies beyond it, so the best k is found in one pass.
  const auto extreme = [&](bool high) {
    double sum = 0;
    double total = 0;
    // All at the weight of those beyond the threshold.
    for (const Weighted& unit : units) {
      const double w = high ? unit.greatest : unit.least;
      sum += w * unit.y;
      total += w;
    }
    double best = sum / total;
    for (const Weighted& unit : units) {
      const double change = (unit.least - unit.greatest) * (high ? 1 : -1);
      sum += change * unit.y;
      total += change;
      const double mean = sum / total;
      best = high ? std::max(best, mean) : std::min(best, mean);
    }
    return best;
  };
  return {.low = extreme(false), .high = extreme(true)};
}

double EValueOf(double risk_ratio) {
  const double ratio = risk_ratio >= 1 ? risk_ratio : 1 / risk_ratio;
  return ratio + std::sqrt(ratio * (ratio - 1));
}

// What outcome models leave, and the effect that they find.
struct Residuals {
  std::vector<double> outcome;
  double effect = 0;

  absl::StatusOr<Bounds> BoundsAt(Sample sample, const Predictions& predictions, int arm,
                                  Estimand estimand, double lambda) const {
    sample.outcome = outcome;
    PERENNIAL_ASSIGN_OR_RETURN(const Bounds bounds,
                               HajekBounds(sample, predictions.propensity, arm, estimand, lambda));
    return Bounds{.low = bounds.low + effect, .high = bounds.high + effect};
  }
};

absl::StatusOr<Residuals> ResidualsOf(const Sample& sample, const Predictions& predictions, int arm,
                                      Estimand estimand) {
  const auto& mu = predictions.outcome;
  if (std::ssize(mu) != sample.arms || arm < 1 || arm >= sample.arms) {
    return absl::InvalidArgumentError(absl::StrCat("arm ", arm, " of ", sample.arms,
                                                   ", and outcomes are predicted for ", mu.size()));
  }
  const size_t n = sample.outcome.size();
  for (const std::vector<double>& of_arm : mu) {
    if (of_arm.size() == n) continue;
    return absl::InvalidArgumentError(
        absl::StrCat("there are ", n, " outcomes and ", of_arm.size(), " predicted ones"));
  }
  Residuals residuals;
  residuals.outcome.assign(sample.outcome.begin(), sample.outcome.end());
  for (size_t i = 0; i < n; ++i) {
    const bool own_model = estimand == Estimand::kAte && sample.treatment[i] == arm;
    residuals.outcome[i] -= mu[own_model ? arm : 0][i];
    if (estimand == Estimand::kAte) {
      residuals.effect += (mu[arm][i] - mu[0][i]) / static_cast<double>(n);
    }
  }
  return residuals;
}

// bounds_at(lambda) -> absl::StatusOr<Bounds>, which grow with lambda.
template <typename BoundsAt>
absl::StatusOr<double> CriticalLambda(const BoundsAt& bounds_at) {
  double low = 1;
  double high = 1000;
  const auto holds_zero = [&](double lambda) -> absl::StatusOr<bool> {
    PERENNIAL_ASSIGN_OR_RETURN(const Bounds bounds, bounds_at(lambda));
    return bounds.low <= 0 && bounds.high >= 0;
  };
  PERENNIAL_ASSIGN_OR_RETURN(const bool at_high, holds_zero(high));
  if (!at_high) return high;
  while (high - low > 1e-7) {
    const double middle = (low + high) / 2;
    PERENNIAL_ASSIGN_OR_RETURN(const bool zero, holds_zero(middle));
    (zero ? high : low) = middle;
  }
  return low;
}

}  // namespace

absl::StatusOr<EValue> EValueOfRiskRatio(double risk_ratio, double low, double high) {
  if (!(low > 0 && low <= risk_ratio && risk_ratio <= high && std::isfinite(high))) {
    return absl::InvalidArgumentError(
        absl::StrCat("a risk ratio of ", risk_ratio, " with the interval [", low, ", ", high,
                     "]: ratios must be positive and finite, and in order"));
  }
  const double nearer = low > 1 ? low : high < 1 ? high : 1;
  return EValue{.estimate = EValueOf(risk_ratio), .limit = EValueOf(nearer)};
}

absl::StatusOr<EValue> EValueOfDifference(const Estimate& effect, double outcome_sd) {
  if (!(outcome_sd > 0 && std::isfinite(outcome_sd))) {
    return absl::InvalidArgumentError(absl::StrCat("the standard deviation of the outcome is ",
                                                   outcome_sd, "; it must be positive"));
  }
  const auto ratio = [&](double difference) { return std::exp(0.91 * difference / outcome_sd); };
  return EValueOfRiskRatio(ratio(effect.value), ratio(effect.low), ratio(effect.high));
}

absl::StatusOr<Bounds> HajekBounds(const Sample& sample,
                                   std::span<const std::vector<double>> propensity, int arm,
                                   Estimand estimand, double lambda) {
  if (!(lambda >= 1 && std::isfinite(lambda))) {
    return absl::InvalidArgumentError(
        absl::StrCat("lambda is ", lambda, "; it must be a finite number, 1 or more"));
  }
  if (sample.outcome.size() != sample.treatment.size()) {
    return absl::InvalidArgumentError(absl::StrCat("there are ", sample.outcome.size(),
                                                   " outcomes and ", sample.treatment.size(),
                                                   " treatments"));
  }
  PERENNIAL_ASSIGN_OR_RETURN(const std::vector<double> weights,
                             InversePropensityWeights(sample.treatment, propensity, arm, estimand));
  std::vector<Weighted> units[2];
  for (size_t i = 0; i < weights.size(); ++i) {
    const int32_t t = sample.treatment[i];
    if (t != 0 && t != arm) continue;
    if (!std::isfinite(sample.outcome[i])) {
      return absl::InvalidArgumentError(absl::StrCat("the outcome of unit ", i + 1, " is ",
                                                     sample.outcome[i], ", not a finite number"));
    }
    const double w = weights[i];
    Weighted& unit = units[t == 0 ? 0 : 1].emplace_back();
    unit.y = sample.outcome[i];
    if (estimand == Estimand::kAte) {
      unit.least = 1 + (w - 1) / lambda;
      unit.greatest = 1 + (w - 1) * lambda;
    } else {
      // The units of the arm stand for themselves.
      unit.least = t == 0 ? w / lambda : w;
      unit.greatest = t == 0 ? w * lambda : w;
    }
  }
  Bounds means[2];
  for (const int group : {0, 1}) {
    std::ranges::sort(units[group], {}, &Weighted::y);
    double total = 0;
    for (const Weighted& unit : units[group]) total += unit.least;
    if (!(total > 0)) {
      return absl::InvalidArgumentError(
          absl::StrCat("arm ", group == 0 ? 0 : arm, " has no units of positive weight"));
    }
    means[group] = RangeOfMean(units[group]);
  }
  return Bounds{.low = means[1].low - means[0].high, .high = means[1].high - means[0].low};
}

absl::StatusOr<Bounds> AipwBounds(const Sample& sample, const Predictions& predictions, int arm,
                                  Estimand estimand, double lambda) {
  PERENNIAL_ASSIGN_OR_RETURN(const Residuals residuals,
                             ResidualsOf(sample, predictions, arm, estimand));
  return residuals.BoundsAt(sample, predictions, arm, estimand, lambda);
}

absl::StatusOr<double> HajekCriticalLambda(const Sample& sample,
                                           std::span<const std::vector<double>> propensity, int arm,
                                           Estimand estimand) {
  return CriticalLambda(
      [&](double lambda) { return HajekBounds(sample, propensity, arm, estimand, lambda); });
}

absl::StatusOr<double> AipwCriticalLambda(const Sample& sample, const Predictions& predictions,
                                          int arm, Estimand estimand) {
  PERENNIAL_ASSIGN_OR_RETURN(const Residuals residuals,
                             ResidualsOf(sample, predictions, arm, estimand));
  return CriticalLambda([&](double lambda) {
    return residuals.BoundsAt(sample, predictions, arm, estimand, lambda);
  });
}

}  // namespace perennial::causal
