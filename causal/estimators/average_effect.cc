#include "causal/estimators/average_effect.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <functional>
#include <limits>
#include <map>
#include <numeric>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "causal/data/logit.h"
#include "causal/estimators/logistic.h"
#include "common/base/excerpt.h"
#include "common/base/logging.h"
#include "common/base/status_macros.h"
#include "common/stats/normal.h"
#include "common/stats/samples.h"
#include "common/stats/student_t.h"

namespace perennial::causal {
namespace {

// Beyond these shares of the range of outcomes logits are not to be trusted.
constexpr double kLeastShare = 0.0005;

absl::Status CheckTable(absl::string_view what, std::span<const std::vector<double>> table,
                        size_t rows, size_t n) {
  if (table.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat("the estimate needs predicted ", what, ", and there are none"));
  }
  if (table.size() != rows) {
    return absl::InvalidArgumentError(
        absl::StrCat("there are predicted ", what, " of ", table.size(), " arms, expected ", rows));
  }
  for (size_t a = 0; a < rows; ++a) {
    if (table[a].size() != n) {
      return absl::InvalidArgumentError(absl::StrCat(
          "there are predicted ", what, " of ", table[a].size(), " units for a sample of ", n));
    }
    for (size_t i = 0; i < n; ++i) {
      if (!std::isfinite(table[a][i])) {
        return absl::InvalidArgumentError(absl::StrCat("predicted ", what, ": that of unit ", i + 1,
                                                       " is ", table[a][i],
                                                       ", not a finite number"));
      }
    }
  }
  return absl::OkStatus();
}

absl::Status CheckPropensities(std::span<const std::vector<double>> propensity, size_t arms,
                               size_t n) {
  PERENNIAL_RETURN_IF_ERROR(CheckTable("propensities", propensity, arms, n));
  for (size_t a = 0; a < arms; ++a) {
    for (size_t i = 0; i < n; ++i) {
      if (propensity[a][i] >= 0 && propensity[a][i] <= 1) continue;
      return absl::InvalidArgumentError(absl::StrCat("the propensity of unit ", i + 1, " for arm ",
                                                     a, " is ", propensity[a][i],
                                                     "; it must lie in [0, 1]"));
    }
  }
  return absl::OkStatus();
}

absl::Status CheckPositive(double propensity, int arm, int64_t unit) {
  if (propensity > 0) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("the propensity of unit ", unit + 1, " for arm ", arm,
                   " is 0: its weight has no bound, and what such units would have done in the arm "
                   "cannot be learned from the data; leave them out by a band of propensities"));
}

absl::Status CheckSampleOfUnits(const Sample& sample) {
  const size_t n = sample.treatment.size();
  if (n == 0) return absl::InvalidArgumentError("there are no units");
  if (sample.arms < 2) {
    return absl::InvalidArgumentError(
        absl::StrCat(sample.arms, " arms: there must be a control and a treatment"));
  }
  if (sample.outcome.size() != n || (!sample.cluster.empty() && sample.cluster.size() != n)) {
    return absl::InvalidArgumentError(absl::StrCat("there are ", n, " treatments, ",
                                                   sample.outcome.size(), " outcomes and ",
                                                   sample.cluster.size(), " clusters"));
  }
  for (size_t i = 0; i < n; ++i) {
    if (sample.treatment[i] < 0 || sample.treatment[i] >= sample.arms) {
      return absl::InvalidArgumentError(absl::StrCat("the arm of unit ", i + 1, " is ",
                                                     sample.treatment[i], "; it must be 0 to ",
                                                     sample.arms - 1));
    }
    if (!std::isfinite(sample.outcome[i])) {
      return absl::InvalidArgumentError(absl::StrCat("the outcome of unit ", i + 1, " is ",
                                                     sample.outcome[i], ", not a finite number"));
    }
    if (sample.binary_outcome && sample.outcome[i] != 0 && sample.outcome[i] != 1) {
      return absl::InvalidArgumentError(absl::StrCat(
          "the outcome of unit ", i + 1, " is ", sample.outcome[i], "; a binary one is 0 or 1"));
    }
  }
  return absl::OkStatus();
}

