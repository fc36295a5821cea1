#include "causal/data/observations.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "common/base/logging.h"

namespace perennial::causal {
namespace {

template <typename Element>
std::vector<Element> Rows(const std::vector<Element>& all, std::span<const int32_t> rows) {
  std::vector<Element> selected;
  if (all.empty()) return selected;
  selected.reserve(rows.size());
  for (const int32_t row : rows) selected.push_back(all[row]);
  return selected;
}

absl::Status CheckLength(absl::string_view what, size_t length, int64_t expected) {
  if (static_cast<int64_t>(length) == expected) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat(what, " has ", length, " values, expected ", expected));
}

absl::Status CheckFinite(absl::string_view what, std::span<const double> values) {
  for (size_t i = 0; i < values.size(); ++i) {
    if (!std::isfinite(values[i])) {
      return absl::InvalidArgumentError(
          absl::StrCat(what, " of unit ", i + 1, " is ", values[i], ", not a finite number"));
    }
  }
  return absl::OkStatus();
}

absl::Status CheckTruth(const Observations& observations) {
  const Truth& truth = *observations.truth;
  const int64_t n = observations.size();
  if (absl::Status status =
          CheckLength("truth.mean_outcome", truth.mean_outcome.size(), observations.arms);
      !status.ok()) {
    return status;
  }
  for (const auto& arm : truth.mean_outcome) {
    if (absl::Status status = CheckLength("truth.mean_outcome of an arm", arm.size(), n);
        !status.ok()) {
      return status;
    }
    if (absl::Status status = CheckFinite("truth.mean_outcome", arm); !status.ok()) return status;
  }
  if (truth.propensity.empty()) return absl::OkStatus();
  if (absl::Status status =
          CheckLength("truth.propensity", truth.propensity.size(), observations.arms);
      !status.ok()) {
    return status;
  }
  for (const auto& arm : truth.propensity) {
    if (absl::Status status = CheckLength("truth.propensity of an arm", arm.size(), n);
        !status.ok()) {
      return status;
    }
  }
  for (int64_t i = 0; i < n; ++i) {
    double sum = 0;
    for (const auto& arm : truth.propensity) {
      if (!(arm[i] > 0 && arm[i] < 1)) {
        return absl::InvalidArgumentError(absl::StrCat("truth.propensity of unit ", i + 1, " is ",
                                                       arm[i], ", must be between 0 and 1"));
      }
      sum += arm[i];
    }
    if (std::abs(sum - 1) > 1e-6) {
      return absl::InvalidArgumentError(
          absl::StrCat("truth.propensity of unit ", i + 1, " adds up to ", sum, ", not 1"));
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status Validate(const Observations& observations) {
  const int64_t n = observations.size();
  if (n == 0) return absl::InvalidArgumentError("there are no units");
  if (observations.arms < 2) {
    return absl::InvalidArgumentError(
        absl::StrCat(observations.arms, " arms: there must be a control and a treatment"));
  }
  if (absl::Status status =
          CheckLength("covariates", observations.covariates.size(), n * observations.features());
      !status.ok()) {
    return status;
  }
  if (absl::Status status = CheckLength("outcome", observations.outcome.size(), n); !status.ok()) {
    return status;
  }
  if (!observations.cluster.empty()) {
    if (absl::Status status = CheckLength("cluster", observations.cluster.size(), n);
        !status.ok()) {
      return status;
    }
  }
  if (!observations.randomised.empty()) {
    if (absl::Status status = CheckLength("randomised", observations.randomised.size(), n);
        !status.ok()) {
      return status;
    }
  }
  std::vector<int64_t> units(observations.arms);
  for (int64_t i = 0; i < n; ++i) {
    const int32_t arm = observations.treatment[i];
    if (arm < 0 || arm >= observations.arms) {
      return absl::InvalidArgumentError(absl::StrCat("treatment of unit ", i + 1, " is ", arm,
                                                     ", must be an arm, 0 to ",
                                                     observations.arms - 1));
    }
    ++units[arm];
  }
  if (const auto empty = std::ranges::find(units, 0); empty != units.end()) {
    return absl::InvalidArgumentError(
        absl::StrCat("arm ", empty - units.begin(),
                     " has no units: an effect needs units with and without the treatment"));
  }
  const int64_t p = observations.features();
  for (int64_t i = 0; i < n; ++i) {
    for (int64_t c = 0; c < p; ++c) {
      const double value = observations.covariates[i * p + c];
      if (!std::isfinite(value)) {
        return absl::InvalidArgumentError(
            absl::StrCat("covariate ", observations.covariate_names[c], " of unit ", i + 1, " is ",
                         value, ", not a finite number"));
      }
    }
  }
  if (absl::Status status = CheckFinite("outcome", observations.outcome); !status.ok()) {
    return status;
  }
  if (observations.binary_outcome) {
    for (int64_t i = 0; i < n; ++i) {
      if (observations.outcome[i] != 0 && observations.outcome[i] != 1) {
        return absl::InvalidArgumentError(absl::StrCat("outcome of unit ", i + 1, " is ",
                                                       observations.outcome[i],
                                                       ", must be 0 or 1: it is binary"));
      }
    }
  }
  return observations.truth.has_value() ? CheckTruth(observations) : absl::OkStatus();
}

Observations Select(const Observations& observations, std::span<const int32_t> rows) {
  for (const int32_t row : rows) CHECK(row >= 0 && row < observations.size());
  const int64_t p = observations.features();
  Observations selected = {.covariate_names = observations.covariate_names,
                           .treatment = Rows(observations.treatment, rows),
                           .outcome = Rows(observations.outcome, rows),
                           .arms = observations.arms,
                           .binary_outcome = observations.binary_outcome,
                           .cluster = Rows(observations.cluster, rows),
                           .randomised = Rows(observations.randomised, rows)};
  selected.covariates.reserve(rows.size() * p);
  for (const int32_t row : rows) {
    const auto begin = observations.covariates.begin() + row * p;
    selected.covariates.insert(selected.covariates.end(), begin, begin + p);
  }
  if (observations.truth.has_value()) {
    Truth& truth = selected.truth.emplace();
    for (const auto& arm : observations.truth->mean_outcome) {
      truth.mean_outcome.push_back(Rows(arm, rows));
    }
    for (const auto& arm : observations.truth->propensity) {
      truth.propensity.push_back(Rows(arm, rows));
    }
  }
  return selected;
}

}  // namespace perennial::causal
