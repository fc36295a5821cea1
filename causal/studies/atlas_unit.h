// One cell of the bias-variance atlas on one replicate: a model fitted to a sample of the honest
// generator, with two splits by two initialisations, and its errors.
//
// Surfaces stay, X, T and Y are drawn anew for each seed: from the same streams whatever the cell
// is, so that cells have common random numbers. Cells that differ in the model alone see the same
// bits; with another kappa the same X, uniforms behind T and noise; with fewer units the first of
// them. Fits have their streams from the seed likewise: a split is which units are held out to
// choose the weights, an initialisation the weights that training begins with and the order of its
// batches.
//
// Results. Of the units of the sample: ate_bias and att_bias, the mean error of the fits with its
// sign against the mean effects of those units, ate_error and att_error, the mean magnitude; at the
// test units: sqrt_pehe_out, the mean over fits, and the curve "error of effects", the mean error
// of the fits at each; effect_slope_bias, the slope of the regression of their mean prediction on
// the true effect over the test units, less 1: below 0 where effects are drawn to a constant;
// absent where all true effects are equal. With four fits ate_split, ate_initialisation,
// ate_interaction, att_..., effect_...: their squared contrasts (bias_variance.h). In the unit of
// the outcome, or its square; the slope has none.
//
//   auto unit = AtlasUnit::Create({.key = {"alpha_1_beta_0", "kappa_2_n_500", "realisation", "3"},
//                                  .generator = generator, .n = 500, .test = test,
//                                  .model = factory, .nested = true, .seed = 3});
#ifndef PERENNIAL_CAUSAL_STUDIES_ATLAS_UNIT_H_
#define PERENNIAL_CAUSAL_STUDIES_ATLAS_UNIT_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "causal/data/honest_generator.h"
#include "causal/data/observations.h"
#include "causal/models/model.h"
#include "common/population/unit.h"

namespace perennial::causal {

struct AtlasUnitOptions {
  population::UnitKey key;
  HonestGenerator generator;  // Of two arms.
  int64_t n = 0;
  std::shared_ptr<const Observations> test;  // With truth; the same in all cells and replicates.
  ModelFactory model;
  bool nested = true;  // Four fits; otherwise one.
  uint64_t seed = 0;
};

// The sample of a seed.
absl::StatusOr<Observations> AtlasSample(const HonestGenerator& generator, int64_t n,
                                         uint64_t seed);

class AtlasUnit final : public population::Unit {
 public:
  // Draws the sample once to see what the model will do with it, and forgets it again.
  static absl::StatusOr<std::unique_ptr<AtlasUnit>> Create(AtlasUnitOptions options);

  const population::UnitKey& key() const override { return options_.key; }
  const population::UnitPlan& plan() const override { return plan_; }
  int64_t steps_done() const override { return steps_done_; }
  double progress() const override;
  absl::Status Advance(int64_t steps) override;
  std::vector<population::Event> TakeEvents() override { return {}; }
  absl::StatusOr<std::string> Save() const override;
  absl::Status Load(absl::string_view state) override;
  population::UnitResults Results() const override;
  void Release() override;

 private:
  explicit AtlasUnit(AtlasUnitOptions options) : options_(std::move(options)) {}
  int64_t fits() const { return options_.nested ? 4 : 1; }
  // The fit that comes after those whose errors are known.
  absl::Status Begin();
  absl::Status TakeErrors();

  AtlasUnitOptions options_;
  population::UnitPlan plan_;
  int64_t steps_per_fit_ = 0;
  int64_t steps_done_ = 0;
  std::optional<Observations> sample_;
  std::unique_ptr<ModelFit> fit_;
  // [fits that have ended][2 + test units]: of the average effects, then at the test units.
  std::vector<std::vector<double>> errors_;
};

}  // namespace perennial::causal

#endif  // PERENNIAL_CAUSAL_STUDIES_ATLAS_UNIT_H_
