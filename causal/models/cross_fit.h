// Cross-fitting: predictions for each unit by a model that was fitted to the units of other folds,
// as the intervals of AIPW and TMLE ask for (Chernozhukov et al. 2018).
//
// Propensities come from the model if it has some, else from a logistic regression that is fitted
// to the same units. Units of one cluster are in one fold. Fold k's model draws from the stream
// below "fold", k.
//
//   PERENNIAL_ASSIGN_OR_RETURN(const auto cross_fit, CrossFit::Create(factory, data, /*folds=*/5));
//   while (cross_fit->steps_done() < cross_fit->steps()) cross_fit->Advance(100);
//   AverageEffects(SampleOf(observations), cross_fit->out_of_fold(), EffectMethod::kAipw, {});
#ifndef PERENNIAL_CAUSAL_MODELS_CROSS_FIT_H_
#define PERENNIAL_CAUSAL_MODELS_CROSS_FIT_H_

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "causal/models/model.h"
#include "common/record/safetensors.h"

namespace perennial::causal {

// Predictions for the units of a fold, in their order, to their places among all. fold_of [n].
void ScatterFold(const Predictions& predictions, std::span<const int32_t> fold_of, int fold,
                 Predictions& all);

class CrossFit {
 public:
  // InvalidArgument as Folds and the model say: fewer units or clusters than folds, arms that some
  // folds lack, what the model cannot be fitted to. Makes the first fold's model alone, so Advance
  // can say the latter of others.
  static absl::StatusOr<std::unique_ptr<CrossFit>> Create(ModelFactory model, FitData data,
                                                          int folds);

  int64_t steps() const { return folds_ * steps_per_fold_; }
  int64_t steps_done() const;
  double training_flops() const { return training_flops_; }
  // Up to `steps` steps more.
  absl::Status Advance(int64_t steps);

  // Of all units, in their order, after the last step.
  const Predictions& out_of_fold() const { return out_of_fold_; }

  // As ModelFit's.
  absl::Status Save(absl::string_view prefix, record::SafetensorsWriter& writer) const;
  absl::Status Load(absl::string_view prefix, const record::SafetensorsFile& file);

 private:
  CrossFit(ModelFactory model, FitData data, int folds)
      : model_(std::move(model)), data_(std::move(data)), folds_(folds) {}
  absl::StatusOr<std::unique_ptr<ModelFit>> FitOf(int fold) const;
  absl::StatusOr<FitData> DataOf(int fold) const;
  // Predicts the units of the fold that was just fitted.
  absl::Status TakeFold();

  ModelFactory model_;
  FitData data_;
  int folds_;
  std::vector<int32_t> fold_of_;  // [n]
  int64_t steps_per_fold_ = 0;
  double training_flops_ = 0;
  int fold_ = 0;  // That is being fitted; folds_ at the end.
  std::unique_ptr<ModelFit> fit_;
  Predictions out_of_fold_;
};

}  // namespace perennial::causal

#endif  // PERENNIAL_CAUSAL_MODELS_CROSS_FIT_H_
