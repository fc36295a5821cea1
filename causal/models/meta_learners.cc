#include "causal/models/meta_learners.h"

#include <algorithm>
#include <functional>
#include <numeric>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "causal/estimators/average_effect.h"
#include "common/base/logging.h"
#include "common/base/status_macros.h"

namespace perennial::causal {
namespace {

constexpr int kAllFolds = -1;
constexpr int kAllArms = -1;

enum class Role {
  kOutcome,        // mu of an arm; R: m of a contrast; S: of all arms.
  kPropensity,     // e of a contrast.
  kEffect,         // tau of a contrast; X: tau_1.
  kControlEffect,  // X: tau_0.
};

// One regression. A contrast is named by its arm.
struct Component {
  Role role;
  int arm = kAllArms;
  int fold = kAllFolds;  // The fold that is left out.

  auto operator<=>(const Component&) const = default;
};

// Whether mu, m and e are fitted in folds.
bool IsCrossed(MetaLearnerKind kind) {
  return kind == MetaLearnerKind::kR || kind == MetaLearnerKind::kDr;
}

std::string NameOf(const Component& component) {
  constexpr const char* kNames[] = {"outcome", "propensity", "effect", "effect on control"};
  std::string name = kNames[static_cast<int>(component.role)];
  if (component.arm != kAllArms) absl::StrAppend(&name, " of arm ", component.arm);
  if (component.fold != kAllFolds) absl::StrAppend(&name, ", fold ", component.fold + 1);
  return name;
}

std::vector<Component> ComponentsOf(MetaLearnerKind kind, int arms, int folds) {
  std::vector<Component> components;
  switch (kind) {
    case MetaLearnerKind::kS:
      components.push_back({.role = Role::kOutcome});
      break;
    case MetaLearnerKind::kT:
    case MetaLearnerKind::kX:
      for (int arm = 0; arm < arms; ++arm) {
        components.push_back({.role = Role::kOutcome, .arm = arm});
      }
      if (kind == MetaLearnerKind::kT) break;
      for (int arm = 1; arm < arms; ++arm) {
        for (const Role role : {Role::kControlEffect, Role::kEffect, Role::kPropensity}) {
          components.push_back({.role = role, .arm = arm});
        }
      }
      break;
    case MetaLearnerKind::kR:
    case MetaLearnerKind::kDr:
      for (int fold = 0; fold < folds; ++fold) {
        // R has an outcome a contrast, DR one an arm.
        for (int arm = kind == MetaLearnerKind::kR ? 1 : 0; arm < arms; ++arm) {
          components.push_back({.role = Role::kOutcome, .arm = arm, .fold = fold});
        }
        for (int arm = 1; arm < arms; ++arm) {
          components.push_back({.role = Role::kPropensity, .arm = arm, .fold = fold});
        }
      }
      for (int arm = 1; arm < arms; ++arm) {
        components.push_back({.role = Role::kEffect, .arm = arm});
      }
      break;
  }
  return components;
}

// Rows of covariates, gathered.
struct Gathered {
  std::vector<double> values;
  int64_t rows;
  int64_t columns;

  kernels::MatrixView<const double> view() const { return {values.data(), rows, columns, columns}; }
};

Gathered Gather(kernels::MatrixView<const double> x, std::span<const int32_t> rows) {
  Gathered gathered{.rows = static_cast<int64_t>(rows.size()), .columns = x.columns};
  gathered.values.reserve(rows.size() * x.columns);
  for (const int32_t row : rows) {
    gathered.values.insert(gathered.values.end(), x.row(row), x.row(row) + x.columns);
  }
  return gathered;
}

std::vector<double> PredictOf(const Regression& regression, kernels::MatrixView<const double> x) {
  std::vector<double> predicted(x.rows);
  regression.Predict(x, predicted);
  return predicted;
}

// e of each contrast [arms - 1][n] -> P(T = a) of each arm [arms][n].
std::vector<std::vector<double>> ArmPropensities(const std::vector<std::vector<double>>& e) {
  std::vector<std::vector<double>> propensity(e.size() + 1, std::vector<double>(e[0].size()));
  for (size_t i = 0; i < e[0].size(); ++i) {
    double odds = 1;
    for (const auto& contrast : e) odds += contrast[i] / (1 - contrast[i]);
    propensity[0][i] = 1 / odds;
    for (size_t a = 0; a < e.size(); ++a) {
      propensity[a + 1][i] = e[a][i] / (1 - e[a][i]) / odds;
    }
  }
  return propensity;
}

class MetaLearnerFit : public ModelFit {
 public:
  MetaLearnerFit(const MetaLearnerOptions& options, Observations observations,
                 std::vector<int32_t> fold_of, const random::Stream& stream)
      : options_(options),
        arms_(observations.arms),
        features_(observations.features()),
        units_(observations.size()),
        observations_(std::move(observations)),
        fold_of_(std::move(fold_of)),
        stream_(stream),
        components_(ComponentsOf(options.kind, arms_, options.folds)) {}

