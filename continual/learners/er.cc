#include "continual/learners/er.h"

#include "common/config/validate.h"
#include "continual/learners/memory_learner.h"
#include "continual/learners/naive.h"

namespace perennial::continual {
namespace {

class ExperienceReplay final : public MemoryLearner {
 public:
  ExperienceReplay(const ExperienceReplayConfig& config, const TrainingConfig& training)
      : MemoryLearner(config.memory()), config_(config), training_(training) {}

  std::vector<Phase> Phases(const TaskContext& task) override {
    Phase phase = TrainPhase(training_, task.images(), task.task());
    if (!memory().empty()) {
      phase.terms.push_back({.images = memory().images(),
                             .batch_size = config_.replay_batch_size(),
                             .draw = Draw::kRandom,
                             .weight = config_.replay_weight(),
                             .replay = true});
    }
    return {phase};
  }

 private:
  ExperienceReplayConfig config_;
  TrainingConfig training_;
};

}  // namespace

std::unique_ptr<Learner> MakeExperienceReplay(const ExperienceReplayConfig& config,
                                              const TrainingConfig& training) {
  config::CheckValid(config);
  config::CheckValid(training);
  return std::make_unique<ExperienceReplay>(config, training);
}

}  // namespace perennial::continual