// One contrast: columns of the units that are kept. What a method does not need is empty.
struct Contrast {
  std::vector<double> y;
  std::vector<uint8_t> treated;  // T = a
  std::vector<uint8_t> control;  // T = 0
  std::vector<double> mu_treated;
  std::vector<double> mu_control;
  std::vector<double> effect;
  std::vector<double> e_treated;
  std::vector<double> e_control;
  std::vector<int32_t> cluster;
  int64_t treated_units = 0;
  int64_t control_units = 0;

  size_t size() const { return y.size(); }
  // The weight of a unit of the arm, and of control.
  double TreatedWeight(size_t i, Estimand estimand) const {
    return treated[i] == 0 ? 0 : estimand == Estimand::kAte ? 1 / e_treated[i] : 1;
  }
  double ControlWeight(size_t i, Estimand estimand) const {
    if (control[i] == 0) return 0;
    return estimand == Estimand::kAte ? 1 / e_control[i] : e_treated[i] / e_control[i];
  }
};

struct Solution {
  double value = 0;
  std::vector<double> influence;
};

Solution SolvePlugIn(const Contrast& c, Estimand estimand) {
  const double n = static_cast<double>(c.size());
  const bool att = estimand == Estimand::kAtt;
  const double share = att ? static_cast<double>(c.treated_units) / n : 1;
  double sum = 0;
  for (size_t i = 0; i < c.size(); ++i) {
    if (!att || c.treated[i] != 0) sum += c.effect[i];
  }
  Solution solution = {.value = sum / (n * share), .influence = std::vector<double>(c.size())};
  for (size_t i = 0; i < c.size(); ++i) {
    if (!att || c.treated[i] != 0) solution.influence[i] = (c.effect[i] - solution.value) / share;
  }
  return solution;
}

// Of sums of weighted outcomes: over n, or over the sums of weights.
Solution SolveWeighting(const Contrast& c, Estimand estimand, bool normalize) {
  const double n = static_cast<double>(c.size());
  double weights[2] = {0, 0};  // sums, of control and of the arm
  double sums[2] = {0, 0};
  for (size_t i = 0; i < c.size(); ++i) {
    const double w[2] = {c.ControlWeight(i, estimand), c.TreatedWeight(i, estimand)};
    for (const int arm : {0, 1}) {
      weights[arm] += w[arm];
      sums[arm] += w[arm] * c.y[i];
    }
  }
  Solution solution = {.value = 0, .influence = std::vector<double>(c.size())};
  if (normalize) {
    const double means[2] = {sums[0] / weights[0], sums[1] / weights[1]};
    solution.value = means[1] - means[0];
    for (size_t i = 0; i < c.size(); ++i) {
      solution.influence[i] = n * (c.TreatedWeight(i, estimand) * (c.y[i] - means[1]) / weights[1] -
                                   c.ControlWeight(i, estimand) * (c.y[i] - means[0]) / weights[0]);
    }
    return solution;
  }
  // The sum of the ATT's weights in the arm is the number of its units.
  const bool att = estimand == Estimand::kAtt;
  const double share = att ? static_cast<double>(c.treated_units) / n : 1;
  solution.value = (sums[1] - sums[0]) / (n * share);
  for (size_t i = 0; i < c.size(); ++i) {
    const double term = (c.TreatedWeight(i, estimand) - c.ControlWeight(i, estimand)) * c.y[i];
    const double centre = att && c.treated[i] == 0 ? 0 : solution.value;
    solution.influence[i] = (term - centre) / share;
  }
  return solution;
}

// The efficient influence function, centred at `value`.
double Influence(const Contrast& c, size_t i, Estimand estimand, double mu_treated,
                 double mu_control, double value) {
  const double treated = c.TreatedWeight(i, estimand);
  const double control = c.ControlWeight(i, estimand);
  if (estimand == Estimand::kAte) {
    return mu_treated - mu_control + treated * (c.y[i] - mu_treated) -
           control * (c.y[i] - mu_control) - value;
  }
  const double share = static_cast<double>(c.treated_units) / static_cast<double>(c.size());
  return ((treated - control) * (c.y[i] - mu_control) - treated * value) / share;
}

