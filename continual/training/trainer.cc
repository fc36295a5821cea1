#include "continual/training/trainer.h"

#include <algorithm>
#include <cmath>
#include <iterator>
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

// An accuracy that has not been measured, in a saved state.
constexpr double kUntested = -1;

using Mode = nn::GradientSink<float>::Mode;

}  // namespace

PhaseTrainer::PhaseTrainer(const nn::Network& network, const Phase& phase,
                           const random::Stream& random, nn::Rows<float>& rows)
    : network_(network), phase_(phase), rows_(rows), dropout_(random.Split("dropout")) {
  CHECK(phase.row >= 0 && phase.row < rows.count()) << "row of phase " << phase.name;
  for (size_t i = 0; i < phase.terms.size(); ++i) {
    const LossTerm& term = phase.terms[i];
    CHECK(term.images != nullptr && term.images->size() > 0 && term.batch_size > 0)
        << "term " << i << " of phase " << phase.name;
    CHECK(!term.line.has_value() || (term.line->points >= 1 && term.line->row != phase.row &&
                                     term.line->row >= 0 && term.line->row < rows.count()))
        << "line of term " << i << " of phase " << phase.name;
    const random::Stream draws = random.Split(i);
    samplers_.push_back({draws, {draws, term.images->size(), term.batch_size}, {}});
    if (term.draw == Draw::kEpochs) {
      steps_ = std::max(steps_, phase.epochs * samplers_.back().epochs.batches_per_epoch());
    }
    const int64_t rows_of_batch = std::min(term.batch_size, term.images->size());
    if (term.line.has_value()) {
      line_rows_ = std::max(line_rows_, rows_of_batch);
    } else {
      plain_rows_ += rows_of_batch;  // All terms at the row itself share a pass.
    }
  }
}

int64_t PhaseTrainer::MemoryBytes() const {
  if (steps_ == 0) return 0;
  const int64_t row = network_.layout().trainable() * static_cast<int64_t>(sizeof(float));
  int64_t bytes = row * (1 + optim::Optimizer<float>::StateRows(phase_.optimizer));
  if (plain_rows_ > 0) bytes += nn::Workspace<float>::Bytes(network_, plain_rows_);
  if (line_rows_ > 0) bytes += nn::AffinePass<float>::Bytes(network_, line_rows_, 2);
  return bytes;
}

const optim::Optimizer<float>& PhaseTrainer::optimizer() const {
  if (!optimizer_.has_value()) {
    optimizer_.emplace(phase_.optimizer, network_.layout().trainable());
  }
  return *optimizer_;
}

optim::Optimizer<float>& PhaseTrainer::optimizer() {
  std::as_const(*this).optimizer();
  return *optimizer_;
}

nn::Row<float> PhaseTrainer::MutableGradient() {
  if (!gradient_.has_value()) gradient_.emplace(1, rows_.size());
  return gradient_->row(0);
}

nn::ForwardOptions PhaseTrainer::Options(int64_t step) const {
  return {.mode = nn::Mode::kTrain, .dropout = dropout_.Split(step)};
}

int64_t PhaseTrainer::BatchSize(size_t index, int64_t step) const {
  const LossTerm& term = phase_.terms[index];
  return term.draw == Draw::kRandom ? std::min(term.batch_size, term.images->size())
                                    : samplers_[index].epochs.BatchSize(step);
}

std::span<const int32_t> PhaseTrainer::Indices(size_t index, int64_t step) {
  const LossTerm& term = phase_.terms[index];
  Sampler& sampler = samplers_[index];
  if (term.draw == Draw::kEpochs) return sampler.epochs.Batch(step);
  sampler.drawn = sampler.random.Split(step).Sample(term.images->size(),
                                                    static_cast<int32_t>(BatchSize(index, step)));
  return sampler.drawn;
}

