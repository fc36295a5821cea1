#include "continual/learners/joint.h"

#include <utility>

#include "common/config/validate.h"
#include "continual/learners/naive.h"

namespace perennial::continual {
namespace {

class Joint final : public Learner {
 public:
  explicit Joint(const TrainingConfig& training) : training_(training) {
    training_.clear_first_task_epochs();
  }

  std::vector<Phase> Phases(const TaskContext& task) override {
    if (!task.last()) return {};
    ImageView all;
    for (int i = 0; i < task.stream().tasks(); ++i) all.Append(task.stream().Train(i));
    return {TrainPhase(training_, std::move(all), /*task=*/0)};
  }

  std::optional<int> PredictingRow(int task, int tasks) const override {
    if (task + 1 < tasks) return std::nullopt;
    return 0;
  }

  bool joint() const override { return true; }

 private:
  TrainingConfig training_;
};

}  // namespace

std::unique_ptr<Learner> MakeJoint(const JointConfig& /*config*/, const TrainingConfig& training) {
  config::CheckValid(training);
  return std::make_unique<Joint>(training);
}

}  // namespace perennial::continual
