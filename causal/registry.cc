#include "causal/registry.h"

#include <algorithm>
#include <iterator>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "causal/estimators/baselines.h"
#include "causal/estimators/logistic.h"
#include "causal/estimators/ridge.h"
#include "causal/models/boosting.h"
#include "causal/models/ensemble.h"
#include "causal/models/meta_learners.h"
#include "causal/nets/net_regressor.h"
#include "common/base/logging.h"
#include "common/base/status_macros.h"

namespace perennial::causal {
namespace {

// What neither a configuration nor a method says.
NetConfig DefaultNet() {
  const NetOptions options;
  NetConfig config;
  for (const int64_t width : options.network.trunk) config.add_trunk(static_cast<int32_t>(width));
  for (const int64_t width : options.network.head) config.add_head(static_cast<int32_t>(width));
  config.set_activation(ELU);
  config.set_shared(options.network.shared);
  config.set_dropout(options.network.dropout);
  config.set_learning_rate(options.optimizer.learning_rate);
  config.set_weight_decay(options.optimizer.weight_decay);
  config.set_batch_size(options.batch_size);
  config.set_steps(static_cast<int32_t>(options.steps));
  config.set_validation_share(options.validation_share);
  config.set_evaluate_every(static_cast<int32_t>(options.evaluate_every));
  config.set_patience(static_cast<int32_t>(options.patience));
  config.set_reweight_arms(options.reweight_arms);
  config.set_propensity(options.objective.propensity);
  config.set_targeted(options.objective.targeted);
  config.set_alpha(options.objective.alpha);
  RepresentationConfig& representation = *config.mutable_representation();
  representation.set_distance(RepresentationConfig::RBF);
  representation.set_bandwidth(0);
  representation.set_unbiased(false);
  representation.set_regularization(0.1);
  representation.set_iterations(10);
  representation.set_debiased(true);
  representation.set_unit_length(options.objective.unit_length);
  config.set_beta(options.objective.beta);
  ControlOutcomesConfig& control = *config.mutable_control_outcomes();
  control.set_distance(ControlOutcomesConfig::WASSERSTEIN_1);
  control.set_target(ControlOutcomesConfig::PREDICTED);
  control.set_gradient(ControlOutcomesConfig::BOTH);
  control.set_scale(ControlOutcomesConfig::LOGIT);
  control.set_bandwidth(0);
  control.set_adjustment(ControlOutcomesConfig::NONE);
  control.set_strata(5);
  control.set_anneal(options.anneal_beta);
  config.set_adversary(options.adversary.weight);
  config.set_offset(false);
  config.set_ensemble(1);
  config.set_transductive(NetConfig::INDUCTIVE);
  return config;
}

// `own` on top of `base`; lists that it gives replace the base's.
NetConfig Merge(NetConfig base, const NetConfig& own) {
  if (own.trunk_size() > 0) base.clear_trunk();
  if (own.head_size() > 0) base.clear_head();
  base.MergeFrom(own);
  return base;
}

nn::Activation ActivationOf(Activation activation) {
  if (activation == RELU) return nn::Activation::kRelu;
  return activation == TANH ? nn::Activation::kTanh : nn::Activation::kElu;
}

DiscrepancyConfig DiscrepancyOf(const RepresentationConfig& config) {
  DiscrepancyConfig discrepancy;
  switch (config.distance()) {
    case RepresentationConfig::LINEAR:
      discrepancy.kind = DiscrepancyKind::kLinear;
      break;
    case RepresentationConfig::RBF:
      discrepancy.kind = DiscrepancyKind::kRbf;
      break;
    case RepresentationConfig::ENERGY:
      discrepancy.kind = DiscrepancyKind::kEnergy;
      break;
    case RepresentationConfig::SINKHORN:
      discrepancy.kind = DiscrepancyKind::kSinkhorn;
      break;
    case RepresentationConfig::SLACK_SINKHORN:
      discrepancy.kind = DiscrepancyKind::kSlackSinkhorn;
      break;
  }
  discrepancy.bandwidth = config.bandwidth();
  discrepancy.unbiased = config.unbiased();
  discrepancy.epsilon = config.regularization();
  discrepancy.iterations = config.iterations();
  discrepancy.debiased = config.debiased();
  if (config.cost() == RepresentationConfig::EUCLIDEAN) {
    discrepancy.cost = TransportCost::kEuclidean;
  }
  if (config.has_treated_mass()) discrepancy.mass_x = config.treated_mass();
  return discrepancy;
}

absl::StatusOr<ModelFactory> MakeNet(const MethodConfig& method, const NetConfig& net) {
  const NetConfig config = Override(net, method.net());
  ModelFactory factory =
      [options = NetOptionsOf(config)](FitData data) -> absl::StatusOr<std::unique_ptr<ModelFit>> {
    return NetFit::Create(options, std::move(data));
  };
  return config.ensemble() > 1 ? Ensemble(std::move(factory), config.ensemble()) : factory;
}

BoostingStart StartOf(BoostingConfig::Start start) {
  switch (start) {
    case BoostingConfig::MEAN:
      return BoostingStart::kMean;
    case BoostingConfig::LINEAR:
      return BoostingStart::kLinear;
    case BoostingConfig::BETTER:
      break;
  }
  return BoostingStart::kBetter;
}

absl::StatusOr<ModelFactory> MakeMetaLearner(const MethodConfig& method, const NetConfig& net) {
  const MetaLearnerConfig& config = method.meta_learner();
  MetaLearnerOptions options = {.kind = static_cast<MetaLearnerKind>(config.kind()),
                                .propensity = std::make_shared<Logistic>(LogisticOptions{}),
                                .folds = config.folds(),
                                .clip = config.clip()};
  switch (config.base()) {
    case MetaLearnerConfig::BOOSTING: {
      const BoostingConfig& boosting = config.boosting();
      PERENNIAL_ASSIGN_OR_RETURN(
          options.outcome,
          Boosting::Create({.rounds = boosting.rounds(),
                            .learning_rate = boosting.learning_rate(),
                            .leaves = boosting.leaves(),
                            .min_data_in_leaf = boosting.min_data_in_leaf(),
                            .lambda = boosting.lambda(),
                            .early_stopping_share = boosting.early_stopping_share(),
                            .patience = boosting.patience(),
                            .start = StartOf(boosting.start())}));
      options.propensity = options.outcome;
      break;
    }
    case MetaLearnerConfig::LINEAR:
      options.outcome = std::make_shared<Ridge>(RidgeOptions{.penalty = 1e-3});
      break;
    case MetaLearnerConfig::NET: {
      const NetOptions of_net = NetOptionsOf(Override(net, NetConfig()));
      std::vector<int64_t> hidden = of_net.network.trunk;
      hidden.insert(hidden.end(), of_net.network.head.begin(), of_net.network.head.end());
      PERENNIAL_ASSIGN_OR_RETURN(
          options.outcome, NetRegressor::Create({.hidden = std::move(hidden),
                                                 .activation = of_net.network.activation,
                                                 .learning_rate = of_net.optimizer.learning_rate,
                                                 .weight_decay = of_net.optimizer.weight_decay,
                                                 .batch_size = of_net.batch_size,
                                                 .steps = of_net.steps,
                                                 .validation_share = of_net.validation_share,
                                                 .evaluate_every = of_net.evaluate_every}));
      break;
    }
  }
  options.effect = options.outcome;
  return MetaLearner(options);
}

struct Entry {
  MethodConfig::KindCase kind;
  absl::StatusOr<ModelFactory> (*make)(const MethodConfig&, const NetConfig&);
};

constexpr Entry kModels[] = {
    {MethodConfig::kNullEffect,
     [](const auto&, const auto&) -> absl::StatusOr<ModelFactory> { return NullEffect(); }},
    {MethodConfig::kNaiveDifference,
     [](const auto&, const auto&) -> absl::StatusOr<ModelFactory> { return NaiveDifference(); }},
    {MethodConfig::kOls1,
     [](const auto&, const auto&) -> absl::StatusOr<ModelFactory> { return Ols1(); }},
    {MethodConfig::kOls2,
     [](const auto& m, const auto&) -> absl::StatusOr<ModelFactory> {
       const bool by_formula = !m.intervals().empty() && m.intervals(0).bootstrap() == 0;
       return Ols2({.penalty = m.ols_2().penalty()}, by_formula);
     }},
    {MethodConfig::kNet, MakeNet},
    {MethodConfig::kMetaLearner, MakeMetaLearner},
};

}  // namespace

std::string MethodName(const MethodConfig& method) {
  if (!method.name().empty()) return method.name();
  const auto* field = MethodConfig::descriptor()->FindFieldByNumber(method.kind_case());
  CHECK(field != nullptr) << "a method without a kind";
  return field->name();
}

NetConfig Override(const NetConfig& net, const NetConfig& own) {
  return Merge(Merge(DefaultNet(), net), own);
}

NetOptions NetOptionsOf(const NetConfig& config) {
  NetOptions options;
  options.network = {.trunk = {config.trunk().begin(), config.trunk().end()},
                     .head = {config.head().begin(), config.head().end()},
                     .activation = ActivationOf(config.activation()),
                     .dropout = config.dropout(),
                     .shared = config.shared(),
                     .propensity = config.propensity() > 0 || config.targeted() > 0,
                     .offset = config.offset()};
  const RepresentationConfig& representation = config.representation();
  const ControlOutcomesConfig& control = config.control_outcomes();
  options.objective = {
      .propensity = config.propensity(),
      .targeted = config.targeted(),
      .alpha = config.alpha(),
      .balance = DiscrepancyOf(representation),
      .unit_length = representation.unit_length(),
      .beta = config.beta(),
      .control = {.distance = static_cast<ControlBalanceOptions::Distance>(control.distance()),
                  .target = static_cast<ControlBalanceOptions::Target>(control.target()),
                  .gradient = static_cast<ControlBalanceOptions::Gradient>(control.gradient()),
                  .scale = static_cast<ControlBalanceOptions::Scale>(control.scale()),
                  .bandwidth = control.bandwidth()}};
  options.adversary.weight = config.adversary();
  options.control_odds = control.adjustment() == ControlOutcomesConfig::ODDS;
  options.control_strata =
      control.adjustment() == ControlOutcomesConfig::STRATA ? control.strata() : 0;
  options.anneal_beta = control.anneal();
  options.reweight_arms = config.reweight_arms();
  options.transductive = static_cast<NetOptions::Transductive>(config.transductive());
  options.optimizer.learning_rate = config.learning_rate();
  options.optimizer.weight_decay = config.weight_decay();
  options.batch_size = config.batch_size();
  options.steps = config.steps();
  options.validation_share = config.validation_share();
  options.evaluate_every = config.evaluate_every();
  options.patience = config.patience();
  return options;
}

std::optional<AverageOptions> AverageOf(const MethodConfig& method) {
  if (method.average().empty()) return std::nullopt;
  const AverageConfig& config = method.average(0);
  AverageOptions options = {.folds = config.folds(),
                            .lowest_propensity = config.lowest_propensity(),
                            .highest_propensity = 1 - config.lowest_propensity()};
  switch (config.estimator()) {
    case AverageConfig::HAJEK:
      options.method = EffectMethod::kHajek;
      break;
    case AverageConfig::HORVITZ_THOMPSON:
      options.method = EffectMethod::kHorvitzThompson;
      break;
    case AverageConfig::AIPW:
      options.method = EffectMethod::kAipw;
      break;
    case AverageConfig::TMLE:
      options.method = EffectMethod::kTmle;
      break;
  }
  return options;
}

absl::StatusOr<std::optional<IntervalOptions>> IntervalsOf(const MethodConfig& method) {
  if (method.intervals().empty()) return std::nullopt;
  const IntervalsConfig& config = method.intervals(0);
  const int replicates = config.bootstrap();
  if (replicates == 1 || (replicates == 0 && !method.has_ols_2())) {
    return absl::InvalidArgumentError(absl::StrCat(
        "method ", MethodName(method), ": intervals.bootstrap is ", replicates,
        ", must be at least 2", method.has_ols_2() ? ", or 0" : ": only ols_2 has a formula"));
  }
  return IntervalOptions{.bootstrap = replicates, .level = config.level()};
}

absl::StatusOr<ModelFactory> MakeModel(const MethodConfig& method, const NetConfig& net) {
  const auto* entry = std::ranges::find(kModels, method.kind_case(), &Entry::kind);
  CHECK(entry != std::end(kModels)) << MethodName(method) << " is not in the table of registry.cc";
  return entry->make(method, net);
}

}  // namespace perennial::causal
