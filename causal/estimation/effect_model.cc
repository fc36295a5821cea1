#include "causal/estimation/effect_model.h"

#include <algorithm>
#include <span>
#include <utility>

#include "absl/strings/str_cat.h"
#include "causal/estimators/logistic.h"
#include "causal/estimators/ridge.h"
#include "causal/models/boosting.h"
#include "causal/models/meta_learners.h"
#include "causal/nets/net_fit.h"
#include "common/base/excerpt.h"
#include "common/base/logging.h"
#include "common/base/nearest_name.h"
#include "common/base/status_macros.h"

namespace perennial::causal {
namespace {

constexpr int kMaxArms = 1000;
// Between two looks at whether to stop.
constexpr int64_t kNetSteps = 50;

struct Kind {
  EffectModelKind kind;
  const char* name;
};
constexpr Kind kKinds[] = {{EffectModelKind::kBoosting, "boosting"},
                           {EffectModelKind::kLinear, "linear"},
                           {EffectModelKind::kNet, "net"}};

// Of the kinds that are X-learners.
absl::StatusOr<MetaLearnerOptions> LearnerOptions(EffectModelKind kind) {
  MetaLearnerOptions options = {.kind = MetaLearnerKind::kX, .clip = kPropensityClip};
  if (kind == EffectModelKind::kBoosting) {
    PERENNIAL_ASSIGN_OR_RETURN(options.outcome,
                               Boosting::Create({.start = BoostingStart::kBetter}));
    // A leaf of few units, all of one arm, would say that no unit like them is in another.
    PERENNIAL_ASSIGN_OR_RETURN(
        options.propensity,
        Boosting::Create({.min_data_in_leaf = 20, .start = BoostingStart::kBetter}));
  } else {
    options.outcome = std::make_shared<Ridge>(RidgeOptions{.penalty = 1e-3});
    options.propensity = std::make_shared<Logistic>(LogisticOptions{});
  }
  options.effect = options.outcome;
  return options;
}

// At least 3,000 steps, of large samples up to ten passes.
NetOptions NetOptionsFor(int64_t units) {
  NetOptions options;
  options.steps = std::clamp<int64_t>(10 * units / options.batch_size, 3000, 30000);
  return options;
}

// The parts that are kept.
constexpr char kLearner[] = "meta_learner";
constexpr char kNet[] = "net";

std::vector<std::string> PartNames(EffectModelKind kind, int arms) {
  if (kind != EffectModelKind::kNet) return {kLearner};
  std::vector<std::string> names = {kNet};
  for (int arm = 1; arm < arms; ++arm) names.push_back(absl::StrCat("propensity.", arm));
  return names;
}

absl::StatusOr<std::string> BytesOf(const record::SafetensorsFile& file, const std::string& name) {
  PERENNIAL_ASSIGN_OR_RETURN(const std::vector<uint8_t> bytes, file.Read<uint8_t>(name));
  return std::string(bytes.begin(), bytes.end());
}

// Against control, from the units of both.
absl::StatusOr<std::string> FitPropensity(const Observations& observations, int arm,
                                          const random::Stream& stream) {
  std::vector<int32_t> units;
  std::vector<double> is_arm;
  for (int32_t i = 0; i < observations.size(); ++i) {
    const int32_t own = observations.treatment[i];
    if (own != 0 && own != arm) continue;
    units.push_back(i);
    is_arm.push_back(own == arm ? 1 : 0);
  }
  const Observations both = Select(observations, units);
  PERENNIAL_ASSIGN_OR_RETURN(
      const auto fit,
      Logistic({}).Fit({.x = both.x(), .y = is_arm, .binary = true, .stream = stream}));
  return fit->Serialize();
}

std::vector<double> PredictOf(const Regression& regression, kernels::MatrixView<const double> x) {
  std::vector<double> predicted(x.rows);
  regression.Predict(x, predicted);
  return predicted;
}

}  // namespace

absl::string_view EffectModelName(EffectModelKind kind) {
  return std::ranges::find(kKinds, kind, &Kind::kind)->name;
}

absl::StatusOr<EffectModelKind> EffectModelKindOf(absl::string_view name) {
  std::vector<std::string> names;
  for (const Kind& kind : kKinds) {
    if (name == kind.name) return kind.kind;
    names.emplace_back(kind.name);
  }
  return absl::InvalidArgumentError(base::UnknownNameMessage("model", name, names));
}

absl::StatusOr<ModelFactory> EffectModelFactory(EffectModelKind kind, int64_t units) {
  if (kind == EffectModelKind::kNet) {
    return ModelFactory([options = NetOptionsFor(units)](
                            FitData data) -> absl::StatusOr<std::unique_ptr<ModelFit>> {
      return NetFit::Create(options, std::move(data));
    });
  }
  PERENNIAL_ASSIGN_OR_RETURN(const MetaLearnerOptions options, LearnerOptions(kind));
  return MetaLearner(options);
}

absl::StatusOr<EffectModel> EffectModel::Fit(EffectModelKind kind, Observations observations,
                                             const random::Stream& stream,
                                             const std::atomic<bool>* stop) {
  EffectModel model;
  model.kind_ = kind;
  model.arms_ = observations.arms;
  model.features_ = observations.features();
  PERENNIAL_ASSIGN_OR_RETURN(const ModelFactory factory,
                             EffectModelFactory(kind, observations.size()));
  observations.truth.reset();
  if (kind == EffectModelKind::kNet) {
    // Before the observations are given away.
    for (int arm = 1; arm < model.arms_; ++arm) {
      PERENNIAL_ASSIGN_OR_RETURN(std::string bytes, FitPropensity(observations, arm, stream));
      model.parts_.emplace_back(absl::StrCat("propensity.", arm), std::move(bytes));
    }
  }
  PERENNIAL_ASSIGN_OR_RETURN(const std::unique_ptr<ModelFit> fit,
                             factory({.observations = std::move(observations), .stream = stream}));
  while (fit->steps_done() < fit->steps()) {
    if (stop != nullptr && stop->load(std::memory_order_relaxed)) {
      return absl::CancelledError("interrupted");
    }
    // A few steps of a network, or one regression.
    PERENNIAL_RETURN_IF_ERROR(fit->Advance(kind == EffectModelKind::kNet ? kNetSteps : 1));
  }
  if (kind == EffectModelKind::kNet) {
    PERENNIAL_ASSIGN_OR_RETURN(std::string net, static_cast<const NetFit&>(*fit).Export());
    model.parts_.emplace(model.parts_.begin(), kNet, std::move(net));
  } else {
    record::SafetensorsWriter writer;
    PERENNIAL_RETURN_IF_ERROR(fit->Save("", writer));
    PERENNIAL_ASSIGN_OR_RETURN(std::string learner, writer.Finish());
    model.parts_.emplace_back(kLearner, std::move(learner));
  }
  PERENNIAL_RETURN_IF_ERROR(model.Restore());
  return model;
}

absl::Status EffectModel::Restore() {
  for (const auto& [name, bytes] : parts_) {
    if (name == kNet) {
      PERENNIAL_ASSIGN_OR_RETURN(fit_, NetFit::Restore(bytes));
    } else if (name == kLearner) {
      PERENNIAL_ASSIGN_OR_RETURN(const MetaLearnerOptions options, LearnerOptions(kind_));
      PERENNIAL_ASSIGN_OR_RETURN(const auto file, record::SafetensorsFile::Parse(bytes));
      PERENNIAL_ASSIGN_OR_RETURN(fit_, RestoreMetaLearner(options, arms_, features_, "", file));
    } else {
      absl::StatusOr<std::unique_ptr<Regression>> restored = Logistic({}).Restore(bytes);
      if (!restored.ok()) return base::WithContext(restored.status(), name);
      propensity_.push_back(*std::move(restored));
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<Predictions> EffectModel::Predict(kernels::MatrixView<const double> x) const {
  if (x.columns != features_) {
    return absl::InvalidArgumentError(
        absl::StrCat("there are ", x.columns, " covariates, the model was fitted to ", features_));
  }
  PERENNIAL_ASSIGN_OR_RETURN(Predictions predictions, fit_->Predict(x));
  if (propensity_.empty()) return predictions;
  std::vector<std::vector<double>> e;
  for (const auto& regression : propensity_) {
    for (double& p : e.emplace_back(PredictOf(*regression, x)))
      p = std::clamp(p, kPropensityClip, 1 - kPropensityClip);
  }
  // Of more than two arms from the odds against control.
  predictions.propensity.assign(arms_, std::vector<double>(x.rows));
  for (int64_t i = 0; i < x.rows; ++i) {
    double odds = 1;
    for (const std::vector<double>& contrast : e) odds += contrast[i] / (1 - contrast[i]);
    predictions.propensity[0][i] = 1 / odds;
    for (size_t a = 0; a < e.size(); ++a) {
      predictions.propensity[a + 1][i] = e[a][i] / (1 - e[a][i]) / odds;
    }
  }
  return predictions;
}

absl::StatusOr<std::vector<float>> EffectModel::Representation(
    kernels::MatrixView<const double> x) const {
  std::vector<float> representation;
  if (kind_ != EffectModelKind::kNet) return representation;
  // Of some rows at a time: what is made of all of them is large.
  constexpr int64_t kRows = 4096;
  for (int64_t begin = 0; begin < x.rows; begin += kRows) {
    const int64_t rows = std::min(kRows, x.rows - begin);
    const absl::StatusOr<std::vector<float>> features =
        static_cast<const NetFit&>(*fit_).Features({x.row(begin), rows, x.columns, x.stride});
    // Its arms share no features.
    if (absl::IsUnimplemented(features.status())) return std::vector<float>();
    PERENNIAL_RETURN_IF_ERROR(features.status());
    if (begin == 0) representation.reserve(features->size() / rows * x.rows);
    representation.insert(representation.end(), features->begin(), features->end());
  }
  return representation;
}

absl::Status EffectModel::Save(absl::string_view prefix, record::SafetensorsWriter& writer) const {
  const int64_t shape[] = {static_cast<int64_t>(kind_), arms_, features_};
  PERENNIAL_RETURN_IF_ERROR(writer.Add<int64_t>(absl::StrCat(prefix, "shape"), {3}, shape));
  for (const auto& [name, bytes] : parts_) {
    PERENNIAL_RETURN_IF_ERROR(writer.Add(
        absl::StrCat(prefix, name), {std::ssize(bytes)},
        std::span<const uint8_t>(reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size())));
  }
  return absl::OkStatus();
}

absl::StatusOr<EffectModel> EffectModel::Load(absl::string_view prefix,
                                              const record::SafetensorsFile& file) {
  PERENNIAL_ASSIGN_OR_RETURN(const std::vector<int64_t> shape,
                             file.Read<int64_t>(absl::StrCat(prefix, "shape")));
  if (shape.size() != 3 || shape[0] < 0 || shape[0] >= std::ssize(kKinds) || shape[1] < 2 ||
      shape[1] > kMaxArms || shape[2] < 1) {
    return absl::DataLossError("the model is of a kind or shape that is not known");
  }
  EffectModel model;
  model.kind_ = static_cast<EffectModelKind>(shape[0]);
  model.arms_ = static_cast<int>(shape[1]);
  model.features_ = shape[2];
  for (const std::string& name : PartNames(model.kind_, model.arms_)) {
    PERENNIAL_ASSIGN_OR_RETURN(std::string bytes, BytesOf(file, absl::StrCat(prefix, name)));
    model.parts_.emplace_back(name, std::move(bytes));
  }
  PERENNIAL_RETURN_IF_ERROR(model.Restore());
  // What was fitted to another number of covariates or arms says so here, not in a later CHECK.
  const std::vector<double> zeros(model.features_);
  if (model.kind_ == EffectModelKind::kNet) {
    PERENNIAL_ASSIGN_OR_RETURN(
        const Predictions tried,
        model.fit_->Predict({zeros.data(), 1, model.features_, model.features_}));
    if (std::ssize(tried.outcome) != model.arms_) {
      return absl::DataLossError("the model's network is of another number of arms");
    }
  }
  return model;
}

}  // namespace perennial::causal
