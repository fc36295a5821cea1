#include "continual/learners/agem.h"

#include "common/config/validate.h"
#include "continual/learners/memory.h"
#include "continual/learners/naive.h"

namespace perennial::continual {
namespace {

class Agem final : public Learner {
 public:
  Agem(const AgemConfig& config, const TrainingConfig& training)
      : config_(config), training_(training), memory_(config.memory()) {}

  std::vector<Phase> Phases(const TaskContext& task) override {
    Phase phase = TrainPhase(training_, task.images(), task.task());
    if (!memory_.empty()) {
      phase.terms.push_back({.images = memory_.images(),
                             .batch_size = config_.reference_batch_size(),
                             .draw = Draw::kRandom,
                             .replay = true,
                             .constraint = true});
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
  AgemConfig config_;
  TrainingConfig training_;
  ReplayMemory memory_;
};

}  // namespace

std::unique_ptr<Learner> MakeAgem(const AgemConfig& config, const TrainingConfig& training) {
  config::CheckValid(config);
  config::CheckValid(training);
  return std::make_unique<Agem>(config, training);
}

}  // namespace perennial::continual
