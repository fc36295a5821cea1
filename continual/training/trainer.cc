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
#include "common/population/guarded.h"
#include "common/population/unit_state.h"
#include "common/record/safetensors.h"
#include "continual/streams/view_batches.h"

namespace perennial::continual {
namespace {

// An accuracy that has not been measured, in a saved state.
constexpr double kUntested = -1;

// Images of a batch of a test: with packed weights few are as good as many, and stay in the
// second-level cache beside the weights. A multiple of 14, the rows that the product takes at once.
constexpr int32_t kTestBatch = 56;

}  // namespace

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

TaskUnit::~TaskUnit() { DropSideTests(); }

void TaskUnit::DropSideTests() {
  if (side_.has_value()) side_->results.wait();
  side_.reset();
  later_events_.clear();
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
  std::vector<bool> solved;
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
        planned_images_ += work.examples + work.replayed;
      }
      int64_t bytes = trainer.MemoryBytes();
      for (const LossTerm& term : phase.terms) {
        // Views take no memory; memories and what lines are about are copies.
        if (!term.replay && !term.line.has_value()) continue;
        bytes += int64_t{term.images.size()} * network.inputs();
      }
      phase_bytes = std::max(phase_bytes, bytes);
    }
    learner->AfterTask(context, no_rows);
    solved.push_back(learner->PredictingRow(task, sizes->tasks()).has_value());
    if (solved.back() && (options_.test_after_each_task || task + 1 == sizes->tasks())) {
      task_plan.tests = task + 1;
      for (int i = 0; i <= task; ++i) {
        plan_.evaluation_flops += network.forward_flops(sizes->test_size(i));
      }
    }
    test_bytes += int64_t{sizes->test_size(task)} * network.inputs();
    plan_.steps += task_plan.steps();
  }
  CHECK(solved.back() || std::ranges::count(solved, true) == 0)
      << options_.key.Id() << ": a learner must predict after the last task";
  double minima_bytes = 0;
  if (options_.minima.has_value()) {
    minima_.emplace(network, solved, *options_.minima);
    minima_bytes = static_cast<double>(minima_->Bytes());
    plan_.steps += minima_->lines();
    for (int i = 0; i < minima_->lines(); ++i) {
      plan_.evaluation_flops += minima_->Flops(sizes->test_size(minima_->older(i)));
    }
  }
  // The learner's rows, and one being tested.
  plan_.memory_bytes = static_cast<double>(learner->rows() + 1) *
                           static_cast<double>(network.layout().size()) * sizeof(float) +
                       static_cast<double>(phase_bytes) + static_cast<double>(test_bytes) +
                       static_cast<double>(nn::Workspace<float>::Bytes(network, kTestBatch) +
                                           nn::PackedRow<float>::Bytes(network)) +
                       minima_bytes;
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
  if (position.task == std::ssize(task_plans_)) {
    position.stage = Stage::kMinima;
    position.step = steps;
    return position;
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
  PERENNIAL_RETURN_IF_ERROR(error_);
  if (!rows_.has_value() && !finished()) rows_.emplace(InitialRows());
  for (int64_t i = 0; i < steps && !finished(); ++i) {
    // Tasks without phases and tests take no steps.
    while (now_.stage == Stage::kStartTask) StartTask();
    PERENNIAL_RETURN_IF_ERROR(now_.stage == Stage::kTraining  ? TrainingStep()
                              : now_.stage == Stage::kTesting ? TestingStep()
                                                              : MinimaStep());
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
  learner_->AfterTask(*context_, *rows_);
  trainer_.reset();
  phases_.clear();
  context_.reset();
  now_ = {.stage = Stage::kTesting, .task = now_.task};
  loss_sum_ = 0;
  const auto row = learner_->PredictingRow(now_.task, options_.stream->tasks());
  if (minima_.has_value() && row.has_value()) {
    minima_->SetSolution(now_.task, std::as_const(*rows_).row(*row));
  }
  if (task_plans_[now_.task].tests == 0) FinishTask();
}

void TaskUnit::FinishTask() {
  now_ = {.stage = Stage::kStartTask, .task = now_.task + 1};
  if (now_.task < options_.stream->tasks()) return;
  now_.stage = Stage::kMinima;
  test_workspace_.reset();
  test_row_.reset();
  if (!minima_.has_value()) tests_.clear();
}

absl::Status TaskUnit::MinimaStep() {
  const int line = static_cast<int>(now_.step);
  const int task = minima_->older(line);
  const ImageView& images = TestImages(task);
  if (!minima_->Measure(line, images)) {
    return absl::FailedPreconditionError(
        absl::StrCat("the loss on a line from the solution of task ", task + 1,
                     " is not finite; choose smaller learning rates"));
  }
  flops_done_ += minima_->Flops(images.size());
  if (++now_.step == minima_->lines()) tests_.clear();
  return absl::OkStatus();
}

absl::Status TaskUnit::TrainingStep() {
  const Phase& phase = phases_[now_.phase];
  const double loss = trainer_->Step(now_.step);
  if (!std::isfinite(loss)) {
    PERENNIAL_RETURN_IF_ERROR(Settle());  // What was tested before is told before.
    const bool pulled = phase.penalty.has_value() && !phase.penalty->proximal;
    return absl::FailedPreconditionError(absl::StrCat(
        "the loss is ", loss, " in task ", now_.task + 1, ", phase ", phase.name, ", step ",
        now_.step + 1, "; choose a learning rate below ", phase.optimizer.learning_rate,
        pulled ? absl::StrCat(", a penalty weaker than ", phase.penalty->strength,
                              ", or its proximal step")
               : ""));
  }
  loss_sum_ += loss;
  const PhaseTrainer::Work work = trainer_->WorkOf(now_.step);
  flops_done_ += work.training_flops + work.replay_flops;
  if (++now_.step == trainer_->steps()) {
    Report({.step = steps_done_ + 1,
            .values = {
                {"task", now_.task + 1},
                {absl::StrCat(phase.name, "_loss"), loss_sum_ / static_cast<double>(now_.step)}}});
    ++now_.phase;
    EnterPhase();
  }
  return absl::OkStatus();
}

void TaskUnit::Report(population::Event event) {
  (side_.has_value() ? later_events_ : events_).push_back(std::move(event));
}

const ImageView& TaskUnit::TestImages(int task) {
  tests_.resize(options_.stream->tasks());
  if (tests_[task].empty()) tests_[task] = options_.stream->Test(task);
  return tests_[task];
}

nn::Evaluation TaskUnit::Test(nn::ConstRow<float> row, int task) {
  if (!test_workspace_.has_value()) {
    test_workspace_.emplace(options_.network, kTestBatch);
    test_row_.emplace(options_.network);
  }
  test_row_->Pack(row);
  nn::EvaluationSum sum;
  ForEachBatch(TestImages(task), kTestBatch,
               [&](const data::Batch& batch, std::span<const int32_t> labels) {
                 sum.Add(options_.network, *test_row_, batch, labels, *test_workspace_);
               });
  return sum.mean();
}

absl::Status TaskUnit::TakeTest(int after_task, int task, int64_t step,
                                const nn::Evaluation& result) {
  if (!std::isfinite(result.loss)) {
    return absl::FailedPreconditionError(absl::StrCat(
        "the test loss on task ", task + 1, " is ", result.loss, " after training on task ",
        after_task + 1, "; choose smaller learning rates"));
  }
  accuracy_.Set(after_task, task, result.accuracy);
  events_.push_back({.step = step,
                     .values = {{"after_task", after_task + 1},
                                {"task", task + 1},
                                {"test_accuracy", result.accuracy},
                                {"test_loss", result.loss}}});
  return absl::OkStatus();
}

void TaskUnit::GiveTestsAway() {
  if (spare_ == nullptr) return;
  nn::Rows<float> solution(1, rows_->size());
  std::ranges::copy(rows_->row(*learner_->PredictingRow(now_.task, options_.stream->tasks())),
                    solution.row(0).begin());
  side_.emplace(now_.task, steps_done_ + 1, std::move(solution));
  const auto tests = std::make_shared<std::packaged_task<std::vector<nn::Evaluation>()>>([this] {
    std::vector<nn::Evaluation> results;
    const int count = task_plans_[side_->task].tests;
    for (int i = 0; i < count; ++i) results.push_back(Test(side_->solution.row(0), i));
    return results;
  });
  side_->results = tests->get_future();
  if (!spare_->TryRun([tests] { (*tests)(); })) side_.reset();
}

absl::Status TaskUnit::Settle() {
  if (!side_.has_value()) return error_;
  side_->results.wait();
  SideTests done = *std::exchange(side_, std::nullopt);
  std::vector<nn::Evaluation> results;
  // What a test has thrown is told as if the tests had been done at once.
  const auto step = [&done] { return done.first_step; };
  error_ = population::Guarded(step, [&] {
    results = done.results.get();
    return absl::OkStatus();
  });
  // In the middle of these tests those of the steps to come are left to them.
  const int tests = now_.task == done.task ? now_.tested : static_cast<int>(results.size());
  for (int task = 0; task < tests && error_.ok(); ++task) {
    error_ = TakeTest(done.task, task, done.first_step + task, results[task]);
  }
  std::vector<population::Event> later = std::exchange(later_events_, {});
  if (error_.ok()) std::ranges::move(later, std::back_inserter(events_));
  return error_;
}

absl::Status TaskUnit::TestingStep() {
  const int last = options_.stream->tasks() - 1;
  if (now_.tested == 0) {
    PERENNIAL_RETURN_IF_ERROR(Settle());  // Of the task before.
    if (now_.task < last) GiveTestsAway();
  }
  if (!side_.has_value()) {
    const int row = *learner_->PredictingRow(now_.task, last + 1);
    PERENNIAL_RETURN_IF_ERROR(
        TakeTest(now_.task, now_.tested, steps_done_ + 1, Test(rows_->row(row), now_.tested)));
  }
  flops_done_ += options_.network.forward_flops(options_.stream->test_size(now_.tested));
  if (++now_.tested == task_plans_[now_.task].tests) FinishTask();
  return absl::OkStatus();
}

std::vector<population::Event> TaskUnit::TakeEvents() { return std::exchange(events_, {}); }

void TaskUnit::Release() {
  DropSideTests();
  rows_.reset();
  trainer_.reset();
  test_workspace_.reset();  // Gone already, unless the unit failed.
  test_row_.reset();
  tests_.clear();
  if (minima_.has_value()) minima_->Release();
}

absl::StatusOr<std::string> TaskUnit::Save() const {
  CHECK(rows_.has_value() || steps_done_ == 0) << "the state of a released unit";
  CHECK(!side_.has_value()) << "Settle comes first";
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
  if (minima_.has_value()) PERENNIAL_RETURN_IF_ERROR(minima_->Save(writer));
  population::MarkUnitState(options_.key, writer);
  return writer.Finish();
}

absl::Status TaskUnit::Load(absl::string_view state) {
  // Everything is read and checked before anything of the unit changes.
  PERENNIAL_ASSIGN_OR_RETURN(const record::SafetensorsFile file,
                             population::ParseUnitState(state, options_.key));
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
  std::optional<MinimaAnalysis> minima = minima_;
  if (minima.has_value()) {
    const int64_t measured = position.stage == Stage::kMinima ? position.step : 0;
    PERENNIAL_RETURN_IF_ERROR(minima->Load(file, learned, static_cast<int>(measured)));
  }
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

  DropSideTests();
  error_ = absl::OkStatus();
  learner_ = std::move(learner);
  trainer_.reset();
  rows_.emplace(learner_->rows(), options_.network.layout().size());
  std::ranges::copy(rows, rows_->all().begin());
  accuracy_ = std::move(matrix);
  if (minima.has_value()) minima_.emplace(*std::move(minima));
  now_ = position;
  steps_done_ = steps[0];
  flops_done_ = sums[0];
  loss_sum_ = sums[1];
  events_.clear();
  test_workspace_.reset();
  test_row_.reset();
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
  add("gradient_images", "count", static_cast<double>(planned_images_));
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
  if (minima_.has_value()) minima_->AddResults(results);
  return results;
}

}  // namespace perennial::continual
