#include "causal/effect_unit.h"

#include <algorithm>
#include <cmath>
#include <span>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "causal/diagnostics/covariate_balance.h"
#include "causal/estimators/logistic.h"
#include "causal/estimators/selection.h"
#include "causal/models/boosting.h"
#include "causal/nets/net_fit.h"
#include "common/base/logging.h"
#include "common/base/status_macros.h"
#include "common/population/guarded.h"
#include "common/population/unit_state.h"
#include "common/record/safetensors.h"
#include "common/stats/normal.h"
#include "common/stats/student_t.h"

namespace perennial::causal {
namespace {

constexpr char kFitPrefix[] = "fit.";
constexpr char kCrossFitPrefix[] = "cross_fit.";
constexpr char kBootstrapPrefix[] = "bootstrap.";
constexpr char kOutcomeUnit[] = "outcome";
constexpr char kSquaredUnit[] = "outcome^2";
constexpr char kShareUnit[] = "fraction";
constexpr char kDeviationUnit[] = "sd";

double Mean(const std::vector<double>& values) {
  double sum = 0;
  for (const double value : values) sum += value;
  return sum / static_cast<double>(values.size());
}

std::string Suffix(size_t contrast) { return contrast == 0 ? "" : absl::StrCat("_", contrast + 1); }

// The share of units whose effect of arm a + 1 is within value +- half [n].
double Coverage(const Truth& truth, size_t a, std::span<const double> value,
                std::span<const double> half) {
  double covered = 0;
  for (size_t i = 0; i < value.size(); ++i) {
    const double effect = truth.mean_outcome[a + 1][i] - truth.mean_outcome[0][i];
    covered += std::abs(value[i] - effect) <= half[i] ? 1 : 0;
  }
  return covered / static_cast<double>(value.size());
}

// The units whose arms were drawn by lot, with the effects that were predicted for them.
struct Randomised {
  std::vector<double> effect;
  std::vector<int32_t> treatment;
  std::vector<double> outcome;

