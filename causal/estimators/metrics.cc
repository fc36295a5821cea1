#include "causal/estimators/metrics.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "causal/estimators/standardization.h"
#include "common/base/logging.h"
#include "common/base/status_macros.h"

namespace perennial::causal {
namespace {

absl::Status CheckEffect(absl::string_view what, std::span<const double> effect, int64_t n) {
  if (static_cast<int64_t>(effect.size()) != n) {
    return absl::InvalidArgumentError(
        absl::StrCat(what, " has ", effect.size(), " values for ", n, " units"));
  }
  for (size_t i = 0; i < effect.size(); ++i) {
    if (!std::isfinite(effect[i])) {
      return absl::InvalidArgumentError(
          absl::StrCat(what, " of unit ", i + 1, " is ", effect[i], ", not a finite number"));
    }
  }
  return absl::OkStatus();
}

// A mean that may have nothing to average.
struct Mean {
  double sum = 0;
  int64_t count = 0;
  void Add(double value) {
    sum += value;
    ++count;
  }
  double value() const { return sum / static_cast<double>(count); }
  std::optional<double> maybe() const {
    return count > 0 ? std::optional<double>(value()) : std::nullopt;
  }
};

std::optional<double> Magnitude(std::optional<double> bias) {
  if (bias.has_value()) *bias = std::abs(*bias);
  return bias;
}

// Covariates are padded by zeros to whole blocks, whose sums run side by side.
constexpr size_t kBlock = 8;

// The mean outcome of the units of `others` that are nearest to z; z [p], others [m, p], p a
// multiple of kBlock.
double NearestOutcome(std::span<const double> z, std::span<const double> others,
                      std::span<const double> outcomes) {
  const size_t p = z.size();
  double least = std::numeric_limits<double>::infinity();
  Mean mean;
  for (size_t j = 0; j < outcomes.size(); ++j) {
    const double* const other = others.data() + j * p;
    double sums[kBlock] = {};
    double distance = 0;
    // Many candidates are farther after some of the covariates already.
    for (size_t c = 0; c < p && distance <= least;) {
      const size_t end = std::min(p, c + 4 * kBlock);
      for (; c < end; c += kBlock) {
        for (size_t k = 0; k < kBlock; ++k) {
          const double difference = z[c + k] - other[c + k];
          sums[k] += difference * difference;
        }
      }
      distance =
          ((sums[0] + sums[1]) + (sums[2] + sums[3])) + ((sums[4] + sums[5]) + (sums[6] + sums[7]));
    }
    if (distance > least) continue;
    if (distance < least) mean = {};
    least = distance;
    mean.Add(outcomes[j]);
  }
  return mean.value();
}

}  // namespace

double EffectErrors::ate_error() const { return std::abs(ate_bias); }
std::optional<double> EffectErrors::att_error() const { return Magnitude(att_bias); }
std::optional<double> EffectErrors::atc_error() const { return Magnitude(atc_bias); }

absl::StatusOr<std::vector<EffectErrors>> EffectErrorsOf(const Observations& observations,
                                                         const Truth& truth,
                                                         const Predictions& predictions) {
  const int64_t n = observations.size();
  const size_t contrasts = static_cast<size_t>(observations.arms - 1);
  if (n == 0) return absl::InvalidArgumentError("there are no units");
  if (predictions.effect.size() != contrasts || truth.mean_outcome.size() != contrasts + 1) {
    return absl::InvalidArgumentError(absl::StrCat(
        "effects of ", predictions.effect.size(), " arms were predicted and the truth has ",
        truth.mean_outcome.size(), " arms; the sample has ", observations.arms));
  }
  for (const auto& arm : truth.mean_outcome) {
    PERENNIAL_RETURN_IF_ERROR(CheckEffect("the true mean outcome", arm, n));
  }
  std::vector<EffectErrors> errors;
  for (size_t a = 0; a < contrasts; ++a) {
    const std::vector<double>& effect = predictions.effect[a];
    PERENNIAL_RETURN_IF_ERROR(
        CheckEffect(absl::StrCat("the predicted effect of arm ", a + 1), effect, n));
    Mean square;
    Mean all;
    Mean treated;
    Mean control;
    Mean tau;
    for (int64_t i = 0; i < n; ++i) {
      const double truly = truth.mean_outcome[a + 1][i] - truth.mean_outcome[0][i];
      const double difference = effect[i] - truly;
      tau.Add(truly);
      square.Add(difference * difference);
      all.Add(difference);
      if (observations.treatment[i] == static_cast<int32_t>(a + 1)) treated.Add(difference);
      if (observations.treatment[i] == 0) control.Add(difference);
    }
    Mean variance;
    for (int64_t i = 0; i < n; ++i) {
      const double truly = truth.mean_outcome[a + 1][i] - truth.mean_outcome[0][i];
      variance.Add((truly - tau.value()) * (truly - tau.value()));
    }
    errors.push_back({.sqrt_pehe = std::sqrt(square.value()),
                      .ate_bias = all.value(),
                      .att_bias = treated.maybe(),
                      .atc_bias = control.maybe(),
                      .effect_sd = std::sqrt(variance.value())});
  }
  return errors;
}

absl::StatusOr<std::optional<double>> RandomisedPolicyValue(std::span<const double> effect,
                                                            std::span<const int32_t> treatment,
                                                            std::span<const double> outcome) {
  const int64_t n = static_cast<int64_t>(treatment.size());
  PERENNIAL_RETURN_IF_ERROR(CheckEffect("the predicted effect", effect, n));
  PERENNIAL_RETURN_IF_ERROR(CheckEffect("the outcome", outcome, n));
  int64_t units[2] = {};   // Of each arm.
  int64_t chosen[2] = {};  // To which the policy gives it.
  Mean agreed[2];          // Those of them who were in it.
  for (int64_t i = 0; i < n; ++i) {
    const int32_t own = treatment[i];
    if (own != 0 && own != 1) {
      return absl::InvalidArgumentError(absl::StrCat("the arm of unit ", i + 1, " is ", own,
                                                     "; the value of a policy is of arms 0 and 1"));
    }
    const int policy = effect[i] > 0 ? 1 : 0;
    ++units[own];
    ++chosen[policy];
    if (policy == own) agreed[policy].Add(outcome[i]);
  }
  if (units[0] == 0 || units[1] == 0) return std::nullopt;
  double value = 0;
  for (const int arm : {0, 1}) {
    // An arm that the policy never picks has no part in its value.
    if (chosen[arm] == 0) continue;
    if (agreed[arm].count == 0) return std::nullopt;
    value += static_cast<double>(chosen[arm]) / static_cast<double>(n) * agreed[arm].value();
  }
  return value;
}

absl::StatusOr<NeighbourEffects> NeighbourEffectsOf(const Observations& observations, int arm,
                                                    NeighbourSide side) {
  CHECK(arm >= 1 && arm < observations.arms) << arm;
  if (observations.size() == 0) return absl::InvalidArgumentError("there are no units");
  const size_t p = static_cast<size_t>(observations.features());
  const Standardization standardization = StandardizationOf(observations.x());
  std::vector<int32_t> units[2];  // of control, of the arm
  std::vector<double> rows[2];
  std::vector<double> outcomes[2];
  const size_t padded = (p + kBlock - 1) / kBlock * kBlock;
  std::vector<double> z(padded);
  for (int64_t i = 0; i < observations.size(); ++i) {
    const int32_t t = observations.treatment[i];
    if (t != 0 && t != arm) continue;
    const int group = t == 0 ? 0 : 1;
    units[group].push_back(static_cast<int32_t>(i));
    outcomes[group].push_back(observations.outcome[i]);
    standardization.Apply(observations.x().row(i), std::span<double>(z).first(p));
    rows[group].insert(rows[group].end(), z.begin(), z.end());
  }
  for (const int group : {0, 1}) {
    if (units[group].empty()) {
      return absl::InvalidArgumentError(absl::StrCat(
          "arm ", group == 0 ? 0 : arm, " has no units to be neighbours of the other's"));
    }
  }
  NeighbourEffects neighbours;
  const auto add = [&](int group) {
    for (size_t k = 0; k < units[group].size(); ++k) {
      const double counterfactual = NearestOutcome({rows[group].data() + k * padded, padded},
                                                   rows[1 - group], outcomes[1 - group]);
      const double difference = outcomes[group][k] - counterfactual;
      neighbours.units.push_back(units[group][k]);
      neighbours.effect.push_back(group == 1 ? difference : -difference);
    }
  };
  add(1);
  if (side == NeighbourSide::kBoth) add(0);
  return neighbours;
}

double SqrtPeheNn(const NeighbourEffects& neighbours, std::span<const double> effect) {
  Mean square;
  for (size_t k = 0; k < neighbours.units.size(); ++k) {
    CHECK_LT(static_cast<size_t>(neighbours.units[k]), effect.size());
    const double difference = effect[neighbours.units[k]] - neighbours.effect[k];
    square.Add(difference * difference);
  }
  return std::sqrt(square.value());
}

}  // namespace perennial::causal
