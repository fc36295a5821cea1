#include "causal/data/covariate_columns.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <numeric>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/base/excerpt.h"
#include "common/base/logging.h"
#include "common/base/status_macros.h"

namespace perennial::causal {
namespace {

constexpr size_t kMaxLevels = 1000;

// The level of each row, -1 if missing, and the levels' texts in ascending order.
struct Coded {
  std::vector<std::string> levels;
  std::vector<int32_t> codes;
};

Coded CodedText(const data::CsvColumn& column) {
  std::vector<int32_t> order(column.categories.size());
  std::iota(order.begin(), order.end(), 0);
  std::ranges::sort(order, {}, [&](int32_t category) { return column.categories[category]; });
  Coded coded;
  std::vector<int32_t> rank(order.size());
  for (size_t level = 0; level < order.size(); ++level) {
    rank[order[level]] = static_cast<int32_t>(level);
    coded.levels.push_back(column.categories[order[level]]);
  }
  coded.codes.reserve(column.codes.size());
  for (const int32_t code : column.codes) coded.codes.push_back(code < 0 ? -1 : rank[code]);
  return coded;
}

Coded CodedNumbers(const data::CsvColumn& column) {
  std::vector<double> values;
  for (const double value : column.numbers) {
    if (!std::isnan(value)) values.push_back(value);
  }
  std::ranges::sort(values);
  const auto repeated = std::ranges::unique(values);
  values.erase(repeated.begin(), repeated.end());
  Coded coded;
  for (const double value : values) coded.levels.push_back(absl::StrCat(value));
  coded.codes.reserve(column.numbers.size());
  for (const double value : column.numbers) {
    coded.codes.push_back(
        std::isnan(value)
            ? -1
            : static_cast<int32_t>(std::ranges::lower_bound(values, value) - values.begin()));
  }
  return coded;
}

}  // namespace

void CovariateColumns::Add(std::string name, std::span<const double> values) {
  CHECK_EQ(static_cast<int64_t>(values.size()), rows_) << name;
  names_.push_back(std::move(name));
  columns_.emplace_back(values.begin(), values.end());
}

absl::Status CovariateColumns::AddNumbers(const data::CsvTable& table, absl::string_view name) {
  PERENNIAL_ASSIGN_OR_RETURN(const std::span<const double> values, table.Numbers(name));
  Add(std::string(name), values);
  return absl::OkStatus();
}

absl::Status CovariateColumns::AddIndicators(const data::CsvTable& table, absl::string_view name,
                                             Levels levels) {
  PERENNIAL_ASSIGN_OR_RETURN(const data::CsvColumn* column, table.Column(name));
  if (column->type == data::CsvType::kBoolean) {
    return absl::InvalidArgumentError(
        absl::StrCat("column ", base::Excerpt(name), " holds booleans, not categories"));
  }
  const Coded coded =
      column->type == data::CsvType::kText ? CodedText(*column) : CodedNumbers(*column);
  if (coded.levels.size() > kMaxLevels) {
    return absl::InvalidArgumentError(absl::StrCat("column ", base::Excerpt(name), " has ",
                                                   coded.levels.size(), " levels, more than ",
                                                   kMaxLevels, ": it is no category"));
  }
  constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
  for (size_t level = levels == Levels::kAll ? 0 : 1; level < coded.levels.size(); ++level) {
    std::vector<double> indicator;
    indicator.reserve(rows_);
    for (const int32_t code : coded.codes) {
      indicator.push_back(code < 0 ? kNan : static_cast<double>(code == static_cast<int>(level)));
    }
    Add(absl::StrCat(name, "=", coded.levels[level]), indicator);
  }
  return absl::OkStatus();
}

void CovariateColumns::MoveTo(Observations& observations) {
  const size_t p = columns_.size();
  observations.covariates.resize(rows_ * p);
  for (size_t c = 0; c < p; ++c) {
    for (int64_t i = 0; i < rows_; ++i) observations.covariates[i * p + c] = columns_[c][i];
  }
  observations.covariate_names = std::move(names_);
  names_.clear();
  columns_.clear();
}

absl::StatusOr<std::vector<int32_t>> ReadArms(const data::CsvTable& table, absl::string_view name) {
  PERENNIAL_ASSIGN_OR_RETURN(const std::span<const double> values, table.Numbers(name));
  std::vector<int32_t> arms;
  arms.reserve(values.size());
  for (size_t i = 0; i < values.size(); ++i) {
    if (values[i] != 0 && values[i] != 1) {
      return absl::InvalidArgumentError(absl::StrCat("column ", base::Excerpt(name), ": row ",
                                                     i + 1, " is ", values[i],
                                                     ", must be 0 (control) or 1 (treated)"));
    }
    arms.push_back(values[i] == 1);
  }
  return arms;
}

std::vector<int32_t> CompleteRows(const Observations& observations) {
  const int64_t p = observations.features();
  std::vector<int32_t> rows;
  for (int64_t i = 0; i < observations.size(); ++i) {
    const std::span<const double> row =
        std::span(observations.covariates).subspan(i * p, static_cast<size_t>(p));
    if (std::isfinite(observations.outcome[i]) &&
        std::ranges::all_of(row, [](double value) { return std::isfinite(value); })) {
      rows.push_back(static_cast<int32_t>(i));
    }
  }
  return rows;
}

}  // namespace perennial::causal
