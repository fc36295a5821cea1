#include "causal/diagnostics/covariate_balance.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "common/base/logging.h"
#include "common/base/status_macros.h"

namespace perennial::causal {
namespace {

// A column of one sample; weights are 1 where none are given.
struct Column {
  std::vector<std::pair<double, double>> value_and_weight;  // sorted by value

  double total = 0;
  double mean = 0;
  std::optional<double> plain_variance;
  std::optional<double> variance;
};

Column ColumnOf(kernels::MatrixView<const double> x, int64_t j, std::span<const int64_t> rows,
                std::span<const double> weights) {
  Column column;
  double plain_mean = 0;
  double squares_of_weights = 0;
  int64_t weighted = 0;
  for (const int64_t i : rows) {
    const double w = weights.empty() ? 1 : weights[i];
    column.value_and_weight.push_back({x(i, j), w});
    column.total += w;
    column.mean += w * x(i, j);
    squares_of_weights += w * w;
    plain_mean += x(i, j);
    weighted += w > 0 ? 1 : 0;
  }
  const double n = static_cast<double>(rows.size());
  plain_mean /= n;
  column.mean /= column.total;
  std::ranges::sort(column.value_and_weight);
  const auto [least, greatest] =
      std::pair(column.value_and_weight.front().first, column.value_and_weight.back().first);
  // Without rounding where the values are all equal.
  if (least == greatest) column.mean = plain_mean = least;
  double plain = 0;
  double squares = 0;
  for (const auto& [value, w] : column.value_and_weight) {
    plain += (value - plain_mean) * (value - plain_mean);
    squares += w * (value - column.mean) * (value - column.mean);
  }
  if (rows.size() > 1) column.plain_variance = plain / (n - 1);
  if (weighted > 1) column.variance = squares / (column.total - squares_of_weights / column.total);
  return column;
}

double KolmogorovSmirnov(const Column& a, const Column& b) {
  double greatest = 0;
  double below_a = 0;
  double below_b = 0;
  size_t i = 0;
  size_t j = 0;
  const auto& as = a.value_and_weight;
  const auto& bs = b.value_and_weight;
  while (i < as.size() && j < bs.size()) {
    // Both functions step over all values equal to the least that is left, then are compared.
    const double least = std::min(as[i].first, bs[j].first);
    for (; i < as.size() && as[i].first == least; ++i) below_a += as[i].second;
    for (; j < bs.size() && bs[j].first == least; ++j) below_b += bs[j].second;
    greatest = std::max(greatest, std::abs(below_a / a.total - below_b / b.total));
  }
  return std::min(greatest, 1.0);
}

// Of columns that messages call `what`, counted from `first`.
absl::StatusOr<std::vector<Balance>> BalanceOf(kernels::MatrixView<const double> x,
                                               std::span<const int32_t> treatment, int arm,
                                               std::span<const double> weights,
                                               absl::string_view what, int64_t first) {
  CHECK_GE(arm, 1);
  if (static_cast<int64_t>(treatment.size()) != x.rows ||
      (!weights.empty() && weights.size() != treatment.size())) {
    return absl::InvalidArgumentError(absl::StrCat("there are ", what, "s of ", x.rows, " units, ",
                                                   treatment.size(), " treatments and ",
                                                   weights.size(), " weights"));
  }
  std::vector<int64_t> rows[2];
  double total[2] = {0, 0};
  for (int64_t i = 0; i < x.rows; ++i) {
    if (treatment[i] != 0 && treatment[i] != arm) continue;
    for (int64_t j = 0; j < x.columns; ++j) {
      if (!std::isfinite(x(i, j))) {
        return absl::InvalidArgumentError(absl::StrCat(what, " ", first + j, " of unit ", i + 1,
                                                       " is ", x(i, j), ", not a finite number"));
      }
    }
    const double w = weights.empty() ? 1 : weights[i];
    if (!(w >= 0 && std::isfinite(w))) {
      return absl::InvalidArgumentError(absl::StrCat("the weight of unit ", i + 1, " is ", w,
                                                     "; it must be a finite number, 0 or more"));
    }
    const int group = treatment[i] == 0 ? 0 : 1;
    rows[group].push_back(i);
    total[group] += w;
  }
  for (const int group : {0, 1}) {
    if (total[group] > 0 && std::isfinite(total[group])) continue;
    return absl::InvalidArgumentError(absl::StrCat("arm ", group == 0 ? 0 : arm, " has ",
                                                   rows[group].size(), " units of weight ",
                                                   total[group], " together"));
  }
  std::vector<Balance> balances;
  for (int64_t j = 0; j < x.columns; ++j) {
    const Column control = ColumnOf(x, j, rows[0], weights);
    const Column treated = ColumnOf(x, j, rows[1], weights);
    Balance balance = {.treated_mean = treated.mean,
                       .control_mean = control.mean,
                       .kolmogorov_smirnov = KolmogorovSmirnov(treated, control)};
    const double difference = treated.mean - control.mean;
    if (treated.plain_variance.has_value() && control.plain_variance.has_value()) {
      const double pooled = (*treated.plain_variance + *control.plain_variance) / 2;
      if (pooled > 0) {
        balance.standardized_difference = difference / std::sqrt(pooled);
      } else if (difference == 0) {
        balance.standardized_difference = 0;
      }
    }
    if (treated.variance.has_value() && control.variance.has_value() && *control.variance > 0) {
      balance.variance_ratio = *treated.variance / *control.variance;
    }
    balances.push_back(balance);
  }
  return balances;
}

}  // namespace

absl::StatusOr<std::vector<Balance>> CovariateBalance(kernels::MatrixView<const double> x,
                                                      std::span<const int32_t> treatment, int arm,
                                                      std::span<const double> weights) {
  return BalanceOf(x, treatment, arm, weights, "covariate", 1);
}

absl::StatusOr<std::vector<Balance>> RepresentationBalance(std::span<const float> features,
                                                           std::span<const int32_t> treatment,
                                                           int arm,
                                                           std::span<const double> weights) {
  constexpr int64_t kColumns = 8;
  std::vector<Balance> balances;
  const int64_t n = std::ssize(treatment);
  const int64_t width = n == 0 ? 0 : std::ssize(features) / n;
  if (n * width != std::ssize(features)) {
    return absl::InvalidArgumentError(
        absl::StrCat("there are ", features.size(), " features of ", n, " units"));
  }
  std::vector<double> columns(n * std::min(kColumns, width));
  for (int64_t begin = 0; begin < width; begin += kColumns) {
    const int64_t count = std::min(kColumns, width - begin);
    for (int64_t i = 0; i < n; ++i) {
      for (int64_t j = 0; j < count; ++j) {
        columns[i * count + j] = features[i * width + begin + j];
      }
    }
    PERENNIAL_ASSIGN_OR_RETURN(const std::vector<Balance> some,
                               BalanceOf({columns.data(), n, count, count}, treatment, arm, weights,
                                         "feature", begin + 1));
    balances.insert(balances.end(), some.begin(), some.end());
  }
  return balances;
}

double DifferenceOf(const Balance& balance) {
  if (balance.standardized_difference.has_value()) {
    return std::abs(*balance.standardized_difference);
  }
  return balance.treated_mean == balance.control_mean ? 0 : HUGE_VAL;
}

BalanceSummary SummaryOf(std::span<const Balance> balances) {
  BalanceSummary summary;
  double sum = 0;
  int64_t defined = 0;
  double worst = 0;
  for (size_t j = 0; j < balances.size(); ++j) {
    const double difference = DifferenceOf(balances[j]);
    summary.unbalanced += difference > kBalancedDifference ? 1 : 0;
    if (summary.worst < 0 || difference > worst) {
      summary.worst = static_cast<int64_t>(j);
      worst = difference;
    }
    if (!balances[j].standardized_difference.has_value()) continue;
    sum += difference;
    ++defined;
    summary.greatest_difference = std::max(summary.greatest_difference, difference);
  }
  if (defined > 0) summary.mean_difference = sum / static_cast<double>(defined);
  return summary;
}

}  // namespace perennial::causal
