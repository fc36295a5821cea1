#include "causal/nets/net_fit.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "causal/data/check_range.h"
#include "causal/data/held_out.h"
#include "causal/data/logit.h"
#include "causal/estimators/logistic.h"
#include "common/base/logging.h"
#include "common/base/status_macros.h"
#include "common/data/batch.h"
#include "common/data/input_table.h"
#include "common/kernels/matrix.h"
#include "common/nn/loss.h"

namespace perennial::causal {
namespace {

using kernels::MatrixView;

// Rows of a pass that does not train.
constexpr int64_t kChunk = 256;

absl::Status Validate(const NetOptions& options) {
  PERENNIAL_RETURN_IF_ERROR(optim::Validate(options.optimizer));
  PERENNIAL_RETURN_IF_ERROR(CheckRange("batch_size", options.batch_size, 1, 1e6));
  PERENNIAL_RETURN_IF_ERROR(CheckRange("steps", static_cast<double>(options.steps), 1, 1e9));
  PERENNIAL_RETURN_IF_ERROR(CheckRange("validation_share", options.validation_share, 0, 0.9));
  PERENNIAL_RETURN_IF_ERROR(
      CheckRange("evaluate_every", static_cast<double>(options.evaluate_every), 1, 1e9));
  PERENNIAL_RETURN_IF_ERROR(CheckRange("patience", static_cast<double>(options.patience), 0, 1e9));
  PERENNIAL_RETURN_IF_ERROR(CheckRange("control_strata", options.control_strata, 0, 100));
  PERENNIAL_RETURN_IF_ERROR(CheckRange("adversary.weight", options.adversary.weight, 0, 1e9));
  if (options.control_odds && options.control_strata > 0) {
    return absl::InvalidArgumentError(
        "control_odds and control_strata: choose one of them, or neither");
  }
  if (options.adversary.weight > 0 && !options.network.shared) {
    return absl::InvalidArgumentError("an adversary needs features that the arms share");
  }
  return absl::OkStatus();
}

// Units without outcomes in a batch: as many, in proportion, as labelled ones.
int32_t UnlabelledBatch(const NetOptions& options, int64_t trained, int64_t unlabelled) {
  const int64_t batch = std::min<int64_t>(options.batch_size, trained);
  const int64_t wanted = (batch * unlabelled + trained - 1) / trained;
  return static_cast<int32_t>(std::min(wanted, unlabelled));
}

int64_t MaxRows(const NetOptions& options, int64_t trained, int64_t unlabelled) {
  const int64_t batch = std::min<int64_t>(options.batch_size, trained) +
                        UnlabelledBatch(options, trained, unlabelled);
  return std::max(batch, kChunk);
}

// Of each unit: whether it is held out, as are a share of each arm.
std::vector<bool> HeldOutUnits(const NetOptions& options, const FitData& data) {
  const Observations& observations = data.observations;
  const random::Stream choice = data.held_out_stream.value_or(data.stream).Split("validation");
  std::vector<bool> held_out(observations.size());
  const auto by_arm = UnitsByClass(observations.treatment, observations.arms, observations.cluster);
  std::vector<int32_t> trained(observations.arms);
  for (int arm = 0; arm < observations.arms; ++arm) {
    const auto size = static_cast<int32_t>(by_arm[arm].size());
    const auto count = static_cast<int64_t>(options.validation_share * static_cast<double>(size));
    std::vector<int32_t> order = choice.Split(static_cast<uint64_t>(arm)).Sample(size, size);
    for (int32_t& index : order) index = by_arm[arm][index];
    for (const int32_t unit : FirstWholeClusters(order, observations.cluster, count)) {
      held_out[unit] = true;
    }
  }
  for (int64_t i = 0; i < observations.size(); ++i) {
    if (!held_out[i]) ++trained[observations.treatment[i]];
  }
  // Few clusters of several arms: none can be spared.
  if (std::ranges::count(trained, 0) > 0) held_out.assign(observations.size(), false);
  return held_out;
}

int64_t Unlabelled(const NetOptions& options, const FitData& data) {
  if (options.transductive == NetOptions::Transductive::kNone) return 0;
  return static_cast<int64_t>(data.unlabelled_covariates.size()) / data.observations.features();
}

// Numbers of a tensor of a fit that is loaded.
template <typename T>
absl::Status ReadInto(const record::SafetensorsFile& file, const std::string& name,
                      std::span<T> values) {
  PERENNIAL_ASSIGN_OR_RETURN(const std::vector<T> read, file.Read<T>(name));
  if (read.size() != values.size()) {
    return absl::DataLossError(absl::StrCat("tensor ", name, " has ", read.size(),
                                            " numbers, this network needs ", values.size()));
  }
  std::ranges::copy(read, values.begin());
  return absl::OkStatus();
}

}  // namespace

struct NetFit::Adversary {
  Adversary(nn::Network discriminator, const AdversaryOptions& options, int64_t max_rows)
      : network(std::move(discriminator)),
        row(1, network.layout().size()),
        optimizer({.kind = optim::OptimizerKind::kAdam, .learning_rate = options.learning_rate},
                  network.layout().trainable()),
        update(optimizer, row.row(0)),
        workspace(network, max_rows),
        gradient(max_rows * network.inputs()),
        arms(max_rows),
        weights(max_rows) {}

