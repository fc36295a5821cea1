// The models that users choose from, as something that is fitted once and applied to rows later,
// without the data it was fitted to.
//
//   boosting  X-learner over gradient-boosted trees (models/meta_learners.h, models/boosting.h)
//   linear    X-learner over ridge regressions, with a logistic propensity
//   net       TARNet (nets/net_fit.h), with a logistic propensity
//
//   PERENNIAL_ASSIGN_OR_RETURN(const EffectModel model,
//                              EffectModel::Fit(EffectModelKind::kBoosting, observations, stream));
//   PERENNIAL_ASSIGN_OR_RETURN(const Predictions predictions, model.Predict(x));
//   PERENNIAL_RETURN_IF_ERROR(model.Save("model.", writer));
#ifndef PERENNIAL_CAUSAL_ESTIMATION_EFFECT_MODEL_H_
#define PERENNIAL_CAUSAL_ESTIMATION_EFFECT_MODEL_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "causal/data/observations.h"
#include "causal/models/model.h"
#include "causal/models/regressor.h"
#include "common/kernels/aligned.h"
#include "common/random/stream.h"
#include "common/record/safetensors.h"

namespace perennial::causal {

// Propensities, of an arm against control, are kept this far from 0 and 1: a weight is 100 at most.
inline constexpr double kPropensityClip = 0.01;

enum class EffectModelKind { kBoosting, kLinear, kNet };

// "boosting", "linear", "net".
absl::string_view EffectModelName(EffectModelKind kind);
// InvalidArgument with the nearest name.
absl::StatusOr<EffectModelKind> EffectModelKindOf(absl::string_view name);

// What is fitted to `units` units; for cross-fitting as well.
absl::StatusOr<ModelFactory> EffectModelFactory(EffectModelKind kind, int64_t units);

class EffectModel {
 public:
  // Errors as of the factory and its fits; Cancelled soon after `stop` has become true.
  static absl::StatusOr<EffectModel> Fit(EffectModelKind kind, Observations observations,
                                         const random::Stream& stream,
                                         const std::atomic<bool>* stop = nullptr);

  EffectModelKind kind() const { return kind_; }
  int arms() const { return arms_; }
  int64_t features() const { return features_; }

  // Effects, outcomes and propensities: for rows of the fit, equal bits as what was fitted says,
  // also after Save and Load. InvalidArgument for another number of covariates.
  absl::StatusOr<Predictions> Predict(kernels::MatrixView<const double> x) const;

  // What the network of a kNet makes of units x before its heads tell arms apart, [n, width] row by
  // row; empty for other kinds. Errors as of Predict.
  absl::StatusOr<std::vector<float>> Representation(kernels::MatrixView<const double> x) const;

  // Tensors whose names begin with `prefix`.
  absl::Status Save(absl::string_view prefix, record::SafetensorsWriter& writer) const;
  // InvalidArgument or DataLoss for what is something else or damaged. Boosting's parser is not
  // hardened against what was forged (models/boosting.h).
  static absl::StatusOr<EffectModel> Load(absl::string_view prefix,
                                          const record::SafetensorsFile& file);

 private:
  absl::Status Restore();

  EffectModelKind kind_ = EffectModelKind::kBoosting;
  int arms_ = 0;
  int64_t features_ = 0;
  // As saved: the X-learner, or the network and its propensities.
  std::vector<std::pair<std::string, std::string>> parts_;
  // As restored.
  std::shared_ptr<const ModelFit> fit_;
  std::vector<std::shared_ptr<const Regression>> propensity_;  // [arms - 1], against control; net.
};

}  // namespace perennial::causal

#endif  // PERENNIAL_CAUSAL_ESTIMATION_EFFECT_MODEL_H_