  // Without data, for Load of a fit that has ended, which `units` units were fitted to.
  MetaLearnerFit(const MetaLearnerOptions& options, int arms, int64_t features, int64_t units)
      : options_(options),
        arms_(arms),
        features_(features),
        units_(units),
        stream_(0),
        components_(ComponentsOf(options.kind, arms, options.folds)) {}

  int64_t steps() const override { return static_cast<int64_t>(components_.size()); }
  int64_t steps_done() const override { return static_cast<int64_t>(fits_.size()); }

  absl::Status Advance(int64_t steps) override {
    for (; steps > 0 && fits_.size() < components_.size(); --steps) {
      const Component& component = components_[fits_.size()];
      absl::StatusOr<std::unique_ptr<Regression>> fit = Fit(component);
      if (!fit.ok()) return base::WithContext(fit.status(), NameOf(component));
      fits_.push_back(*std::move(fit));
    }
    return absl::OkStatus();
  }

  absl::StatusOr<Predictions> Predict(kernels::MatrixView<const double> x) const override {
    if (x.columns != features_) {
      return absl::InvalidArgumentError(absl::StrCat(
          "there are ", x.columns, " covariates, the model was fitted to ", features_));
    }
    CHECK_EQ(steps_done(), steps()) << "Predict is for after the last step";
    Predictions predictions;
    const MetaLearnerKind kind = options_.kind;
    if (kind == MetaLearnerKind::kS) {
      for (int arm = 0; arm < arms_; ++arm) {
        const Gathered with_arm = WithArm(x, [arm](int64_t) { return arm; });
        predictions.outcome.push_back(PredictOf(Fitted({Role::kOutcome}), with_arm.view()));
      }
    } else if (kind != MetaLearnerKind::kR) {
      for (int arm = 0; arm < arms_; ++arm) {
        predictions.outcome.push_back(MeanOverFolds(Role::kOutcome, arm, x));
      }
    }
    if (kind == MetaLearnerKind::kS || kind == MetaLearnerKind::kT) {
      SetEffects(predictions);
      return predictions;
    }
    std::vector<std::vector<double>> e;
    for (int arm = 1; arm < arms_; ++arm) {
      e.push_back(MeanOverFolds(Role::kPropensity, arm, x));
      std::vector<double>& effect =
          predictions.effect.emplace_back(PredictOf(Fitted({Role::kEffect, arm}), x));
      if (kind != MetaLearnerKind::kX) continue;
      const std::vector<double> on_control = PredictOf(Fitted({Role::kControlEffect, arm}), x);
      for (size_t i = 0; i < effect.size(); ++i) {
        effect[i] = e.back()[i] * on_control[i] + (1 - e.back()[i]) * effect[i];
      }
    }
    predictions.propensity = ArmPropensities(e);
    return predictions;
  }

  absl::Status Save(absl::string_view prefix, record::SafetensorsWriter& writer) const override {
    const std::vector<int64_t> shape = Shape(steps_done());
    PERENNIAL_RETURN_IF_ERROR(writer.Add(absl::StrCat(prefix, "meta_learner"),
                                         {static_cast<int64_t>(shape.size())},
                                         std::span<const int64_t>(shape)));
    for (size_t i = 0; i < fits_.size(); ++i) {
      const std::string bytes = fits_[i]->Serialize();
      PERENNIAL_RETURN_IF_ERROR(writer.Add(
          absl::StrCat(prefix, "component.", i), {static_cast<int64_t>(bytes.size())},
          std::span<const uint8_t>(reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size())));
    }
    return absl::OkStatus();
  }

