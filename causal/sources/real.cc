#include "causal/sources/real.h"

#include <cmath>
#include <cstdint>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "causal/data/acic2016.h"
#include "causal/data/acic2017.h"
#include "causal/data/ihdp.h"
#include "causal/data/lalonde.h"
#include "causal/data/nhefs.h"
#include "causal/data/public_layouts.h"
#include "common/base/file_io.h"
#include "common/base/logging.h"
#include "common/base/sha256.h"
#include "common/base/status_macros.h"

namespace perennial::causal {
namespace {

constexpr int kAcic2016Sets = 10;

std::string InFolder(const std::string& folder, const std::string& name) {
  return folder.empty() ? "" : base::JoinPath(folder, name);
}

class IhdpSource final : public SampleSource {
 public:
  IhdpSource(Ihdp ihdp, const IhdpData& config) : ihdp_(std::move(ihdp)), config_(config) {}

  std::string group() const override {
    return absl::StrCat("ihdp_", absl::AsciiStrToLower(IhdpData::Surface_Name(config_.surface())));
  }
  std::string digest() const override {
    std::string bytes(reinterpret_cast<const char*>(ihdp_.covariates.data()),
                      ihdp_.covariates.size() * sizeof(double));
    bytes.append(reinterpret_cast<const char*>(ihdp_.treatment.data()),
                 ihdp_.treatment.size() * sizeof(int32_t));
    return base::Sha256Hex(bytes);
  }
  absl::StatusOr<Observations> Draw(const random::Stream& stream) const override {
    return IhdpRealisation(ihdp_, {.surface = static_cast<IhdpSurface>(config_.surface())}, stream);
  }

 private:
  const Ihdp ihdp_;
  const IhdpData config_;
};

// Realisations that are counted; a draw is one of them.
class CountedSource : public SampleSource {
 public:
  explicit CountedSource(int64_t count) : count_(count) {}

  absl::StatusOr<Observations> Draw(const random::Stream& stream) const final {
    random::Stream draws = stream;
    PERENNIAL_ASSIGN_OR_RETURN(Realisation drawn,
                               Realise(draws.Below(static_cast<uint64_t>(count_))));
    return std::move(drawn.units);
  }

 private:
  const int64_t count_;
};

class Acic2016Source final : public CountedSource {
 public:
  Acic2016Source(std::vector<Observations> sets, std::string digest)
      : CountedSource(std::ssize(sets)), sets_(std::move(sets)), digest_(std::move(digest)) {}

  std::string group() const override { return "acic2016"; }
  std::string digest() const override { return digest_; }
  absl::StatusOr<Realisation> Realise(uint64_t seed) const override {
    return Realisation{.units = sets_[seed % sets_.size()]};
  }

 private:
  const std::vector<Observations> sets_;
  const std::string digest_;
};

class Acic2017Source final : public SampleSource {
 public:
  Acic2017Source(int setting, Acic2017Columns columns, Acic2017Covariates covariates,
                 std::string digest)
      : setting_(setting),
        columns_(std::move(columns)),
        covariates_(std::move(covariates)),
        digest_(std::move(digest)) {}

  std::string group() const override { return absl::StrCat("acic2017_", setting_); }
  std::string digest() const override { return digest_; }
  absl::StatusOr<Observations> Draw(const random::Stream& stream) const override {
    return Acic2017(Acic2017Setting(setting_), columns_, covariates_, stream);
  }

