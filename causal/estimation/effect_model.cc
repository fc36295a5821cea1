#include "causal/estimation/effect_model.h"

#include <algorithm>
#include <functional>
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

// Propensities are kept this far from 0 and 1.
constexpr double kClip = 0.01;
constexpr int kMaxArms = 1000;

struct Kind {
  EffectModelKind kind;
  const char* name;
};
constexpr Kind kKinds[] = {{EffectModelKind::kBoosting, "boosting"},
                           {EffectModelKind::kLinear, "linear"},
                           {EffectModelKind::kNet, "net"}};

struct Parts {
  std::shared_ptr<const Regressor> outcome;
  std::shared_ptr<const Regressor> propensity;
};

absl::StatusOr<Parts> PartsOf(EffectModelKind kind) {
  if (kind == EffectModelKind::kBoosting) {
    PERENNIAL_ASSIGN_OR_RETURN(std::shared_ptr<const Regressor> trees, Boosting::Create({}));
    return Parts{.outcome = trees, .propensity = trees};
  }
  return Parts{.outcome = std::make_shared<Ridge>(RidgeOptions{.penalty = 1e-3}),
               .propensity = std::make_shared<Logistic>(LogisticOptions{})};
}

// At least 3,000 steps, of large samples up to ten passes.
NetOptions NetOptionsFor(int64_t units) {
  NetOptions options;
  options.steps = std::clamp<int64_t>(10 * units / options.batch_size, 3000, 30000);
  return options;
}

