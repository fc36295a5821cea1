// Networks with a head for each arm, trained by mini-batches of Adam: T-net, TARNet, CFR,
// Dragonnet, and balance of representations and of control outcomes (objective.h says what is
// minimised).
//
// Covariates are standardised, constant ones become 0; outcomes are standardised unless they are
// binary. A share of the units is held out; what is kept are the weights with the smallest factual
// loss on them, so that nothing is chosen by effects, which nobody knows.
//
//   const NetOptions tarnet = {};
//   const NetOptions cfr = {.objective = {.alpha = 1, .balance = {.kind = DiscrepancyKind::kRbf}}};
//   const NetOptions dragonnet = {.network = {.propensity = true},
//                                 .objective = {.propensity = 1, .targeted = 1}};
//   PERENNIAL_ASSIGN_OR_RETURN(const auto fit, NetFit::Create(tarnet, std::move(data)));
#ifndef PERENNIAL_CAUSAL_NETS_NET_FIT_H_
#define PERENNIAL_CAUSAL_NETS_NET_FIT_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "causal/estimators/standardization.h"
#include "causal/models/model.h"
#include "causal/nets/effect_network.h"
#include "causal/nets/objective.h"
#include "common/data/epoch_sampler.h"
#include "common/kernels/aligned.h"
#include "common/nn/network.h"
#include "common/nn/rows.h"
#include "common/optim/optimizer.h"
#include "common/optim/update_sink.h"
#include "common/record/safetensors.h"

namespace perennial::causal {

// Another way to balance representations: an adversary learns to tell the arm from them, the
// features to mislead it (gradient reversal, Ganin and Lempitsky, arXiv:1409.7495). It balances
// narrow representations, at a cost in outcomes: features that tell all of x leave even the best
// adversary nothing to pass on.
struct AdversaryOptions {
  double weight = 0;  // Of the reversed gradient; 0: there is none.
  std::vector<int64_t> hidden = {32};
  double learning_rate = 1e-3;  // Of its own Adam.
};

struct NetOptions {
  // What of the units without outcomes enters the balance terms: nothing (inductive), their
  // covariates and arms, or their covariates alone, with arms drawn from a propensity model.
  enum class Transductive { kNone, kTreatment, kCovariates };

  EffectNetworkOptions network;
  ObjectiveOptions objective;
  AdversaryOptions adversary;
  // Control outcomes are balanced with controls weighted by the odds of treatment, or within so
  // many strata of the propensity, both of a logistic regression: see objective.h.
  bool control_odds = false;
  int control_strata = 0;
  bool anneal_beta = false;  // Step s of S, s from 0, has beta times 1 - s / S.
  // Each arm weighs alike: w = 1 / (arms * share of the arm), arXiv:1606.03976, eq. 3.
  bool reweight_arms = false;
  Transductive transductive = Transductive::kNone;

  optim::OptimizerConfig optimizer = {.kind = optim::OptimizerKind::kAdam, .learning_rate = 1e-3};
  int32_t batch_size = 100;
  int64_t steps = 3000;
  double validation_share = 0.3;  // 0: the last weights are kept.
  int64_t evaluate_every = 50;    // Steps.
  // Evaluations without a smaller loss after which training ends; 0: it never does before `steps`.
  int64_t patience = 0;
};

class NetFit final : public ModelFit {
 public:
  // InvalidArgument that names the option and its range, or what of the data does not fit: units
  // without outcomes where the options want some, an arm with too few units to hold some out.
  static absl::StatusOr<std::unique_ptr<NetFit>> Create(const NetOptions& options, FitData data);
  NetFit(const NetFit&) = delete;
  NetFit& operator=(const NetFit&) = delete;
  ~NetFit() override;

