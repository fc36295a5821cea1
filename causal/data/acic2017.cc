#include "causal/data/acic2017.h"

#include <algorithm>
#include <cmath>
#include <span>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "causal/data/logit.h"
#include "causal/data/simulation.h"
#include "common/base/logging.h"
#include "common/base/status_macros.h"
#include "common/stats/normal.h"

namespace perennial::causal {
namespace {

double Mean(std::span<const double> values) {
  double sum = 0;
  for (const double value : values) sum += value;
  return sum / static_cast<double>(values.size());
}

// Squared deviations from the mean, added up.
double Scatter(std::span<const double> values) {
  const double mean = Mean(values);
  double sum = 0;
  for (const double value : values) sum += (value - mean) * (value - mean);
  return sum;
}

// With n - 1, as R has it.
double Variance(std::span<const double> values) {
  return Scatter(values) / static_cast<double>(values.size() - 1);
}

std::vector<double> BoxCox(std::span<const double> logs, double lambda) {
  std::vector<double> transformed(logs.begin(), logs.end());
  if (lambda != 0) {
    for (double& value : transformed) value = std::expm1(lambda * value) / lambda;
  }
  return transformed;
}

// The lambda in [-8, 8] of greatest profile likelihood (Box & Cox 1964, equation 8 up to
// constants): a coarse grid, and golden sections around its best point.
double BestLambda(std::span<const double> logs) {
  const double n = static_cast<double>(logs.size());
  const double sum = Mean(logs) * n;
  const auto badness = [&](double lambda) {
    return n * std::log(Scatter(BoxCox(logs, lambda)) / n) - 2 * lambda * sum;
  };
  double best = 0;
  double least = badness(0);
  for (int step = -32; step <= 32; ++step) {
    const double value = badness(0.25 * step);
    if (value < least) {
      best = 0.25 * step;
      least = value;
    }
  }
  double low = std::max(best - 0.25, -8.0);
  double high = std::min(best + 0.25, 8.0);
  const double ratio = (std::sqrt(5.0) - 1) / 2;
  double left = high - ratio * (high - low);
  double right = low + ratio * (high - low);
  double at_left = badness(left);
  double at_right = badness(right);
  while (high - low > 1e-9) {
    if (at_left < at_right) {
      high = right;
      right = left;
      at_right = at_left;
      left = high - ratio * (high - low);
      at_left = badness(left);
    } else {
      low = left;
      left = right;
      at_left = at_right;
      right = low + ratio * (high - low);
      at_right = badness(right);
    }
  }
  return (low + high) / 2;
}

absl::Status CheckCounts(absl::string_view name, std::span<const double> values) {
  for (size_t i = 0; i < values.size(); ++i) {
    if (!(values[i] >= 0 && std::isfinite(values[i]))) {
      return absl::InvalidArgumentError(absl::StrCat(name, " of unit ", i + 1, " is ", values[i],
                                                     ", must be a number and not negative"));
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<double>> Standardised(absl::string_view name,
                                                 std::span<const double> counts) {
  PERENNIAL_RETURN_IF_ERROR(CheckCounts(name, counts));
  const double shift = std::ranges::find(counts, 0.0) != counts.end() ? 1 : 0;
  std::vector<double> logs;
  for (const double count : counts) logs.push_back(std::log(count + shift));
  if (std::ranges::min(logs) == std::ranges::max(logs)) {
    return absl::InvalidArgumentError(absl::StrCat(name, " is constant: all are ", counts[0]));
  }
  std::vector<double> values = BoxCox(logs, BestLambda(logs));
  const double mean = Mean(values);
  const double sd = std::sqrt(Variance(values));
  for (double& value : values) value = (value - mean) / sd;
  return values;
}

absl::Status CheckLevels(absl::string_view name, std::span<const int32_t> levels, int count) {
  for (size_t i = 0; i < levels.size(); ++i) {
    if (levels[i] < 0 || levels[i] >= count) {
      return absl::InvalidArgumentError(absl::StrCat(name, " of unit ", i + 1, " is level ",
                                                     levels[i], ", must be from 0 to ", count - 1));
    }
  }
  return absl::OkStatus();
}

absl::Status CheckLength(absl::string_view name, size_t length, size_t expected) {
  if (length == expected) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat(name, " has ", length, " units, but x1 has ", expected));
}

absl::StatusOr<std::vector<uint8_t>> IsZero(absl::string_view name,
                                            std::span<const double> values) {
  PERENNIAL_RETURN_IF_ERROR(CheckCounts(name, values));
  std::vector<uint8_t> zero;
  for (const double value : values) zero.push_back(value == 0);
  return zero;
}

}  // namespace

Acic2017Config Acic2017Setting(int number) {
  CHECK(number >= 1 && number <= 32) << "number = " << number;
  const int index = number - 1;
  return {.error = static_cast<Acic2017Error>(index / 8),
          .large_effect = (index & 4) != 0,
          .high_noise = (index & 2) != 0,
          .strong_confounding = (index & 1) != 0};
}

absl::StatusOr<Acic2017Columns> Acic2017Prepare(const Acic2017Raw& raw) {
  const size_t n = raw.x1.size();
  if (n < 3) return absl::InvalidArgumentError(absl::StrCat(n, " units, at least 3 are needed"));
  PERENNIAL_RETURN_IF_ERROR(CheckLength("x43", raw.x43.size(), n));
  PERENNIAL_RETURN_IF_ERROR(CheckLength("x3", raw.x3.size(), n));
  PERENNIAL_RETURN_IF_ERROR(CheckLength("x10", raw.x10.size(), n));
  PERENNIAL_RETURN_IF_ERROR(CheckLength("x14", raw.x14.size(), n));
  PERENNIAL_RETURN_IF_ERROR(CheckLength("x15", raw.x15.size(), n));
  PERENNIAL_RETURN_IF_ERROR(CheckLength("x21", raw.x21.size(), n));
  PERENNIAL_RETURN_IF_ERROR(CheckLength("x24", raw.x24.size(), n));
  PERENNIAL_RETURN_IF_ERROR(CheckLevels("x21", raw.x21, kAcic2017Groups));
  PERENNIAL_RETURN_IF_ERROR(CheckLevels("x24", raw.x24, 5));
  Acic2017Columns columns = {.x21 = raw.x21};
  PERENNIAL_ASSIGN_OR_RETURN(columns.x1, Standardised("x1", raw.x1));
  PERENNIAL_ASSIGN_OR_RETURN(columns.x43, Standardised("x43", raw.x43));
  PERENNIAL_ASSIGN_OR_RETURN(columns.i3, IsZero("x3", raw.x3));
  PERENNIAL_ASSIGN_OR_RETURN(columns.i10, IsZero("x10", raw.x10));
  PERENNIAL_ASSIGN_OR_RETURN(columns.i14, IsZero("x14", raw.x14));
  PERENNIAL_ASSIGN_OR_RETURN(columns.i15, IsZero("x15", raw.x15));
  for (const int32_t level : raw.x24) columns.x24_is_b.push_back(level == 1);
  return columns;
}

Acic2017Columns SimulateAcic2017Columns(int64_t n, random::Stream stream) {
  Acic2017Columns columns;
  for (int64_t i = 0; i < n; ++i) {
    columns.x1.push_back(stream.Normal());
    columns.x43.push_back(stream.Normal());
    columns.i3.push_back(stream.Uniform() < 0.5);
    columns.i10.push_back(stream.Uniform() < 0.9);
    columns.i14.push_back(stream.Uniform() < 0.85);
    columns.i15.push_back(stream.Uniform() < 0.65);
    columns.x21.push_back(static_cast<int32_t>(stream.Below(kAcic2017Groups)));
    columns.x24_is_b.push_back(stream.Uniform() < 0.25);
  }
  return columns;
}

absl::StatusOr<Acic2017Surfaces> Acic2017At(const Acic2017Config& config,
                                            const Acic2017Columns& columns) {
  const size_t n = columns.x1.size();
  if (n < 2) return absl::InvalidArgumentError(absl::StrCat(n, " units, at least 2 are needed"));
  PERENNIAL_RETURN_IF_ERROR(CheckLength("x43", columns.x43.size(), n));
  PERENNIAL_RETURN_IF_ERROR(CheckLength("i3", columns.i3.size(), n));
  PERENNIAL_RETURN_IF_ERROR(CheckLength("i10", columns.i10.size(), n));
  PERENNIAL_RETURN_IF_ERROR(CheckLength("i14", columns.i14.size(), n));
  PERENNIAL_RETURN_IF_ERROR(CheckLength("i15", columns.i15.size(), n));
  PERENNIAL_RETURN_IF_ERROR(CheckLength("x21", columns.x21.size(), n));
  PERENNIAL_RETURN_IF_ERROR(CheckLength("x24_is_b", columns.x24_is_b.size(), n));
  PERENNIAL_RETURN_IF_ERROR(CheckLevels("x21", columns.x21, kAcic2017Groups));
  const double b0 = config.strong_confounding ? -1 : 0;
  const double b1 = config.strong_confounding ? 3 : 0.5;
  const double delta = config.large_effect ? 2 : 1.0 / 3;
  Acic2017Surfaces at = {.propensity = std::vector<double>(n),
                         .linear_mean = std::vector<double>(n),
                         .linear_effect = std::vector<double>(n)};
  std::vector<double> middle(n);  // mu + e alpha
  for (size_t i = 0; i < n; ++i) {
    const double logit = -(b0 + b1 * (columns.x1[i] + columns.x43[i] + 0.3 * columns.i10[i]));
    // Beyond, 1 - e would lose all its digits.
    if (!(std::abs(logit) <= 36)) {
      return absl::InvalidArgumentError(absl::StrCat(
          "x1 and x43 of unit ", i + 1, " are ", columns.x1[i], " and ", columns.x43[i],
          ": its propensity is no longer between 0 and 1; the columns "
          "must be standardised"));
    }
    at.propensity[i] = Sigmoid(logit);
    // The quantile of the smaller tail, which has more digits.
    const double z = logit <= 0 ? stats::NormalQuantile(Sigmoid(logit))
                                : -stats::NormalQuantile(Sigmoid(-logit));
    at.linear_mean[i] = -std::sin(z) + columns.x43[i];
    at.linear_effect[i] =
        delta * (columns.i3[i] * columns.x24_is_b[i] + columns.i14[i] - columns.i15[i]);
    middle[i] = at.linear_mean[i] + at.propensity[i] * at.linear_effect[i];
  }
  const double variance = Variance(middle);
  at.noise_sd = (config.high_noise ? 1.25 : 0.25) * std::sqrt(variance);
  at.center = Mean(middle);
  at.spread = 1.25 * std::sqrt(at.noise_sd * at.noise_sd + variance);
  at.mean_outcome.assign(2, std::vector<double>(n));
  for (int arm = 0; arm < 2; ++arm) {
    for (size_t i = 0; i < n; ++i) {
      double mean = at.linear_mean[i] + arm * at.linear_effect[i];
      if (config.error == Acic2017Error::kNonadditive) {
        mean = 13 * stats::NormalCdf((mean - at.center) / std::hypot(at.spread, at.noise_sd)) - 6;
      }
      at.mean_outcome[arm][i] = mean;
    }
  }
  return at;
}

absl::StatusOr<Observations> Acic2017(const Acic2017Config& config, const Acic2017Columns& columns,
                                      const Acic2017Covariates& covariates,
                                      const random::Stream& stream) {
  PERENNIAL_ASSIGN_OR_RETURN(Acic2017Surfaces at, Acic2017At(config, columns));
  const size_t n = columns.x1.size();
  Observations sample = {.covariate_names = covariates.names, .covariates = covariates.values};
  if (covariates.names.empty()) {
    sample.covariate_names = {"x1", "x43", "x3=0", "x10=0", "x14=0", "x15=0", "x24=B"};
    for (int level = 0; level < kAcic2017Groups; ++level) {
      sample.covariate_names.push_back(
          absl::StrCat("x21=", std::string(1, static_cast<char>('A' + level))));
    }
    sample.covariates.clear();
    for (size_t i = 0; i < n; ++i) {
      for (const double value :
           {columns.x1[i], columns.x43[i], 1.0 * columns.i3[i], 1.0 * columns.i10[i],
            1.0 * columns.i14[i], 1.0 * columns.i15[i], 1.0 * columns.x24_is_b[i]}) {
        sample.covariates.push_back(value);
      }
      for (int level = 0; level < kAcic2017Groups; ++level) {
        sample.covariates.push_back(columns.x21[i] == level);
      }
    }
  }
  std::vector<double> control(n);
  for (size_t i = 0; i < n; ++i) control[i] = 1 - at.propensity[i];
  Truth& truth = sample.truth.emplace();
  truth.mean_outcome = std::move(at.mean_outcome);
  truth.propensity = {std::move(control), std::move(at.propensity)};
  sample.treatment = DrawArms(truth.propensity, stream.Split("treatment"));

  const bool grouped = config.error == Acic2017Error::kGroupCorrelated;
  const bool heteroskedastic = config.error == Acic2017Error::kHeteroskedastic;
  random::Stream group_stream = stream.Split("groups");
  std::vector<double> group_effect(kAcic2017Groups);
  for (double& effect : group_effect) effect = 0.1 * at.noise_sd * group_stream.Normal();
  random::Stream noise = stream.Split("outcome");
  random::Stream last = stream.Split("nonadditive");
  sample.outcome.resize(n);
  for (size_t i = 0; i < n; ++i) {
    const int32_t group = columns.x21[i];
    const double scale = grouped           ? 0.9
                         : heteroskedastic ? 0.4 + group * (1.0 / (kAcic2017Groups - 1))
                                           : 1.0;
    double y = at.linear_mean[i] + sample.treatment[i] * at.linear_effect[i] +
               scale * at.noise_sd * noise.Normal();
    if (grouped) y += group_effect[group];
    if (config.error == Acic2017Error::kNonadditive) {
      y = 13 * stats::NormalCdf((y - at.center) / at.spread) - 6 + 0.01 * last.Normal();
    }
    sample.outcome[i] = y;
  }
  if (grouped) sample.cluster = columns.x21;
  return Validated(std::move(sample));
}

}  // namespace perennial::causal
