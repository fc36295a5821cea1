// Models of effects: what is fitted to observations, in steps, and then predicts for any units.
//
// A model is fitted to the units of one sample and asked about others. A step is a mini-batch of a
// network, or the whole fit of what is fitted at once, so that work can be interrupted anywhere.
//
//   PERENNIAL_ASSIGN_OR_RETURN(const auto fit, factory({.observations = train, .stream = stream}));
//   while (fit->steps_done() < fit->steps()) PERENNIAL_RETURN_IF_ERROR(fit->Advance(100));
//   PERENNIAL_ASSIGN_OR_RETURN(const Predictions test, fit->Predict(x));
//   const double effect = test.effect[0][i];         // of arm 1, against control
#ifndef PERENNIAL_CAUSAL_MODELS_MODEL_H_
#define PERENNIAL_CAUSAL_MODELS_MODEL_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "causal/data/observations.h"
#include "common/kernels/aligned.h"
#include "common/random/stream.h"
#include "common/record/safetensors.h"

namespace perennial::causal {

// Of units [n].
struct Predictions {
  std::vector<std::vector<double>> effect;           // [arms - 1][n], of arm a + 1 over control.
  std::vector<std::vector<double>> outcome = {};     // [arms][n], E[Y | X, T = a]; may be empty.
  std::vector<std::vector<double>> propensity = {};  // [arms][n], P(T = a | X); may be empty.
  // [arms - 1][n], standard errors of effects, of models that have a formula; mostly empty.
  std::vector<std::vector<double>> effect_error = {};
};

// The effects that follow from outcomes.
inline void SetEffects(Predictions& predictions) {
  predictions.effect.clear();
  for (size_t arm = 1; arm < predictions.outcome.size(); ++arm) {
    std::vector<double>& effect = predictions.effect.emplace_back(predictions.outcome[arm]);
    for (size_t i = 0; i < effect.size(); ++i) effect[i] -= predictions.outcome[0][i];
  }
}

// What a model may look at.
struct FitData {
  // Valid (Validate); without truth, so that nothing can be learned from it.
  Observations observations;
  // Units whose outcomes are not known, for models that use them (transductive inference):
  // covariates [m, p] row by row, and arms [m] where they may be used, too.
  std::vector<double> unlabelled_covariates = {};
  std::vector<int32_t> unlabelled_treatment = {};
  random::Stream stream;  // All that is random is drawn from streams below this one.
  // But for which units a network holds out to choose its weights, where this is given: it tells
  // the part of that choice from the part of the initial weights.
  std::optional<random::Stream> held_out_stream = {};
};

class ModelFit {
 public:
  virtual ~ModelFit() = default;

  virtual int64_t steps() const = 0;
  virtual int64_t steps_done() const = 0;
  // Up to `steps` steps more.
  virtual absl::Status Advance(int64_t steps) = 0;

  // After the last step. x [n, p]; InvalidArgument if p is another one.
  virtual absl::StatusOr<Predictions> Predict(kernels::MatrixView<const double> x) const = 0;

  // All that the next steps and predictions depend on, as tensors whose names begin with `prefix`.
  // Into a fit made from the same configuration and data. Untrusted: InvalidArgument or DataLoss.
  virtual absl::Status Save(absl::string_view prefix, record::SafetensorsWriter& writer) const = 0;
  virtual absl::Status Load(absl::string_view prefix, const record::SafetensorsFile& file) = 0;

  // Operations of matrix products, two a multiply-add, of all steps; 0 where none are counted.
  virtual double training_flops() const { return 0; }
};

// Errors name what of the data does not fit the model.
using ModelFactory = std::function<absl::StatusOr<std::unique_ptr<ModelFit>>(FitData data)>;

}  // namespace perennial::causal

#endif  // PERENNIAL_CAUSAL_MODELS_MODEL_H_
