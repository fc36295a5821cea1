// Covariates of a table, column by column: numbers as they are, categories as indicators.
//
//   CovariateColumns columns(table.rows());
//   PERENNIAL_RETURN_IF_ERROR(columns.AddNumbers(table, "age"));
//   PERENNIAL_RETURN_IF_ERROR(columns.AddIndicators(table, "site", Levels::kAll));
//   columns.MoveTo(observations);  // age, site=Bern, site=Oslo
//
// Errors name the table's column: NotFound with the nearest name, InvalidArgument for a type that
// does not fit. A missing value is NaN, in all indicators of its column; see CompleteRows.
#ifndef PERENNIAL_CAUSAL_DATA_COVARIATE_COLUMNS_H_
#define PERENNIAL_CAUSAL_DATA_COVARIATE_COLUMNS_H_

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "causal/data/observations.h"
#include "common/data/csv.h"

namespace perennial::causal {

enum class Levels {
  kAll,           // One indicator a level: they add up to 1.
  kWithoutFirst,  // All but the first one, as linear models with an intercept want it.
};

class CovariateColumns {
 public:
  explicit CovariateColumns(int64_t rows) : rows_(rows) {}

  // Values of all rows.
  void Add(std::string name, std::span<const double> values);

  absl::Status AddNumbers(const data::CsvTable& table, absl::string_view name);

  // An indicator "<name>=<level>" for each level, in ascending order; at most 1000. The column
  // holds text or numbers.
  absl::Status AddIndicators(const data::CsvTable& table, absl::string_view name, Levels levels);

  // Fills covariate_names and covariates.
  void MoveTo(Observations& observations);

 private:
  int64_t rows_;
  std::vector<std::string> names_;
  std::vector<std::vector<double>> columns_;
};

// A column of 0 and 1 as arms.
absl::StatusOr<std::vector<int32_t>> ReadArms(const data::CsvTable& table, absl::string_view name);

// The rows whose covariates and outcome are all finite.
std::vector<int32_t> CompleteRows(const Observations& observations);

}  // namespace perennial::causal

#endif  // PERENNIAL_CAUSAL_DATA_COVARIATE_COLUMNS_H_
