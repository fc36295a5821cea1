// The one training loop of the line: a learner on a stream of tasks, as a unit.
//
// After each task every task seen so far is tested (or all of them once, at the end). Results:
// average_accuracy, forgetting, learning_accuracy, joint_accuracy (see
// common/metrics/accuracy_matrix.h; each absent where undefined), what they cost, the curve of
// average accuracy and the accuracy matrix.
//
//   auto unit = TaskUnit::Create({.key = {"mc_sgd", "rotated", "seed", "0"}, .stream = stream,
//                                 .network = network, .learner = factory, .seed = 0});
//   PERENNIAL_RETURN_IF_ERROR((*unit)->Advance((*unit)->plan().steps));
//   population::UnitResults results = (*unit)->Results();
#ifndef PERENNIAL_CONTINUAL_TRAINING_TRAINER_H_
#define PERENNIAL_CONTINUAL_TRAINING_TRAINER_H_

#include <cstdint>
#include <future>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/metrics/accuracy_matrix.h"
#include "common/nn/evaluate.h"
#include "common/nn/network.h"
#include "common/nn/rows.h"
#include "common/population/unit.h"
#include "common/random/stream.h"
#include "continual/analysis/minima.h"
#include "continual/analysis/path.h"
#include "continual/streams/image_view.h"
#include "continual/streams/stream.h"
#include "continual/training/learner.h"
#include "continual/training/phase_trainer.h"

namespace perennial::continual {

struct TaskUnitOptions {
  population::UnitKey key;
  std::shared_ptr<const TaskStream> stream;
  nn::Network network;
  LearnerFactory learner;
  uint64_t seed = 0;
  // Otherwise once, after the last task.
  bool test_after_each_task = true;
  // Measures the lines between the tasks' solutions after the last test (analysis/minima.h).
  std::optional<PathOptions> minima = {};
};

// A solution is tested on a spare thread, if there is one, while training goes on with the next
// task.
class TaskUnit final : public population::Unit {
 public:
  // InvalidArgument if the network does not fit the stream.
  static absl::StatusOr<std::unique_ptr<TaskUnit>> Create(TaskUnitOptions options);
  ~TaskUnit() override;

  const population::UnitKey& key() const override { return options_.key; }
  const population::UnitPlan& plan() const override { return plan_; }
  int64_t steps_done() const override { return steps_done_; }
  double progress() const override;
  void UseSpareThreads(population::SpareThreads* spare) override { spare_ = spare; }
  absl::Status Advance(int64_t steps) override;
  // Those before the tests that are under way.
  std::vector<population::Event> TakeEvents() override;
  absl::Status Settle() override;
  absl::StatusOr<std::string> Save() const override;
  absl::Status Load(absl::string_view state) override;
  population::UnitResults Results() const override;
  void Release() override;

  // Rows of the learner's parameters; row 0 first. For analysis and tests: of a unit that has begun
  // and was not released.
  const nn::Rows<float>& rows() const { return *rows_; }
  const metrics::AccuracyMatrix& accuracy() const { return accuracy_; }

 private:
  enum class Stage { kStartTask, kTraining, kTesting, kMinima };

  // What a task takes: steps of each phase, then one step for each test.
  struct TaskPlan {
    std::vector<int64_t> phase_steps;
    int tests = 0;
    int64_t steps() const;
  };

  // The next thing to do; a function of the number of steps done.
  struct Position {
    Stage stage = Stage::kStartTask;
    int task = 0;  // The number of tasks when all are done.
    size_t phase = 0;
    int64_t step = 0;  // Of the phase, or the line of minima.
    int tested = 0;
  };

  // The tests of one task's solution, being done on another thread.
  struct SideTests {
    int task = 0;
    int64_t first_step = 0;  // Of the first test.
    nn::Rows<float> solution;
    std::future<std::vector<nn::Evaluation>> results;
  };

  explicit TaskUnit(TaskUnitOptions options);
  void MakePlan();
  nn::Rows<float> InitialRows() const;
  Position PositionAfter(int64_t steps) const;
  TaskContext Context(const TaskStream& stream, int task) const;
  random::Stream PhaseRandom() const;
  void StartTask();
  // Makes the trainer of the current phase, passing over phases without steps; after the last one,
  // ends training on the task.
  void EnterPhase();
  void EndTraining();
  void FinishTask();
  absl::Status TrainingStep();
  absl::Status TestingStep();
  absl::Status MinimaStep();
  // Gives the tests of the task at hand away, if a thread is free.
  void GiveTestsAway();
  // Waits for the tests under way, if there are any, and forgets them.
  void DropSideTests();
  // Made when they are first asked for.
  const ImageView& TestImages(int task);
  nn::Evaluation Test(nn::ConstRow<float> row, int task);
  absl::Status TakeTest(int after_task, int task, int64_t step, const nn::Evaluation& result);
  void Report(population::Event event);

  TaskUnitOptions options_;
  random::Stream random_;
  std::vector<TaskPlan> task_plans_;
  population::UnitPlan plan_;
  int64_t planned_passes_ = 0;
  int64_t planned_images_ = 0;  // Propagated forward and back.
  std::unique_ptr<Learner> learner_;
  std::optional<nn::Rows<float>> rows_;  // Made at the first step.
  metrics::AccuracyMatrix accuracy_;
  std::optional<MinimaAnalysis> minima_;

  Position now_;
  int64_t steps_done_ = 0;
  double flops_done_ = 0;
  double loss_sum_ = 0;  // Over the steps of the current phase.

  // Made anew when a state is loaded.
  std::optional<TaskContext> context_;
  std::vector<Phase> phases_;
  std::optional<PhaseTrainer> trainer_;
  std::vector<population::Event> events_;
  std::vector<population::Event> later_events_;  // Than those of the tests under way.
  // Made at the first test and given back with the last: the test images of the tasks seen so far.
  // A test under way has them to itself.
  std::optional<nn::Workspace<float>> test_workspace_;
  std::optional<nn::PackedRow<float>> test_row_;
  std::vector<ImageView> tests_;
  population::SpareThreads* spare_ = nullptr;
  std::optional<SideTests> side_;
  absl::Status error_;  // Of tests on another thread.
};

}  // namespace perennial::continual

#endif  // PERENNIAL_CONTINUAL_TRAINING_TRAINER_H_
