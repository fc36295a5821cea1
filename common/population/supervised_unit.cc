#include "common/population/supervised_unit.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/base/logging.h"
#include "common/base/status_macros.h"
#include "common/data/batch.h"
#include "common/nn/loss.h"
#include "common/population/unit_state.h"
#include "common/record/safetensors.h"

namespace perennial::population {
namespace {

random::Stream Root(const SupervisedOptions& options) { return random::Stream(options.seed); }

int32_t Examples(const SupervisedOptions& options) {
  return static_cast<int32_t>(options.inputs.size());
}

}  // namespace

SupervisedUnit::Training::Training(const SupervisedOptions& options)
    : rows(1, options.network->layout().size()),
      optimizer(options.optimizer, options.network->layout().trainable()),
      update(optimizer, rows.row(0)),
      workspace(*options.network, std::min(options.batch_size, Examples(options))),
      sampler(Root(options).Split("order"), Examples(options), options.batch_size) {
  options.network->Initialize<float>(Root(options).Split("init"), rows.row(0));
}

SupervisedUnit::SupervisedUnit(SupervisedOptions options) : options_(std::move(options)) {
  CHECK(options_.network != nullptr && options_.inputs.size() > 0 && options_.batch_size > 0 &&
        options_.steps >= 0);
  CHECK_LE(options_.inputs.size(), std::numeric_limits<int32_t>::max());
  CHECK_EQ(options_.network->inputs(), options_.inputs.features());
  const absl::Status optimizer = optim::Validate(options_.optimizer);
  CHECK(optimizer.ok()) << optimizer.message();
  const data::EpochSampler sizes(Root(options_), Examples(options_), options_.batch_size);
  plan_.steps = options_.steps;
  const int64_t epochs = options_.steps / sizes.batches_per_epoch();
  int64_t examples = epochs * Examples(options_);
  for (int64_t step = epochs * sizes.batches_per_epoch(); step < options_.steps; ++step) {
    examples += sizes.BatchSize(step);
  }
  plan_.training_flops = options_.network->training_flops(examples);
  const nn::Network& network = *options_.network;
  const int64_t batch = std::min(options_.batch_size, Examples(options_));
  const int64_t numbers =
      network.layout().size() * (1 + optim::Optimizer<float>::StateRows(options_.optimizer)) +
      optim::UpdateSink<float>::ScratchSize(network, options_.optimizer);
  int64_t indices = Examples(options_);
  if (network.spec().one_hot) indices += batch * options_.inputs.stored();
  plan_.memory_bytes = static_cast<double>(numbers * static_cast<int64_t>(sizeof(float)) +
                                           indices * static_cast<int64_t>(sizeof(int32_t)) +
                                           nn::Workspace<float>::Bytes(network, batch));
}

BatchLoss SupervisedUnit::Classification(std::span<const int32_t> labels) {
  return [labels](std::span<const int32_t> indices, kernels::MatrixView<const float> outputs,
                  kernels::MatrixView<float> gradient) {
    // Of the thread: many units, one batch at a time.
    thread_local std::vector<int32_t> batch_labels;
    thread_local std::vector<float> weights;
    batch_labels.clear();
    for (const int32_t index : indices) {
      CHECK_LT(index, std::ssize(labels)) << "an example without a label";
      batch_labels.push_back(labels[index]);
    }
    weights.assign(indices.size(), 1.0f / static_cast<float>(indices.size()));
    return nn::SoftmaxCrossEntropy<float>(outputs, batch_labels, weights, gradient);
  };
}

double SupervisedUnit::progress() const {
  if (plan_.steps == 0) return 1;
  return static_cast<double>(steps_done_) / static_cast<double>(plan_.steps);
}

nn::ConstRow<float> SupervisedUnit::row() const {
  if (!training_.has_value()) return {};
  return training_->rows.row(0);
}

absl::Status SupervisedUnit::Advance(int64_t steps) {
  if (finished()) return absl::OkStatus();
  if (!training_.has_value()) training_.emplace(options_);
  for (int64_t i = 0; i < steps && !finished(); ++i) PERENNIAL_RETURN_IF_ERROR(Step());
  return absl::OkStatus();
}

absl::Status SupervisedUnit::Step() {
  Training& training = *training_;
  if (steps_done_ % training.sampler.batches_per_epoch() == 0) {
    loss_sum_ = 0;
    loss_steps_ = 0;
  }
  const nn::Row<float> row = training.rows.row(0);
  const data::BatchPart part = {options_.inputs, training.sampler.Batch(steps_done_)};
  options_.network->Forward<float>(
      row, data::Batch({&part, 1}), training.workspace,
      {.mode = nn::Mode::kTrain,
       .dropout = Root(options_).Split("dropout").Split(static_cast<uint64_t>(steps_done_))});
  const double loss = options_.loss(part.indices, training.workspace.output(),
                                    training.workspace.output_gradient());
  if (!std::isfinite(loss)) {
    return absl::FailedPreconditionError(
        absl::StrCat("the loss is ", loss, " in step ", steps_done_ + 1,
                     "; choose a learning rate below ", options_.optimizer.learning_rate));
  }
  training.update.BeginStep();
  options_.network->Backward<float>(row, training.workspace, training.update);
  training.update.EndStep();
  options_.network->UpdateRunningStatistics<float>(training.workspace, row);
  loss_sum_ += loss;
  ++loss_steps_;
  ++steps_done_;
  return absl::OkStatus();
}

absl::StatusOr<std::string> SupervisedUnit::Save() const {
  std::optional<Training> initial;
  if (!training_.has_value()) {
    CHECK_EQ(steps_done_, 0) << "the state of a released unit";
    initial.emplace(options_);
  }
  const Training& training = training_.has_value() ? *training_ : *initial;
  record::SafetensorsWriter writer;
  const int64_t steps[] = {steps_done_, loss_steps_};
  const double sums[] = {loss_sum_};
  const nn::Rows<float>& state = training.optimizer.state();
  PERENNIAL_RETURN_IF_ERROR(writer.Add<int64_t>("steps", {2}, steps));
  PERENNIAL_RETURN_IF_ERROR(writer.Add<double>("sums", {1}, sums));
  PERENNIAL_RETURN_IF_ERROR(writer.Add<float>("row", {training.rows.size()}, training.rows.all()));
  PERENNIAL_RETURN_IF_ERROR(
      writer.Add<float>("optimizer", {state.count(), state.size()}, state.all()));
  MarkUnitState(options_.key, writer);
  return writer.Finish();
}

absl::Status SupervisedUnit::Load(absl::string_view bytes) {
  PERENNIAL_ASSIGN_OR_RETURN(const record::SafetensorsFile file,
                             ParseUnitState(bytes, options_.key));
  PERENNIAL_ASSIGN_OR_RETURN(const auto steps, file.Read<int64_t>("steps"));
  PERENNIAL_ASSIGN_OR_RETURN(const auto sums, file.Read<double>("sums"));
  PERENNIAL_ASSIGN_OR_RETURN(const auto row, file.Read<float>("row"));
  PERENNIAL_ASSIGN_OR_RETURN(const auto state, file.Read<float>("optimizer"));
  if (steps.size() != 2 || steps[0] < 0 || steps[0] > plan_.steps || steps[1] < 0 ||
      steps[1] > steps[0] || sums.size() != 1 || !std::isfinite(sums[0]) ||
      std::ssize(row) != options_.network->layout().size() ||
      std::ssize(state) != optim::Optimizer<float>::StateRows(options_.optimizer) *
                               options_.network->layout().trainable()) {
    return absl::DataLossError(
        absl::StrCat("the state does not belong to this configuration of ", options_.key.Id()));
  }
  training_.reset();
  training_.emplace(options_);
  std::ranges::copy(row, training_->rows.all().begin());
  std::ranges::copy(state, training_->optimizer.state().all().begin());
  training_->optimizer.set_steps(steps[0]);
  steps_done_ = steps[0];
  loss_steps_ = steps[1];
  loss_sum_ = sums[0];
  return absl::OkStatus();
}

UnitResults SupervisedUnit::Results() const {
  UnitResults results;
  if (loss_steps_ > 0) {
    results.measurements.push_back(
        {"train_loss", options_.loss_unit, loss_sum_ / static_cast<double>(loss_steps_)});
  }
  return results;
}

}  // namespace perennial::population
