#include "causal/data/nhefs.h"

#include <cstdint>
#include <span>
#include <utility>

#include "causal/data/simulation.h"
#include "common/base/runfiles.h"
#include "common/base/status_macros.h"
#include "common/data/csv.h"

namespace perennial::causal {
namespace {

struct Covariate {
  const char* name;
  bool has_levels;
};
constexpr Covariate kCovariates[] = {
    {"sex", false},      {"race", false},           {"age", false},
    {"education", true}, {"smokeintensity", false}, {"smokeyrs", false},
    {"exercise", true},  {"active", true},          {"wt71", false}};

absl::StatusOr<Observations> Load(const data::CsvTable& table, Levels levels) {
  Observations observations;
  CovariateColumns columns(table.rows());
  for (const Covariate& covariate : kCovariates) {
    PERENNIAL_RETURN_IF_ERROR(covariate.has_levels
                                  ? columns.AddIndicators(table, covariate.name, levels)
                                  : columns.AddNumbers(table, covariate.name));
  }
  columns.MoveTo(observations);
  PERENNIAL_ASSIGN_OR_RETURN(observations.treatment, ReadArms(table, "qsmk"));
  PERENNIAL_ASSIGN_OR_RETURN(const std::span<const double> gain, table.Numbers("wt82_71"));
  observations.outcome.assign(gain.begin(), gain.end());
  return Validated(Select(observations, CompleteRows(observations)));
}

}  // namespace

absl::StatusOr<Observations> LoadNhefs(const NhefsConfig& config) {
  std::string path = config.path;
  if (path.empty()) {
    PERENNIAL_ASSIGN_OR_RETURN(path, base::FindRunfile("causallib/nhefs/NHEFS.csv"));
  }
  PERENNIAL_ASSIGN_OR_RETURN(const data::CsvTable table, data::ReadCsv(path));
  absl::StatusOr<Observations> observations = Load(table, config.levels);
  if (!observations.ok()) return base::WithContext(observations.status(), path);
  return observations;
}

}  // namespace perennial::causal