  int64_t steps() const override { return options_.steps; }
  int64_t steps_done() const override { return steps_done_; }
  // FailedPrecondition if the loss is not a number.
  absl::Status Advance(int64_t steps) override;
  absl::StatusOr<Predictions> Predict(kernels::MatrixView<const double> x) const override;
  absl::Status Save(absl::string_view prefix, record::SafetensorsWriter& writer) const override;
  absl::Status Load(absl::string_view prefix, const record::SafetensorsFile& file) override;
  double training_flops() const override;

  // What Predict and Features depend on, as bytes: the network that is kept, its scales.
  absl::StatusOr<std::string> Export() const;
  // A fit that only predicts, from untrusted bytes of Export: DataLoss or InvalidArgument.
  static absl::StatusOr<std::unique_ptr<NetFit>> Restore(std::string bytes);

  // Representations [n, width] of units x, for diagnostics; Unimplemented for T-nets.
  absl::StatusOr<std::vector<float>> Features(kernels::MatrixView<const double> x) const;
  // The smallest factual loss on held-out units; infinite before the first evaluation.
  double validation_loss() const { return best_loss_; }
  // Of the last step.
  const ObjectiveLosses& losses() const { return losses_; }

 private:
  struct Adversary;

  NetFit(const NetOptions& options, EffectNetwork network, const FitData& data, int64_t max_rows);
  absl::Status Take(const FitData& data, const std::vector<bool>& held_out);
  absl::Status TakePropensities(const FitData& data);
  absl::Status Step();
  void ComposeBatch();
  double AdversaryStep();
  double ValidationLoss();
  // The outcome that follows from an arm's head, `output` at a row of the batch, standardised.
  double Output(int arm, double output, int64_t row) const;
  // Standardised rows [begin, begin + chunk.rows) of x.
  void Standardize(kernels::MatrixView<const double> x, int64_t begin,
                   kernels::MatrixView<float> chunk) const;
  nn::ConstRow<float> kept() const;

  NetOptions options_;
  EffectNetwork network_;
  int arms_ = 2;
  bool binary_ = false;
  random::Stream stream_;

  // Labelled units that are trained on, then those held out, then units without outcomes.
  kernels::AlignedVector<float> covariates_;
  int64_t features_ = 0;
  std::vector<int32_t> treatment_;
  std::vector<float> outcome_;                // Standardised.
  std::vector<float> weight_;                 // w_i
  std::vector<std::vector<float>> odds_;      // [arms - 1][units], if control_odds.
  std::vector<std::vector<int32_t>> strata_;  // [arms - 1][units], if control_strata.
  int32_t trained_ = 0;
  int32_t held_out_ = 0;
  int32_t unlabelled_ = 0;
  std::vector<int32_t> held_out_by_arm_;  // Indices, control first.
  Standardization scale_;
  double outcome_mean_ = 0, outcome_deviation_ = 1;
  std::vector<double> arm_share_;

  nn::Rows<float> rows_;  // The weights, and the best ones so far.
  optim::Optimizer<float> optimizer_;
  optim::UpdateSink<float> update_;
  std::vector<float> epsilon_, epsilon_gradient_;  // [arms - 1], of targeted regularisation.
  std::optional<optim::Optimizer<float>> epsilon_optimizer_;
  std::unique_ptr<Adversary> adversary_;
  mutable nn::Workspace<float> workspace_;
  Objective<float> objective_;
  std::optional<data::EpochSampler> sampler_;
  std::optional<data::EpochSampler> unlabelled_sampler_;

  // Of the batch.
  std::vector<int32_t> indices_;
  BatchLayout layout_;
  std::vector<float> batch_outcome_, batch_weight_;
  std::vector<std::vector<float>> batch_odds_;
  std::vector<std::vector<int32_t>> batch_strata_;

  int64_t steps_done_ = 0;
  int64_t evaluations_since_best_ = 0;
  double best_loss_;
  ObjectiveLosses losses_;
};

}  // namespace perennial::causal

#endif  // PERENNIAL_CAUSAL_NETS_NET_FIT_H_
