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
  CHECK(phase.row >= 0 && phase.row < rows.count()) << "row of phase " << phase.name;
  int64_t plain_rows = 0;
  int64_t line_rows = 0;
  for (size_t i = 0; i < phase.terms.size(); ++i) {
    const LossTerm& term = phase.terms[i];
    CHECK(term.images != nullptr && term.images->size() > 0 && term.batch_size > 0)
        << "term " << i << " of phase " << phase.name;
    CHECK(!term.line.has_value() || (term.line->points >= 1 && term.line->row != phase.row &&
                                     term.line->row >= 0 && term.line->row < rows.count()))
        << "line of term " << i << " of phase " << phase.name;
    samplers_.push_back({.random = random.Split(i), .batches_per_epoch = BatchesPerEpoch(term)});
    if (term.draw == Draw::kEpochs) {
      steps_ = std::max(steps_, phase.epochs * samplers_.back().batches_per_epoch);
    }
    const int64_t rows_of_batch = std::min(term.batch_size, term.images->size());
    if (term.line.has_value()) {
      line_rows = std::max(line_rows, rows_of_batch);
    } else {
      plain_rows += rows_of_batch;  // All terms at the row itself share a pass.
    }
  }
  if (steps_ > 0) workspace_.emplace(network, std::max(plain_rows, line_rows));
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

int64_t TaskUnit::TaskPlan::steps() const {
  return std::accumulate(phase_steps.begin(), phase_steps.end(), int64_t{tests});
}

TaskUnit::TaskUnit(TaskUnitOptions options)
    : options_(std::move(options)),
      random_(options_.seed),
      learner_(options_.learner()),
      rows_(learner_->rows(), options_.network.layout().size()),
      accuracy_(options_.stream->tasks()) {
  options_.network.Initialize<float>(random_.Split("init"), rows_.row(0));
  MakePlan();
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
  for (int task = 0; task < sizes->tasks(); ++task) {
    const TaskContext context = Context(*sizes, task);
    TaskPlan& task_plan = task_plans_.emplace_back();
    for (const Phase& phase : learner->Phases(context)) {
      const PhaseTrainer trainer(network, phase, random_, no_rows);
      task_plan.phase_steps.push_back(trainer.steps());
      for (int64_t step = 0; step < trainer.steps(); ++step) {
        const PhaseTrainer::Work work = trainer.WorkOf(step);
        plan_.training_flops += static_cast<double>(network.training_flops(work.examples));
        plan_.replay_flops += static_cast<double>(network.training_flops(work.replayed));
        planned_passes_ += work.passes;
      }
    }
    learner->AfterTask(context);
    if (learner->PredictingRow(task, sizes->tasks()).has_value()) {
      task_plan.tests = task + 1;
      for (int i = 0; i <= task; ++i) {
        plan_.evaluation_flops += static_cast<double>(network.forward_flops(sizes->test_size(i)));
      }
    }
    plan_.steps += task_plan.steps();
  }
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
  // Sums of whole numbers below 2^53: 1 at the end, exactly.
  return plan_.total_flops() > 0 ? flops_done_ / plan_.total_flops() : 1;
}

absl::Status TaskUnit::Advance(int64_t steps) {
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
    ApplyStart(phases_[now_.phase], rows_);
    trainer_.emplace(options_.network, phases_[now_.phase], PhaseRandom(), rows_);
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
  flops_done_ +=
      static_cast<double>(options_.network.training_flops(work.examples + work.replayed));
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
      nn::Evaluate(options_.network, rows_.row(row), *images, *test_workspace_);
  if (!std::isfinite(result.loss)) {
    return absl::FailedPreconditionError(
        absl::StrCat("the test loss on task ", now_.tested + 1, " is ", result.loss,
                     " after training on task ", now_.task + 1, "; choose smaller learning rates"));
  }
  accuracy_.Set(now_.task, now_.tested, result.accuracy);
  flops_done_ += static_cast<double>(options_.network.forward_flops(images->size()));
  events_.push_back({.step = steps_done_ + 1,
                     .values = {{"after_task", now_.task + 1},
                                {"task", now_.tested + 1},
                                {"test_accuracy", result.accuracy},
                                {"test_loss", result.loss}}});
  if (++now_.tested > now_.task) FinishTask();
  return absl::OkStatus();
}

std::vector<population::Event> TaskUnit::TakeEvents() { return std::exchange(events_, {}); }

absl::StatusOr<std::string> TaskUnit::Save() const {
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
  PERENNIAL_RETURN_IF_ERROR(writer.Add<float>("rows", {rows_.count(), rows_.size()}, rows_.all()));
  if (trainer_.has_value()) {
    PERENNIAL_RETURN_IF_ERROR(
        writer.Add<float>("velocity", {rows_.size()}, std::as_const(*trainer_).velocity()));
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
      !(sums[0] >= 0 && sums[0] <= plan_.total_flops()) || !std::isfinite(sums[1]) ||
      std::ssize(accuracy) != int64_t{tasks} * tasks || rows.size() != rows_.all().size()) {
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
  std::vector<float> velocity;
  if (position.stage == Stage::kTraining) {
    PERENNIAL_ASSIGN_OR_RETURN(velocity, file.Read<float>("velocity"));
    if (std::ssize(velocity) != rows_.size()) return other;
  }

  learner_ = std::move(learner);
  std::ranges::copy(rows, rows_.all().begin());
  accuracy_ = std::move(matrix);
  now_ = position;
  steps_done_ = steps[0];
  flops_done_ = sums[0];
  loss_sum_ = sums[1];
  events_.clear();
  trainer_.reset();
  phases_.clear();
  context_.reset();
  test_workspace_.reset();
  tests_.clear();
  if (now_.stage == Stage::kTraining) {
    context_.emplace(Context(*options_.stream, now_.task));
    phases_ = learner_->Phases(*context_);
    trainer_.emplace(options_.network, phases_[now_.phase], PhaseRandom(), rows_);
    std::ranges::copy(velocity, trainer_->velocity().begin());
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