 private:
  const int setting_;
  const Acic2017Columns columns_;
  const Acic2017Covariates covariates_;
  const std::string digest_;
};

// A column of the units, by its name.
absl::StatusOr<std::vector<double>> ColumnOf(const Observations& units, const std::string& name) {
  for (int64_t c = 0; c < units.features(); ++c) {
    if (units.covariate_names[c] != name) continue;
    std::vector<double> column;
    for (int64_t i = 0; i < units.size(); ++i) column.push_back(units.x()(i, c));
    return column;
  }
  return absl::InvalidArgumentError(absl::StrCat("x.csv has no column ", name));
}

// The levels A, B, .. of a category, from its indicators.
absl::StatusOr<std::vector<int32_t>> LevelsOf(const Observations& units, const std::string& name,
                                              int levels) {
  std::vector<int32_t> level(units.size(), -1);
  for (int l = 0; l < levels; ++l) {
    const std::string letter(1, static_cast<char>('A' + l));
    PERENNIAL_ASSIGN_OR_RETURN(const std::vector<double> indicator,
                               ColumnOf(units, absl::StrCat(name, "=", letter)));
    for (size_t i = 0; i < indicator.size(); ++i) {
      if (indicator[i] == 1) level[i] = l;
    }
  }
  return level;
}

absl::StatusOr<Acic2017Raw> RawOf(const Observations& units) {
  Acic2017Raw raw;
  PERENNIAL_ASSIGN_OR_RETURN(raw.x1, ColumnOf(units, "x_1"));
  PERENNIAL_ASSIGN_OR_RETURN(raw.x3, ColumnOf(units, "x_3"));
  PERENNIAL_ASSIGN_OR_RETURN(raw.x10, ColumnOf(units, "x_10"));
  PERENNIAL_ASSIGN_OR_RETURN(raw.x14, ColumnOf(units, "x_14"));
  PERENNIAL_ASSIGN_OR_RETURN(raw.x15, ColumnOf(units, "x_15"));
  PERENNIAL_ASSIGN_OR_RETURN(raw.x43, ColumnOf(units, "x_43"));
  PERENNIAL_ASSIGN_OR_RETURN(raw.x21, LevelsOf(units, "x_21", kAcic2017Groups));
  PERENNIAL_ASSIGN_OR_RETURN(raw.x24, LevelsOf(units, "x_24", 5));
  return raw;
}

absl::Status NeedsFolder(absl::string_view kind) {
  return absl::InvalidArgumentError(
      absl::StrCat("data.", kind,
                   ": the files do not come with the build; give their folder, "
                   "--data FOLDER"));
}

class IhdpFileSource final : public CountedSource {
 public:
  IhdpFileSource(IhdpFile train, std::optional<IhdpFile> test, std::string digest)
      : CountedSource(train.realisations()),
        train_(std::move(train)),
        test_(std::move(test)),
        digest_(std::move(digest)) {}

  std::string group() const override { return "ihdp_file"; }
  std::string digest() const override { return digest_; }
  absl::StatusOr<Realisation> Realise(uint64_t seed) const override {
    Realisation realisation;
    const auto number = static_cast<int64_t>(seed);
    PERENNIAL_ASSIGN_OR_RETURN(realisation.units, train_.Realisation(number));
    if (test_.has_value()) {
      PERENNIAL_ASSIGN_OR_RETURN(realisation.test, test_->Realisation(number));
    }
    return realisation;
  }

 private:
  const IhdpFile train_;
  const std::optional<IhdpFile> test_;
  const std::string digest_;
};

class JobsFileSource final : public CountedSource {
 public:
  JobsFileSource(JobsFile file, std::string digest)
      : CountedSource(file.realisations()), file_(std::move(file)), digest_(std::move(digest)) {}

  std::string group() const override { return "jobs_file"; }
  std::string digest() const override { return digest_; }
  absl::StatusOr<Realisation> Realise(uint64_t seed) const override {
    PERENNIAL_ASSIGN_OR_RETURN(JobsObservations jobs,
                               file_.Realisation(static_cast<int64_t>(seed)));
    Realisation realisation;
    // Of a share p, the variance of the mean of n is p (1 - p) / (n - 1).
    double n[2] = {}, ones[2] = {};
    for (int64_t i = 0; i < jobs.observations.size(); ++i) {
      if (jobs.randomised[i] == 0) continue;
      ++n[jobs.observations.treatment[i]];
      ones[jobs.observations.treatment[i]] += jobs.observations.outcome[i];
    }
    if (n[0] >= 2 && n[1] >= 2) {
      const double treated = ones[1] / n[1];
      const double control = ones[0] / n[0];
      realisation.att = {.effect = treated - control,
                         .standard_error = std::sqrt(treated * (1 - treated) / (n[1] - 1) +
                                                     control * (1 - control) / (n[0] - 1))};
    }
    realisation.units = std::move(jobs.observations);
    realisation.units.randomised.assign(jobs.randomised.begin(), jobs.randomised.end());
    return realisation;
  }