  // That a saved fit is of.
  static absl::StatusOr<int64_t> UnitsOf(absl::string_view prefix,
                                         const record::SafetensorsFile& file) {
    PERENNIAL_ASSIGN_OR_RETURN(const std::vector<int64_t> shape,
                               file.Read<int64_t>(absl::StrCat(prefix, "meta_learner")));
    if (shape.size() != 6) {
      return absl::DataLossError("the state of a meta-learner does not say what it is of");
    }
    return shape[3];
  }

  absl::Status Load(absl::string_view prefix, const record::SafetensorsFile& file) override {
    PERENNIAL_ASSIGN_OR_RETURN(const std::vector<int64_t> shape,
                               file.Read<int64_t>(absl::StrCat(prefix, "meta_learner")));
    const int64_t done = shape.empty() ? -1 : shape.back();
    if (shape != Shape(done)) {
      return absl::InvalidArgumentError(
          "the state of a meta-learner is of another kind, other arms, folds or data");
    }
    if (done < 0 || done > steps()) {
      return absl::InvalidArgumentError(absl::StrCat("the state of a meta-learner is of step ",
                                                     done, ", must be 0 to ", steps()));
    }
    std::vector<std::unique_ptr<Regression>> fits;
    for (int64_t i = 0; i < done; ++i) {
      PERENNIAL_ASSIGN_OR_RETURN(const std::vector<uint8_t> bytes,
                                 file.Read<uint8_t>(absl::StrCat(prefix, "component.", i)));
      absl::StatusOr<std::unique_ptr<Regression>> fit =
          RegressorOf(components_[i].role).Restore(std::string(bytes.begin(), bytes.end()));
      if (!fit.ok()) return base::WithContext(fit.status(), NameOf(components_[i]));
      fits.push_back(*std::move(fit));
    }
    fits_ = std::move(fits);
    return absl::OkStatus();
  }

 private:
  // What a saved state must agree with, and its step.
  std::vector<int64_t> Shape(int64_t done) const {
    return {static_cast<int64_t>(options_.kind),
            arms_,
            IsCrossed(options_.kind) ? options_.folds : 0,
            units_,
            features_,
            done};
  }

  const Regressor& RegressorOf(Role role) const {
    switch (role) {
      case Role::kOutcome:
        return *options_.outcome;
      case Role::kPropensity:
        return *options_.propensity;
      case Role::kEffect:
      case Role::kControlEffect:
        break;
    }
    return *options_.effect;
  }

  const Regression& Fitted(const Component& component) const {
    const auto found = std::ranges::find(components_, component);
    const auto index = static_cast<size_t>(found - components_.begin());
    CHECK_LT(index, fits_.size());
    return *fits_[index];
  }

  // Covariates, and for S the indicators of the arms.
  Gathered WithArm(kernels::MatrixView<const double> x,
                   const std::function<int(int64_t)>& arm_of) const {
    const int64_t contrasts = arms_ - 1;
    Gathered all{.rows = x.rows, .columns = x.columns + contrasts};
    all.values.reserve(all.rows * all.columns);
    for (int64_t i = 0; i < x.rows; ++i) {
      all.values.insert(all.values.end(), x.row(i), x.row(i) + x.columns);
      for (int arm = 1; arm <= contrasts; ++arm) all.values.push_back(arm_of(i) == arm ? 1 : 0);
    }
    return all;
  }

  // Clipped, if propensities.
  std::vector<double> PredictRole(const Component& component,
                                  kernels::MatrixView<const double> x) const {
    std::vector<double> predicted = PredictOf(Fitted(component), x);
    if (component.role == Role::kPropensity) {
      for (double& e : predicted) e = std::clamp(e, options_.clip, 1 - options_.clip);
    }
    return predicted;
  }

  std::vector<double> MeanOverFolds(Role role, int arm, kernels::MatrixView<const double> x) const {
    if (!IsCrossed(options_.kind)) return PredictRole({role, arm}, x);
    std::vector<double> mean(x.rows);
    for (int fold = 0; fold < options_.folds; ++fold) {
      const std::vector<double> predicted = PredictRole({role, arm, fold}, x);
      for (int64_t i = 0; i < x.rows; ++i) mean[i] += predicted[i] / options_.folds;
    }
    return mean;
  }