PhaseTrainer::Work PhaseTrainer::WorkOf(int64_t step) const {
  Work work;
  bool plain = false;
  for (size_t i = 0; i < phase_.terms.size(); ++i) {
    const LossTerm& term = phase_.terms[i];
    const int64_t rows = BatchSize(i, step);
    const int64_t points = term.line.has_value() ? term.line->points : 1;
    const double flops = term.line.has_value()
                             ? nn::AffinePass<float>::TrainingFlops(network_, rows, 2, 1, points)
                             : network_.training_flops(rows);
    (term.replay ? work.replayed : work.examples) += points * rows;
    (term.replay ? work.replay_flops : work.training_flops) += flops;
    if (term.line.has_value()) work.passes += points;
    plain |= !term.line.has_value();
  }
  work.passes += plain;  // All terms at the row itself share a pass.
  return work;
}

void PhaseTrainer::SetTargets(const LossTerm& term, std::span<const int32_t> indices,
                              double weight) {
  for (const int32_t index : indices) labels_.push_back(term.images->labels[index]);
  weights_.resize(labels_.size(), static_cast<float>(weight / static_cast<double>(indices.size())));
}

double PhaseTrainer::Loss(nn::Workspace<float>& workspace) {
  return nn::SoftmaxCrossEntropy<float>(workspace.output(), labels_, weights_,
                                        workspace.output_gradient());
}

double PhaseTrainer::ForwardPlainTerms(int64_t step) {
  if (plain_rows_ == 0) return 0;
  if (!workspace_.has_value()) workspace_.emplace(network_, plain_rows_);
  std::vector<data::BatchPart> parts;
  labels_.clear();
  weights_.clear();
  for (size_t i = 0; i < phase_.terms.size(); ++i) {
    const LossTerm& term = phase_.terms[i];
    if (term.line.has_value()) continue;
    parts.push_back({term.images.get(), Indices(i, step)});
    SetTargets(term, parts.back().indices, term.weight);
  }
  network_.Forward<float>(rows_.row(phase_.row), data::Batch(parts), *workspace_, Options(step));
  return Loss(*workspace_);
}

double PhaseTrainer::LineLossAndGradient(size_t index, int64_t step, Mode mode) {
  const LossTerm& term = phase_.terms[index];
  const data::BatchPart part = {term.images.get(), Indices(index, step)};
  labels_.clear();
  weights_.clear();
  SetTargets(term, part.indices, term.weight / (term.line->points + 1));
  if (!line_.has_value()) line_.emplace(network_, line_rows_, 2);
  const nn::ConstRow<float> basis[] = {rows_.row(term.line->row), rows_.row(phase_.row)};
  const nn::Row<float> gradients[] = {{}, MutableGradient()};
  line_->Begin(basis, data::Batch({&part, 1}), Options(step));
  line_->BeginGradients(gradients, mode);
  double loss = 0;
  // The point at alpha = 0 does not depend on the row: it adds a constant to the loss, which is
  // left out here, and nothing to the gradient.
  for (int k = 1; k <= term.line->points; ++k) {
    const float alpha = static_cast<float>(k) / static_cast<float>(term.line->points);
    const float point[] = {1 - alpha, alpha};
    line_->Forward(point);
    loss += Loss(line_->workspace());
    line_->Backward(point);
  }
  line_->EndGradients();
  return loss;
}

double PhaseTrainer::LossAndGradient(int64_t step) {
  Mode mode = Mode::kOverwrite;
  double loss = ForwardPlainTerms(step);
  if (plain_rows_ > 0) {
    nn::GradientSink<float> sink(MutableGradient(), mode);
    network_.Backward<float>(rows_.row(phase_.row), *workspace_, sink);
    mode = Mode::kAccumulate;
  }
  for (size_t i = 0; i < phase_.terms.size(); ++i) {
    if (!phase_.terms[i].line.has_value()) continue;
    loss += LineLossAndGradient(i, step, mode);
    mode = Mode::kAccumulate;
  }
  return loss;
}