// The components of an X-learner's state in the order in which models/meta_learners.cc fits and
// saves them; a test compares what is restored with the fit itself.
std::vector<std::string> ComponentNames(int arms) {
  std::vector<std::string> names;
  for (int arm = 0; arm < arms; ++arm) names.push_back(absl::StrCat("outcome.", arm));
  for (int arm = 1; arm < arms; ++arm) {
    for (const char* role : {"control_effect.", "effect.", "propensity."}) {
      names.push_back(absl::StrCat(role, arm));
    }
  }
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

// Restored, and of so many covariates: regressions CHECK theirs.
absl::StatusOr<std::shared_ptr<const Regression>> RestoreOf(const Regressor& regressor,
                                                            const std::string& name,
                                                            const std::string& bytes) {
  absl::StatusOr<std::unique_ptr<Regression>> restored = regressor.Restore(bytes);
  if (!restored.ok()) return base::WithContext(restored.status(), name);
  return std::shared_ptr<const Regression>(*std::move(restored));
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
  PERENNIAL_ASSIGN_OR_RETURN(const Parts parts, PartsOf(kind));
  return MetaLearner({.kind = MetaLearnerKind::kX,
                      .outcome = parts.outcome,
                      .effect = parts.outcome,
                      .propensity = parts.propensity,
                      .clip = kClip});
}

absl::StatusOr<EffectModel> EffectModel::Fit(EffectModelKind kind, const Observations& observations,
                                             const random::Stream& stream) {
  EffectModel model;
  model.kind_ = kind;
  model.arms_ = observations.arms;
  model.features_ = observations.features();
  PERENNIAL_ASSIGN_OR_RETURN(const ModelFactory factory,
                             EffectModelFactory(kind, observations.size()));
  FitData data = {.observations = observations, .stream = stream};
  data.observations.truth.reset();
  PERENNIAL_ASSIGN_OR_RETURN(const std::unique_ptr<ModelFit> fit, factory(std::move(data)));
  PERENNIAL_RETURN_IF_ERROR(fit->Advance(fit->steps()));
  if (kind == EffectModelKind::kNet) {
    PERENNIAL_ASSIGN_OR_RETURN(std::string net, static_cast<const NetFit&>(*fit).Export());
    model.parts_.emplace_back("net", std::move(net));
    for (int arm = 1; arm < model.arms_; ++arm) {
      PERENNIAL_ASSIGN_OR_RETURN(std::string bytes, FitPropensity(observations, arm, stream));
      model.parts_.emplace_back(absl::StrCat("propensity.", arm), std::move(bytes));
    }
  } else {
    record::SafetensorsWriter writer;
    PERENNIAL_RETURN_IF_ERROR(fit->Save("", writer));
    PERENNIAL_ASSIGN_OR_RETURN(std::string saved, writer.Finish());
    PERENNIAL_ASSIGN_OR_RETURN(const auto file, record::SafetensorsFile::Parse(std::move(saved)));
    const std::vector<std::string> names = ComponentNames(model.arms_);
    CHECK_EQ(static_cast<int64_t>(names.size()), fit->steps());
    for (size_t i = 0; i < names.size(); ++i) {
      PERENNIAL_ASSIGN_OR_RETURN(std::string bytes, BytesOf(file, absl::StrCat("component.", i)));
      model.parts_.emplace_back(names[i], std::move(bytes));
    }
  }
  PERENNIAL_RETURN_IF_ERROR(model.Restore());
  return model;
}

absl::Status EffectModel::Restore() {
  PERENNIAL_ASSIGN_OR_RETURN(const Parts regressors, PartsOf(kind_));
  for (const auto& [name, bytes] : parts_) {
    if (name == "net") {
      PERENNIAL_ASSIGN_OR_RETURN(net_, NetFit::Restore(bytes));
      continue;
    }
    const bool is_propensity = name.starts_with("propensity.");
    PERENNIAL_ASSIGN_OR_RETURN(
        auto restored,
        RestoreOf(is_propensity ? *regressors.propensity : *regressors.outcome, name, bytes));
    (is_propensity                         ? propensity_
     : name.starts_with("control_effect.") ? control_effect_
     : name.starts_with("effect.")         ? effect_
                                           : outcome_)
        .push_back(std::move(restored));
  }
  return absl::OkStatus();
}

absl::StatusOr<Predictions> EffectModel::Predict(kernels::MatrixView<const double> x) const {
  if (x.columns != features_) {
    return absl::InvalidArgumentError(
        absl::StrCat("there are ", x.columns, " covariates, the model was fitted to ", features_));
  }
  Predictions predictions;
  if (net_ != nullptr) {
    PERENNIAL_ASSIGN_OR_RETURN(predictions, net_->Predict(x));
  }
  for (const auto& regression : outcome_) {
    predictions.outcome.push_back(PredictOf(*regression, x));
  }
  std::vector<std::vector<double>> e;
  for (const auto& regression : propensity_) {
    for (double& p : e.emplace_back(PredictOf(*regression, x))) p = std::clamp(p, kClip, 1 - kClip);
  }
  for (size_t a = 0; a < effect_.size(); ++a) {
    std::vector<double>& effect = predictions.effect.emplace_back(PredictOf(*effect_[a], x));
    const std::vector<double> on_control = PredictOf(*control_effect_[a], x);
    for (size_t i = 0; i < effect.size(); ++i) {
      effect[i] = e[a][i] * on_control[i] + (1 - e[a][i]) * effect[i];
    }
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
  std::vector<std::string> names;
  if (model.kind_ == EffectModelKind::kNet) {
    names.emplace_back("net");
    for (int arm = 1; arm < model.arms_; ++arm) names.push_back(absl::StrCat("propensity.", arm));
  } else {
    names = ComponentNames(model.arms_);
  }
  for (const std::string& name : names) {
    PERENNIAL_ASSIGN_OR_RETURN(std::string bytes, BytesOf(file, absl::StrCat(prefix, name)));
    model.parts_.emplace_back(name, std::move(bytes));
  }
  PERENNIAL_RETURN_IF_ERROR(model.Restore());
  // What was fitted to another number of covariates or arms says so here, not in a later CHECK.
  const std::vector<double> zeros(model.features_);
  if (model.net_ != nullptr) {
    PERENNIAL_ASSIGN_OR_RETURN(
        const Predictions tried,
        model.net_->Predict({zeros.data(), 1, model.features_, model.features_}));
    if (std::ssize(tried.outcome) != model.arms_) {
      return absl::DataLossError("the model's network is of another number of arms");
    }
  }
  return model;
}

}  // namespace perennial::causal