Solution SolveAipw(const Contrast& c, Estimand estimand) {
  // The influence function at 0 averages to the estimate.
  double sum = 0;
  for (size_t i = 0; i < c.size(); ++i) {
    sum += Influence(c, i, estimand, c.mu_treated[i], c.mu_control[i], 0);
  }
  Solution solution = {.value = sum / static_cast<double>(c.size()),
                       .influence = std::vector<double>(c.size())};
  for (size_t i = 0; i < c.size(); ++i) {
    solution.influence[i] =
        Influence(c, i, estimand, c.mu_treated[i], c.mu_control[i], solution.value);
  }
  return solution;
}

// The e for which sum_i w_i (y_i - g(e + offset_i)) = 0, g the sigmoid; y in [0, 1]. The sum falls
// in e; where it has no zero (all y are 0, or 1) e ends far out, where g is 0 or 1 to rounding.
double LogisticShift(std::span<const double> offset, std::span<const double> y,
                     std::span<const double> weights) {
  double low = -60;
  double high = 60;
  double shift = 0;
  for (int iteration = 0; iteration < 200; ++iteration) {
    double score = 0;
    double slope = 0;
    for (size_t i = 0; i < y.size(); ++i) {
      if (weights[i] == 0) continue;
      const double p = Sigmoid(shift + offset[i]);
      score += weights[i] * (y[i] - p);
      slope += weights[i] * p * (1 - p);
    }
    if (score == 0) break;
    (score > 0 ? low : high) = shift;
    double next = shift + score / slope;
    // Newton's step, within the bracket; bisection where it leaves it.
    if (!(next > low && next < high)) next = (low + high) / 2;
    if (std::abs(next - shift) <= 1e-15 * (1 + std::abs(shift))) break;
    shift = next;
  }
  return shift;
}

// mu moved by one constant so that its weighted residuals add up to 0.
void Fluctuate(std::span<const double> y, std::span<const double> weights, bool logistic,
               double low, double high, std::span<double> mu) {
  const size_t n = y.size();
  if (!logistic) {
    double residuals = 0;
    double total = 0;
    for (size_t i = 0; i < n; ++i) {
      residuals += weights[i] * (y[i] - mu[i]);
      total += weights[i];
    }
    for (double& value : mu) value += residuals / total;
    return;
  }
  std::vector<double> offset(n);
  std::vector<double> share(n);
  for (size_t i = 0; i < n; ++i) {
    share[i] = (y[i] - low) / (high - low);
    offset[i] = Logit(std::clamp((mu[i] - low) / (high - low), kLeastShare, 1 - kLeastShare));
  }
  const double shift = LogisticShift(offset, share, weights);
  for (size_t i = 0; i < n; ++i) mu[i] = low + (high - low) * Sigmoid(offset[i] + shift);
}

Solution SolveTmle(const Contrast& c, Estimand estimand, bool binary, Fluctuation fluctuation) {
  const size_t n = c.size();
  double low = 0;
  double high = 1;
  if (!binary) {
    const auto range = std::ranges::minmax(c.y);
    low = range.min;
    high = range.max;
  }
  // A constant outcome leaves no range to map.
  const bool logistic = fluctuation == Fluctuation::kLogistic && high > low;
  std::vector<double> treated_weights(n);
  std::vector<double> control_weights(n);
  for (size_t i = 0; i < n; ++i) {
    treated_weights[i] = c.TreatedWeight(i, estimand);
    control_weights[i] = c.ControlWeight(i, estimand);
  }
  std::vector<double> mu_treated = c.mu_treated;
  std::vector<double> mu_control = c.mu_control;
  Fluctuate(c.y, treated_weights, logistic, low, high, mu_treated);
  Fluctuate(c.y, control_weights, logistic, low, high, mu_control);
  double sum = 0;
  int64_t units = 0;
  for (size_t i = 0; i < n; ++i) {
    if (estimand == Estimand::kAtt && c.treated[i] == 0) continue;
    sum += mu_treated[i] - mu_control[i];
    ++units;
  }
  Solution solution = {.value = sum / static_cast<double>(units),
                       .influence = std::vector<double>(n)};
  for (size_t i = 0; i < n; ++i) {
    solution.influence[i] = Influence(c, i, estimand, mu_treated[i], mu_control[i], solution.value);
  }
  return solution;
}

