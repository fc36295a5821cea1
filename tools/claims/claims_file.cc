#include "tools/claims/claims_file.h"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "common/base/excerpt.h"
#include "common/base/file_io.h"
#include "common/base/nearest_name.h"
#include "common/base/runfiles.h"
#include "common/base/status_macros.h"
#include "common/config/resolve.h"
#include "common/config/textproto.h"
#include "common/config/validate.h"

namespace perennial::claims {
namespace {

using experiment::ParseSeeds;

// What is wrong with a file, each beginning with the path of its field.
class Errors {
 public:
  void Add(std::string text) { texts_.push_back(std::move(text)); }
  void Add(absl::string_view field, absl::string_view message) {
    Add(absl::StrCat(field, ": ", message));
  }
  bool empty() const { return texts_.empty(); }

  // In one line, each with its place.
  absl::Status ToStatus(absl::string_view shown, const config::FieldPlaces& places) const {
    std::vector<std::string> errors;
    for (const std::string& text : texts_) {
      const std::string place = config::PlaceOf(text, places);
      errors.push_back(absl::StrCat(place.empty() ? shown : place, ": ", text));
    }
    return absl::InvalidArgumentError(absl::StrJoin(errors, "; "));
  }

 private:
  std::vector<std::string> texts_;
};

void CheckName(const std::string& field, const std::string& name, Errors& errors) {
  if (base::IsLowerSnakeCase(name)) return;
  errors.Add(field, absl::StrCat("\"", base::Excerpt(name),
                                 "\" must be lower_snake_case (a-z, 0-9, _), beginning with a "
                                 "letter"));
}

// The seeds of an experiment; empty, with an error added, if they are not fit for it.
std::vector<uint64_t> Seeds(const std::string& field, const std::string& text, Errors& errors) {
  auto seeds = ParseSeeds(text);
  if (!seeds.ok()) {
    errors.Add(field, absl::StrCat("\"", base::Excerpt(text), "\": write them as 100..104 or 1,3"));
    return {};
  }
  if (seeds->size() < 2) {
    errors.Add(field, absl::StrCat("\"", base::Excerpt(text),
                                   "\" is one replicate; a test needs two or more"));
    return {};
  }
  return *std::move(seeds);
}

void CheckContrast(const std::string& field, const ContrastConfig& contrast, Errors& errors) {
  const bool spread = contrast.quantity() == ContrastConfig::DEVIATION ||
                      contrast.quantity() == ContrastConfig::VARIANCE;
  if (contrast.has_constant() && spread) {
    errors.Add(field + ".constant", absl::StrCat("has no spread to compare with; ",
                                                 ContrastConfig::Quantity_Name(contrast.quantity()),
                                                 " needs a baseline in its place"));
  }
  if (contrast.quantity() == ContrastConfig::SQUARED_BIAS &&
      contrast.scale() == ContrastConfig::LOG_RATIO) {
    errors.Add(field + ".scale",
               "is LOG_RATIO; a SQUARED_BIAS is estimated below 0, too, so that only a DIFFERENCE "
               "can be told");
  }
  if (contrast.has_constant() && contrast.scale() == ContrastConfig::LOG_RATIO &&
      !(contrast.constant() > 0)) {
    errors.Add(field + ".constant",
               absl::StrCat("is ", contrast.constant(), "; LOG_RATIO needs a number above 0"));
  }
  if (contrast.has_baseline() && contrast.baseline() == contrast.method()) {
    errors.Add(field + ".baseline", absl::StrCat("is \"", base::Excerpt(contrast.method()),
                                                 "\", which is the method itself"));
  }
}

class Loader {
 public:
  Loader(LineClaims& claims, const experiment::Surroundings& surroundings)
      : claims_(claims), surroundings_(surroundings) {}

  Errors Check() {
    for (int i = 0; i < claims_.config.experiments_size(); ++i) {
      names_.push_back(claims_.config.experiments(i).name());
    }
    for (int i = 0; i < claims_.config.experiments_size(); ++i) LoadExperiment(i);
    for (int i = 0; i < claims_.config.claims_size(); ++i) CheckClaim(i);
    for (int i = 0; i < claims_.config.experiments_size(); ++i) {
      if (used_.contains(names_[i])) continue;
      errors_.Add(absl::StrCat("experiments[", i, "]"),
                  absl::StrCat("no claim uses \"", base::Excerpt(names_[i]), "\""));
    }
    return std::move(errors_);
  }

 private:
  void LoadExperiment(int index) {
    const ExperimentConfig& config = claims_.config.experiments(index);
    const std::string field = absl::StrCat("experiments[", index, "]");
    CheckName(field + ".name", config.name(), errors_);
    ClaimedExperiment experiment = {.name = config.name(), .config_path = config.config()};
    experiment.quick_seeds = Seeds(field + ".quick_seeds", config.quick_seeds(), errors_);
    experiment.full_seeds = Seeds(field + ".full_seeds", config.full_seeds(), errors_);
    if (!experiment.full_seeds.empty() &&
        !std::ranges::includes(experiment.full_seeds, experiment.quick_seeds)) {
      errors_.Add(field + ".full_seeds",
                  absl::StrCat("\"", base::Excerpt(config.full_seeds()),
                               "\" must hold the quick ones, ", config.quick_seeds()));
    }
    // In the workspace, or a file of the user's.
    const auto found = base::FindRunfile(absl::StrCat("perennial/", config.config()));
    const std::string own = surroundings_.Resolve(config.config());
    if (!found.ok() && !base::FileExists(own)) {
      errors_.Add(field + ".config", absl::StrCat("there is no ", base::Excerpt(config.config())));
      return;
    }
    experiment.command.config = found.ok() ? *found : own;
    experiment.command.overrides.assign(config.set().begin(), config.set().end());
    auto loaded = experiment::LoadConfiguration(*claims_.line, experiment.command, surroundings_);
    if (!loaded.ok()) {
      errors_.Add(field, loaded.status().message());
      return;
    }
    experiment.config = *std::move(loaded);
    claims_.experiments.push_back(std::move(experiment));
  }

