#include "causal/estimation/estimate_units.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <iterator>
#include <map>
#include <numeric>
#include <optional>
#include <span>
#include <utility>

#include "absl/strings/str_cat.h"
#include "causal/models/bootstrap.h"
#include "causal/models/cluster_draw.h"
#include "causal/models/cross_fit.h"
#include "causal/nets/effect_network.h"
#include "common/base/logging.h"
#include "common/base/status_macros.h"
#include "common/population/unit_state.h"
#include "common/record/safetensors.h"

namespace perennial::causal {
namespace {

constexpr double kSubset = 0.8;
// A half holds two at least of an arm's units or clusters: folds need one outside each of them.
constexpr int64_t kLeastUnitsOfHalves = 3;
constexpr int64_t kLeastClustersOfHalves = 4;
constexpr int64_t kLeastClusters = 4;

using Columns = std::vector<std::vector<double>>;

// For the units of the fold, in their order, by a model fitted to the others.
absl::StatusOr<Predictions> PredictFold(const Observations& observations,
                                        std::span<const int32_t> fold_of, int fold,
                                        const PartSetting& setting, const random::Stream& stream) {
  PERENNIAL_ASSIGN_OR_RETURN(
      const EffectModel model,
      EffectModel::Fit(setting.model, Select(observations, RowsOfFold(fold_of, fold, false)),
                       stream.Split("fold").Split(static_cast<uint64_t>(fold)), setting.stop));
  const Observations units = Select(observations, RowsOfFold(fold_of, fold, true));
  return model.Predict(units.x());
}

// The arm of each cluster, where none holds two; else empty.
std::map<int32_t, int32_t> ArmOfClusters(const Observations& observations) {
  std::map<int32_t, int32_t> arm_of;
  for (size_t i = 0; i < observations.cluster.size(); ++i) {
    const int32_t own = observations.treatment[i];
    if (arm_of.emplace(observations.cluster[i], own).first->second != own) return {};
  }
  return arm_of;
}

void ShuffleArms(Observations& observations, random::Stream& stream) {
  std::map<int32_t, int32_t> arm_of = ArmOfClusters(observations);
  if (arm_of.empty()) {
    stream.Shuffle(std::span<int32_t>(observations.treatment));
    return;
  }
  std::vector<int32_t> arms;
  for (const auto& [cluster, arm] : arm_of) arms.push_back(arm);
  stream.Shuffle(std::span<int32_t>(arms));
  size_t place = 0;
  for (auto& [cluster, arm] : arm_of) arm = arms[place++];
  for (size_t i = 0; i < observations.cluster.size(); ++i) {
    observations.treatment[i] = arm_of[observations.cluster[i]];
  }
}

absl::Status AddColumns(const std::string& name, const Columns& columns,
                        record::SafetensorsWriter& writer) {
  std::vector<double> values;
  for (const std::vector<double>& column : columns) {
    values.insert(values.end(), column.begin(), column.end());
  }
  return writer.Add<double>(
      name, {std::ssize(columns), columns.empty() ? 0 : std::ssize(columns[0])}, values);
}

absl::StatusOr<Columns> ReadColumns(const record::SafetensorsFile& file, const std::string& name,
                                    size_t count, int64_t length) {
  PERENNIAL_ASSIGN_OR_RETURN(const std::vector<double> values, file.Read<double>(name));
  if (values.size() != count * length ||
      !std::ranges::all_of(values, [](double v) { return std::isfinite(v); })) {
    return absl::DataLossError(absl::StrCat("\"", name, "\" is of another size, or not finite"));
  }
  Columns columns;
  for (size_t c = 0; c < count; ++c) {
    const auto begin = values.begin() + static_cast<int64_t>(c) * length;
    columns.emplace_back(begin, begin + length);
  }
  return columns;
}

std::vector<Estimand> EstimandsOf(PartKind kind) {
  if (kind == PartKind::kReplicate) return {Estimand::kAte, Estimand::kAtt};
  return {Estimand::kAte};
}

// LightGBM looks at so many rows to choose its bins.
constexpr int64_t kSampledRows = 200000;

// Of a fit to so many units: the copy of their covariates that it is given, and what it makes of
// it.
double FitBytes(EffectModelKind model, int64_t units, int64_t covariates, int arms) {
  const double row = 8.0 * static_cast<double>(covariates);
  const auto n = static_cast<double>(units);
  const double per_unit = 8.0 * (10 + 2 * arms) * n;
  switch (model) {
    case EffectModelKind::kLinear:
      return 2 * row * n + per_unit;
    case EffectModelKind::kBoosting:
      return 4 * row * n + 2 * row * static_cast<double>(std::min(units, kSampledRows)) + per_unit;
    case EffectModelKind::kNet:
      break;
  }
  return 3.5 * row * n + per_unit;
}

// [arms], of how many clusters, or units, each has some.
std::vector<int64_t> PlacesOfArms(const Observations& observations) {
  if (!observations.cluster.empty()) return ClustersOfArms(observations);
  std::vector<int64_t> units(observations.arms);
  for (const int32_t arm : observations.treatment) ++units[arm];
  return units;
}

// A draw in which no arm that is in two places is left with less, for folds need one outside each
// of them: the first in nearly all cases.
Observations Drawn(const Observations& observations, const std::function<Observations()>& draw) {
  constexpr int kMostDraws = 1000;
  const std::vector<int64_t> before = PlacesOfArms(observations);
  Observations drawn = draw();
  for (int i = 1; i < kMostDraws; ++i) {
    const std::vector<int64_t> places = PlacesOfArms(drawn);
    bool enough = true;
    for (size_t arm = 0; arm < places.size(); ++arm) {
      enough = enough && places[arm] >= std::min<int64_t>(2, before[arm]);
    }
    if (enough) break;
    drawn = draw();
  }
  return drawn;
}

}  // namespace

absl::Status CheckDraws(const Observations& observations, int folds, bool bootstrap, bool refute,
                        std::span<const std::string> arms) {
  const bool clustered = !observations.cluster.empty();
  const char* const thing = clustered ? "cluster" : "unit";
  const std::string things = absl::StrCat(thing, "s");
  const std::vector<int64_t> of_arm = PlacesOfArms(observations);
  int64_t all = observations.size();
  int64_t half = 0;
  if (clustered) {
    all = ClusterCount(observations);
    half = (all + 1) / 2;
    if (all < kLeastClusters) {
      return absl::InvalidArgumentError(
          absl::StrCat("there are only ", all, " clusters, too few to tell errors by; at least ",
                       kLeastClusters, " are needed"));
    }
  } else {
    for (const int64_t units : of_arm) half += (units + 1) / 2;
  }
  if (bootstrap) {
    const int64_t least = clustered ? kLeastClustersOfHalves : kLeastUnitsOfHalves;
    for (int arm = 0; arm < observations.arms; ++arm) {
      if (of_arm[arm] >= least) continue;
      return absl::InvalidArgumentError(absl::StrCat(
          ArmText(arm, arms), clustered ? " is in only " : " has only ", of_arm[arm], " ",
          of_arm[arm] == 1 ? thing : things, ", and --bootstrap needs ", least,
          " for each arm, so that every half of them can be spread over folds; leave out "
          "--bootstrap",
          clustered ? ", or --cluster if units are independent" : "",
          observations.arms > 2 ? ", or make one arm of two" : ""));
    }
  }
  const auto fills = [&](int64_t drawn, const char* part, const char* flag) {
    if (drawn >= folds) return absl::OkStatus();
    return absl::InvalidArgumentError(absl::StrCat("there are ", all, " ", things, ", of which ",
                                                   part, ", ", drawn, ", cannot be spread over ",
                                                   folds, " folds; give --folds ", drawn,
                                                   " or fewer, or leave out ", flag));
  };
  if (bootstrap) PERENNIAL_RETURN_IF_ERROR(fills(half, "a half", "--bootstrap"));
  if (refute) PERENNIAL_RETURN_IF_ERROR(fills(all - all / 5, "four fifths", "--refute"));
  return absl::OkStatus();
}

Observations Refuted(PartKind kind, const Observations& observations, random::Stream stream) {
  if (kind == PartKind::kSubset) {
    if (!observations.cluster.empty()) {
      return Select(observations, FourFifthsOfClusters(observations, stream));
    }
    const auto n = static_cast<double>(observations.size());
    return Drawn(observations, [&] {
      std::vector<int32_t> rows = stream.Sample(static_cast<int32_t>(observations.size()),
                                                static_cast<int32_t>(std::ceil(kSubset * n)));
      std::ranges::sort(rows);
      return Select(observations, rows);
    });
  }
  if (kind == PartKind::kRandomCause) {
    const int64_t n = observations.size();
    const int64_t p = observations.features();
    Observations changed = {.covariate_names = observations.covariate_names,
                            .treatment = observations.treatment,
                            .outcome = observations.outcome,
                            .arms = observations.arms,
                            .binary_outcome = observations.binary_outcome,
                            .cluster = observations.cluster};
    changed.covariate_names.emplace_back("random cause");
    changed.covariates.reserve(n * (p + 1));
    for (int64_t i = 0; i < n; ++i) {
      const double* row = observations.x().row(i);
      changed.covariates.insert(changed.covariates.end(), row, row + p);
      changed.covariates.push_back(stream.Normal());
    }
    return changed;
  }
  if (kind == PartKind::kPlacebo) {
    return Drawn(observations, [&] {
      Observations changed = observations;
      ShuffleArms(changed, stream);
      return changed;
    });
  }
  Observations changed = observations;
  stream.Shuffle(std::span<double>(changed.outcome));
  return changed;
}

random::Stream CrossFitStream(const random::Stream& stream, int repeat) {
  const random::Stream first = stream.Split("cross_fit");
  return repeat == 0 ? first : first.Split("repeat").Split(static_cast<uint64_t>(repeat));
}

struct EstimatePart::Own {
  Observations observations;
  std::vector<int32_t> fold_of;
  Predictions out_of_fold;
};

const char* PartName(PartKind kind) {
  constexpr const char* kNames[] = {"fold",          "model",        "replicate", "placebo",
                                    "dummy_outcome", "random_cause", "subset"};
  return kNames[static_cast<int>(kind)];
}

double PartBytes(PartKind kind, EffectModelKind model, int64_t units, int64_t covariates,
                 int arms) {
  const double data = 8.0 * static_cast<double>(units) * static_cast<double>(covariates);
  const double fit = FitBytes(model, units, covariates, arms);
  if (kind == PartKind::kFold || kind == PartKind::kModel) return fit;
  // Its own data, and what it holds of each unit besides.
  return data + fit + 8.0 * (8 + 6 * arms) * static_cast<double>(units);
}

double EstimateBytes(EffectModelKind model, int64_t units, int64_t covariates, int arms,
                     int repeats, int parts_at_a_time, bool own_data) {
  const double data = 8.0 * static_cast<double>(units) * static_cast<double>(covariates);
  const double part =
      PartBytes(own_data ? PartKind::kReplicate : PartKind::kFold, model, units, covariates, arms);
  const double per_unit = 8.0 * (20 + 9 * arms + 3.5 * arms * repeats);
  // When the parts have ended, the features of a representation, and of eight of them doubles with
  // what sorting them takes.
  const double representation =
      model == EffectModelKind::kNet
          ? (4.0 * static_cast<double>(EffectNetworkOptions().trunk.back()) + 8 * 16) *
                static_cast<double>(units)
          : 0;
  return data + per_unit * static_cast<double>(units) +
         std::max(parts_at_a_time * part, representation);
}

EstimatePart::EstimatePart(PartKind kind, int index, const PartSetting& setting)
    : kind_(kind),
      index_(index),
      setting_(setting),
      stream_(kind == PartKind::kFold    ? CrossFitStream(setting.stream, index / setting.folds)
              : kind == PartKind::kModel ? setting.stream.Split("model")
              : kind == PartKind::kReplicate
                  ? setting.stream.Split("bootstrap").Split(static_cast<uint64_t>(index))
                  : setting.stream.Split("refutation")
                        .Split(PartName(kind))
                        .Split(static_cast<uint64_t>(index))),
      key_{PartName(kind), "estimate", "part", absl::StrCat(index)} {
  const Observations& all = setting.observations;
  const bool crossed = kind != PartKind::kFold && kind != PartKind::kModel;
  plan_.steps = crossed ? setting.folds + (kind == PartKind::kReplicate ? 1 : 0) : 1;
  // What parts cost in comparison; no operations are counted. A replicate has half of the units.
  const double share = 1 - 1.0 / setting.folds;
  plan_.training_flops = crossed ? setting.folds * share : kind == PartKind::kFold ? share : 1;
  if (kind == PartKind::kReplicate) plan_.training_flops = (plan_.training_flops + 1) / 2;
  plan_.memory_bytes = PartBytes(kind, setting.model, all.size(), all.features(), all.arms);
}

EstimatePart::~EstimatePart() = default;

void EstimatePart::Release() { own_.reset(); }

absl::Status EstimatePart::Advance(int64_t steps) {
  for (; steps > 0 && !finished(); --steps) {
    if (setting_.stop != nullptr && setting_.stop->load(std::memory_order_relaxed)) {
      return absl::CancelledError("interrupted");
    }
    PERENNIAL_RETURN_IF_ERROR(Step());
    ++steps_done_;
  }
  return absl::OkStatus();
}

absl::Status EstimatePart::Step() {
  const Observations& all = setting_.observations;
  if (kind_ == PartKind::kFold) {
    PERENNIAL_ASSIGN_OR_RETURN(result_.predictions,
                               PredictFold(all, setting_.fold_of[index_ / setting_.folds],
                                           index_ % setting_.folds, setting_, stream_));
    return absl::OkStatus();
  }
  if (kind_ == PartKind::kModel) {
    PERENNIAL_ASSIGN_OR_RETURN(EffectModel model,
                               EffectModel::Fit(setting_.model, all, stream_, setting_.stop));
    result_.model = std::make_shared<const EffectModel>(std::move(model));
    return absl::OkStatus();
  }
  if (own_ == nullptr) PERENNIAL_RETURN_IF_ERROR(Begin());
  const auto fold = static_cast<int>(steps_done_);
  if (fold < setting_.folds) {
    const random::Stream stream =
        kind_ == PartKind::kReplicate ? stream_.Split("cross_fit") : stream_;
    PERENNIAL_ASSIGN_OR_RETURN(
        const Predictions predictions,
        PredictFold(own_->observations, own_->fold_of, fold, setting_, stream));
    ScatterFold(predictions, own_->fold_of, fold, own_->out_of_fold);
  }
  return steps_done_ + 1 == plan_.steps ? End() : absl::OkStatus();
}

absl::Status EstimatePart::Begin() {
  auto own = std::make_unique<Own>();
  const bool replicate = kind_ == PartKind::kReplicate;
  own->observations = replicate ? HalfSample(setting_.observations, stream_.Split("draw"))
                                : Refuted(kind_, setting_.observations, stream_.Split("change"));
  PERENNIAL_RETURN_IF_ERROR(Validate(own->observations));
  const random::Stream stream = replicate ? stream_.Split("cross_fit") : stream_;
  PERENNIAL_ASSIGN_OR_RETURN(
      own->fold_of, Folds(own->observations.treatment, setting_.folds, own->observations.cluster,
                          stream.Split("folds"), setting_.arms));
  own_ = std::move(own);
  return absl::OkStatus();
}

absl::Status EstimatePart::End() {
  result_.average.clear();
  for (const Estimand estimand : EstimandsOf(kind_)) {
    PERENNIAL_ASSIGN_OR_RETURN(
        const std::vector<AverageEffect> effects,
        AverageEffects(SampleOf(own_->observations), own_->out_of_fold, setting_.estimator,
                       {.estimand = estimand, .level = setting_.level}));
    std::vector<Estimate>& estimates = result_.average.emplace_back();
    for (const AverageEffect& effect : effects) estimates.push_back(effect.estimate);
  }
  if (kind_ == PartKind::kReplicate) {
    own_->out_of_fold = {};
    PERENNIAL_ASSIGN_OR_RETURN(const EffectModel model,
                               EffectModel::Fit(setting_.model, std::move(own_->observations),
                                                stream_.Split("model"), setting_.stop));
    PERENNIAL_ASSIGN_OR_RETURN(Predictions predictions, model.Predict(setting_.observations.x()));
    result_.effect = std::move(predictions.effect);
  }
  own_.reset();
  return absl::OkStatus();
}

absl::StatusOr<std::string> EstimatePart::Save() const {
  if (!finished()) return absl::FailedPreconditionError("a part is kept when it has ended");
  record::SafetensorsWriter writer;
  population::MarkUnitState(key_, writer);
  if (kind_ == PartKind::kFold) {
    PERENNIAL_RETURN_IF_ERROR(AddColumns("effect", result_.predictions.effect, writer));
    PERENNIAL_RETURN_IF_ERROR(AddColumns("outcome", result_.predictions.outcome, writer));
    PERENNIAL_RETURN_IF_ERROR(AddColumns("propensity", result_.predictions.propensity, writer));
  } else if (kind_ == PartKind::kModel) {
    PERENNIAL_RETURN_IF_ERROR(result_.model->Save("model.", writer));
  } else {
    std::vector<double> numbers;
    for (const std::vector<Estimate>& estimates : result_.average) {
      for (const Estimate& e : estimates) {
        numbers.insert(numbers.end(), {e.value, e.standard_error, e.low, e.high});
      }
    }
    PERENNIAL_RETURN_IF_ERROR(writer.Add<double>("average", {std::ssize(numbers)}, numbers));
    if (kind_ == PartKind::kReplicate) {
      PERENNIAL_RETURN_IF_ERROR(AddColumns("effect", result_.effect, writer));
    }
  }
  return writer.Finish();
}

absl::Status EstimatePart::Load(absl::string_view state) {
  PERENNIAL_ASSIGN_OR_RETURN(const record::SafetensorsFile file,
                             population::ParseUnitState(state, key_));
  const Observations& all = setting_.observations;
  const auto arms = static_cast<size_t>(all.arms);
  PartResult result;
  if (kind_ == PartKind::kFold) {
    const int64_t units =
        std::ranges::count(setting_.fold_of[index_ / setting_.folds], index_ % setting_.folds);
    PERENNIAL_ASSIGN_OR_RETURN(result.predictions.effect,
                               ReadColumns(file, "effect", arms - 1, units));
    PERENNIAL_ASSIGN_OR_RETURN(result.predictions.outcome,
                               ReadColumns(file, "outcome", arms, units));
    PERENNIAL_ASSIGN_OR_RETURN(result.predictions.propensity,
                               ReadColumns(file, "propensity", arms, units));
  } else if (kind_ == PartKind::kModel) {
    PERENNIAL_ASSIGN_OR_RETURN(EffectModel model, EffectModel::Load("model.", file));
    if (model.arms() != all.arms || model.features() != all.features() ||
        model.kind() != setting_.model) {
      return absl::DataLossError("the model is of another kind, other arms or covariates");
    }
    result.model = std::make_shared<const EffectModel>(std::move(model));
  } else {
    const size_t estimands = EstimandsOf(kind_).size();
    PERENNIAL_ASSIGN_OR_RETURN(const Columns numbers,
                               ReadColumns(file, "average", estimands * (arms - 1), 4));
    for (size_t e = 0; e < estimands; ++e) {
      std::vector<Estimate>& estimates = result.average.emplace_back();
      for (size_t a = 0; a + 1 < arms; ++a) {
        const std::vector<double>& row = numbers[e * (arms - 1) + a];
        estimates.push_back({row[0], row[1], row[2], row[3]});
      }
    }
    if (kind_ == PartKind::kReplicate) {
      PERENNIAL_ASSIGN_OR_RETURN(result.effect, ReadColumns(file, "effect", arms - 1, all.size()));
    }
  }
  result_ = std::move(result);
  own_.reset();
  steps_done_ = plan_.steps;
  return absl::OkStatus();
}

}  // namespace perennial::causal