struct Needs {
  bool effects;
  bool outcomes;
  bool propensities;
};

Needs NeedsOf(EffectMethod method) {
  switch (method) {
    case EffectMethod::kPlugIn:
      return {.effects = true, .outcomes = false, .propensities = false};
    case EffectMethod::kHorvitzThompson:
    case EffectMethod::kHajek:
      return {.effects = false, .outcomes = false, .propensities = true};
    case EffectMethod::kAipw:
    case EffectMethod::kTmle:
      return {.effects = false, .outcomes = true, .propensities = true};
  }
  LOG(FATAL) << "no such method";
}

// The units of the contrast of `arm` that lie in the band.
absl::StatusOr<Contrast> ContrastOf(const Sample& sample, const Predictions& predictions, int arm,
                                    EffectMethod method, const AverageEffectOptions& options) {
  const Needs needs = NeedsOf(method);
  const bool weighs = !predictions.propensity.empty();
  const auto in_band = [&](double e) {
    return e >= options.lowest_propensity && e <= options.highest_propensity;
  };
  Contrast c;
  for (size_t i = 0; i < sample.treatment.size(); ++i) {
    if (weighs) {
      const double e_treated = predictions.propensity[arm][i];
      const double e_control = predictions.propensity[0][i];
      if (!in_band(e_treated) || (sample.arms > 2 && !in_band(e_control))) continue;
      if (needs.propensities) {
        const int64_t unit = static_cast<int64_t>(i);
        PERENNIAL_RETURN_IF_ERROR(CheckPositive(e_control, 0, unit));
        if (options.estimand == Estimand::kAte) {
          PERENNIAL_RETURN_IF_ERROR(CheckPositive(e_treated, arm, unit));
        }
      }
      c.e_treated.push_back(e_treated);
      c.e_control.push_back(e_control);
    }
    c.y.push_back(sample.outcome[i]);
    c.treated.push_back(sample.treatment[i] == arm ? 1 : 0);
    c.control.push_back(sample.treatment[i] == 0 ? 1 : 0);
    c.treated_units += c.treated.back();
    c.control_units += c.control.back();
    if (needs.effects) c.effect.push_back(predictions.effect[arm - 1][i]);
    if (needs.outcomes) {
      c.mu_treated.push_back(predictions.outcome[arm][i]);
      c.mu_control.push_back(predictions.outcome[0][i]);
    }
    if (!sample.cluster.empty()) c.cluster.push_back(sample.cluster[i]);
  }
  if (c.treated_units == 0 || c.control_units == 0) {
    const bool trimmed = c.size() < sample.treatment.size();
    return absl::InvalidArgumentError(absl::StrCat(
        "arm ", c.treated_units == 0 ? arm : 0, " has no units",
        trimmed ? absl::StrCat(" whose propensities lie in [", options.lowest_propensity, ", ",
                               options.highest_propensity, "]")
                : ""));
  }
  if (needs.propensities && options.estimand == Estimand::kAtt) {
    double total = 0;
    for (size_t i = 0; i < c.size(); ++i) total += c.ControlWeight(i, options.estimand);
    if (total == 0) {
      return absl::InvalidArgumentError(
          absl::StrCat("the propensity for arm ", arm,
                       " is 0 for all units of control: none of them is like a treated one"));
    }
  }
  return c;
}

absl::Status CheckInputs(const Sample& sample, const Predictions& predictions,
                         EffectMethod method) {
  PERENNIAL_RETURN_IF_ERROR(CheckSampleOfUnits(sample));
  const size_t n = sample.treatment.size();
  const size_t arms = static_cast<size_t>(sample.arms);
  const Needs needs = NeedsOf(method);
  if (needs.effects) {
    PERENNIAL_RETURN_IF_ERROR(CheckTable("effects", predictions.effect, arms - 1, n));
  }
  if (needs.outcomes) {
    PERENNIAL_RETURN_IF_ERROR(CheckTable("outcomes", predictions.outcome, arms, n));
  }
  if (needs.propensities || !predictions.propensity.empty()) {
    PERENNIAL_RETURN_IF_ERROR(CheckPropensities(predictions.propensity, arms, n));
  }
  return absl::OkStatus();
}

}  // namespace

