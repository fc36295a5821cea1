#include "causal/data/lalonde.h"

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "causal/data/covariate_columns.h"
#include "common/base/runfiles.h"
#include "common/base/status_macros.h"
#include "common/data/csv.h"
#include "common/data/stata.h"

namespace perennial::causal {
namespace {

constexpr const char* kCovariates[] = {"age",  "educ",     "black", "hisp",
                                       "marr", "nodegree", "re74",  "re75"};

// Not validated: the survey has no treated.
absl::StatusOr<Observations> ReadRows(const data::CsvTable& table) {
  Observations observations;
  CovariateColumns columns(table.rows());
  for (const char* name : kCovariates) {
    PERENNIAL_RETURN_IF_ERROR(columns.AddNumbers(table, name));
  }
  columns.MoveTo(observations);
  PERENNIAL_ASSIGN_OR_RETURN(observations.treatment, ReadArms(table, "treat"));
  PERENNIAL_ASSIGN_OR_RETURN(const std::span<const double> earnings, table.Numbers("re78"));
  observations.outcome.assign(earnings.begin(), earnings.end());
  return observations;
}

absl::StatusOr<Observations> Read(const std::string& path, const char* runfile,
                                  std::string& where) {
  where = path;
  if (path.empty()) {
    PERENNIAL_ASSIGN_OR_RETURN(where, base::FindRunfile(absl::StrCat("causaldata/", runfile)));
  }
  PERENNIAL_ASSIGN_OR_RETURN(const data::CsvTable table, data::ReadStata(where));
  absl::StatusOr<Observations> observations = ReadRows(table);
  if (!observations.ok()) return base::WithContext(observations.status(), where);
  return observations;
}

std::vector<int32_t> RowsOfArm(const Observations& observations, int arm) {
  std::vector<int32_t> rows;
  for (int64_t i = 0; i < observations.size(); ++i) {
    if (observations.treatment[i] == arm) rows.push_back(static_cast<int32_t>(i));
  }
  return rows;
}

template <typename Element>
void Append(std::vector<Element>& to, const std::vector<Element>& more) {
  to.insert(to.end(), more.begin(), more.end());
}

// Each arm has at least two units.
DifferenceOfMeans Difference(const Observations& observations) {
  double mean[2], variance_of_mean[2];
  for (const int arm : {0, 1}) {
    const std::vector<int32_t> rows = RowsOfArm(observations, arm);
    const auto n = static_cast<double>(rows.size());
    double sum = 0;
    for (const int32_t row : rows) sum += observations.outcome[row];
    mean[arm] = sum / n;
    double squares = 0;
    for (const int32_t row : rows) squares += std::pow(observations.outcome[row] - mean[arm], 2);
    variance_of_mean[arm] = squares / (n - 1) / n;
  }
  return {.effect = mean[1] - mean[0],
          .standard_error = std::sqrt(variance_of_mean[0] + variance_of_mean[1])};
}

}  // namespace

absl::StatusOr<Lalonde> LoadLalonde(const LalondeConfig& config) {
  Lalonde lalonde;
  std::string path;
  PERENNIAL_ASSIGN_OR_RETURN(lalonde.experiment,
                             Read(config.experiment_path, "nsw_mixtape.dta", path));
  for (const int arm : {0, 1}) {
    const size_t units = RowsOfArm(lalonde.experiment, arm).size();
    if (units < 2) {
      return absl::InvalidArgumentError(
          absl::StrCat(path, ": arm ", arm, " has ", units, " units, must have at least 2"));
    }
  }
  if (absl::Status status = Validate(lalonde.experiment); !status.ok()) {
    return base::WithContext(status, path);
  }
  lalonde.benchmark = Difference(lalonde.experiment);

  PERENNIAL_ASSIGN_OR_RETURN(const Observations all,
                             Read(config.survey_path, "cps_mixtape.dta", path));
  const Observations controls = Select(all, RowsOfArm(all, 0));
  lalonde.survey = Select(lalonde.experiment, RowsOfArm(lalonde.experiment, 1));
  Append(lalonde.survey.covariates, controls.covariates);
  Append(lalonde.survey.treatment, controls.treatment);
  Append(lalonde.survey.outcome, controls.outcome);
  if (absl::Status status = Validate(lalonde.survey); !status.ok()) {
    return base::WithContext(status, path);
  }
  return lalonde;
}

}  // namespace perennial::causal