  void UseExperiment(const std::string& field, const std::string& name) {
    used_.insert(name);
    if (std::ranges::find(names_, name) != names_.end()) return;
    errors_.Add(field, base::UnknownNameMessage("experiment", base::Excerpt(name), names_));
  }

  void CheckClaim(int index) {
    const ClaimConfig& claim = claims_.config.claims(index);
    const std::string field = absl::StrCat("claims[", index, "]");
    CheckName(field + ".name", claim.name(), errors_);
    if (claim.has_family()) CheckName(field + ".family", claim.family(), errors_);
    if (claim.has_not_testable_here()) {
      if (claim.not_testable_here().empty()) {
        errors_.Add(field + ".not_testable_here", "must say why");
      }
      if (claim.has_experiment() || claim.has_family() || claim.controls_size() > 0) {
        errors_.Add(field, "what is not testable here has no experiment, family or controls");
      }
      return;
    }
    if (!claim.has_experiment()) {
      errors_.Add(field + ".experiment",
                  absl::StrCat("must be one of: ", absl::StrJoin(names_, ", ")));
      return;
    }
    UseExperiment(field + ".experiment", claim.experiment());
    CheckContrast(field + ".contrast", claim.contrast(), errors_);
    CheckReplicates(field + ".contrast", claim.experiment(), claim.contrast());
    for (int c = 0; c < claim.controls_size(); ++c) {
      const ControlConfig& control = claim.controls(c);
      const std::string below = absl::StrCat(field, ".controls[", c, "]");
      CheckName(below + ".name", control.name(), errors_);
      if (control.has_experiment()) UseExperiment(below + ".experiment", control.experiment());
      CheckContrast(below + ".contrast", control.contrast(), errors_);
      CheckReplicates(below + ".contrast",
                      control.has_experiment() ? control.experiment() : claim.experiment(),
                      control.contrast());
    }
  }

  // The jackknife leaves one out, and of what is left there must be a variance.
  void CheckReplicates(const std::string& field, const std::string& experiment,
                       const ContrastConfig& contrast) {
    if (contrast.quantity() != ContrastConfig::SQUARED_BIAS &&
        contrast.quantity() != ContrastConfig::VARIANCE) {
      return;
    }
    for (const ExperimentConfig& config : claims_.config.experiments()) {
      const auto seeds = ParseSeeds(config.quick_seeds());
      if (config.name() != experiment || !seeds.ok() || seeds->size() != 2) continue;
      errors_.Add(
          field + ".quantity",
          absl::StrCat("is ", ContrastConfig::Quantity_Name(contrast.quantity()),
                       ", which needs three replicates; ", base::Excerpt(experiment), " has two"));
    }
  }

  LineClaims& claims_;
  const experiment::Surroundings& surroundings_;
  std::vector<std::string> names_;
  std::set<std::string> used_;
  Errors errors_;
};

}  // namespace

absl::StatusOr<LineClaims> LoadClaims(absl::string_view path, absl::string_view shown,
                                      absl::Span<const KnownLine> lines,
                                      const experiment::Surroundings& surroundings) {
  PERENNIAL_ASSIGN_OR_RETURN(const std::string text, base::ReadFile(path));
  LineClaims claims;
  config::FieldPlaces places;
  PERENNIAL_RETURN_IF_ERROR(config::ParseTextproto(text, shown, &claims.config, &places));
  config::FillDefaults(&claims.config);
  Errors errors;
  for (const std::string& violation : config::ListViolations(claims.config)) {
    errors.Add(violation);
  }
  if (!errors.empty()) return errors.ToStatus(shown, places);
  std::vector<std::string> names;
  for (const KnownLine& known : lines) {
    names.push_back(known.line->name());
    if (names.back() == claims.config.line()) claims.line = known.line;
  }
  if (claims.line == nullptr) {
    errors.Add("line",
               base::UnknownNameMessage("line", base::Excerpt(claims.config.line()), names));
    return errors.ToStatus(shown, places);
  }
  errors = Loader(claims, surroundings).Check();
  if (!errors.empty()) return errors.ToStatus(shown, places);
  return claims;
}

Contrast ContrastOf(const ContrastConfig& config) {
  Contrast contrast = {.smallest_effect = config.smallest_effect()};
  switch (config.direction()) {
    case ContrastConfig::HIGHER:
      contrast.direction = Direction::kHigher;
      break;
    case ContrastConfig::LOWER:
      contrast.direction = Direction::kLower;
      break;
    case ContrastConfig::SAME:
      contrast.direction = Direction::kSame;
      break;
    case ContrastConfig::DIFFERENT:
      contrast.direction = Direction::kDifferent;
      break;
  }
  switch (config.quantity()) {
    case ContrastConfig::VALUE:
      contrast.quantity = Quantity::kValue;
      break;
    case ContrastConfig::DEVIATION:
      contrast.quantity = Quantity::kDeviation;
      break;
    case ContrastConfig::SQUARED_BIAS:
      contrast.quantity = Quantity::kSquaredBias;
      break;
    case ContrastConfig::VARIANCE:
      contrast.quantity = Quantity::kVariance;
      break;
  }
  contrast.scale =
      config.scale() == ContrastConfig::LOG_RATIO ? Scale::kLogRatio : Scale::kDifference;
  return contrast;
}

}  // namespace perennial::claims