double IntervalQuantile(double level, int64_t clusters) {
  const double probability = (1 + level) / 2;
  return clusters < 2 ? stats::NormalQuantile(probability)
                      : stats::StudentTQuantile(probability, static_cast<double>(clusters - 1));
}

absl::StatusOr<Estimate> EstimateFromInfluence(double value, std::span<const double> influence,
                                               std::span<const int32_t> cluster, double level) {
  PERENNIAL_RETURN_IF_ERROR(stats::CheckLevel(level));
  PERENNIAL_RETURN_IF_ERROR(stats::CheckSample(influence, 2, "influence function"));
  CHECK(cluster.empty() || cluster.size() == influence.size());
  const double n = static_cast<double>(influence.size());
  double groups = n;
  double square = 0;
  if (cluster.empty()) {
    for (const double term : influence) square += term * term;
  } else {
    std::map<int32_t, double> sums;
    for (size_t i = 0; i < influence.size(); ++i) sums[cluster[i]] += influence[i];
    if (sums.size() < 2) {
      return absl::InvalidArgumentError(
          "all units are of one cluster: a standard error needs at least two");
    }
    groups = static_cast<double>(sums.size());
    for (const auto& [id, sum] : sums) square += sum * sum;
  }
  const double error = std::sqrt(groups / (groups - 1) * square) / n;
  const double quantile =
      IntervalQuantile(level, cluster.empty() ? 0 : static_cast<int64_t>(groups));
  return Estimate{.value = value,
                  .standard_error = error,
                  .low = value - quantile * error,
                  .high = value + quantile * error};
}

Sample SampleOf(const Observations& observations) {
  return {.treatment = observations.treatment,
          .outcome = observations.outcome,
          .arms = observations.arms,
          .binary_outcome = observations.binary_outcome,
          .cluster = observations.cluster};
}

absl::StatusOr<std::vector<AverageEffect>> AverageEffects(const Sample& sample,
                                                          const Predictions& predictions,
                                                          EffectMethod method,
                                                          const AverageEffectOptions& options) {
  PERENNIAL_RETURN_IF_ERROR(CheckInputs(sample, predictions, method));
  PERENNIAL_RETURN_IF_ERROR(stats::CheckLevel(options.level));
  if (!(options.lowest_propensity >= 0 && options.lowest_propensity < options.highest_propensity &&
        options.highest_propensity <= 1)) {
    return absl::InvalidArgumentError(
        absl::StrCat("the band of propensities is [", options.lowest_propensity, ", ",
                     options.highest_propensity, "]; it must lie in [0, 1]"));
  }
  std::vector<AverageEffect> effects;
  for (int arm = 1; arm < sample.arms; ++arm) {
    PERENNIAL_ASSIGN_OR_RETURN(const Contrast c,
                               ContrastOf(sample, predictions, arm, method, options));
    Solution solution;
    switch (method) {
      case EffectMethod::kPlugIn:
        solution = SolvePlugIn(c, options.estimand);
        break;
      case EffectMethod::kHorvitzThompson:
      case EffectMethod::kHajek:
        solution = SolveWeighting(c, options.estimand, method == EffectMethod::kHajek);
        break;
      case EffectMethod::kAipw:
        solution = SolveAipw(c, options.estimand);
        break;
      case EffectMethod::kTmle:
        solution = SolveTmle(c, options.estimand, sample.binary_outcome, options.fluctuation);
        break;
    }
    const absl::StatusOr<Estimate> estimate =
        EstimateFromInfluence(solution.value, solution.influence, c.cluster, options.level);
    if (!estimate.ok()) {
      return base::WithContext(estimate.status(), absl::StrCat("effect of arm ", arm));
    }
    const int64_t units = static_cast<int64_t>(c.size());
    effects.push_back({.estimate = *estimate,
                       .units = units,
                       .trimmed = static_cast<int64_t>(sample.treatment.size()) - units});
  }
  return effects;
}