  nn::Network network;
  nn::Rows<float> row;
  optim::Optimizer<float> optimizer;
  optim::UpdateSink<float> update;
  nn::Workspace<float> workspace;
  kernels::AlignedVector<float> gradient;
  std::vector<int32_t> arms;
  std::vector<float> weights;
};

absl::StatusOr<std::unique_ptr<NetFit>> NetFit::Create(const NetOptions& options, FitData data) {
  PERENNIAL_RETURN_IF_ERROR(Validate(options));
  const Observations& observations = data.observations;
  PERENNIAL_RETURN_IF_ERROR(Validate(observations));
  if (observations.features() == 0) {
    return absl::InvalidArgumentError("a network needs at least one covariate");
  }
  NetOptions settled = options;
  settled.objective.binary = observations.binary_outcome;
  PERENNIAL_ASSIGN_OR_RETURN(
      EffectNetwork network,
      EffectNetwork::Create(options.network, observations.features(), observations.arms));
  PERENNIAL_RETURN_IF_ERROR(Validate(settled.objective, network));
  if (options.transductive != NetOptions::Transductive::kNone) {
    const int64_t unlabelled = Unlabelled(options, data);
    if (unlabelled == 0) {
      return absl::InvalidArgumentError(
          "transductive: there are no units without outcomes to learn from");
    }
    if (options.transductive == NetOptions::Transductive::kTreatment &&
        static_cast<int64_t>(data.unlabelled_treatment.size()) != unlabelled) {
      return absl::InvalidArgumentError(absl::StrCat("transductive: there are ", unlabelled,
                                                     " units without outcomes, and arms of ",
                                                     data.unlabelled_treatment.size()));
    }
  }
  const std::vector<bool> held_out = HeldOutUnits(settled, data);
  const auto trained = std::ranges::count(held_out, false);
  std::unique_ptr<NetFit> fit(new NetFit(settled, std::move(network), data,
                                         MaxRows(settled, trained, Unlabelled(settled, data))));
  PERENNIAL_RETURN_IF_ERROR(fit->Take(data, held_out));
  return fit;
}

NetFit::NetFit(const NetOptions& options, EffectNetwork network, const FitData& data,
               int64_t max_rows)
    : options_(options),
      network_(std::move(network)),
      arms_(data.observations.arms),
      binary_(data.observations.binary_outcome),
      stream_(data.stream),
      rows_(2, network_.network.layout().size()),
      optimizer_(options.optimizer, network_.network.layout().trainable()),
      update_(optimizer_, rows_.row(0)),
      workspace_(network_.network, max_rows),
      objective_(network_, options.objective, max_rows),
      best_loss_(std::numeric_limits<double>::infinity()) {
  network_.network.Initialize<float>(stream_.Split("init"), rows_.row(0));
  if (options_.objective.targeted > 0) {
    epsilon_.resize(arms_ - 1);
    epsilon_gradient_.resize(arms_ - 1);
    epsilon_optimizer_.emplace(options_.optimizer, arms_ - 1);
  }
  if (options_.adversary.weight > 0) {
    const absl::StatusOr<nn::Network> discriminator = nn::Network::Create(
        nn::MultilayerPerceptron(network_.network.outputs(network_.features),
                                 options_.adversary.hidden, arms_, nn::Activation::kElu));
    CHECK(discriminator.ok()) << discriminator.status().message();
    adversary_ =
        std::make_unique<Adversary>(*discriminator, options_.adversary, workspace_.max_rows());
    adversary_->network.Initialize<float>(stream_.Split("adversary"), adversary_->row.row(0));
  }
}

NetFit::~NetFit() = default;

absl::Status NetFit::Take(const FitData& data, const std::vector<bool>& held_out) {
  const Observations& observations = data.observations;
  const int64_t n = observations.size();
  features_ = observations.features();

  for (int arm = 0; arm < arms_; ++arm) {
    arm_share_.push_back(static_cast<double>(std::ranges::count(observations.treatment, arm)) /
                         static_cast<double>(n));
  }
  std::vector<int32_t> order;
  for (const bool held : {false, true}) {
    for (int32_t i = 0; i < n; ++i) {
      if (held_out[i] == held) order.push_back(i);
    }
    (held ? held_out_ : trained_) = static_cast<int32_t>(order.size()) - (held ? trained_ : 0);
  }
  unlabelled_ = static_cast<int32_t>(Unlabelled(options_, data));

  scale_ = StandardizationOf(observations.x());
  if (!binary_) {
    double sum = 0;
    for (const double y : observations.outcome) sum += y;
    outcome_mean_ = sum / static_cast<double>(n);
    double squares = 0;
    for (const double y : observations.outcome) {
      squares += (y - outcome_mean_) * (y - outcome_mean_);
    }
    const double deviation = std::sqrt(squares / static_cast<double>(n));
    outcome_deviation_ = deviation > 1e-12 * std::max(1.0, std::abs(outcome_mean_)) ? deviation : 1;
  }

  covariates_.resize((n + unlabelled_) * features_);
  const MatrixView<float> stored = {covariates_.data(), n + unlabelled_, features_, features_};
  for (const int32_t i : order) {
    const auto place = static_cast<int64_t>(treatment_.size());
    Standardize(observations.x(), i, kernels::SubRows(stored, place, 1));
    treatment_.push_back(observations.treatment[i]);
    outcome_.push_back(
        static_cast<float>((observations.outcome[i] - outcome_mean_) / outcome_deviation_));
    weight_.push_back(options_.reweight_arms
                          ? static_cast<float>(1 / (arms_ * arm_share_[treatment_.back()]))
                          : 1.0f);
  }
  if (unlabelled_ > 0) {
    Standardize({data.unlabelled_covariates.data(), unlabelled_, features_, features_}, 0,
                kernels::SubRows(stored, n, unlabelled_));
  }
  PERENNIAL_RETURN_IF_ERROR(TakePropensities(data));
  for (int arm = 0; arm < arms_; ++arm) {
    for (int32_t i = trained_; i < trained_ + held_out_; ++i) {
      if (treatment_[i] == arm) held_out_by_arm_.push_back(i);
    }
  }
  sampler_.emplace(stream_.Split("order"), trained_, options_.batch_size);
  if (unlabelled_ > 0) {
    unlabelled_sampler_.emplace(stream_.Split("unlabelled"), unlabelled_,
                                UnlabelledBatch(options_, trained_, unlabelled_));
  }
  return absl::OkStatus();
}

// What a logistic regression of the arm adds to what is known of units.
absl::Status NetFit::TakePropensities(const FitData& data) {
  const bool draws_arms = options_.transductive == NetOptions::Transductive::kCovariates;
  if (unlabelled_ > 0 && !draws_arms) {
    treatment_.insert(treatment_.end(), data.unlabelled_treatment.begin(),
                      data.unlabelled_treatment.end());
  }
  if (!draws_arms && !options_.control_odds && options_.control_strata == 0) {
    return absl::OkStatus();
  }
  PERENNIAL_ASSIGN_OR_RETURN(
      const LogisticFit logistic,
      FitLogistic(data.observations.x(), data.observations.treatment, arms_, {}, {}));
  const int64_t labelled = data.observations.size();
  const int64_t units = labelled + unlabelled_;
  // Of units in the order of covariates_.
  std::vector<std::vector<double>> propensity(units, std::vector<double>(arms_));
  std::vector<double> x(features_);
  for (int64_t i = 0; i < units; ++i) {
    for (int64_t c = 0; c < features_; ++c) {
      const double deviation = scale_.inverse[c] > 0 ? 1 / scale_.inverse[c] : 0;
      x[c] = scale_.center[c] + covariates_[i * features_ + c] * deviation;
    }
    logistic.Predict(x.data(), propensity[i]);
  }
  if (draws_arms) {
    random::Stream draws = stream_.Split("unlabelled_arms");
    for (int64_t i = labelled; i < units; ++i) {
      double left = draws.Uniform();
      int arm = 0;
      while (arm + 1 < arms_ && left >= propensity[i][arm]) left -= propensity[i][arm++];
      treatment_.push_back(arm);
    }
  }
  for (int arm = 1; arm < arms_; ++arm) {
    std::vector<double> share;  // Of the arm, among it and the control.
    for (const std::vector<double>& p : propensity) share.push_back(p[arm] / (p[arm] + p[0]));
    if (options_.control_odds) {
      std::vector<float>& odds = odds_.emplace_back();
      for (const std::vector<double>& p : propensity) {
        odds.push_back(static_cast<float>(p[arm] / p[0]));
      }
    }
    if (options_.control_strata > 0) {
      // By quantiles of the units of the arm, so that each has its part in every stratum.
      std::vector<double> of_arm;
      for (int64_t i = 0; i < labelled; ++i) {
        if (treatment_[i] == arm) of_arm.push_back(share[i]);
      }
      std::ranges::sort(of_arm);
      std::vector<double> bounds;
      for (int s = 1; s < options_.control_strata; ++s) {
        bounds.push_back(of_arm[of_arm.size() * s / options_.control_strata]);
      }
      std::vector<int32_t>& strata = strata_.emplace_back();
      for (const double e : share) {
        strata.push_back(
            static_cast<int32_t>(std::ranges::upper_bound(bounds, e) - bounds.begin()));
      }
    }
  }
  return absl::OkStatus();
}

void NetFit::Standardize(MatrixView<const double> x, int64_t begin, MatrixView<float> chunk) const {
  for (int64_t r = 0; r < chunk.rows; ++r) {
    const double* from = x.row(begin + r);
    float* to = chunk.row(r);
    for (int64_t c = 0; c < features_; ++c) {
      to[c] = static_cast<float>((from[c] - scale_.center[c]) * scale_.inverse[c]);
    }
  }
}

nn::ConstRow<float> NetFit::kept() const {
  return rows_.row(held_out_ > 0 && std::isfinite(best_loss_) ? 1 : 0);
}

double NetFit::training_flops() const {
  // Each row goes through the trunk and one head; with D1 through the control's, too.
  const EffectNetworkOptions& options = options_.network;
  double trunk = 0;
  double head = 0;
  auto width = static_cast<double>(features_);
  for (const int64_t next : options.trunk) {
    trunk += width * static_cast<double>(next);
    width = static_cast<double>(next);
  }
  for (const int64_t next : options.head) {
    head += width * static_cast<double>(next);
    width = static_cast<double>(next);
  }
  head += width;
  const double first =
      static_cast<double>(features_) *
      static_cast<double>(options.trunk.empty() ? (options.head.empty() ? 1 : options.head[0])
                                                : options.trunk[0]);
  const double unlabelled =
      unlabelled_ > 0 ? static_cast<double>(UnlabelledBatch(options_, trained_, unlabelled_)) : 0;
  const double rows = std::min<double>(options_.batch_size, trained_);
  const double asked_again =
      options_.objective.beta > 0 || network_.offset ? rows * (1 - arm_share_[0]) + unlabelled : 0;
  const double products =
      (rows + unlabelled) * (3 * trunk - first) + 3 * head * (rows + asked_again);
  return 2 * products * static_cast<double>(options_.steps);
}

absl::Status NetFit::Advance(int64_t steps) {
  for (int64_t i = 0; i < steps && steps_done_ < options_.steps; ++i) {
    PERENNIAL_RETURN_IF_ERROR(Step());
  }
  return absl::OkStatus();
}

void NetFit::ComposeBatch() {
  const std::span<const int32_t> labelled = sampler_->Batch(steps_done_);
  std::span<const int32_t> unlabelled;
  if (unlabelled_ > 0) unlabelled = unlabelled_sampler_->Batch(steps_done_);
  const int32_t first_unlabelled = trained_ + held_out_;
  indices_.clear();
  layout_.arms.clear();
  layout_.labelled.clear();
  for (int arm = 0; arm < arms_; ++arm) {
    const auto add_unlabelled = [&] {
      for (const int32_t i : unlabelled) {
        if (treatment_[first_unlabelled + i] == arm) indices_.push_back(first_unlabelled + i);
      }
    };
    const auto begin = std::ssize(indices_);
    if (arm == 0) add_unlabelled();
    const auto first = std::ssize(indices_);
    for (const int32_t i : labelled) {
      if (treatment_[i] == arm) indices_.push_back(i);
    }
    layout_.labelled.push_back({first, std::ssize(indices_)});
    if (arm != 0) add_unlabelled();
    layout_.arms.push_back({begin, std::ssize(indices_)});
  }
  const float mean = 1 / static_cast<float>(labelled.size());
  batch_outcome_.resize(indices_.size());
  batch_weight_.resize(indices_.size());
  for (size_t r = 0; r < indices_.size(); ++r) {
    const int32_t i = indices_[r];
    const bool has_outcome = i < first_unlabelled;
    batch_outcome_[r] = has_outcome ? outcome_[i] : 0;
    batch_weight_[r] = has_outcome ? weight_[i] * mean : 0;
  }
  const auto gather = [&](const auto& of_units, auto& of_batch) {
    of_batch.resize(of_units.size());
    for (size_t arm = 0; arm < of_units.size(); ++arm) {
      of_batch[arm].resize(indices_.size());
      for (size_t r = 0; r < indices_.size(); ++r) of_batch[arm][r] = of_units[arm][indices_[r]];
    }
  };
  gather(odds_, batch_odds_);
  gather(strata_, batch_strata_);
}

double NetFit::AdversaryStep() {
  Adversary& adversary = *adversary_;
  const MatrixView<const float> features = workspace_.output(network_.features);
  const MatrixView<float> gradient = workspace_.gradient(network_.features);
  for (int arm = 0; arm < arms_; ++arm) {
    for (int64_t r = layout_.arms[arm].begin; r < layout_.arms[arm].end; ++r) {
      adversary.arms[r] = arm;
    }
  }
  const int64_t rows = features.rows;
  adversary.weights.assign(rows, 1 / static_cast<float>(rows));
  adversary.network.Forward<float>(adversary.row.row(0), features, adversary.workspace,
                                   {.mode = nn::Mode::kTrain});
  const double loss = nn::SoftmaxCrossEntropy<float>(
      adversary.workspace.output(), std::span<const int32_t>(adversary.arms).first(rows),
      adversary.weights, adversary.workspace.output_gradient());
  const MatrixView<float> reversed = {adversary.gradient.data(), rows, features.columns,
                                      features.columns};
  adversary.update.BeginStep();
  adversary.network.Backward<float>(adversary.row.row(0), adversary.workspace, adversary.update,
                                    reversed);
  adversary.update.EndStep();
  const auto weight = static_cast<float>(options_.adversary.weight);
  const bool written = options_.objective.alpha > 0;
  for (int64_t r = 0; r < rows; ++r) {
    for (int64_t c = 0; c < features.columns; ++c) {
      gradient(r, c) = (written ? gradient(r, c) : 0) - weight * reversed(r, c);
    }
  }
  return loss;
}

absl::Status NetFit::Step() {
  ComposeBatch();
  const nn::Row<float> row = rows_.row(0);
  const data::BatchPart part = {data::InputTable::Floats(covariates_, features_), indices_};
  network_.network.Forward<float>(
      row, data::Batch({&part, 1}), workspace_,
      {.mode = nn::Mode::kTrain,
       .dropout = stream_.Split("dropout").Split(static_cast<uint64_t>(steps_done_)),
       .rows = objective_.Ranges(layout_)});
  const double progress = static_cast<double>(steps_done_) / static_cast<double>(options_.steps);
  losses_ = objective_.Evaluate({.layout = &layout_,
                                 .outcome = batch_outcome_,
                                 .weights = batch_weight_,
                                 .beta_factor = options_.anneal_beta ? 1 - progress : 1,
                                 .control_weights = batch_odds_,
                                 .strata = batch_strata_,
                                 .epsilon = epsilon_},
                                workspace_, epsilon_gradient_);
  double total = losses_.total();
  if (adversary_ != nullptr) total += AdversaryStep();
  if (!std::isfinite(total)) {
    return absl::FailedPreconditionError(
        absl::StrCat("the loss is ", total, " in step ", steps_done_ + 1,
                     "; choose a learning rate below ", options_.optimizer.learning_rate));
  }
  update_.BeginStep();
  network_.network.Backward<float>(row, workspace_, update_);
  update_.EndStep();
  if (epsilon_optimizer_.has_value()) epsilon_optimizer_->Step(epsilon_gradient_, epsilon_);
  ++steps_done_;
  if (held_out_ > 0 &&
      (steps_done_ % options_.evaluate_every == 0 || steps_done_ == options_.steps)) {
    const double loss = ValidationLoss();
    if (loss < best_loss_) {
      best_loss_ = loss;
      evaluations_since_best_ = 0;
      rows_.CopyRow(0, 1);
    } else if (++evaluations_since_best_;
               options_.patience > 0 && evaluations_since_best_ >= options_.patience) {
      steps_done_ = options_.steps;
    }
  }
  return absl::OkStatus();
}

double NetFit::Output(int arm, double output, int64_t row) const {
  const bool adds = network_.offset && arm > 0;
  return adds ? output + double{workspace_.output(network_.heads[0])(row, 0)} : output;
}

double NetFit::ValidationLoss() {
  double loss = 0;
  double weights = 0;
  std::vector<nn::RowRange> ranges(network_.network.blocks());
  for (size_t begin = 0; begin < held_out_by_arm_.size(); begin += kChunk) {
    const auto indices =
        std::span<const int32_t>(held_out_by_arm_)
            .subspan(begin, std::min<size_t>(kChunk, held_out_by_arm_.size() - begin));
    const auto rows = std::ssize(indices);
    std::ranges::fill(ranges, nn::RowRange{0, 0});
    if (network_.features >= 0) ranges[network_.features] = {0, rows};
    for (int arm = 0, r = 0; arm < arms_; ++arm) {
      const int first = r;
      while (r < rows && treatment_[indices[r]] == arm) ++r;
      ranges[network_.heads[arm]] = {first, r};
    }
    if (network_.offset) ranges[network_.heads[0]] = {0, rows};
    const data::BatchPart part = {data::InputTable::Floats(covariates_, features_), indices};
    network_.network.Forward<float>(rows_.row(0), data::Batch({&part, 1}), workspace_,
                                    {.rows = ranges});
    for (int arm = 0; arm < arms_; ++arm) {
      const int head = network_.heads[arm];
      const MatrixView<const float> output = workspace_.output(head);
      for (int64_t r = 0; r < output.rows; ++r) {
        const int64_t place = ranges[head].begin + r;
        const int32_t unit = indices[place];
        if (treatment_[unit] != arm) continue;
        const double y = outcome_[unit];
        const double prediction = Output(arm, output(r, 0), place);
        loss += weight_[unit] * (binary_ ? Softplus(prediction) - y * prediction
                                         : (prediction - y) * (prediction - y));
        weights += weight_[unit];
      }
    }
  }
  return loss / weights;
}

absl::StatusOr<Predictions> NetFit::Predict(MatrixView<const double> x) const {
  if (x.columns != features_) {
    return absl::InvalidArgumentError(absl::StrCat(
        "there are ", x.columns, " covariates; the network was fitted to ", features_));
  }
  Predictions predictions;
  predictions.outcome.resize(arms_);
  if (network_.propensity >= 0) predictions.propensity.resize(arms_);
  kernels::AlignedVector<float> chunk(kChunk * features_);
  std::vector<double> p(arms_);
  for (int64_t begin = 0; begin < x.rows; begin += kChunk) {
    const int64_t rows = std::min(kChunk, x.rows - begin);
    const MatrixView<float> inputs = {chunk.data(), rows, features_, features_};
    Standardize(x, begin, inputs);
    network_.network.Forward<float>(kept(), MatrixView<const float>(inputs), workspace_);
    for (int arm = 0; arm < arms_; ++arm) {
      const MatrixView<const float> output = workspace_.output(network_.heads[arm]);
      for (int64_t r = 0; r < rows; ++r) {
        const double prediction = Output(arm, output(r, 0), r);
        predictions.outcome[arm].push_back(
            binary_ ? Sigmoid(prediction) : outcome_mean_ + outcome_deviation_ * prediction);
      }
    }
    for (int64_t r = 0; network_.propensity >= 0 && r < rows; ++r) {
      const float* logits = workspace_.output(network_.propensity).row(r);
      const double largest = *std::max_element(logits, logits + arms_);
      double sum = 0;
      for (int arm = 0; arm < arms_; ++arm) sum += p[arm] = std::exp(logits[arm] - largest);
      for (int arm = 0; arm < arms_; ++arm) predictions.propensity[arm].push_back(p[arm] / sum);
    }
  }
  SetEffects(predictions);
  return predictions;
}

absl::StatusOr<std::vector<float>> NetFit::Features(MatrixView<const double> x) const {
  if (network_.features < 0) {
    return absl::UnimplementedError("a T-net has no representation that its arms share");
  }
  if (x.columns != features_) {
    return absl::InvalidArgumentError(absl::StrCat(
        "there are ", x.columns, " covariates; the network was fitted to ", features_));
  }
  std::vector<float> features;
  kernels::AlignedVector<float> chunk(kChunk * features_);
  for (int64_t begin = 0; begin < x.rows; begin += kChunk) {
    const MatrixView<float> inputs = {chunk.data(), std::min(kChunk, x.rows - begin), features_,
                                      features_};
    Standardize(x, begin, inputs);
    network_.network.Forward<float>(kept(), MatrixView<const float>(inputs), workspace_);
    const MatrixView<const float> output = workspace_.output(network_.features);
    for (int64_t r = 0; r < output.rows; ++r) {
      features.insert(features.end(), output.row(r), output.row(r) + output.columns);
    }
  }
  return features;
}

absl::Status NetFit::Save(absl::string_view prefix, record::SafetensorsWriter& writer) const {
  const auto name = [&](absl::string_view what) { return absl::StrCat(prefix, what); };
  const int64_t counts[] = {steps_done_, optimizer_.steps(), evaluations_since_best_};
  const double best[] = {best_loss_};
  const nn::Rows<float>& state = optimizer_.state();
  PERENNIAL_RETURN_IF_ERROR(writer.Add<int64_t>(name("counts"), {3}, counts));
  PERENNIAL_RETURN_IF_ERROR(writer.Add<double>(name("best"), {1}, best));
  PERENNIAL_RETURN_IF_ERROR(writer.Add<float>(name("rows"), {2, rows_.size()}, rows_.all()));
  PERENNIAL_RETURN_IF_ERROR(
      writer.Add<float>(name("optimizer"), {state.count(), state.size()}, state.all()));
  if (epsilon_optimizer_.has_value()) {
    const nn::Rows<float>& of_epsilon = epsilon_optimizer_->state();
    PERENNIAL_RETURN_IF_ERROR(writer.Add<float>(name("epsilon"), {std::ssize(epsilon_)}, epsilon_));
    PERENNIAL_RETURN_IF_ERROR(writer.Add<float>(
        name("epsilon_optimizer"), {of_epsilon.count(), of_epsilon.size()}, of_epsilon.all()));
  }
  if (adversary_ != nullptr) {
    const nn::Rows<float>& of_adversary = adversary_->optimizer.state();
    PERENNIAL_RETURN_IF_ERROR(
        writer.Add<float>(name("adversary"), {1, adversary_->row.size()}, adversary_->row.all()));
    PERENNIAL_RETURN_IF_ERROR(writer.Add<float>(name("adversary_optimizer"),
                                                {of_adversary.count(), of_adversary.size()},
                                                of_adversary.all()));
  }
  return absl::OkStatus();
}

absl::Status NetFit::Load(absl::string_view prefix, const record::SafetensorsFile& file) {
  const auto name = [&](absl::string_view what) { return absl::StrCat(prefix, what); };
  int64_t counts[3];
  double best[1];
  PERENNIAL_RETURN_IF_ERROR(ReadInto<int64_t>(file, name("counts"), counts));
  PERENNIAL_RETURN_IF_ERROR(ReadInto<double>(file, name("best"), best));
  if (counts[0] < 0 || counts[0] > options_.steps || counts[1] < 0 || counts[1] > counts[0] ||
      counts[2] < 0 || counts[2] > counts[0] || std::isnan(best[0])) {
    return absl::DataLossError("the state does not belong to this fit");
  }
  PERENNIAL_RETURN_IF_ERROR(ReadInto<float>(file, name("rows"), rows_.all()));
  PERENNIAL_RETURN_IF_ERROR(ReadInto<float>(file, name("optimizer"), optimizer_.state().all()));
  if (epsilon_optimizer_.has_value()) {
    PERENNIAL_RETURN_IF_ERROR(ReadInto<float>(file, name("epsilon"), std::span<float>(epsilon_)));
    PERENNIAL_RETURN_IF_ERROR(
        ReadInto<float>(file, name("epsilon_optimizer"), epsilon_optimizer_->state().all()));
    epsilon_optimizer_->set_steps(counts[1]);
  }
  if (adversary_ != nullptr) {
    PERENNIAL_RETURN_IF_ERROR(ReadInto<float>(file, name("adversary"), adversary_->row.all()));
    PERENNIAL_RETURN_IF_ERROR(
        ReadInto<float>(file, name("adversary_optimizer"), adversary_->optimizer.state().all()));
    adversary_->optimizer.set_steps(counts[1]);
  }
  optimizer_.set_steps(counts[1]);
  steps_done_ = counts[0];
  evaluations_since_best_ = counts[2];
  best_loss_ = best[0];
  return absl::OkStatus();
}

absl::StatusOr<std::string> NetFit::Export() const {
  const EffectNetworkOptions& network = options_.network;
  const int64_t kind[] = {static_cast<int64_t>(network.activation),
                          network.shared,
                          network.propensity,
                          arms_,
                          binary_,
                          features_,
                          network.offset};
  const double outcome[] = {outcome_mean_, outcome_deviation_};
  record::SafetensorsWriter writer;
  PERENNIAL_RETURN_IF_ERROR(writer.Add<int64_t>("kind", {std::ssize(kind)}, kind));
  PERENNIAL_RETURN_IF_ERROR(
      writer.Add<int64_t>("trunk", {std::ssize(network.trunk)}, network.trunk));
  PERENNIAL_RETURN_IF_ERROR(writer.Add<int64_t>("head", {std::ssize(network.head)}, network.head));
  PERENNIAL_RETURN_IF_ERROR(
      writer.Add<double>("center", {std::ssize(scale_.center)}, scale_.center));
  PERENNIAL_RETURN_IF_ERROR(
      writer.Add<double>("inverse", {std::ssize(scale_.inverse)}, scale_.inverse));
  PERENNIAL_RETURN_IF_ERROR(writer.Add<double>("outcome", {2}, outcome));
  PERENNIAL_RETURN_IF_ERROR(writer.Add<float>("row", {rows_.size()}, kept()));
  return writer.Finish();
}

absl::StatusOr<std::unique_ptr<NetFit>> NetFit::Restore(std::string bytes) {
  PERENNIAL_ASSIGN_OR_RETURN(const auto file, record::SafetensorsFile::Parse(std::move(bytes)));
  int64_t kind[7];
  double outcome[2];
  PERENNIAL_RETURN_IF_ERROR(ReadInto<int64_t>(file, "kind", kind));
  PERENNIAL_RETURN_IF_ERROR(ReadInto<double>(file, "outcome", outcome));
  const int64_t arms = kind[3];
  const int64_t features = kind[5];
  const auto last = static_cast<int64_t>(nn::Activation::kCrelu);
  if (kind[0] < 0 || kind[0] > last || arms < 2 || arms > 1000 || features < 1 ||
      features > 1000000 || !std::isfinite(outcome[0]) || !std::isfinite(outcome[1])) {
    return absl::DataLossError("the bytes are not of a network of effects");
  }
  NetOptions options = {.validation_share = 0};
  options.network = {.activation = static_cast<nn::Activation>(kind[0]),
                     .shared = kind[1] != 0,
                     .propensity = kind[2] != 0,
                     .offset = kind[6] != 0};
  PERENNIAL_ASSIGN_OR_RETURN(options.network.trunk, file.Read<int64_t>("trunk"));
  PERENNIAL_ASSIGN_OR_RETURN(options.network.head, file.Read<int64_t>("head"));
  // No layer is larger than what is there, so that nothing large is made in vain.
  PERENNIAL_ASSIGN_OR_RETURN(const std::vector<float> row, file.Read<float>("row"));
  const auto numbers = static_cast<int64_t>(row.size());
  int64_t width = features;
  for (const std::vector<int64_t>* widths : {&options.network.trunk, &options.network.head}) {
    for (const int64_t next : *widths) {
      if (next < 1 || next > numbers / width) {
        return absl::DataLossError("the bytes are not of a network of effects");
      }
      width = next;
    }
  }
  // A unit in each arm stands for the data, whose scales and weights follow.
  FitData data = {.stream = random::Stream(0)};
  data.observations.arms = static_cast<int>(arms);
  data.observations.binary_outcome = kind[4] != 0;
  data.observations.covariate_names.resize(features);
  data.observations.covariates.resize(arms * features);
  data.observations.outcome.resize(arms);
  for (int arm = 0; arm < arms; ++arm) data.observations.treatment.push_back(arm);
  PERENNIAL_ASSIGN_OR_RETURN(std::unique_ptr<NetFit> fit, Create(options, std::move(data)));
  PERENNIAL_RETURN_IF_ERROR(
      ReadInto<double>(file, "center", std::span<double>(fit->scale_.center)));
  PERENNIAL_RETURN_IF_ERROR(
      ReadInto<double>(file, "inverse", std::span<double>(fit->scale_.inverse)));
  PERENNIAL_RETURN_IF_ERROR(ReadInto<float>(file, "row", fit->rows_.row(0)));
  fit->outcome_mean_ = outcome[0];
  fit->outcome_deviation_ = outcome[1];
  fit->steps_done_ = options.steps;
  return fit;
}

}  // namespace perennial::causal
