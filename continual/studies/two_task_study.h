// Two tasks, and which of their solutions a straight line of low loss connects to the first task's.
//
// Source: Mirzadeh et al. 2021 (arXiv:2010.04495), who compare sequential training on two tasks
// with multitask training on both. Solutions, each by SGD:
//   first                         task 1, from initial parameters A
//   sequential                    task 2, from `first`
//   multitask_from_first          both tasks, from `first`
//   multitask_same_init           both tasks, from A
//   multitask_other_init          both tasks, from other initial parameters B
//   multitask_other_init_matched  the same function, its hidden units matched to `first`
//                                 (matching.h): what of a barrier is the order of units
// Then the loss on the test images of task 1 and of task 2 along the lines from `first` to all
// others, and from `sequential` to `multitask_from_first`; distances; and curvature of task 1's
// training loss at `first` along the unit displacements to the others, along random directions, and
// at most.
//
// Streams are those of TaskUnit (training/trainer.h): with the same seed, `first` and `sequential`
// are the naive learner's solutions and `multitask_same_init` the joint learner's, bit for bit; all
// three kinds of multitask training see the same batches.
//
// Results. Under each solution but `first` as their method:
//   barrier      nat: of the loss on task 1 on the line from `first` (Barrier, path.h)
//   rise         nat: the largest loss on that line minus that of `first`. A line that only climbs
//                has no barrier, but rises.
//   distance     l2: from `first`
//   curvature    nat: d^T H d for the unit displacement d from `first`; under the method
//                `random_direction` its mean over random directions
//   task_1_accuracy, task_2_accuracy    fraction, also of `first`
// and the curves "Loss on task 1 along lines from the first solution" and the like (CurveName).
// Under the unit's own method:
//   barrier_sequential_to_multitask_from_first    nat: of the loss on task 2 between those two
//   top_eigenvalue, top_eigenvalue_residual    nat: of H (TopEigenvalue, curvature.h)
//   matching_sweeps    count
// and the matrix "Distance between solutions".
//
//   auto unit = TwoTaskStudy::Create({.key = {"rotation_90", "rotated", "seed", "0"},
//                                     .stream = stream, .network = network,
//                                     .train = ..., .multitask = ..., .seed = 0});
#ifndef PERENNIAL_CONTINUAL_STUDIES_TWO_TASK_STUDY_H_
#define PERENNIAL_CONTINUAL_STUDIES_TWO_TASK_STUDY_H_

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/nn/network.h"
#include "common/nn/rows.h"
#include "common/population/unit.h"
#include "common/random/stream.h"
#include "continual/analysis/curvature.h"
#include "continual/analysis/path.h"
#include "continual/streams/image_view.h"
#include "continual/streams/stream.h"
#include "continual/training/learner.h"
#include "continual/training/phase_trainer.h"

namespace perennial::continual {

struct TwoTaskStudyOptions {
  population::UnitKey key;
  std::shared_ptr<const TaskStream> stream;  // Its first two tasks.
  nn::Network network;
  // How to train on the images of a task as it comes, 0 or 1, and on those of both together: a
  // phase whose row is the study's to set, and whose start does not count. Called while a plan is
  // made, too.
  std::function<Phase(ImageView images, int task)> train;
  std::function<Phase(ImageView images)> multitask;
  int points = 41;                  // Of a line, at least 2.
  int32_t curvature_images = 2000;  // Random training images of task 1 (all, if there are fewer).
  int random_directions = 10;       // At least 1.
  int lanczos_products = 30;        // At least 1.
  int matching_searches = 1;        // See MatchingOptions.
  uint64_t seed = 0;
};

class TwoTaskStudy final : public population::Unit {
 public:
  // Rows of parameters. Each but the last comes from a phase of training of its number.
  enum Solution {
    kFirst,
    kSequential,
    kFromFirst,
    kSameInit,
    kOtherInit,
    kMatched,
    kSolutions,
  };
  // "multitask_from_first"
  static absl::string_view Name(int solution);

  // The lines that are measured. Tasks count from 0 here, from 1 in all output.
  struct Line {
    int from = kFirst;
    int to = kFirst;
    int task = 0;
  };
  static const std::vector<Line>& Lines();
  // "Loss on task 1 along lines from the first solution"; quantity is "Loss" or "Accuracy".
  static std::string CurveName(absl::string_view quantity, const Line& line);

  // InvalidArgument if the network does not fit the stream or there is no second task;
  // Unimplemented for networks that weight matching or products with the Hessian do not support.
  static absl::StatusOr<std::unique_ptr<TwoTaskStudy>> Create(TwoTaskStudyOptions options);

  const population::UnitKey& key() const override { return options_.key; }
  const population::UnitPlan& plan() const override { return plan_; }
  int64_t steps_done() const override { return steps_done_; }
  double progress() const override;
  // A step is one of training, the matching, a line, or a direction's curvature; the last finds the
  // top eigenvalue.
  absl::Status Advance(int64_t steps) override;
  std::vector<population::Event> TakeEvents() override;
  absl::StatusOr<std::string> Save() const override;
  absl::Status Load(absl::string_view state) override;
  population::UnitResults Results() const override;
  void Release() override;

  // Rows by Solution; of a unit that has begun and was not released.
  const nn::Rows<float>& rows() const { return *rows_; }

 private:
  static constexpr int kPhases = kMatched;

  enum class Stage { kTraining, kMatching, kLines, kCurvature, kEigenvalue, kEnd };

  // The next thing to do; a function of the number of steps done.
  struct Position {
    Stage stage = Stage::kTraining;
    int index = 0;     // Of the phase, line or direction.
    int64_t step = 0;  // Of the phase.
  };

  explicit TwoTaskStudy(TwoTaskStudyOptions options);
  void MakePlan();
  Phase MakePhase(const TaskStream& stream, int index) const;
  random::Stream PhaseRandom(int index, const Phase& phase) const;
  Position PositionAfter(int64_t steps) const;
  int directions() const { return kSolutions - 1 + options_.random_directions; }
  int32_t curvature_images() const;
  // Makes row and trainer of a phase, and of those behind it while they have no steps.
  void EnterPhase(int index);
  void Report(std::vector<std::pair<std::string, double>> values);

  absl::Status TrainingStep(const Position& now);
  absl::Status Match();
  absl::Status MeasureLine(int index);
  absl::Status MeasureCurvature(int index);
  absl::Status MeasureEigenvalue();
  LossHessian<float>& Hessian();

  TwoTaskStudyOptions options_;
  random::Stream random_;
  std::array<int64_t, kPhases> phase_steps_ = {};
  int64_t planned_passes_ = 0;
  int64_t planned_images_ = 0;  // Propagated forward and back.
  population::UnitPlan plan_;
  int64_t steps_done_ = 0;
  double flops_done_ = 0;
  double loss_sum_ = 0;  // Over the steps of the phase at hand.
  std::vector<population::Event> events_;

  // What was measured so far.
  std::vector<Path> paths_;                     // By Lines().
  std::vector<std::vector<double>> distances_;  // By Solution.
  std::vector<double> curvatures_;              // To solutions 1, 2, ..., then random directions.
  TopEigenvalue top_;
  int64_t sweeps_ = 0;

  // Made at the first step; all but the rows anew when a state is loaded.
  std::optional<nn::Rows<float>> rows_;
  std::optional<Phase> phase_;
  std::optional<PhaseTrainer> trainer_;
  ImageView hessian_images_;
  std::optional<LossHessian<float>> hessian_;
};

}  // namespace perennial::continual

#endif  // PERENNIAL_CONTINUAL_STUDIES_TWO_TASK_STUDY_H_
