#include "continual/training/trainer.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

#include "absl/memory/memory.h"
#include "absl/strings/str_cat.h"
#include "common/base/logging.h"
#include "common/base/status_macros.h"
#include "common/data/batch.h"
#include "common/kernels/elementwise.h"
#include "common/nn/evaluate.h"
#include "common/nn/loss.h"
#include "common/nn/sink.h"
#include "common/record/safetensors.h"

namespace perennial::continual {
namespace {

// Rows of a test batch: enough for the GEMM's peak, few enough for the second-level cache.
constexpr int64_t kTestBatch = 250;

using Sink = nn::GradientSink<float>;

int64_t BatchesPerEpoch(const LossTerm& term) {
  return (term.images->size() + term.batch_size - 1) / term.batch_size;
}

}  // namespace

PhaseTrainer::PhaseTrainer(const nn::Network& network, const Phase& phase,
                           const random::Stream& random, nn::Rows<float>& rows)
    : network_(network),
      phase_(phase),
      rows_(rows),
      sgd_(phase.optimizer, rows.size()),
      gradient_(1, rows.size()),
      point_(1, rows.size()) {
  int64_t plain_rows = 0;
  int64_t largest = 1;
  for (size_t i = 0; i < phase.terms.size(); ++i) {
    const LossTerm& term = phase.terms[i];
    CHECK(term.images != nullptr && term.images->size() > 0 && term.batch_size > 0);
    samplers_.push_back({.random = random.Split(i), .batches_per_epoch = BatchesPerEpoch(term)});
    if (term.draw == Draw::kEpochs) {
      steps_ = std::max(steps_, phase.epochs * samplers_.back().batches_per_epoch);
    }
    const int64_t rows_of_batch = std::min(term.batch_size, term.images->size());
    (term.line.has_value() ? largest : plain_rows) += rows_of_batch;
    if (term.line.has_value()) largest = std::max(largest, rows_of_batch);
  }
  if (steps_ > 0) workspace_.emplace(network, std::max(plain_rows, largest));
}

int64_t PhaseTrainer::BatchSize(size_t index, int64_t step) const {
  const LossTerm& term = phase_.terms[index];
  if (term.draw == Draw::kRandom) return std::min(term.batch_size, term.images->size());
  const int64_t begin = step % samplers_[index].batches_per_epoch * term.batch_size;
  return std::min<int64_t>(term.batch_size, term.images->size() - begin);
}

std::span<const int32_t> PhaseTrainer::Indices(size_t index, int64_t step) {
  const LossTerm& term = phase_.terms[index];
  Sampler& sampler = samplers_[index];
  if (term.draw == Draw::kRandom) {
    sampler.order = sampler.random.Split(step).Sample(term.images->size(),
                                                      static_cast<int32_t>(BatchSize(index, step)));
    return sampler.order;
  }
  const int64_t epoch = step / sampler.batches_per_epoch;
  if (epoch != sampler.epoch) {
    sampler.order.resize(term.images->size());
    std::iota(sampler.order.begin(), sampler.order.end(), 0);
    sampler.random.Split(epoch).Shuffle(std::span<int32_t>(sampler.order));
    sampler.epoch = epoch;
  }
  const int64_t begin = step % sampler.batches_per_epoch * term.batch_size;
  return std::span<const int32_t>(sampler.order).subspan(begin, BatchSize(index, step));
}

PhaseTrainer::Work PhaseTrainer::WorkOf(int64_t step) const {
  Work work;
  bool plain = false;
  for (size_t i = 0; i < phase_.terms.size(); ++i) {
    const LossTerm& term = phase_.terms[i];
    const int64_t points = term.line.has_value() ? term.line->points : 1;
    (term.replay ? work.replayed : work.examples) += points * BatchSize(i, step);
    if (term.line.has_value()) work.passes += points;
    plain |= !term.line.has_value();
  }
  work.passes += plain;  // All terms at the row itself share a pass.
  return work;
}

double PhaseTrainer::Evaluate(std::span<const data::BatchPart> parts,
                              std::span<const double> weights, nn::ConstRow<float> row,
                              nn::WeightGradientSink<float>& sink) {
  labels_.clear();
  weights_.clear();
  for (size_t i = 0; i < parts.size(); ++i) {
    for (const int32_t index : parts[i].indices) labels_.push_back(parts[i].images->labels[index]);
    weights_.resize(labels_.size(),
                    static_cast<float>(weights[i] / static_cast<double>(parts[i].indices.size())));
  }
  network_.Forward<float>(row, data::Batch(parts), *workspace_);
  const double loss = nn::SoftmaxCrossEntropy<float>(workspace_->output(), labels_, weights_,
                                                     workspace_->output_gradient());
  network_.Backward<float>(row, *workspace_, sink);
  return loss;
}

double PhaseTrainer::LossAndGradient(int64_t step) {
  const nn::ConstRow<float> row = rows_.row(phase_.row);
  Sink::Mode mode = Sink::Mode::kOverwrite;
  double loss = 0;

  std::vector<data::BatchPart> parts;
  std::vector<double> weights;
  for (size_t i = 0; i < phase_.terms.size(); ++i) {
    const LossTerm& term = phase_.terms[i];
    if (term.line.has_value()) continue;
    parts.push_back({term.images.get(), Indices(i, step)});
    weights.push_back(term.weight);
  }
  if (!parts.empty()) {
    Sink sink(gradient_.row(0), mode);
    loss += Evaluate(parts, weights, row, sink);
    mode = Sink::Mode::kAccumulate;
  }

  for (size_t i = 0; i < phase_.terms.size(); ++i) {
    const LossTerm& term = phase_.terms[i];
    if (!term.line.has_value()) continue;
    const data::BatchPart part = {term.images.get(), Indices(i, step)};
    const double weight = term.weight / (term.line->points + 1);
    // The point at alpha = 0 does not depend on the row: it adds a constant to the loss, which is
    // left out here, and nothing to the gradient.
    for (int k = 1; k <= term.line->points; ++k) {
      const float alpha = static_cast<float>(k) / static_cast<float>(term.line->points);
      kernels::LinePoint<float>(alpha, rows_.row(term.line->row), row, point_.row(0));
      Sink sink(gradient_.row(0), mode, alpha);
      loss += Evaluate({&part, 1}, {&weight, 1}, point_.row(0), sink);
      mode = Sink::Mode::kAccumulate;
    }
  }
  return loss;
}

double PhaseTrainer::Step(int64_t step, Learner* learner) {
  const double loss = LossAndGradient(step);
  if (!std::isfinite(loss)) return loss;
  const nn::Row<float> row = rows_.row(phase_.row);
  if (learner != nullptr) learner->AdjustGradient(phase_, row, gradient_.row(0));
  sgd_.Step(gradient_.row(0), row);
  return loss;
}

void ApplyStart(const Phase& phase, nn::Rows<float>& rows) {
  if (phase.start.empty()) return;
  if (phase.start.size() == 1 && phase.start[0].weight == 1) {
    if (phase.start[0].row != phase.row) rows.CopyRow(phase.start[0].row, phase.row);
    return;
  }
  nn::Rows<float> sum(1, rows.size());
  for (const WeightedRow& term : phase.start) {
    kernels::Axpy<float>(static_cast<float>(term.weight), rows.row(term.row), sum.row(0));
  }
  std::ranges::copy(sum.row(0), rows.row(phase.row).begin());
}

absl::StatusOr<std::unique_ptr<TaskUnit>> TaskUnit::Create(TaskUnitOptions options) {
  if (options.network.inputs() != options.stream->features() ||
      options.network.outputs() != options.stream->classes()) {
    return absl::InvalidArgumentError(absl::StrCat(
        "a network of ", options.network.inputs(), " inputs and ", options.network.outputs(),
        " outputs does not fit a stream of ", options.stream->features(), " pixels and ",
        options.stream->classes(), " classes"));
  }
  return absl::WrapUnique(new TaskUnit(std::move(options)));
}

TaskUnit::TaskUnit(TaskUnitOptions options)
    : options_(std::move(options)),
      random_(options_.seed),
      learner_(options_.learner()),
      rows_(learner_->rows(), options_.network.layout().size()),
      test_workspace_(options_.network, kTestBatch),
      accuracy_(options_.stream->tasks()),
      tests_(options_.stream->tasks()) {
  options_.network.Initialize<float>(random_.Split("init"), rows_.row(0));
  MakePlan();
}

TaskContext TaskUnit::Context(const TaskStream& stream, int task) const {
  return TaskContext(stream, task, random_.Split("learner").Split(task));
}

random::Stream TaskUnit::PhaseRandom() const {
  // By name: methods that share a seed see the same batches in phases of the same name.
  return random_.Split("order").Split(task_).Split(phases_[phase_].name);
}

void TaskUnit::MakePlan() {
  const std::unique_ptr<TaskStream> sizes = SizesOf(*options_.stream);
  const std::unique_ptr<Learner> learner = options_.learner();
  const nn::Network& network = options_.network;
  nn::Rows<float> no_rows(learner->rows(), 0);
  for (int task = 0; task < sizes->tasks(); ++task) {
    const TaskContext context = Context(*sizes, task);
    for (const Phase& phase : learner->Phases(context)) {
      const PhaseTrainer trainer(network, phase, random_, no_rows);
      plan_.steps += trainer.steps();
      for (int64_t step = 0; step < trainer.steps(); ++step) {
        const PhaseTrainer::Work work = trainer.WorkOf(step);
        plan_.training_flops += static_cast<double>(network.training_flops(work.examples));
        plan_.replay_flops += static_cast<double>(network.training_flops(work.replayed));
      }
    }
    learner->AfterTask(context);
    if (!learner->PredictingRow(task, sizes->tasks()).has_value()) continue;
    plan_.steps += task + 1;
    for (int i = 0; i <= task; ++i) {
      plan_.evaluation_flops += static_cast<double>(network.forward_flops(sizes->test_size(i)));
    }
  }
}

double TaskUnit::progress() const {
  if (finished()) return 1;
  return std::min(1.0, flops_done_ / plan_.total_flops());
}

absl::Status TaskUnit::Advance(int64_t steps) {
  for (int64_t i = 0; i < steps && !finished(); ++i) {
    // Tasks without phases and tests take no steps.
    while (stage_ == Stage::kStartTask) StartTask();
    if (stage_ == Stage::kTraining) {
      PERENNIAL_RETURN_IF_ERROR(TrainingStep());
    } else {
      TestingStep();
    }
    ++steps_done_;
  }
  return absl::OkStatus();
}

void TaskUnit::StartTask() {
  context_.emplace(Context(*options_.stream, task_));
  phases_ = learner_->Phases(*context_);
  phase_ = 0;
  stage_ = Stage::kTraining;
  EnterPhase();
}

void TaskUnit::EnterPhase() {
  for (; phase_ < phases_.size(); ++phase_) {
    ApplyStart(phases_[phase_], rows_);
    trainer_.emplace(options_.network, phases_[phase_], PhaseRandom(), rows_);
    step_ = 0;
    loss_sum_ = 0;
    if (trainer_->steps() > 0) return;
  }
  EndTraining();
}

void TaskUnit::EndTraining() {
  learner_->AfterTask(*context_);
  trainer_.reset();
  phases_.clear();
  context_.reset();
  stage_ = Stage::kTesting;
  tested_ = 0;
  if (!learner_->PredictingRow(task_, options_.stream->tasks()).has_value()) FinishTask();
}

void TaskUnit::FinishTask() {
  ++task_;
  stage_ = Stage::kStartTask;
  if (task_ == options_.stream->tasks()) std::ranges::fill(tests_, nullptr);
}

absl::Status TaskUnit::TrainingStep() {
  const Phase& phase = phases_[phase_];
  const double loss = trainer_->Step(step_, learner_.get());
  if (!std::isfinite(loss)) {
    return absl::FailedPreconditionError(
        absl::StrCat("the loss is ", loss, " in task ", task_, ", phase ", phase.name, ", step ",
                     step_, "; choose a learning rate below ", phase.optimizer.learning_rate));
  }
  loss_sum_ += loss;
  const PhaseTrainer::Work work = trainer_->WorkOf(step_);
  flops_done_ +=
      static_cast<double>(options_.network.training_flops(work.examples + work.replayed));
  passes_ += work.passes;
  if (++step_ == trainer_->steps()) {
    events_.push_back(
        {.step = steps_done_ + 1,
         .values = {{"task", task_},
                    {absl::StrCat(phase.name, "_loss"), loss_sum_ / static_cast<double>(step_)}}});
    ++phase_;
    EnterPhase();
  }
  return absl::OkStatus();
}

void TaskUnit::TestingStep() {
  const int row = *learner_->PredictingRow(task_, options_.stream->tasks());
  std::shared_ptr<const data::LabeledImages>& images = tests_[tested_];
  if (images == nullptr) images = options_.stream->Test(tested_);
  const nn::Evaluation result =
      nn::Evaluate(options_.network, rows_.row(row), *images, test_workspace_);
  accuracy_.Set(task_, tested_, result.accuracy);
  flops_done_ += static_cast<double>(options_.network.forward_flops(images->size()));
  events_.push_back({.step = steps_done_ + 1,
                     .values = {{"after_task", task_},
                                {"task", tested_},
                                {"test_accuracy", result.accuracy},
                                {"test_loss", result.loss}}});
  if (++tested_ > task_) FinishTask();
}

std::vector<population::Event> TaskUnit::TakeEvents() { return std::exchange(events_, {}); }

absl::StatusOr<std::string> TaskUnit::Save() const {
  record::SafetensorsWriter writer;
  const int64_t position[] = {static_cast<int64_t>(stage_),
                              task_,
                              static_cast<int64_t>(phase_),
                              step_,
                              tested_,
                              steps_done_,
                              passes_};
  const double sums[] = {flops_done_, loss_sum_};
  const int tasks = accuracy_.tasks();
  std::vector<double> accuracy;
  for (int t = 0; t < tasks; ++t) {
    for (int i = 0; i < tasks; ++i) accuracy.push_back(accuracy_.Get(t, i).value_or(-1));
  }
  PERENNIAL_RETURN_IF_ERROR(writer.Add<int64_t>("position", {std::size(position)}, position));
  PERENNIAL_RETURN_IF_ERROR(writer.Add<double>("sums", {std::size(sums)}, sums));
  PERENNIAL_RETURN_IF_ERROR(writer.Add<double>("accuracy", {tasks, tasks}, accuracy));
  PERENNIAL_RETURN_IF_ERROR(writer.Add<float>("rows", {rows_.count(), rows_.size()}, rows_.all()));
  if (trainer_.has_value()) {
    const nn::ConstRow<float> velocity = std::as_const(*trainer_).velocity();
    PERENNIAL_RETURN_IF_ERROR(writer.Add<float>("velocity", {rows_.size()}, velocity));
  }
  PERENNIAL_RETURN_IF_ERROR(learner_->Save(writer));
  writer.SetMetadata("unit", options_.key.Id());
  return writer.Finish();
}

absl::Status TaskUnit::Load(absl::string_view state) {
  PERENNIAL_ASSIGN_OR_RETURN(const record::SafetensorsFile file,
                             record::SafetensorsFile::Parse(std::string(state)));
  const auto unit = file.metadata().find("unit");
  if (unit == file.metadata().end() || unit->second != options_.key.Id()) {
    return absl::InvalidArgumentError(
        absl::StrCat("not a state of ", options_.key.Id(),
                     unit == file.metadata().end() ? "" : absl::StrCat(" but of ", unit->second)));
  }
  PERENNIAL_ASSIGN_OR_RETURN(const auto position, file.Read<int64_t>("position"));
  PERENNIAL_ASSIGN_OR_RETURN(const auto sums, file.Read<double>("sums"));
  PERENNIAL_ASSIGN_OR_RETURN(const auto accuracy, file.Read<double>("accuracy"));
  PERENNIAL_ASSIGN_OR_RETURN(const auto rows, file.Read<float>("rows"));
  const int tasks = accuracy_.tasks();
  const bool sizes_fit = position.size() == 7 && sums.size() == 2 &&
                         accuracy.size() == static_cast<size_t>(tasks) * tasks &&
                         rows.size() == rows_.all().size();
  if (!sizes_fit || position[0] < 0 || position[0] > 2 || position[1] < 0 || position[1] > tasks ||
      position[4] < 0 || position[4] > position[1] || position[5] < 0 ||
      position[5] > plan_.steps) {
    return absl::DataLossError(
        absl::StrCat("the state does not belong to this configuration of ", options_.key.Id()));
  }
  PERENNIAL_RETURN_IF_ERROR(learner_->Load(file));
  std::ranges::copy(rows, rows_.all().begin());
  for (int t = 0; t < tasks; ++t) {
    for (int i = 0; i < tasks; ++i) {
      const double value = accuracy[t * tasks + i];
      if (value >= 0 && value <= 1) accuracy_.Set(t, i, value);
    }
  }
  stage_ = static_cast<Stage>(position[0]);
  task_ = static_cast<int>(position[1]);
  phase_ = static_cast<size_t>(position[2]);
  step_ = position[3];
  tested_ = static_cast<int>(position[4]);
  steps_done_ = position[5];
  passes_ = position[6];
  flops_done_ = sums[0];
  loss_sum_ = sums[1];
  events_.clear();
  context_.reset();
  phases_.clear();
  trainer_.reset();
  if (stage_ != Stage::kTraining) return absl::OkStatus();

  context_.emplace(Context(*options_.stream, task_));
  phases_ = learner_->Phases(*context_);
  if (phase_ >= phases_.size()) return absl::DataLossError("the state names a missing phase");
  trainer_.emplace(options_.network, phases_[phase_], PhaseRandom(), rows_);
  PERENNIAL_ASSIGN_OR_RETURN(const auto velocity, file.Read<float>("velocity"));
  if (step_ < 0 || step_ >= trainer_->steps() || velocity.size() != trainer_->velocity().size()) {
    return absl::DataLossError("the state's phase has other sizes");
  }
  std::ranges::copy(velocity, trainer_->velocity().begin());
  return absl::OkStatus();
}

population::UnitResults TaskUnit::Results() const {
  population::UnitResults results;
  const auto add = [&](absl::string_view metric, absl::string_view unit,
                       std::optional<double> value) {
    if (value.has_value()) {
      results.measurements.push_back({std::string(metric), std::string(unit), *value});
    }
  };
  const std::optional<double> average = accuracy_.AverageAccuracy();
  add("average_accuracy", "fraction", average);
  add("forgetting", "fraction", accuracy_.Forgetting());
  add("learning_accuracy", "fraction", accuracy_.LearningAccuracy());
  if (learner_->joint()) add("joint_accuracy", "fraction", average);
  add("gradient_passes", "count", static_cast<double>(passes_));
  add("stored_images", "count", static_cast<double>(learner_->stored_images()));
  add("weight_copies", "count", static_cast<double>(rows_.count()));
  add("training_flops", "flop", plan_.training_flops);
  add("replay_flops", "flop", plan_.replay_flops);
  add("evaluation_flops", "flop", plan_.evaluation_flops);

  const int tasks = accuracy_.tasks();
  population::Curve curve = {.name = "Average accuracy on the tasks seen so far",
                             .x_label = "tasks learned",
                             .y_label = "accuracy",
                             .x = {},
                             .y = {}};
  population::Matrix matrix = {.name = "Accuracy on each task",
                               .row_label = "after learning task",
                               .column_label = "test of task",
                               .values = {}};
  for (int t = 0; t < tasks; ++t) {
    matrix.values.emplace_back();
    double sum = 0;
    bool complete = true;
    for (int i = 0; i < tasks; ++i) {
      const std::optional<double> accuracy = accuracy_.Get(t, i);
      matrix.values.back().push_back(accuracy);
      if (i > t) continue;
      complete &= accuracy.has_value();
      sum += accuracy.value_or(0);
    }
    if (!complete) continue;
    curve.x.push_back(t + 1);
    curve.y.push_back(sum / (t + 1));
  }
  results.curves.push_back(std::move(curve));
  results.matrices.push_back(std::move(matrix));
  return results;
}

}  // namespace perennial::continual