  void Add(const Observations& units, std::span<const double> predicted) {
    for (size_t i = 0; i < units.randomised.size(); ++i) {
      if (units.randomised[i] == 0) continue;
      effect.push_back(predicted[i]);
      treatment.push_back(units.treatment[i]);
      outcome.push_back(units.outcome[i]);
    }
  }
};

}  // namespace

random::Stream SplitStream(uint64_t seed) { return random::Stream(seed).Split("split"); }
random::Stream FitStream(uint64_t seed) { return random::Stream(seed).Split("fit"); }

absl::StatusOr<std::unique_ptr<EffectUnit>> EffectUnit::Create(EffectUnitOptions options) {
  std::unique_ptr<EffectUnit> unit(new EffectUnit(std::move(options)));
  PERENNIAL_ASSIGN_OR_RETURN(const Work work, unit->Begin());
  unit->plan_.steps = work.fit->steps();
  unit->plan_.training_flops = work.fit->training_flops();
  if (work.cross_fit != nullptr) {
    unit->plan_.steps += work.cross_fit->steps();
    unit->plan_.training_flops += work.cross_fit->training_flops();
  }
  if (work.bootstrap != nullptr) {
    unit->plan_.steps += work.bootstrap->steps();
    unit->plan_.training_flops += work.bootstrap->training_flops();
  }
  // The sample, and copies that models make of it.
  const int64_t numbers =
      (work.split.in.size() + work.split.out.size()) * (work.split.in.features() + 8);
  unit->plan_.memory_bytes = 3.0 * sizeof(double) * static_cast<double>(numbers);
  return unit;
}

absl::StatusOr<EffectUnit::Work> EffectUnit::Begin() const {
  const random::Stream root(options_.seed);
  PERENNIAL_ASSIGN_OR_RETURN(Realisation drawn, options_.source->Realise(options_.seed));
  Work work;
  work.att = drawn.att;
  work.experiment = std::move(drawn.experiment);
  if (drawn.test.has_value()) {
    work.split = {.in = std::move(drawn.units), .out = *std::move(drawn.test)};
  } else {
    PERENNIAL_ASSIGN_OR_RETURN(
        work.split, SplitUnits(drawn.units, options_.test_share, SplitStream(options_.seed)));
  }
  if (options_.selection_share > 0) {
    PERENNIAL_ASSIGN_OR_RETURN(
        Split left, SplitUnits(work.split.in, options_.selection_share, root.Split("selection")));
    work.split.in = std::move(left.in);
    work.selection = std::move(left.out);
  }
  FitData data = {.observations = work.split.in,
                  .unlabelled_covariates = work.split.out.covariates,
                  .unlabelled_treatment = work.split.out.treatment,
                  .stream = FitStream(options_.seed)};
  data.observations.truth.reset();
  if (options_.average.has_value()) {
    FitData copy = data;
    copy.stream = root.Split("cross_fit");
    PERENNIAL_ASSIGN_OR_RETURN(
        work.cross_fit, CrossFit::Create(options_.model, std::move(copy), options_.average->folds));
  }
  if (options_.intervals.has_value() && options_.intervals->bootstrap > 0) {
    FitData copy = data;
    copy.stream = root.Split("bootstrap");
    std::vector<double> points = work.split.in.covariates;
    points.insert(points.end(), work.split.out.covariates.begin(), work.split.out.covariates.end());
    PERENNIAL_ASSIGN_OR_RETURN(work.bootstrap,
                               Bootstrap::Create(options_.model, std::move(copy),
                                                 options_.intervals->bootstrap, std::move(points)));
  }
  PERENNIAL_ASSIGN_OR_RETURN(work.fit, options_.model(std::move(data)));
  return work;
}

int64_t EffectUnit::Work::steps_done() const {
  return fit->steps_done() + (cross_fit == nullptr ? 0 : cross_fit->steps_done()) +
         (bootstrap == nullptr ? 0 : bootstrap->steps_done());
}

double EffectUnit::progress() const {
  return static_cast<double>(steps_done_) / static_cast<double>(plan_.steps);
}

absl::Status EffectUnit::Advance(int64_t steps) {
  if (finished()) return absl::OkStatus();
  const auto step = [this] { return steps_done_ + 1; };
  return population::Guarded(step, [&]() -> absl::Status {
    if (!work_.has_value()) {
      PERENNIAL_ASSIGN_OR_RETURN(work_, Begin());
    }
    const int64_t end = work_->steps_done() + steps;
    PERENNIAL_RETURN_IF_ERROR(work_->fit->Advance(steps));
    if (work_->cross_fit != nullptr) {
      PERENNIAL_RETURN_IF_ERROR(work_->cross_fit->Advance(end - work_->steps_done()));
    }
    if (work_->bootstrap != nullptr) {
      PERENNIAL_RETURN_IF_ERROR(work_->bootstrap->Advance(end - work_->steps_done()));
    }
    steps_done_ = work_->steps_done();
    return finished() ? Measure() : absl::OkStatus();
  });
}

absl::Status EffectUnit::Measure() {
  const Split& split = work_->split;
  PERENNIAL_ASSIGN_OR_RETURN(const Predictions in, work_->fit->Predict(split.in.x()));
  std::vector<EffectErrors> errors_in;
  std::vector<EffectErrors> errors_out;
  if (split.in.truth.has_value()) {
    PERENNIAL_ASSIGN_OR_RETURN(errors_in, EffectErrorsOf(split.in, *split.in.truth, in));
  }
  Predictions out;
  if (split.out.size() > 0) {
    PERENNIAL_ASSIGN_OR_RETURN(out, work_->fit->Predict(split.out.x()));
  }
  if (split.out.truth.has_value() && split.out.size() > 0) {
    PERENNIAL_ASSIGN_OR_RETURN(errors_out, EffectErrorsOf(split.out, *split.out.truth, out));
  }
  for (size_t a = 0; a < in.effect.size(); ++a) {
    const std::string suffix = Suffix(a);
    const auto add = [&](absl::string_view name, std::optional<double> value) {
      if (!value.has_value()) return;
      measurements_.push_back({absl::StrCat(name, suffix), kOutcomeUnit, *value});
    };
    if (!errors_in.empty()) {
      const EffectErrors& errors = errors_in[a];
      add("sqrt_pehe_in", errors.sqrt_pehe);
      if (!errors_out.empty()) add("sqrt_pehe_out", errors_out[a].sqrt_pehe);
      if (!errors_out.empty()) add("ate_error_out", errors_out[a].ate_error());
      add("effect_sd", errors.effect_sd);
      if (!options_.average.has_value()) {
        add("ate_error", errors.ate_error());
        add("att_error", errors.att_error());
        add("ate_bias", errors.ate_bias);
        add("att_bias", errors.att_bias);
      }
    }
    if (options_.average.has_value()) continue;
    add("ate", Mean(in.effect[a]));
    std::vector<double> treated;
    for (int64_t i = 0; i < split.in.size(); ++i) {
      if (split.in.treatment[i] == static_cast<int32_t>(a) + 1) treated.push_back(in.effect[a][i]);
    }
    if (!treated.empty()) add("att", Mean(treated));
    if (errors_in.empty() && !treated.empty()) MeasureAgainstExperiment(Mean(treated));
  }
  if (options_.intervals.has_value()) PERENNIAL_RETURN_IF_ERROR(MeasureIntervals(in, out));
  PERENNIAL_RETURN_IF_ERROR(MeasurePolicy(in, out));
  if (options_.selection_share > 0) PERENNIAL_RETURN_IF_ERROR(MeasureSelection());
  if (options_.average.has_value()) PERENNIAL_RETURN_IF_ERROR(MeasureAverages());
  return MeasureRepresentation();
}

absl::Status EffectUnit::MeasureIntervals(const Predictions& in, const Predictions& out) {
  const Split& split = work_->split;
  const auto n_in = static_cast<size_t>(split.in.size());
  const auto n_out = static_cast<size_t>(split.out.size());
  const double upper = (1 + options_.intervals->level) / 2;
  double quantile = stats::NormalQuantile(upper);
  std::vector<std::vector<double>> error;  // [arms - 1][in, then out]
  if (work_->bootstrap != nullptr) {
    error = work_->bootstrap->Errors();
    quantile = stats::StudentTQuantile(upper, options_.intervals->bootstrap - 1);
  } else {
    error = in.effect_error;
    if (error.size() != in.effect.size()) {
      return absl::InvalidArgumentError(
          "the model has no formula for errors of effects; intervals need a bootstrap");
    }
    for (size_t a = 0; n_out > 0 && a < error.size(); ++a) {
      error[a].insert(error[a].end(), out.effect_error[a].begin(), out.effect_error[a].end());
    }
  }
  for (size_t a = 0; a < error.size(); ++a) {
    const auto add = [&](absl::string_view name, absl::string_view unit, double value) {
      measurements_.push_back({absl::StrCat(name, Suffix(a)), std::string(unit), value});
    };
    for (double& half : error[a]) half *= quantile;
    const std::span<const double> half = error[a];
    if (split.in.truth.has_value()) {
      add("effect_covered_in", kShareUnit,
          Coverage(*split.in.truth, a, in.effect[a], half.first(n_in)));
    }
    if (n_out == 0) continue;
    if (split.out.truth.has_value()) {
      add("effect_covered_out", kShareUnit,
          Coverage(*split.out.truth, a, out.effect[a], half.last(n_out)));
    }
    add("effect_width_out", kOutcomeUnit, 2 * Mean({half.end() - n_out, half.end()}));
  }
  return absl::OkStatus();
}

absl::Status EffectUnit::MeasurePolicy(const Predictions& in, const Predictions& out) {
  const Split& split = work_->split;
  if (split.in.arms != 2) return absl::OkStatus();
  Randomised seen;
  seen.Add(split.in, in.effect[0]);
  Randomised unseen;
  if (split.out.size() > 0) unseen.Add(split.out, out.effect[0]);
  if (work_->experiment.has_value()) {
    PERENNIAL_ASSIGN_OR_RETURN(const Predictions predictions,
                               work_->fit->Predict(work_->experiment->x()));
    unseen.Add(*work_->experiment, predictions.effect[0]);
  }
  for (const auto& [where, units] : {std::pair("in", &seen), std::pair("out", &unseen)}) {
    PERENNIAL_ASSIGN_OR_RETURN(
        const std::optional<double> value,
        RandomisedPolicyValue(units->effect, units->treatment, units->outcome));
    if (!value.has_value()) continue;
    if (split.in.binary_outcome) {
      measurements_.push_back({absl::StrCat("policy_risk_", where), kShareUnit, 1 - *value});
    } else {
      measurements_.push_back({absl::StrCat("policy_value_", where), kOutcomeUnit, *value});
    }
  }
  return absl::OkStatus();
}

absl::Status EffectUnit::MeasureSelection() {
  const Observations& in = work_->split.in;
  const Observations& held_out = work_->selection;
  PERENNIAL_ASSIGN_OR_RETURN(const Predictions predictions, work_->fit->Predict(held_out.x()));

  // Nuisances are the same for all methods of a realisation.
  const random::Stream stream = random::Stream(options_.seed).Split("selection_nuisances");
  Predictions nuisances = {.effect = {},
                           .outcome = std::vector(2, std::vector<double>(held_out.size())),
                           .propensity = std::vector(2, std::vector<double>(held_out.size()))};
  PERENNIAL_ASSIGN_OR_RETURN(const auto boosting, Boosting::Create({}));
  for (int32_t arm = 0; arm < 2; ++arm) {
    std::vector<int32_t> rows;
    for (int32_t i = 0; i < in.size(); ++i) {
      if (in.treatment[i] == arm) rows.push_back(i);
    }
    const Observations of_arm = Select(in, rows);
    PERENNIAL_ASSIGN_OR_RETURN(const auto fit,
                               boosting->Fit({.x = of_arm.x(),
                                              .y = of_arm.outcome,
                                              .binary = of_arm.binary_outcome,
                                              .stream = stream.Split(static_cast<uint64_t>(arm))}));
    fit->Predict(held_out.x(), nuisances.outcome[arm]);
  }
  SetEffects(nuisances);
  PERENNIAL_ASSIGN_OR_RETURN(const LogisticFit logistic,
                             FitLogistic(in.x(), in.treatment, in.arms, {}, {}));
  std::vector<double> p(2);
  for (int64_t i = 0; i < held_out.size(); ++i) {
    logistic.Predict(held_out.x().row(i), p);
    for (int arm = 0; arm < 2; ++arm) nuisances.propensity[arm][i] = p[arm];
  }

  // Neighbours are looked for among all units with outcomes.
  Observations all = in;
  all.covariates.insert(all.covariates.end(), held_out.covariates.begin(),
                        held_out.covariates.end());
  all.treatment.insert(all.treatment.end(), held_out.treatment.begin(), held_out.treatment.end());
  all.outcome.insert(all.outcome.end(), held_out.outcome.begin(), held_out.outcome.end());
  PERENNIAL_ASSIGN_OR_RETURN(const NeighbourEffects neighbours,
                             NeighbourEffectsOf(all, /*arm=*/1, NeighbourSide::kBoth));
  std::vector<double> of_held_out(held_out.size());
  for (size_t i = 0; i < neighbours.units.size(); ++i) {
    if (neighbours.units[i] >= in.size()) {
      of_held_out[neighbours.units[i] - in.size()] = neighbours.effect[i];
    }
  }
  PERENNIAL_ASSIGN_OR_RETURN(const SelectionCriteria criteria,
                             SelectionCriteriaOf(held_out, predictions, nuisances, of_held_out));
  const auto add = [&](absl::string_view name, absl::string_view unit, double value) {
    measurements_.push_back({absl::StrCat("selection_", name), std::string(unit), value});
  };
  if (criteria.factual_loss.has_value()) {
    add("factual_loss", kSquaredUnit, *criteria.factual_loss);
  }
  add("pehe_nn", kOutcomeUnit, criteria.pehe_nn);
  add("dr_loss", kSquaredUnit, criteria.dr_loss);
  add("r_loss", kSquaredUnit, criteria.r_loss);
  return absl::OkStatus();
}

void EffectUnit::MeasureAgainstExperiment(double att) {
  if (!work_->att.has_value()) return;
  const ExperimentalEffect& experiment = *work_->att;
  const auto add = [&](absl::string_view name, double value) {
    measurements_.push_back({std::string(name), kOutcomeUnit, value});
  };
  add("att_error", std::abs(att - experiment.effect));
  add("att_bias", att - experiment.effect);
  add("att_experiment", experiment.effect);
  add("att_experiment_standard_error", experiment.standard_error);
}

absl::Status EffectUnit::MeasureAverages() {
  const Observations& units = work_->split.in;
  for (const Estimand estimand : {Estimand::kAte, Estimand::kAtt}) {
    const absl::string_view name = estimand == Estimand::kAte ? "ate" : "att";
    PERENNIAL_ASSIGN_OR_RETURN(
        const std::vector<AverageEffect> effects,
        AverageEffects(SampleOf(units), work_->cross_fit->out_of_fold(), options_.average->method,
                       {.estimand = estimand,
                        .lowest_propensity = options_.average->lowest_propensity,
                        .highest_propensity = options_.average->highest_propensity}));
    for (size_t a = 0; a < effects.size(); ++a) {
      const Estimate& estimate = effects[a].estimate;
      const std::string suffix = Suffix(a);
      const auto add = [&](absl::string_view what, absl::string_view unit, double value) {
        measurements_.push_back({absl::StrCat(name, what, suffix), std::string(unit), value});
      };
      add("", kOutcomeUnit, estimate.value);
      add("_standard_error", kOutcomeUnit, estimate.standard_error);
      add("_width", kOutcomeUnit, estimate.high - estimate.low);
      if (!units.truth.has_value()) {
        if (estimand == Estimand::kAtt) MeasureAgainstExperiment(estimate.value);
        continue;
      }
      double sum = 0;
      double count = 0;
      for (int64_t i = 0; i < units.size(); ++i) {
        if (estimand == Estimand::kAtt && units.treatment[i] != static_cast<int32_t>(a) + 1) {
          continue;
        }
        sum += units.truth->mean_outcome[a + 1][i] - units.truth->mean_outcome[0][i];
        ++count;
      }
      const double truth = sum / count;
      add("_error", kOutcomeUnit, std::abs(estimate.value - truth));
      add("_bias", kOutcomeUnit, estimate.value - truth);
      add("_covered", kShareUnit, estimate.low <= truth && truth <= estimate.high ? 1 : 0);
    }
  }
  return absl::OkStatus();
}

absl::Status EffectUnit::MeasureRepresentation() {
  // A T-net has none, an ensemble several.
  const auto* const net = dynamic_cast<const NetFit*>(work_->fit.get());
  if (net == nullptr) return absl::OkStatus();
  const Observations& units = work_->split.in;
  const absl::StatusOr<std::vector<float>> features = net->Features(units.x());
  if (absl::IsUnimplemented(features.status())) return absl::OkStatus();
  PERENNIAL_RETURN_IF_ERROR(features.status());
  for (int arm = 1; arm < units.arms; ++arm) {
    if (std::ranges::count(units.treatment, arm) == 0) continue;
    PERENNIAL_ASSIGN_OR_RETURN(const std::vector<Balance> balance,
                               RepresentationBalance(*features, units.treatment, arm, {}));
    measurements_.push_back({absl::StrCat("representation_smd", Suffix(arm - 1)), kDeviationUnit,
                             SummaryOf(balance).mean_difference});
  }
  return absl::OkStatus();
}

absl::StatusOr<std::string> EffectUnit::Save() const {
  record::SafetensorsWriter writer;
  const int64_t steps[] = {steps_done_};
  PERENNIAL_RETURN_IF_ERROR(writer.Add<int64_t>("steps", {1}, steps));
  if (finished()) {
    // The numbers are what is left of the work.
    std::vector<double> values;
    std::string names;
    for (const population::Measurement& measurement : measurements_) {
      values.push_back(measurement.value);
      absl::StrAppend(&names, names.empty() ? "" : ",", measurement.metric, " ", measurement.unit);
    }
    PERENNIAL_RETURN_IF_ERROR(writer.Add<double>("values", {std::ssize(values)}, values));
    writer.SetMetadata("metrics", names);
  } else if (work_.has_value()) {
    PERENNIAL_RETURN_IF_ERROR(work_->fit->Save(kFitPrefix, writer));
    if (work_->cross_fit != nullptr) {
      PERENNIAL_RETURN_IF_ERROR(work_->cross_fit->Save(kCrossFitPrefix, writer));
    }
    if (work_->bootstrap != nullptr) {
      PERENNIAL_RETURN_IF_ERROR(work_->bootstrap->Save(kBootstrapPrefix, writer));
    }
  }
  population::MarkUnitState(options_.key, writer);
  return writer.Finish();
}

absl::Status EffectUnit::Load(absl::string_view state) {
  PERENNIAL_ASSIGN_OR_RETURN(const record::SafetensorsFile file,
                             population::ParseUnitState(state, options_.key));
  PERENNIAL_ASSIGN_OR_RETURN(const auto steps, file.Read<int64_t>("steps"));
  const auto foreign = [&] {
    return absl::DataLossError(
        absl::StrCat("the state does not belong to this configuration of ", options_.key.Id()));
  };
  if (steps.size() != 1 || steps[0] < 0 || steps[0] > plan_.steps) return foreign();
  work_.reset();
  measurements_.clear();
  steps_done_ = 0;
  if (steps[0] == plan_.steps) {
    PERENNIAL_ASSIGN_OR_RETURN(const auto values, file.Read<double>("values"));
    const auto metrics = file.metadata().find("metrics");
    if (metrics == file.metadata().end()) return foreign();
    const std::vector<std::string> names = absl::StrSplit(metrics->second, ',');
    if (names.size() != values.size()) return foreign();
    for (size_t i = 0; i < names.size(); ++i) {
      const std::vector<std::string> parts = absl::StrSplit(names[i], ' ');
      if (!std::isfinite(values[i]) || parts.size() != 2) return foreign();
      measurements_.push_back({parts[0], parts[1], values[i]});
    }
  } else if (steps[0] > 0) {
    PERENNIAL_ASSIGN_OR_RETURN(Work work, Begin());
    PERENNIAL_RETURN_IF_ERROR(work.fit->Load(kFitPrefix, file));
    if (work.cross_fit != nullptr) {
      PERENNIAL_RETURN_IF_ERROR(work.cross_fit->Load(kCrossFitPrefix, file));
    }
    if (work.bootstrap != nullptr) {
      PERENNIAL_RETURN_IF_ERROR(work.bootstrap->Load(kBootstrapPrefix, file));
    }
    if (work.steps_done() != steps[0]) return foreign();
    work_ = std::move(work);
  }
  steps_done_ = steps[0];
  return absl::OkStatus();
}

}  // namespace perennial::causal