double PhaseTrainer::Step(int64_t step, Learner* learner) {
  const nn::Row<float> row = rows_.row(phase_.row);
  const bool adjusts = learner != nullptr && learner->adjusts_gradients();
  if (line_rows_ == 0 && !adjusts) {
    // Nobody asks for the gradient: it becomes the update layer by layer.
    const double loss = ForwardPlainTerms(step);
    if (!std::isfinite(loss)) return loss;
    if (!update_.has_value()) update_.emplace(optimizer(), row);
    update_->BeginStep();
    network_.Backward<float>(row, *workspace_, *update_);
    update_->EndStep();
    network_.UpdateRunningStatistics<float>(*workspace_, row);
    return loss;
  }
  const double loss = LossAndGradient(step);
  if (!std::isfinite(loss)) return loss;
  if (adjusts) learner->AdjustGradient(phase_, row, MutableGradient());
  const int64_t trained = network_.layout().trainable();
  optimizer().Step(MutableGradient().first(trained), row.first(trained));
  if (plain_rows_ > 0) network_.UpdateRunningStatistics<float>(*workspace_, row);
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

int64_t TaskUnit::TaskPlan::steps() const {
  return std::accumulate(phase_steps.begin(), phase_steps.end(), int64_t{tests});
}

TaskUnit::TaskUnit(TaskUnitOptions options)
    : options_(std::move(options)),
      random_(options_.seed),
      learner_(options_.learner()),
      accuracy_(options_.stream->tasks()) {
  MakePlan();
}

nn::Rows<float> TaskUnit::InitialRows() const {
  nn::Rows<float> rows(learner_->rows(), options_.network.layout().size());
  options_.network.Initialize<float>(random_.Split("init"), rows.row(0));
  return rows;
}

TaskContext TaskUnit::Context(const TaskStream& stream, int task) const {
  return TaskContext(stream, task, random_.Split("learner").Split(task));
}

random::Stream TaskUnit::PhaseRandom() const {
  // By name: methods that share a seed see the same batches in phases of the same name.
  return random_.Split("order").Split(now_.task).Split(phases_[now_.phase].name);
}

void TaskUnit::MakePlan() {
  const std::unique_ptr<TaskStream> sizes = SizesOf(*options_.stream);
  const std::unique_ptr<Learner> learner = options_.learner();
  const nn::Network& network = options_.network;
  nn::Rows<float> no_rows(learner->rows(), 0);
  int64_t phase_bytes = 0;  // Of the largest phase, its images included.
  int64_t test_bytes = 0;
  for (int task = 0; task < sizes->tasks(); ++task) {
    const TaskContext context = Context(*sizes, task);
    TaskPlan& task_plan = task_plans_.emplace_back();
    for (const Phase& phase : learner->Phases(context)) {
      const PhaseTrainer trainer(network, phase, random_, no_rows);
      task_plan.phase_steps.push_back(trainer.steps());
      for (int64_t step = 0; step < trainer.steps(); ++step) {
        const PhaseTrainer::Work work = trainer.WorkOf(step);
        plan_.training_flops += work.training_flops;
        plan_.replay_flops += work.replay_flops;
        planned_passes_ += work.passes;
      }
      int64_t bytes = trainer.MemoryBytes();
      for (const LossTerm& term : phase.terms) {
        bytes += int64_t{term.images->size()} * network.inputs();
      }
      phase_bytes = std::max(phase_bytes, bytes);
    }
    learner->AfterTask(context);
    if (learner->PredictingRow(task, sizes->tasks()).has_value()) {
      task_plan.tests = task + 1;
      for (int i = 0; i <= task; ++i) {
        plan_.evaluation_flops += network.forward_flops(sizes->test_size(i));
      }
      test_bytes += int64_t{sizes->test_size(task)} * network.inputs();
    }
    plan_.steps += task_plan.steps();
  }
  plan_.memory_bytes = static_cast<double>(learner->rows()) *
                           static_cast<double>(network.layout().size()) * sizeof(float) +
                       static_cast<double>(phase_bytes) + static_cast<double>(test_bytes) +
                       static_cast<double>(nn::Workspace<float>::Bytes(network, kTestBatch));
}

TaskUnit::Position TaskUnit::PositionAfter(int64_t steps) const {
  Position position;
  // Tasks that are done. One without steps is done only once a later one has begun.
  while (position.task < std::ssize(task_plans_)) {
    const int64_t task_steps = task_plans_[position.task].steps();
    if (steps < task_steps || steps == 0) break;
    steps -= task_steps;
    ++position.task;
  }
  if (steps == 0) return position;
  const TaskPlan& task_plan = task_plans_[position.task];
  position.stage = Stage::kTraining;
  for (; position.phase < task_plan.phase_steps.size(); ++position.phase) {
    const int64_t phase_steps = task_plan.phase_steps[position.phase];
    if (steps < phase_steps) {
      position.step = steps;
      return position;
    }
    steps -= phase_steps;
  }
  position.stage = Stage::kTesting;
  position.phase = 0;
  position.tested = static_cast<int>(steps);
  return position;
}

double TaskUnit::progress() const {
  // Sums of whole numbers are exact below 2^53; beyond, the two may round differently.
  if (finished() || plan_.total_flops() == 0) return 1;
  return std::min(flops_done_ / plan_.total_flops(), 1.0);
}

absl::Status TaskUnit::Advance(int64_t steps) {
  if (!rows_.has_value() && !finished()) rows_.emplace(InitialRows());
  for (int64_t i = 0; i < steps && !finished(); ++i) {
    // Tasks without phases and tests take no steps.
    while (now_.stage == Stage::kStartTask) StartTask();
    PERENNIAL_RETURN_IF_ERROR(now_.stage == Stage::kTraining ? TrainingStep() : TestingStep());
    ++steps_done_;
  }
  return absl::OkStatus();
}

void TaskUnit::StartTask() {
  context_.emplace(Context(*options_.stream, now_.task));
  phases_ = learner_->Phases(*context_);
  now_.phase = 0;
  now_.stage = Stage::kTraining;
  EnterPhase();
}

void TaskUnit::EnterPhase() {
  for (; now_.phase < phases_.size(); ++now_.phase) {
    ApplyStart(phases_[now_.phase], *rows_);
    trainer_.emplace(options_.network, phases_[now_.phase], PhaseRandom(), *rows_);
    now_.step = 0;
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
  now_ = {.stage = Stage::kTesting, .task = now_.task};
  loss_sum_ = 0;
  if (!learner_->PredictingRow(now_.task, options_.stream->tasks()).has_value()) FinishTask();
}

void TaskUnit::FinishTask() {
  now_ = {.stage = Stage::kStartTask, .task = now_.task + 1};
  if (now_.task < options_.stream->tasks()) return;
  test_workspace_.reset();
  tests_.clear();
}

absl::Status TaskUnit::TrainingStep() {
  const Phase& phase = phases_[now_.phase];
  const double loss = trainer_->Step(now_.step, learner_.get());
  if (!std::isfinite(loss)) {
    return absl::FailedPreconditionError(absl::StrCat(
        "the loss is ", loss, " in task ", now_.task + 1, ", phase ", phase.name, ", step ",
        now_.step + 1, "; choose a learning rate below ", phase.optimizer.learning_rate));
  }
  loss_sum_ += loss;
  const PhaseTrainer::Work work = trainer_->WorkOf(now_.step);
  flops_done_ += work.training_flops + work.replay_flops;
  if (++now_.step == trainer_->steps()) {
    events_.push_back({.step = steps_done_ + 1,
                       .values = {{"task", now_.task + 1},
                                  {absl::StrCat(phase.name, "_loss"),
                                   loss_sum_ / static_cast<double>(now_.step)}}});
    ++now_.phase;
    EnterPhase();
  }
  return absl::OkStatus();
}

absl::Status TaskUnit::TestingStep() {
  const int row = *learner_->PredictingRow(now_.task, options_.stream->tasks());
  if (!test_workspace_.has_value()) {
    test_workspace_.emplace(options_.network, kTestBatch);
    tests_.resize(options_.stream->tasks());
  }
  std::shared_ptr<const data::LabeledImages>& images = tests_[now_.tested];
  if (images == nullptr) images = options_.stream->Test(now_.tested);
  const nn::Evaluation result =
      nn::Evaluate(options_.network, rows_->row(row), *images, *test_workspace_);
  if (!std::isfinite(result.loss)) {
    return absl::FailedPreconditionError(
        absl::StrCat("the test loss on task ", now_.tested + 1, " is ", result.loss,
                     " after training on task ", now_.task + 1, "; choose smaller learning rates"));
  }
  accuracy_.Set(now_.task, now_.tested, result.accuracy);
  flops_done_ += options_.network.forward_flops(images->size());
  events_.push_back({.step = steps_done_ + 1,
                     .values = {{"after_task", now_.task + 1},
                                {"task", now_.tested + 1},
                                {"test_accuracy", result.accuracy},
                                {"test_loss", result.loss}}});
  if (++now_.tested > now_.task) FinishTask();
  return absl::OkStatus();
}

std::vector<population::Event> TaskUnit::TakeEvents() { return std::exchange(events_, {}); }

void TaskUnit::Release() {
  rows_.reset();
  trainer_.reset();
  test_workspace_.reset();  // Gone already, unless the unit failed.
  tests_.clear();
}

absl::StatusOr<std::string> TaskUnit::Save() const {
  CHECK(rows_.has_value() || steps_done_ == 0) << "the state of a released unit";
  const nn::Rows<float> initial = rows_.has_value() ? nn::Rows<float>(0, 0) : InitialRows();
  const nn::Rows<float>& all_rows = rows_.has_value() ? *rows_ : initial;
  record::SafetensorsWriter writer;
  const int64_t steps[] = {steps_done_};
  const double sums[] = {flops_done_, loss_sum_};
  const int tasks = accuracy_.tasks();
  std::vector<double> accuracy;
  for (int t = 0; t < tasks; ++t) {
    for (int i = 0; i < tasks; ++i) accuracy.push_back(accuracy_.Get(t, i).value_or(kUntested));
  }
  PERENNIAL_RETURN_IF_ERROR(writer.Add<int64_t>("steps", {1}, steps));
  PERENNIAL_RETURN_IF_ERROR(writer.Add<double>("sums", {std::size(sums)}, sums));
  PERENNIAL_RETURN_IF_ERROR(writer.Add<double>("accuracy", {tasks, tasks}, accuracy));
  PERENNIAL_RETURN_IF_ERROR(
      writer.Add<float>("rows", {all_rows.count(), all_rows.size()}, all_rows.all()));
  if (trainer_.has_value()) {
    const nn::Rows<float>& optimizer = std::as_const(*trainer_).optimizer().state();
    PERENNIAL_RETURN_IF_ERROR(
        writer.Add<float>("optimizer", {optimizer.count(), optimizer.size()}, optimizer.all()));
  }
  PERENNIAL_RETURN_IF_ERROR(learner_->Save(writer));
  writer.SetMetadata("unit", options_.key.Id());
  return writer.Finish();
}

absl::Status TaskUnit::Load(absl::string_view state) {
  // Everything is read and checked before anything of the unit changes.
  PERENNIAL_ASSIGN_OR_RETURN(const record::SafetensorsFile file,
                             record::SafetensorsFile::Parse(std::string(state)));
  const auto unit = file.metadata().find("unit");
  if (unit == file.metadata().end() || unit->second != options_.key.Id()) {
    return absl::InvalidArgumentError(
        absl::StrCat("not a state of ", options_.key.Id(),
                     unit == file.metadata().end() ? "" : absl::StrCat(" but of ", unit->second)));
  }
  PERENNIAL_ASSIGN_OR_RETURN(const auto steps, file.Read<int64_t>("steps"));
  PERENNIAL_ASSIGN_OR_RETURN(const auto sums, file.Read<double>("sums"));
  PERENNIAL_ASSIGN_OR_RETURN(const auto accuracy, file.Read<double>("accuracy"));
  PERENNIAL_ASSIGN_OR_RETURN(const auto rows, file.Read<float>("rows"));
  const absl::Status other = absl::DataLossError(
      absl::StrCat("the state does not belong to this configuration of ", options_.key.Id()));
  const int tasks = accuracy_.tasks();
  if (steps.size() != 1 || steps[0] < 0 || steps[0] > plan_.steps || sums.size() != 2 ||
      !(sums[0] >= 0 && sums[0] <= plan_.total_flops() * (1 + 1e-12)) || !std::isfinite(sums[1]) ||
      std::ssize(accuracy) != int64_t{tasks} * tasks ||
      std::ssize(rows) != learner_->rows() * options_.network.layout().size()) {
    return other;
  }
  const Position position = PositionAfter(steps[0]);
  metrics::AccuracyMatrix matrix(tasks);
  for (int t = 0; t < tasks; ++t) {
    for (int i = 0; i < tasks; ++i) {
      const double value = accuracy[static_cast<size_t>(t) * tasks + i];
      const bool tested = i < task_plans_[t].tests &&
                          (t < position.task || (t == position.task && i < position.tested));
      if (tested ? !(value >= 0 && value <= 1) : value != kUntested) return other;
      if (tested) matrix.Set(t, i, value);
    }
  }
  std::unique_ptr<Learner> learner = options_.learner();
  const int learned = position.task + (position.stage == Stage::kTesting ? 1 : 0);
  PERENNIAL_RETURN_IF_ERROR(learner->Load(file, *options_.stream, learned));
  std::optional<TaskContext> context;
  std::vector<Phase> phases;
  std::vector<float> optimizer;
  if (position.stage == Stage::kTraining) {
    context.emplace(Context(*options_.stream, position.task));
    phases = learner->Phases(*context);
    PERENNIAL_ASSIGN_OR_RETURN(optimizer, file.Read<float>("optimizer"));
    const optim::OptimizerConfig& config = phases[position.phase].optimizer;
    if (std::ssize(optimizer) !=
        optim::Optimizer<float>::StateRows(config) * options_.network.layout().trainable()) {
      return other;
    }
  }

  learner_ = std::move(learner);
  trainer_.reset();
  rows_.emplace(learner_->rows(), options_.network.layout().size());
  std::ranges::copy(rows, rows_->all().begin());
  accuracy_ = std::move(matrix);
  now_ = position;
  steps_done_ = steps[0];
  flops_done_ = sums[0];
  loss_sum_ = sums[1];
  events_.clear();
  test_workspace_.reset();
  tests_.clear();
  context_.reset();
  if (context.has_value()) context_.emplace(*context);
  phases_ = std::move(phases);
  if (now_.stage == Stage::kTraining) {
    trainer_.emplace(options_.network, phases_[now_.phase], PhaseRandom(), *rows_);
    std::ranges::copy(optimizer, trainer_->optimizer().state().all().begin());
    trainer_->optimizer().set_steps(now_.step);
  }
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
  add("gradient_passes", "count", static_cast<double>(planned_passes_));
  add("stored_images", "count", static_cast<double>(learner_->stored_images()));
  add("weight_copies", "count", static_cast<double>(learner_->rows()));
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
