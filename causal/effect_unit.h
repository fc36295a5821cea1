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
// With a selection_share: selection_factual_loss, selection_pehe_nn, selection_dr_loss and
// selection_r_loss (estimators/selection.h), whose nuisances are boosted trees in each arm and a
// logistic regression of the arm, fitted to the units seen.
//
// Average effects are the mean predicted ones, or those of an estimator with cross-fitted nuisances
// (AverageOptions); these bring ate_standard_error, ate_width, the width of its 95 % interval, and
// where the truth is known ate_covered, 1 where the interval holds the mean effect of the units
// seen, else 0; att_... likewise.
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
#include "causal/models/cross_fit.h"
#include "causal/models/model.h"
#include "common/population/unit.h"

namespace perennial::causal {

// How average effects are estimated, beyond the mean of predictions.
struct AverageOptions {
  EffectMethod method = EffectMethod::kAipw;
  int folds = 5;  // Of cross-fitting, at least 2.
  // Units whose propensity lies outside are left out: see AverageEffectOptions.
  double lowest_propensity = 0;
  double highest_propensity = 1;
};

struct EffectUnitOptions {
  population::UnitKey key;
  std::shared_ptr<const SampleSource> source;
  double test_share = 0;  // Of units that have no test units of their own beside them.
  // Of the units that are left, a share that is not fitted to, for the criteria of selection; 0:
  // none are measured. For two arms.
  double selection_share = 0;
  ModelFactory model;
  std::optional<AverageOptions> average = {};
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
    std::unique_ptr<ModelFit> fit;
    std::unique_ptr<CrossFit> cross_fit;  // Null if averages are of predictions.

    int64_t steps_done() const;
  };

  explicit EffectUnit(EffectUnitOptions options) : options_(std::move(options)) {}
  absl::StatusOr<Work> Begin() const;
  absl::Status Measure();
  // Of the average effect on the treated, where an experiment tells it.
  void MeasureAgainstExperiment(double att);
  absl::Status MeasureSelection();
  absl::Status MeasureAverages();

  EffectUnitOptions options_;
  population::UnitPlan plan_;
  std::optional<Work> work_;
  int64_t steps_done_ = 0;
  std::vector<population::Measurement> measurements_;  // After the last step.
};

}  // namespace perennial::causal

#endif  // PERENNIAL_CAUSAL_EFFECT_UNIT_H_
