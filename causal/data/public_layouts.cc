#include "causal/data/public_layouts.h"

#include <cstddef>
#include <span>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "causal/data/covariate_columns.h"
#include "causal/data/simulation.h"
#include "common/base/logging.h"
#include "common/base/status_macros.h"
#include "common/data/csv.h"
#include "common/data/npz.h"

namespace perennial::causal {
namespace {

constexpr int64_t kIhdpFeatures = 25;
constexpr int64_t kMaxArrayBytes = int64_t{1} << 33;

std::string ShapeText(const std::vector<int64_t>& shape) {
  return absl::StrCat("[", absl::StrJoin(shape, ", "), "]");
}

std::vector<std::string> Names(int64_t features) {
  std::vector<std::string> names;
  for (int64_t c = 1; c <= features; ++c) names.push_back(absl::StrCat("x", c));
  return names;
}

}  // namespace

absl::StatusOr<RealisationFile> RealisationFile::Read(const std::string& path,
                                                      const std::vector<std::string>& names) {
  PERENNIAL_ASSIGN_OR_RETURN(const data::NpzFile npz, data::ReadNpz(path, kMaxArrayBytes));
  RealisationFile file;
  file.path_ = path;
  {
    PERENNIAL_ASSIGN_OR_RETURN(const data::NpyArray x, npz.Read("x", kMaxArrayBytes));
    const std::vector<int64_t>& shape = x.shape();
    if (shape.size() != 3 || x.size() == 0) {
      return absl::InvalidArgumentError(
          absl::StrCat(path, ": x has the shape ", ShapeText(shape),
                       ", must have three dimensions: units, covariates, realisations"));
    }
    file.units_ = shape[0];
    file.features_ = shape[1];
    file.realisations_ = shape[2];
    PERENNIAL_ASSIGN_OR_RETURN(file.x_, x.Read<double>());
  }
  for (const std::string& name : names) {
    PERENNIAL_ASSIGN_OR_RETURN(const data::NpyArray array, npz.Read(name, kMaxArrayBytes));
    const std::vector<int64_t> expected = {file.units_, file.realisations_};
    if (array.shape() != expected) {
      return absl::InvalidArgumentError(
          absl::StrCat(path, ": ", name, " has the shape ", ShapeText(array.shape()),
                       ", must have ", ShapeText(expected), ", the units and realisations of x"));
    }
    PERENNIAL_ASSIGN_OR_RETURN(file.columns_[name], array.Read<double>());
  }
  return file;
}

absl::Status RealisationFile::CheckRealisation(int64_t realisation) const {
  if (realisation >= 0 && realisation < realisations_) return absl::OkStatus();
  return absl::OutOfRangeError(
      absl::StrCat(path_, ": realisation ", realisation, ": there are 0 to ", realisations_ - 1));
}

std::vector<double> RealisationFile::X(int64_t realisation) const {
  CHECK(realisation >= 0 && realisation < realisations_);
  std::vector<double> x;
  x.reserve(units_ * features_);
  for (int64_t i = 0; i < units_ * features_; ++i) x.push_back(x_[i * realisations_ + realisation]);
  return x;
}

std::vector<double> RealisationFile::Column(const std::string& name, int64_t realisation) const {
  CHECK(realisation >= 0 && realisation < realisations_);
  const auto found = columns_.find(name);
  CHECK(found != columns_.end()) << name;
  std::vector<double> column;
  column.reserve(units_);
  for (int64_t i = 0; i < units_; ++i) {
    column.push_back(found->second[i * realisations_ + realisation]);
  }
  return column;
}

absl::StatusOr<std::vector<int32_t>> RealisationFile::ZeroOrOne(const std::string& name,
                                                                int64_t realisation) const {
  std::vector<int32_t> values;
  for (const double value : Column(name, realisation)) {
    if (value != 0 && value != 1) {
      return absl::InvalidArgumentError(
          absl::StrCat(name, " of unit ", values.size() + 1, " is ", value, ", must be 0 or 1"));
    }
    values.push_back(value == 1);
  }
  return values;
}

absl::StatusOr<IhdpFile> IhdpFile::Read(const std::string& path) {
  PERENNIAL_ASSIGN_OR_RETURN(RealisationFile file,
                             RealisationFile::Read(path, {"t", "yf", "ycf", "mu0", "mu1"}));
  return IhdpFile(std::move(file));
}

absl::StatusOr<Observations> IhdpFile::Realisation(int64_t realisation) const {
  PERENNIAL_RETURN_IF_ERROR(file_.CheckRealisation(realisation));
  const auto read = [&]() -> absl::StatusOr<Observations> {
    Observations observations = {.covariate_names = Names(file_.features()),
                                 .covariates = file_.X(realisation),
                                 .outcome = file_.Column("yf", realisation)};
    PERENNIAL_ASSIGN_OR_RETURN(observations.treatment, file_.ZeroOrOne("t", realisation));
    observations.truth =
        Truth{.mean_outcome = {file_.Column("mu0", realisation), file_.Column("mu1", realisation)}};
    return Validated(std::move(observations));
  };
  absl::StatusOr<Observations> observations = read();
  if (observations.ok()) return observations;
  return base::WithContext(observations.status(),
                           absl::StrCat(file_.path(), ": realisation ", realisation));
}

absl::StatusOr<Observations> ReadIhdpCsv(const std::string& path) {
  PERENNIAL_ASSIGN_OR_RETURN(const data::CsvTable table, data::ReadCsv(path, {.header = false}));
  constexpr int64_t kBefore = 5;  // t, y, ycf, mu0, mu1.
  if (table.columns().size() != kBefore + kIhdpFeatures) {
    return absl::InvalidArgumentError(absl::StrCat(
        path, ": ", table.columns().size(), " columns, must be ", kBefore + kIhdpFeatures,
        ": t, y, ycf, mu0, mu1, x1 to x25, without a header"));
  }
  const auto read = [&]() -> absl::StatusOr<Observations> {
    Observations observations;
    const std::vector<std::string> names = Names(kIhdpFeatures);
    CovariateColumns columns(table.rows());
    for (int64_t c = 0; c < kIhdpFeatures; ++c) {
      PERENNIAL_ASSIGN_OR_RETURN(const std::span<const double> values,
                                 table.Numbers(absl::StrCat("column", kBefore + 1 + c)));
      columns.Add(names[c], values);
    }
    columns.MoveTo(observations);
    PERENNIAL_ASSIGN_OR_RETURN(observations.treatment, ReadArms(table, "column1"));
    PERENNIAL_ASSIGN_OR_RETURN(const std::span<const double> outcome, table.Numbers("column2"));
    observations.outcome.assign(outcome.begin(), outcome.end());
    Truth& truth = observations.truth.emplace();
    for (const char* name : {"column4", "column5"}) {
      PERENNIAL_ASSIGN_OR_RETURN(const std::span<const double> mean, table.Numbers(name));
      truth.mean_outcome.emplace_back(mean.begin(), mean.end());
    }
    return Validated(std::move(observations));
  };
  absl::StatusOr<Observations> observations = read();
  if (!observations.ok()) return base::WithContext(observations.status(), path);
  return observations;
}

absl::StatusOr<JobsFile> JobsFile::Read(const std::string& path) {
  PERENNIAL_ASSIGN_OR_RETURN(RealisationFile file, RealisationFile::Read(path, {"t", "e", "yf"}));
  return JobsFile(std::move(file));
}

absl::StatusOr<JobsObservations> JobsFile::Realisation(int64_t realisation) const {
  PERENNIAL_RETURN_IF_ERROR(file_.CheckRealisation(realisation));
  const auto read = [&]() -> absl::StatusOr<JobsObservations> {
    JobsObservations jobs;
    jobs.observations = {.covariate_names = Names(file_.features()),
                         .covariates = file_.X(realisation),
                         .outcome = file_.Column("yf", realisation),
                         .binary_outcome = true};
    PERENNIAL_ASSIGN_OR_RETURN(jobs.observations.treatment, file_.ZeroOrOne("t", realisation));
    PERENNIAL_ASSIGN_OR_RETURN(const std::vector<int32_t> randomised,
                               file_.ZeroOrOne("e", realisation));
    jobs.randomised.assign(randomised.begin(), randomised.end());
    PERENNIAL_RETURN_IF_ERROR(Validate(jobs.observations));
    return jobs;
  };
  absl::StatusOr<JobsObservations> jobs = read();
  if (jobs.ok()) return jobs;
  return base::WithContext(jobs.status(),
                           absl::StrCat(file_.path(), ": realisation ", realisation));
}

}  // namespace perennial::causal
