#include "continual/learners/er.h"

#include "common/config/validate.h"
#include "continual/learners/memory.h"
#include "continual/learners/naive.h"

namespace perennial::continual {
namespace {

class ExperienceReplay final : public Learner {
 public:
  ExperienceReplay(const ExperienceReplayConfig& config, const TrainingConfig& training)
      : config_(config), training_(training), memory_(config.memory()) {}

  std::vector<Phase> Phases(const TaskContext& task) override {
    Phase phase = TrainPhase(training_, task.images(), task.task());
    if (!memory_.empty()) {
      phase.terms.push_back({.images = memory_.images(),
                             .batch_size = config_.replay_batch_size(),
                             .draw = Draw::kRandom,
                             .weight = config_.replay_weight(),
                             .replay = true});
    }
    return {phase};
  }

  void AfterTask(const TaskContext& task, nn::Rows<float>& /*rows*/) override {
    memory_.Add(task.images(), task.stream().tasks(), task.random().Split("memory"));
  }

  int64_t stored_images() const override { return memory_.size(); }
  absl::Status Save(record::SafetensorsWriter& writer) const override {
    return memory_.Save(writer);
  }
  absl::Status Load(const record::SafetensorsFile& file, const TaskStream& stream,
                    int tasks_done) override {
    return memory_.Load(file, stream, tasks_done);
  }

 private:
  ExperienceReplayConfig config_;
  TrainingConfig training_;
  ReplayMemory memory_;
};

}  // namespace

std::unique_ptr<Learner> MakeExperienceReplay(const ExperienceReplayConfig& config,
                                              const TrainingConfig& training) {
  config::CheckValid(config);
  config::CheckValid(training);
  return std::make_unique<ExperienceReplay>(config, training);
}

}  // namespace perennial::continual