  // For units of the fit; each by the regression that left its fold out.
  std::vector<double> OutOfFold(Role role, int arm, std::span<const int32_t> units) const {
    if (fold_of_.empty()) return PredictRole({role, arm}, Gather(observations_.x(), units).view());
    std::vector<double> all(units.size());
    for (int fold = 0; fold < options_.folds; ++fold) {
      std::vector<size_t> places;
      std::vector<int32_t> rows;
      for (size_t i = 0; i < units.size(); ++i) {
        if (fold_of_[units[i]] != fold) continue;
        places.push_back(i);
        rows.push_back(units[i]);
      }
      const std::vector<double> predicted =
          PredictRole({role, arm, fold}, Gather(observations_.x(), rows).view());
      for (size_t i = 0; i < places.size(); ++i) all[places[i]] = predicted[i];
    }
    return all;
  }

  // Units in one of the arms, but not in the fold.
  std::vector<int32_t> Units(std::initializer_list<int> arms, int fold) const {
    std::vector<int32_t> units;
    for (int32_t i = 0; i < observations_.size(); ++i) {
      if (fold != kAllFolds && fold_of_[i] == fold) continue;
      if (std::ranges::find(arms, observations_.treatment[i]) != arms.end()) units.push_back(i);
    }
    return units;
  }

  std::vector<double> Outcomes(std::span<const int32_t> units) const {
    std::vector<double> y;
    for (const int32_t unit : units) y.push_back(observations_.outcome[unit]);
    return y;
  }

  absl::StatusOr<std::unique_ptr<Regression>> Fit(const Component& component) const {
    const int arm = component.arm;
    std::vector<int32_t> units;
    std::vector<double> y;
    std::vector<double> weights;
    bool binary = false;
    switch (component.role) {
      case Role::kOutcome:
        binary = observations_.binary_outcome;
        if (options_.kind == MetaLearnerKind::kS) {
          const Gathered x =
              WithArm(observations_.x(), [this](int64_t i) { return observations_.treatment[i]; });
          return options_.outcome->Fit({.x = x.view(),
                                        .y = observations_.outcome,
                                        .binary = binary,
                                        .cluster = observations_.cluster,
                                        .stream = StreamOf(component)});
        }
        units = options_.kind == MetaLearnerKind::kR ? Units({0, arm}, component.fold)
                                                     : Units({arm}, component.fold);
        y = Outcomes(units);
        break;
      case Role::kPropensity:
        binary = true;
        units = Units({0, arm}, component.fold);
        for (const int32_t unit : units) y.push_back(observations_.treatment[unit] == arm ? 1 : 0);
        break;
      case Role::kControlEffect: {
        units = Units({0}, kAllFolds);
        y = OutOfFold(Role::kOutcome, arm, units);
        for (size_t i = 0; i < units.size(); ++i) y[i] -= observations_.outcome[units[i]];
        break;
      }
      case Role::kEffect:
        if (options_.kind == MetaLearnerKind::kX) {
          units = Units({arm}, kAllFolds);
          const std::vector<double> control = OutOfFold(Role::kOutcome, 0, units);
          y = Outcomes(units);
          for (size_t i = 0; i < units.size(); ++i) y[i] -= control[i];
        } else if (options_.kind == MetaLearnerKind::kR) {
          units = Units({0, arm}, kAllFolds);
          const std::vector<double> m = OutOfFold(Role::kOutcome, arm, units);
          const std::vector<double> e = OutOfFold(Role::kPropensity, arm, units);
          y = Outcomes(units);
          for (size_t i = 0; i < units.size(); ++i) {
            const double residual = (observations_.treatment[units[i]] == arm ? 1 : 0) - e[i];
            y[i] = (y[i] - m[i]) / residual;
            weights.push_back(residual * residual);
          }
        } else {
          units.resize(observations_.size());
          std::iota(units.begin(), units.end(), 0);
          y = Scores(arm, units);
        }
        break;
    }
    const Gathered x = Gather(observations_.x(), units);
    std::vector<int32_t> cluster;
    if (!observations_.cluster.empty()) {
      for (const int32_t unit : units) cluster.push_back(observations_.cluster[unit]);
    }
    return RegressorOf(component.role)
        .Fit({.x = x.view(),
              .y = y,
              .weights = weights,
              .binary = binary,
              .cluster = cluster,
              .stream = StreamOf(component)});
  }

