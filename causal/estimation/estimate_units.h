// The long parts of an estimation as units (common/population/unit.h): they run in parallel, are
// kept as they end, and need nothing but the observations, so that any order gives the same bits.
//
//   fold k         the model fitted to the units outside fold k, applied to those in it
//   model          the model fitted to all units
//   replicate r    cross-fitting and the model on half of the units, or clusters
//   placebo r, dummy_outcome r, random_cause r, subset r
//                  cross-fitting on data of which the answer is known (analysis.h)
//
// Memory of a part, with D = 8 bytes * units * covariates: the copy of the data that is fitted to,
// and what the fit makes of it: together 2 D (linear), 3.5 D (net), or 4 D and 2 D of the first
// 200,000 units (boosting); D more where the part has data of its own (PartBytes).
#ifndef PERENNIAL_CAUSAL_ESTIMATION_ESTIMATE_UNITS_H_
#define PERENNIAL_CAUSAL_ESTIMATION_ESTIMATE_UNITS_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "causal/data/observations.h"
#include "causal/estimation/effect_model.h"
#include "causal/estimators/average_effect.h"
#include "causal/models/model.h"
#include "common/population/unit.h"
#include "common/random/stream.h"

namespace perennial::causal {

enum class PartKind {
  kFold,  // repeat * folds + fold
  kModel,
  kReplicate,
  // Refutations.
  kPlacebo,
  kDummyOutcome,
  kRandomCause,
  kSubset,
};

// "fold", "model", "replicate", "placebo", "dummy_outcome", "random_cause", "subset".
const char* PartName(PartKind kind);

// What the parts share; the owner outlives them.
struct PartSetting {
  const Observations& observations;
  const std::vector<std::vector<int32_t>>& fold_of;  // [repeats][n], of the estimate itself.
  EffectModelKind model;
  EffectMethod estimator;
  int folds;
  double level;
  random::Stream stream;
  const std::atomic<bool>* stop = nullptr;
  std::span<const std::string> arms = {};  // Names, for errors; empty: numbers.
};

// What a part holds when it has ended.
struct PartResult {
  Predictions predictions;                     // Of a fold, for its units.
  std::vector<std::vector<Estimate>> average;  // ATE and ATT [arm - 1]; of a refutation the ATE.
  std::vector<std::vector<double>> effect;     // [arms - 1][n], of a replicate.
  std::shared_ptr<const EffectModel> model;
};

class EstimatePart final : public population::Unit {
 public:
  EstimatePart(PartKind kind, int index, const PartSetting& setting);
  ~EstimatePart() override;

  PartKind kind() const { return kind_; }
  int index() const { return index_; }
  // After the last step, once.
  PartResult TakeResult() { return std::move(result_); }

  const population::UnitKey& key() const override { return key_; }
  const population::UnitPlan& plan() const override { return plan_; }
  int64_t steps_done() const override { return steps_done_; }
  double progress() const override {
    return static_cast<double>(steps_done_) / static_cast<double>(plan_.steps);
  }
  // Cancelled soon after the setting's `stop` has become true.
  absl::Status Advance(int64_t steps) override;
  std::vector<population::Event> TakeEvents() override { return {}; }
  // Of one that has ended: what lies between is not kept.
  absl::StatusOr<std::string> Save() const override;
  absl::Status Load(absl::string_view state) override;
  population::UnitResults Results() const override { return {}; }
  void Release() override;

 private:
  // Data of a part's own, while it is under way.
  struct Own;

  absl::Status Step();
  absl::Status Begin();
  absl::Status End();

  const PartKind kind_;
  const int index_;
  const PartSetting& setting_;
  const random::Stream stream_;
  population::UnitKey key_;
  population::UnitPlan plan_;
  int64_t steps_done_ = 0;
  std::unique_ptr<Own> own_;
  PartResult result_;
};

// Whether all that is drawn can be cross-fitted, so that of two arms none is wanting in a part (of
// more, large clusters can still leave one in a single fold): halves
// of the units, or clusters, have to fill the folds, and to hold each arm twice, for which it has
// to be in 3 units, or 4 clusters; four fifths have to fill the folds. The error of a ranking takes
// halves of 4 clusters at least in any case. InvalidArgument that says what to give or leave out;
// arms as in PartSetting.
absl::Status CheckDraws(const Observations& observations, int folds, bool bootstrap, bool refute,
                        std::span<const std::string> arms);

// What a refutation makes of the observations (analysis.h).
Observations Refuted(PartKind kind, const Observations& observations, random::Stream stream);

// What the folds of a draw, 0 .. repeats - 1, and the fits to them are drawn from.
random::Stream CrossFitStream(const random::Stream& stream, int repeat);

// What a part of the kind takes, at most, for so many units, covariates and arms, beyond the
// observations themselves.
double PartBytes(PartKind kind, EffectModelKind model, int64_t units, int64_t covariates, int arms);

// What an estimation takes at most with so many parts at a time, besides 300 MB that do not depend
// on the table: the observations, what is predicted for each unit, and the parts.
double EstimateBytes(EffectModelKind model, int64_t units, int64_t covariates, int arms,
                     int repeats, int parts_at_a_time, bool own_data);

}  // namespace perennial::causal

#endif  // PERENNIAL_CAUSAL_ESTIMATION_ESTIMATE_UNITS_H_
