// A method on one realisation, as a unit of a run: a model is fitted to the units that it may see,
// and its effects are held against the truth.
//
// Results, where the truth is known (arms beyond the first treatment add their number to a name,
// `sqrt_pehe_out_2`): sqrt_pehe_in and sqrt_pehe_out, of units seen and not seen; ate_error,
// att_error, magnitudes, and ate_bias, att_bias with their sign, of units seen; ate_error_out;
// always: ate, att, average effects of units seen. In the unit of the outcome. Where an experiment
// tells the effect on the treated (two arms), att_error and att_bias are against its finding, which
// has an error of its own: att_experiment, att_experiment_standard_error.
//
// Of networks with features that the arms share: representation_smd, the mean magnitude of the
// features' standardised differences (diagnostics/covariate_balance.h) between an arm and control,
// over the units seen: what balance of representations is there to lower.
//
// With a selection_share: selection_factual_loss, selection_pehe_nn, selection_dr_loss and
// selection_r_loss (estimators/selection.h), whose nuisances are boosted trees in each arm and a
// logistic regression of the arm, fitted to the units seen.
//
// Average effects are the mean predicted ones, or those of an estimator with cross-fitted nuisances
// (AverageOptions); these bring ate_standard_error, ate_width, the width of its 95 % interval, and
// where the truth is known ate_covered, 1 where the interval holds the mean effect of the units
// seen, else 0; att_... likewise.
//
// With intervals for the effects of single units: effect_covered_in and effect_covered_out, the
// share of units whose effect the truth tells to be within theirs, and effect_width_out, the mean
// width. An interval is effect +- q s; s is the deviation over bootstrap replicates
// (models/bootstrap.h), q Student's quantile with one degree less than there are replicates, or s
// comes from the model and q is the normal quantile.
//
// Where some units' arms were drawn by lot (two arms): policy_risk_in and policy_risk_out of binary
// outcomes, policy_value_in and policy_value_out of others (estimators/metrics.h), of the policy
// that treats where the predicted effect is above 0, over those of them that are seen and not seen.
// Absent where none of them was treated as the policy says.
//
//   auto unit = EffectUnit::Create({.key = {"tarnet", "ihdp_hill_b", "realisation", "3"},
//                                   .source = source, .test_share = 0.1, .model = factory,
//                                   .seed = 3});
#ifndef PERENNIAL_CAUSAL_EFFECT_UNIT_H_
#define PERENNIAL_CAUSAL_EFFECT_UNIT_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "causal/data/sample_source.h"
#include "causal/data/split.h"
#include "causal/estimators/average_effect.h"
#include "causal/estimators/metrics.h"
#include "causal/models/bootstrap.h"
#include "causal/models/cross_fit.h"
#include "causal/models/model.h"
#include "common/population/unit.h"
#include "common/random/stream.h"

namespace perennial::causal {

// How average effects are estimated, beyond the mean of predictions.
struct AverageOptions {
  EffectMethod method = EffectMethod::kAipw;
  int folds = 5;  // Of cross-fitting, at least 2.
  // Units whose propensity lies outside are left out: see AverageEffectOptions.
  double lowest_propensity = 0;
  double highest_propensity = 1;
};

// How intervals for the effects of single units come about.
struct IntervalOptions {
  int bootstrap = 50;  // Replicates, at least 2; 0: the model's own errors, which it must have.
  double level = 0.95;
};

// The streams below which a realisation's split is drawn and its model fitted, so that others can
// do the same.
random::Stream SplitStream(uint64_t seed);
random::Stream FitStream(uint64_t seed);

struct EffectUnitOptions {
  population::UnitKey key;
  std::shared_ptr<const SampleSource> source;
  double test_share = 0;  // Of units that have no test units of their own beside them.
  // Of the units that are left, a share that is not fitted to, for the criteria of selection; 0:
  // none are measured. For two arms.
  double selection_share = 0;
  ModelFactory model;
  std::optional<AverageOptions> average = {};
  std::optional<IntervalOptions> intervals = {};
  // Of the realisation: methods of equal seed see the same units and draw from the same streams.
  uint64_t seed = 0;
};

class EffectUnit final : public population::Unit {
 public:
  // Draws the sample once to see what the model will do with it, and forgets it again.
  static absl::StatusOr<std::unique_ptr<EffectUnit>> Create(EffectUnitOptions options);

  const population::UnitKey& key() const override { return options_.key; }
  const population::UnitPlan& plan() const override { return plan_; }
  int64_t steps_done() const override { return steps_done_; }
  double progress() const override;
  absl::Status Advance(int64_t steps) override;
  std::vector<population::Event> TakeEvents() override { return {}; }
  absl::StatusOr<std::string> Save() const override;
  absl::Status Load(absl::string_view state) override;
  population::UnitResults Results() const override { return {.measurements = measurements_}; }
  void Release() override { work_.reset(); }

 private:
  // What a unit at work needs.
  struct Work {
    Split split;             // In: fitted to; out: neither fitted to nor selected by.
    Observations selection;  // Empty if there is no selection_share.
    std::optional<ExperimentalEffect> att;
    std::optional<Observations> experiment;
    std::unique_ptr<ModelFit> fit;
    std::unique_ptr<CrossFit> cross_fit;   // Null if averages are of predictions.
    std::unique_ptr<Bootstrap> bootstrap;  // Of units seen and not seen; null if there is none.

    int64_t steps_done() const;
  };

  explicit EffectUnit(EffectUnitOptions options) : options_(std::move(options)) {}
  absl::StatusOr<Work> Begin() const;
  absl::Status Measure();
  // Of the average effect on the treated, where an experiment tells it.
  void MeasureAgainstExperiment(double att);
  // Of effects of single units, seen (in) and not.
  absl::Status MeasureIntervals(const Predictions& in, const Predictions& out);
  absl::Status MeasurePolicy(const Predictions& in, const Predictions& out);
  absl::Status MeasureSelection();
  absl::Status MeasureAverages();
  absl::Status MeasureRepresentation();

  EffectUnitOptions options_;
  population::UnitPlan plan_;
  std::optional<Work> work_;
  int64_t steps_done_ = 0;
  std::vector<population::Measurement> measurements_;  // After the last step.
};

}  // namespace perennial::causal

#endif  // PERENNIAL_CAUSAL_EFFECT_UNIT_H_