absl::StatusOr<std::vector<double>> AipwScores(const Sample& sample, const Predictions& predictions,
                                               int arm) {
  CHECK(arm >= 1 && arm < sample.arms) << arm;
  PERENNIAL_RETURN_IF_ERROR(CheckInputs(sample, predictions, EffectMethod::kAipw));
  PERENNIAL_ASSIGN_OR_RETURN(const Contrast c,
                             ContrastOf(sample, predictions, arm, EffectMethod::kAipw, {}));
  std::vector<double> scores(c.size());
  for (size_t i = 0; i < c.size(); ++i) {
    scores[i] = Influence(c, i, Estimand::kAte, c.mu_treated[i], c.mu_control[i], 0);
  }
  return scores;
}

absl::StatusOr<std::vector<double>> InversePropensityWeights(
    std::span<const int32_t> treatment, std::span<const std::vector<double>> propensity, int arm,
    Estimand estimand) {
  CHECK(arm >= 1 && static_cast<size_t>(arm) < propensity.size()) << arm;
  PERENNIAL_RETURN_IF_ERROR(CheckPropensities(propensity, propensity.size(), treatment.size()));
  std::vector<double> weights(treatment.size());
  for (size_t i = 0; i < treatment.size(); ++i) {
    const int64_t unit = static_cast<int64_t>(i);
    if (treatment[i] == arm) {
      if (estimand == Estimand::kAte) {
        PERENNIAL_RETURN_IF_ERROR(CheckPositive(propensity[arm][i], arm, unit));
      }
      weights[i] = estimand == Estimand::kAte ? 1 / propensity[arm][i] : 1;
    } else if (treatment[i] == 0) {
      PERENNIAL_RETURN_IF_ERROR(CheckPositive(propensity[0][i], 0, unit));
      weights[i] = (estimand == Estimand::kAte ? 1 : propensity[arm][i]) / propensity[0][i];
    }
  }
  return weights;
}

std::string ArmText(int arm, std::span<const std::string> names) {
  return names.empty() ? absl::StrCat("arm ", arm)
                       : absl::StrCat("arm \"", base::Excerpt(names[arm]), "\"");
}