 private:
  const JobsFile file_;
  const std::string digest_;
};

// Files of realisations can be large.
constexpr int64_t kMaxFileBytes = int64_t{1} << 33;

absl::StatusOr<std::string> FileDigest(const std::string& path) {
  PERENNIAL_ASSIGN_OR_RETURN(const std::string bytes, base::ReadFile(path, kMaxFileBytes));
  return base::Sha256Hex(bytes);
}

}  // namespace

SourceOr MakeIhdp(const DataConfig& config, const std::string& data_folder) {
  PERENNIAL_ASSIGN_OR_RETURN(Ihdp ihdp, LoadIhdp(InFolder(data_folder, "sim.csv")));
  return std::make_shared<IhdpSource>(std::move(ihdp), config.ihdp());
}

SourceOr MakeAcic2016(const DataConfig& config, const std::string& data_folder) {
  const int set = config.acic2016().set();
  const int first = set == 0 ? 1 : set;
  const int last = set == 0 ? kAcic2016Sets : set;
  std::vector<Observations> sets;
  std::string digests;
  for (int s = first; s <= last; ++s) {
    PERENNIAL_ASSIGN_OR_RETURN(sets.emplace_back(),
                               LoadAcic2016({.set = s, .folder = data_folder}));
    digests += DigestOf(sets.back());
  }
  return std::make_shared<Acic2016Source>(std::move(sets), base::Sha256Hex(digests));
}

SourceOr MakeAcic2017(const DataConfig& config, const std::string& data_folder) {
  PERENNIAL_ASSIGN_OR_RETURN(Observations units, LoadAcic2016({.set = 1, .folder = data_folder}));
  PERENNIAL_ASSIGN_OR_RETURN(const Acic2017Raw raw, RawOf(units));
  PERENNIAL_ASSIGN_OR_RETURN(Acic2017Columns columns, Acic2017Prepare(raw));
  // Arms and outcomes of 2016 play no part.
  std::string digest = DigestOf({.covariate_names = units.covariate_names,
                                 .covariates = units.covariates,
                                 .treatment = {},
                                 .outcome = {}});
  Acic2017Covariates covariates = {.names = std::move(units.covariate_names),
                                   .values = std::move(units.covariates)};
  return std::make_shared<Acic2017Source>(config.acic2017().setting(), std::move(columns),
                                          std::move(covariates), std::move(digest));
}

SourceOr MakeNhefs(const DataConfig& /*config*/, const std::string& data_folder) {
  PERENNIAL_ASSIGN_OR_RETURN(Observations units,
                             LoadNhefs({.path = InFolder(data_folder, "NHEFS.csv")}));
  return FixedSource("nhefs", {.units = std::move(units)});
}

SourceOr MakeLalonde(const DataConfig& config, const std::string& data_folder) {
  PERENNIAL_ASSIGN_OR_RETURN(
      Lalonde lalonde, LoadLalonde({.experiment_path = InFolder(data_folder, "nsw_mixtape.dta"),
                                    .survey_path = InFolder(data_folder, "cps_mixtape.dta")}));
  const ExperimentalEffect att = {.effect = lalonde.benchmark.effect,
                                  .standard_error = lalonde.benchmark.standard_error};
  Observations& drawn = lalonde.experiment;
  drawn.randomised.assign(drawn.size(), 1);
  if (config.lalonde().experiment()) {
    return FixedSource("lalonde_experiment", {.units = std::move(drawn), .att = att});
  }
  // The trained are in both; the controls that lots were drawn for are in none but the experiment.
  std::vector<int32_t> controls;
  for (int32_t i = 0; i < drawn.size(); ++i) {
    if (drawn.treatment[i] == 0) controls.push_back(i);
  }
  Observations& survey = lalonde.survey;
  for (const int32_t arm : survey.treatment) survey.randomised.push_back(arm == 1 ? 1 : 0);
  return FixedSource(
      "lalonde_survey",
      {.units = std::move(survey), .att = att, .experiment = Select(drawn, controls)});
}

SourceOr MakeIhdpFile(const DataConfig& config, const std::string& data_folder) {
  if (data_folder.empty()) return NeedsFolder("ihdp_file");
  const std::string train_path = base::JoinPath(data_folder, config.ihdp_file().train());
  PERENNIAL_ASSIGN_OR_RETURN(IhdpFile train, IhdpFile::Read(train_path));
  PERENNIAL_ASSIGN_OR_RETURN(std::string digest, FileDigest(train_path));
  std::optional<IhdpFile> test;
  if (!config.ihdp_file().test().empty()) {
    const std::string test_path = base::JoinPath(data_folder, config.ihdp_file().test());
    PERENNIAL_ASSIGN_OR_RETURN(test, IhdpFile::Read(test_path));
    PERENNIAL_ASSIGN_OR_RETURN(const std::string of_test, FileDigest(test_path));
    digest = base::Sha256Hex(digest + of_test);
    if (test->realisations() != train.realisations()) {
      return absl::InvalidArgumentError(absl::StrCat(test_path, ": ", test->realisations(),
                                                     " realisations, but ", train_path, " has ",
                                                     train.realisations()));
    }
  }
  return std::make_shared<IhdpFileSource>(std::move(train), std::move(test), std::move(digest));
}

SourceOr MakeJobsFile(const DataConfig& config, const std::string& data_folder) {
  if (data_folder.empty()) return NeedsFolder("jobs_file");
  const std::string path = base::JoinPath(data_folder, config.jobs_file().file());
  PERENNIAL_ASSIGN_OR_RETURN(JobsFile file, JobsFile::Read(path));
  PERENNIAL_ASSIGN_OR_RETURN(std::string digest, FileDigest(path));
  return std::make_shared<JobsFileSource>(std::move(file), std::move(digest));
}

}  // namespace perennial::causal
