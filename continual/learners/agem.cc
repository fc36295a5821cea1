#include "continual/learners/agem.h"

#include "common/config/validate.h"
#include "continual/learners/memory_learner.h"
#include "continual/learners/naive.h"

namespace perennial::continual {
namespace {

class Agem final : public MemoryLearner {
 public:
  Agem(const AgemConfig& config, const TrainingConfig& training)
      : MemoryLearner(config.memory()), config_(config), training_(training) {}

  std::vector<Phase> Phases(const TaskContext& task) override {
    Phase phase = TrainPhase(training_, task.images(), task.task());
    if (!memory().empty()) {
      phase.terms.push_back({.images = memory().images(),
                             .batch_size = config_.reference_batch_size(),
                             .draw = Draw::kRandom,
                             .replay = true,
                             .constraint = true});
    }
    return {phase};
  }

 private:
  AgemConfig config_;
  TrainingConfig training_;
};

}  // namespace

std::unique_ptr<Learner> MakeAgem(const AgemConfig& config, const TrainingConfig& training) {
  config::CheckValid(config);
  config::CheckValid(training);
  return std::make_unique<Agem>(config, training);
}

}  // namespace perennial::continual
