#include "causal/diagnostics/sensitivity.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <set>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "common/base/logging.h"
#include "common/base/status_macros.h"
#include "common/stats/samples.h"

namespace perennial::causal {
namespace {

// An outcome with the range of its weight.
struct Weighted {
  double y;
  double least;
  double greatest;
  size_t unit;
};

// An end of the range of sum w y / sum w, over units sorted by y.
struct Extreme {
  bool high;
  double mean;
  double total;     // Of the weights.
  size_t switched;  // The first units: they have the least weights (high), or the greatest.

  double WeightOf(std::span<const Weighted> units, size_t k) const {
    return high == (k >= switched) ? units[k].greatest : units[k].least;
  }
};

Extreme ExtremeOf(std::span<const Weighted> units, bool high) {
  // Of the first k units one weight, of the rest the other. From k to k + 1 the mean moves towards
  // its bound for as long as unit k lies beyond it, so the best k is found in one pass.
  double sum = 0;
  double total = 0;
  // All at the weight of those beyond the threshold.
  for (const Weighted& unit : units) {
    const double w = high ? unit.greatest : unit.least;
    sum += w * unit.y;
    total += w;
  }
  Extreme best = {.high = high, .mean = sum / total, .total = total, .switched = 0};
  for (size_t k = 0; k < units.size(); ++k) {
    const double change = (units[k].least - units[k].greatest) * (high ? 1 : -1);
    sum += change * units[k].y;
    total += change;
    const double mean = sum / total;
    if (high ? mean > best.mean : mean < best.mean) {
      best = {.high = high, .mean = mean, .total = total, .switched = k + 1};
    }
  }
  return best;
}

// The influence of each unit [n] on a bound: the arm's mean less that of control.
class BoundInfluence {
 public:
  // Of what is added to the bound; empty: nothing.
  BoundInfluence(size_t n, std::span<const double> of_shift) : values_(n) {
    if (!of_shift.empty()) values_.assign(of_shift.begin(), of_shift.end());
  }
  void Add(std::span<const Weighted> units, const Extreme& extreme, double sign) {
    const double scale = sign * static_cast<double>(values_.size()) / extreme.total;
    for (size_t k = 0; k < units.size(); ++k) {
      values_[units[k].unit] += scale * extreme.WeightOf(units, k) * (units[k].y - extreme.mean);
    }
  }
  absl::StatusOr<double> StandardError(std::span<const int32_t> cluster) const {
    // Its level does not matter.
    PERENNIAL_ASSIGN_OR_RETURN(const Estimate estimate,
                               EstimateFromInfluence(0, values_, cluster, 0.95));
    return estimate.standard_error;
  }

 private:
  std::vector<double> values_;
};

double EValueOf(double risk_ratio) {
  const double ratio = risk_ratio >= 1 ? risk_ratio : 1 / risk_ratio;
  return ratio + std::sqrt(ratio * (ratio - 1));
}

struct BoundsOptions {
  bool errors = false;
  double shift = 0;  // Is added.
  std::span<const double> influence_of_shift = {};
};

absl::StatusOr<Bounds> BoundsOf(const Sample& sample,
                                std::span<const std::vector<double>> propensity, int arm,
                                Estimand estimand, double lambda, const BoundsOptions& options) {
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
    unit.unit = i;
    if (estimand == Estimand::kAte) {
      unit.least = 1 + (w - 1) / lambda;
      unit.greatest = 1 + (w - 1) * lambda;
    } else {
      // The units of the arm stand for themselves.
      unit.least = t == 0 ? w / lambda : w;
      unit.greatest = t == 0 ? w * lambda : w;
    }
  }
  for (const int group : {0, 1}) {
    std::ranges::sort(units[group], {}, &Weighted::y);
    double total = 0;
    for (const Weighted& unit : units[group]) total += unit.least;
    if (!(total > 0)) {
      return absl::InvalidArgumentError(
          absl::StrCat("arm ", group == 0 ? 0 : arm, " has no units of positive weight"));
    }
  }
  double bound[2];  // Low, high.
  double error[2] = {0, 0};
  for (const bool high : {false, true}) {
    const Extreme treated = ExtremeOf(units[1], high);
    const Extreme control = ExtremeOf(units[0], !high);
    bound[high] = treated.mean - control.mean + options.shift;
    if (!options.errors) continue;
    BoundInfluence influence(sample.treatment.size(), options.influence_of_shift);
    influence.Add(units[1], treated, 1);
    influence.Add(units[0], control, -1);
    PERENNIAL_ASSIGN_OR_RETURN(error[high], influence.StandardError(sample.cluster));
  }
  return Bounds{.low = bound[0], .high = bound[1], .low_error = error[0], .high_error = error[1]};
}

// What outcome models leave, and the effect that they find.
struct Residuals {
  std::vector<double> outcome;
  double effect = 0;
  std::vector<double> influence;  // [n] on that effect, or empty.

