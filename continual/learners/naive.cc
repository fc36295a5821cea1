#include "continual/learners/naive.h"

#include <utility>

#include "common/config/validate.h"

namespace perennial::continual {
namespace {

class Naive final : public Learner {
 public:
  explicit Naive(const TrainingConfig& training) : training_(training) {}

  std::vector<Phase> Phases(const TaskContext& task) override {
    return {TrainPhase(training_, task.images())};
  }

 private:
  TrainingConfig training_;
};

}  // namespace

Phase TrainPhase(const TrainingConfig& training,
                 std::shared_ptr<const data::LabeledImages> images) {
  Phase phase;
  phase.name = "train";
  phase.terms = {{.images = std::move(images), .batch_size = training.batch_size()}};
  phase.optimizer = {.learning_rate = training.learning_rate(), .momentum = training.momentum()};
  phase.epochs = training.epochs();
  return phase;
}

std::unique_ptr<Learner> MakeNaive(const NaiveConfig& /*config*/, const TrainingConfig& training) {
  config::CheckValid(training);
  return std::make_unique<Naive>(training);
}

}  // namespace perennial::continual