absl::StatusOr<std::vector<int32_t>> Folds(std::span<const int32_t> treatment, int folds,
                                           std::span<const int32_t> cluster,
                                           const random::Stream& stream,
                                           std::span<const std::string> arm_names) {
  CHECK(cluster.empty() || cluster.size() == treatment.size());
  if (folds < 2) {
    return absl::InvalidArgumentError(
        absl::StrCat(folds, " folds: what is fitted to the others needs at least 2"));
  }
  int32_t arms = 0;
  for (size_t i = 0; i < treatment.size(); ++i) {
    if (treatment[i] < 0) {
      return absl::InvalidArgumentError(
          absl::StrCat("the arm of unit ", i + 1, " is ", treatment[i], "; it must be 0 or more"));
    }
    arms = std::max(arms, treatment[i] + 1);
  }
  // What moves together, in the order of its first unit.
  std::vector<std::vector<int32_t>> groups;
  std::map<int32_t, size_t> group_of_cluster;
  for (size_t i = 0; i < treatment.size(); ++i) {
    size_t group = groups.size();
    if (!cluster.empty()) group = group_of_cluster.emplace(cluster[i], group).first->second;
    if (group == groups.size()) groups.emplace_back();
    groups[group].push_back(static_cast<int32_t>(i));
  }
  if (static_cast<int64_t>(groups.size()) < folds) {
    return absl::InvalidArgumentError(
        absl::StrCat(groups.size(), cluster.empty() ? " units" : " clusters",
                     " cannot be spread over ", folds, " folds; ask for fewer folds"));
  }
  std::vector<size_t> order(groups.size());
  std::iota(order.begin(), order.end(), size_t{0});
  random::Stream shuffle = stream.Split("folds");
  shuffle.Shuffle(std::span<size_t>(order));

  std::vector<int32_t> fold_of_unit(treatment.size());
  std::vector<int64_t> of_arm(arms);
  for (const int32_t arm : treatment) ++of_arm[arm];
  std::vector<std::vector<int64_t>> count(folds, std::vector<int64_t>(arms));
  const auto place = [&](size_t group, int32_t fold) {
    for (const int32_t unit : groups[group]) {
      fold_of_unit[unit] = fold;
      ++count[fold][treatment[unit]];
    }
  };
  const auto units_by_arm = [&](size_t group) {
    std::vector<int64_t> own(arms);
    for (const int32_t unit : groups[group]) ++own[treatment[unit]];
    return own;
  };
  // What the sum of squares of the arms' shares in the fold grows by.
  const auto growth_of = [&](const std::vector<int64_t>& own, int32_t fold) {
    double growth = 0;
    for (int32_t arm = 0; arm < arms; ++arm) {
      if (own[arm] == 0) continue;
      growth += static_cast<double>(own[arm] * (2 * count[fold][arm] + own[arm])) /
                static_cast<double>(of_arm[arm] * of_arm[arm]);
    }
    return growth;
  };
  if (cluster.empty()) {
    // Dealt out arm by arm, each going on where the one before it ended.
    std::ranges::stable_sort(order, {}, [&](size_t g) { return treatment[groups[g][0]]; });
    for (size_t k = 0; k < order.size(); ++k) {
      place(order[k], static_cast<int32_t>(k % static_cast<size_t>(folds)));
    }
  } else {
    std::ranges::stable_sort(order, std::greater<>(), [&](size_t g) { return groups[g].size(); });
    for (const size_t group : order) {
      const std::vector<int64_t> own = units_by_arm(group);
      int32_t best = 0;
      double least = std::numeric_limits<double>::infinity();
      int64_t fewest = 0;
      for (int32_t fold = 0; fold < folds; ++fold) {
        const double growth = growth_of(own, fold);
        const int64_t units = std::accumulate(count[fold].begin(), count[fold].end(), int64_t{0});
        if (growth < least || (growth == least && units < fewest)) {
          least = growth;
          fewest = units;
          best = fold;
        }
      }
      place(group, best);
    }
  }
  const auto whole = [&](int32_t arm, int32_t fold) {
    return of_arm[arm] > 0 && count[fold][arm] == of_arm[arm];
  };
  // Of an arm that is whole in a fold, the cluster goes elsewhere that disturbs the others least
  // and leaves no other arm so. A cluster that goes may set another free to.
  for (bool moved = !cluster.empty(); moved;) {
    moved = false;
    for (int32_t fold = 0; fold < folds; ++fold) {
      for (int32_t arm = 0; arm < arms; ++arm) {
        if (!whole(arm, fold)) continue;
        std::optional<std::pair<size_t, int32_t>> best;
        double least = std::numeric_limits<double>::infinity();
        for (const size_t group : order) {
          if (fold_of_unit[groups[group][0]] != fold) continue;
          const std::vector<int64_t> own = units_by_arm(group);
          if (own[arm] == 0) continue;
          for (int32_t other = 0; other < folds; ++other) {
            bool leaves_none = other != fold;
            for (int32_t b = 0; leaves_none && b < arms; ++b) {
              leaves_none = own[b] == 0 || count[other][b] + own[b] < of_arm[b];
            }
            const double growth = growth_of(own, other);
            if (!leaves_none || growth >= least) continue;
            least = growth;
            best = {group, other};
          }
        }
        if (!best) continue;
        for (const int32_t unit : groups[best->first]) --count[fold][treatment[unit]];
        place(best->first, best->second);
        moved = true;
      }
    }
  }
  for (int32_t fold = 0; fold < folds; ++fold) {
    for (int32_t arm = 0; arm < arms; ++arm) {
      if (!whole(arm, fold)) continue;
      return absl::InvalidArgumentError(absl::StrCat(
          "all ", of_arm[arm], " units of ", ArmText(arm, arm_names), " are in one fold of ", folds,
          cluster.empty() ? "" : ", because clusters are kept together",
          ", so that nothing can be fitted to the others"));
    }
  }
  return fold_of_unit;
}

std::vector<int32_t> RowsOfFold(std::span<const int32_t> fold_of, int fold, bool in_fold) {
  std::vector<int32_t> rows;
  for (size_t i = 0; i < fold_of.size(); ++i) {
    if ((fold_of[i] == fold) == in_fold) rows.push_back(static_cast<int32_t>(i));
  }
  return rows;
}

}  // namespace perennial::causal
