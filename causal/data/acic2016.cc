#include "causal/data/acic2016.h"

#include <cstdint>
#include <span>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "causal/data/simulation.h"
#include "common/base/file_io.h"
#include "common/base/runfiles.h"
#include "common/base/status_macros.h"
#include "common/data/csv.h"

namespace perennial::causal {
namespace {

absl::StatusOr<std::string> Locate(const std::string& folder, const std::string& name) {
  if (!folder.empty()) return base::JoinPath(folder, name);
  return base::FindRunfile(absl::StrCat("causallib/acic_challenge_2016/", name));
}

absl::StatusOr<Observations> Load(const data::CsvTable& x, const data::CsvTable& z, Levels levels) {
  if (x.rows() != z.rows()) {
    return absl::InvalidArgumentError(
        absl::StrCat(z.rows(), " rows, but x.csv beside it has ", x.rows()));
  }
  Observations observations;
  CovariateColumns columns(x.rows());
  for (const data::CsvColumn& column : x.columns()) {
    PERENNIAL_RETURN_IF_ERROR(column.type == data::CsvType::kText
                                  ? columns.AddIndicators(x, column.name, levels)
                                  : columns.AddNumbers(x, column.name));
  }
  columns.MoveTo(observations);
  PERENNIAL_ASSIGN_OR_RETURN(observations.treatment, ReadArms(z, "z"));
  std::span<const double> outcome[2];
  Truth& truth = observations.truth.emplace();
  for (const int arm : {0, 1}) {
    PERENNIAL_ASSIGN_OR_RETURN(outcome[arm], z.Numbers(absl::StrCat("y", arm)));
    PERENNIAL_ASSIGN_OR_RETURN(const std::span<const double> mean,
                               z.Numbers(absl::StrCat("mu", arm)));
    truth.mean_outcome.emplace_back(mean.begin(), mean.end());
  }
  for (int64_t i = 0; i < observations.size(); ++i) {
    observations.outcome.push_back(outcome[observations.treatment[i]][i]);
  }
  return Validated(std::move(observations));
}

}  // namespace

absl::StatusOr<Observations> LoadAcic2016(const Acic2016Config& config) {
  if (config.folder.empty() && (config.set < 1 || config.set > 10)) {
    return absl::InvalidArgumentError(
        absl::StrCat("set ", config.set, " of ACIC 2016: there are 1 to 10"));
  }
  PERENNIAL_ASSIGN_OR_RETURN(const std::string x_path, Locate(config.folder, "x.csv"));
  PERENNIAL_ASSIGN_OR_RETURN(const std::string z_path,
                             Locate(config.folder, absl::StrCat("zymu_", config.set, ".csv")));
  PERENNIAL_ASSIGN_OR_RETURN(const data::CsvTable x, data::ReadCsv(x_path));
  PERENNIAL_ASSIGN_OR_RETURN(const data::CsvTable z, data::ReadCsv(z_path));
  absl::StatusOr<Observations> observations = Load(x, z, config.levels);
  if (!observations.ok()) return base::WithContext(observations.status(), z_path);
  return observations;
}

}  // namespace perennial::causal
