#include "continual/learners/joint.h"

#include "common/config/validate.h"
#include "continual/learners/naive.h"

namespace perennial::continual {
namespace {

class Joint final : public Learner {
 public:
  explicit Joint(const TrainingConfig& training) : training_(training) {}

  std::vector<Phase> Phases(const TaskContext& task) override {
    if (!task.last()) return {};
    const TaskStream& stream = task.stream();
    auto all = std::make_shared<data::LabeledImages>(task.images()->Empty());
    int64_t size = 0;
    for (int i = 0; i < stream.tasks(); ++i) size += stream.train_size(i);
    all->Reserve(size);
    for (int i = 0; i < stream.tasks(); ++i) all->Append(*stream.Train(i));
    return {TrainPhase(training_, std::move(all))};
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