  absl::StatusOr<Bounds> BoundsAt(Sample sample, const Predictions& predictions, int arm,
                                  Estimand estimand, double lambda, bool errors) const {
    sample.outcome = outcome;
    return BoundsOf(sample, predictions.propensity, arm, estimand, lambda,
                    {.errors = errors, .shift = effect, .influence_of_shift = influence});
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
  if (estimand == Estimand::kAte) {
    for (size_t i = 0; i < n; ++i) {
      residuals.influence.push_back(mu[arm][i] - mu[0][i] - residuals.effect);
    }
  }
  return residuals;
}

// bounds_at(lambda) -> absl::StatusOr<Bounds>, which grow with lambda. Their interval grows but for
// its errors, which change little.
template <typename BoundsAt>
absl::StatusOr<double> CriticalLambda(const Sample& sample, std::optional<double> level,
                                      const BoundsAt& bounds_at) {
  double low = 1;
  double high = kGreatestLambda;
  const auto holds_zero = [&](double lambda) -> absl::StatusOr<bool> {
    PERENNIAL_ASSIGN_OR_RETURN(Bounds bounds, bounds_at(lambda));
    if (level.has_value()) {
      PERENNIAL_ASSIGN_OR_RETURN(bounds, IntervalOf(bounds, sample, *level));
    }
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
  if (!(outcome_sd >= 0 && std::isfinite(outcome_sd))) {
    return absl::InvalidArgumentError(absl::StrCat("the standard deviation of the outcome is ",
                                                   outcome_sd, "; it must be 0 or more"));
  }
  if (!(effect.low <= effect.value && effect.value <= effect.high && std::isfinite(effect.low) &&
        std::isfinite(effect.high))) {
    return absl::InvalidArgumentError(
        absl::StrCat("a difference of ", effect.value, " with the interval [", effect.low, ", ",
                     effect.high, "]: numbers must be finite, and in order"));
  }
  const auto of = [&](double difference) {
    if (difference == 0) return 1.0;
    return EValueOf(std::exp(0.91 * std::abs(difference) / outcome_sd));
  };
  const double nearer = effect.low > 0 ? effect.low : effect.high < 0 ? effect.high : 0;
  return EValue{.estimate = of(effect.value), .limit = of(nearer)};
}

absl::StatusOr<double> WithinArmDeviation(const Sample& sample, int arm) {
  CHECK(arm >= 1 && arm < sample.arms) << arm;
  if (sample.outcome.size() != sample.treatment.size()) {
    return absl::InvalidArgumentError(absl::StrCat("there are ", sample.outcome.size(),
                                                   " outcomes and ", sample.treatment.size(),
                                                   " treatments"));
  }
  double units[2] = {0, 0};
  double mean[2] = {0, 0};
  for (size_t i = 0; i < sample.outcome.size(); ++i) {
    const int32_t t = sample.treatment[i];
    if (t != 0 && t != arm) continue;
    const int group = t == 0 ? 0 : 1;
    mean[group] += (sample.outcome[i] - mean[group]) / ++units[group];
  }
  if (!(units[0] > 0 && units[1] > 0 && units[0] + units[1] > 2)) {
    return absl::InvalidArgumentError(
        absl::StrCat("a deviation within arms needs units of both, three or more: arm ", arm,
                     " has ", units[1], " and control ", units[0]));
  }
  double squares = 0;
  for (size_t i = 0; i < sample.outcome.size(); ++i) {
    const int32_t t = sample.treatment[i];
    if (t != 0 && t != arm) continue;
    const double from = sample.outcome[i] - mean[t == 0 ? 0 : 1];
    squares += from * from;
  }
  return std::sqrt(squares / (units[0] + units[1] - 2));
}

absl::StatusOr<Bounds> HajekBounds(const Sample& sample,
                                   std::span<const std::vector<double>> propensity, int arm,
                                   Estimand estimand, double lambda) {
  return BoundsOf(sample, propensity, arm, estimand, lambda, {.errors = true});
}

absl::StatusOr<Bounds> AipwBounds(const Sample& sample, const Predictions& predictions, int arm,
                                  Estimand estimand, double lambda) {
  PERENNIAL_ASSIGN_OR_RETURN(const Residuals residuals,
                             ResidualsOf(sample, predictions, arm, estimand));
  return residuals.BoundsAt(sample, predictions, arm, estimand, lambda, /*errors=*/true);
}

absl::StatusOr<Bounds> IntervalOf(const Bounds& bounds, const Sample& sample, double level) {
  PERENNIAL_RETURN_IF_ERROR(stats::CheckLevel(level));
  const std::set<int32_t> clusters(sample.cluster.begin(), sample.cluster.end());
  const double quantile = IntervalQuantile(level, std::ssize(clusters));
  return Bounds{.low = bounds.low - quantile * bounds.low_error,
                .high = bounds.high + quantile * bounds.high_error,
                .low_error = bounds.low_error,
                .high_error = bounds.high_error};
}

absl::StatusOr<double> HajekCriticalLambda(const Sample& sample,
                                           std::span<const std::vector<double>> propensity, int arm,
                                           Estimand estimand, std::optional<double> level) {
  return CriticalLambda(sample, level, [&](double lambda) {
    return BoundsOf(sample, propensity, arm, estimand, lambda, {.errors = level.has_value()});
  });
}

absl::StatusOr<double> AipwCriticalLambda(const Sample& sample, const Predictions& predictions,
                                          int arm, Estimand estimand, std::optional<double> level) {
  PERENNIAL_ASSIGN_OR_RETURN(const Residuals residuals,
                             ResidualsOf(sample, predictions, arm, estimand));
  return CriticalLambda(sample, level, [&](double lambda) {
    return residuals.BoundsAt(sample, predictions, arm, estimand, lambda, level.has_value());
  });
}

}  // namespace perennial::causal