  // Of AIPW, for the contrast of `arm`.
  std::vector<double> Scores(int arm, std::span<const int32_t> units) const {
    std::vector<std::vector<double>> e;
    for (int a = 1; a < observations_.arms; ++a) {
      e.push_back(OutOfFold(Role::kPropensity, a, units));
    }
    const std::vector<std::vector<double>> propensity = ArmPropensities(e);
    std::vector<double> scores(units.size());
    for (const int a : {arm, 0}) {
      const std::vector<double> mu = OutOfFold(Role::kOutcome, a, units);
      const double sign = a == 0 ? -1 : 1;
      for (size_t i = 0; i < units.size(); ++i) {
        double score = mu[i];
        if (observations_.treatment[units[i]] == a) {
          score +=
              (observations_.outcome[units[i]] - mu[i]) / std::max(propensity[a][i], options_.clip);
        }
        scores[i] += sign * score;
      }
    }
    return scores;
  }

  // By role, arm and fold, never by place.
  random::Stream StreamOf(const Component& component) const {
    constexpr const char* kNames[] = {"outcome", "propensity", "effect", "control effect"};
    return stream_.Split(kNames[static_cast<int>(component.role)])
        .Split(static_cast<uint64_t>(component.arm + 1))
        .Split(static_cast<uint64_t>(component.fold + 1));
  }

  MetaLearnerOptions options_;
  int arms_;
  int64_t features_;
  int64_t units_;
  Observations observations_;
  std::vector<int32_t> fold_of_;  // [n]; empty: not crossed.
  random::Stream stream_;
  std::vector<Component> components_;
  std::vector<std::unique_ptr<Regression>> fits_;
};

absl::Status Validate(const MetaLearnerOptions& options) {
  const bool crossed = IsCrossed(options.kind);
  const bool staged = crossed || options.kind == MetaLearnerKind::kX;
  for (const auto& [name, regressor, needed] :
       {std::tuple("outcome", options.outcome, true), std::tuple("effect", options.effect, staged),
        std::tuple("propensity", options.propensity, staged)}) {
    if (needed && regressor == nullptr) {
      return absl::InvalidArgumentError(absl::StrCat("meta-learner: no regressor of ", name));
    }
  }
  if (crossed && options.folds < 2) {
    return absl::InvalidArgumentError(
        absl::StrCat("meta-learner: folds is ", options.folds, ", must be at least 2"));
  }
  if (!(options.clip > 0 && options.clip < .5)) {
    return absl::InvalidArgumentError(
        absl::StrCat("meta-learner: clip is ", options.clip, ", must be above 0, below .5"));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<ModelFactory> MetaLearner(const MetaLearnerOptions& options) {
  PERENNIAL_RETURN_IF_ERROR(Validate(options));
  return ModelFactory([options](FitData data) -> absl::StatusOr<std::unique_ptr<ModelFit>> {
    PERENNIAL_RETURN_IF_ERROR(Validate(data.observations));
    const random::Stream stream = data.stream.Split("meta_learner");
    std::vector<int32_t> fold_of;
    if (IsCrossed(options.kind)) {
      PERENNIAL_ASSIGN_OR_RETURN(fold_of, Folds(data.observations.treatment, options.folds,
                                                data.observations.cluster, stream));
    }
    return std::make_unique<MetaLearnerFit>(options, std::move(data.observations),
                                            std::move(fold_of), stream);
  });
}

absl::StatusOr<std::unique_ptr<ModelFit>> RestoreMetaLearner(const MetaLearnerOptions& options,
                                                             int arms, int64_t features,
                                                             absl::string_view prefix,
                                                             const record::SafetensorsFile& file) {
  PERENNIAL_RETURN_IF_ERROR(Validate(options));
  CHECK(arms >= 2 && features >= 1);
  PERENNIAL_ASSIGN_OR_RETURN(const int64_t units, MetaLearnerFit::UnitsOf(prefix, file));
  auto fit = std::make_unique<MetaLearnerFit>(options, arms, features, units);
  PERENNIAL_RETURN_IF_ERROR(fit->Load(prefix, file));
  if (fit->steps_done() < fit->steps()) {
    return absl::InvalidArgumentError(absl::StrCat("the state of a meta-learner is of step ",
                                                   fit->steps_done(), " of ", fit->steps(),
                                                   "; it must have ended"));
  }
  return fit;
}

}  // namespace perennial::causal
