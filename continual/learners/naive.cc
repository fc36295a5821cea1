#include "continual/learners/naive.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "common/config/validate.h"

namespace perennial::continual {
namespace {

class Naive final : public Learner {
 public:
  explicit Naive(const TrainingConfig& training) : training_(training) {}

  std::vector<Phase> Phases(const TaskContext& task) override {
    return {TrainPhase(training_, task.images(), task.task())};
  }

 private:
  TrainingConfig training_;
};

}  // namespace

Phase TrainPhase(const TrainingConfig& training, ImageView images, int task) {
  const double decayed = training.learning_rate() * std::pow(training.learning_rate_decay(), task);
  const double floor = std::min(training.learning_rate_floor(), training.learning_rate());
  const bool first = task == 0 && training.first_task_epochs() > 0;
  Phase phase;
  phase.name = "train";
  phase.terms = {{.images = std::move(images), .batch_size = training.batch_size()}};
  phase.optimizer = {.learning_rate = std::max(decayed, floor), .momentum = training.momentum()};
  phase.epochs = first ? training.first_task_epochs() : training.epochs();
  return phase;
}

std::unique_ptr<Learner> MakeNaive(const NaiveConfig& /*config*/, const TrainingConfig& training) {
  config::CheckValid(training);
  return std::make_unique<Naive>(training);
}

}  // namespace perennial::continual
