#include "continual/learners/mc_sgd.h"

#include "common/config/validate.h"
#include "continual/learners/memory.h"
#include "continual/learners/naive.h"

namespace perennial::continual {
namespace {

class McSgd final : public Learner {
 public:
  McSgd(const McSgdConfig& config, const TrainingConfig& training)
      : config_(config), training_(training), memory_(config.memory().per_task()) {}

  // w^, and w- of this task and of the one before.
  int rows() const override { return 3; }

  std::vector<Phase> Phases(const TaskContext& task) override {
    const int now = Connected(task.task());
    Phase train = TrainPhase(training_, task.images());
    train.row = kSequential;
    if (task.task() == 0) {
      return {train, {.name = "connect", .row = now, .start = {{.row = kSequential}}, .epochs = 0}};
    }
    const int before = Connected(task.task() - 1);

    // The memory of the loss includes the current task's share.
    ReplayMemory with_current = memory_;
    with_current.Add(*task.images(), task.random().Split("memory"));
    const std::vector<int32_t> subset =
        ChooseBalanced(*task.images(), config_.current_subset(), task.random().Split("subset"));

    Phase connect;
    connect.name = "connect";
    connect.row = now;
    connect.start = {{.row = before, .weight = 1 - config_.start()},
                     {.row = kSequential, .weight = config_.start()}};
    connect.terms = {
        {.images = with_current.images(),
         .batch_size = config_.batch_size(),
         .line = LineFrom{.row = before, .points = config_.points()},
         .replay = true},
        {.images = std::make_shared<data::LabeledImages>(task.images()->Select(subset)),
         .batch_size = config_.batch_size(),
         .line = LineFrom{.row = kSequential, .points = config_.points()}}};
    connect.optimizer = {.learning_rate = config_.learning_rate(), .momentum = config_.momentum()};
    connect.epochs = config_.epochs();
    return {train, connect};
  }

  void AfterTask(const TaskContext& task) override {
    memory_.Add(*task.images(), task.random().Split("memory"));
  }

  std::optional<int> PredictingRow(int task, int /*tasks*/) const override {
    return Connected(task);
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
  static constexpr int kSequential = 0;
  // The connected solutions of successive tasks take turns in two rows.
  static int Connected(int task) { return 1 + task % 2; }

  McSgdConfig config_;
  TrainingConfig training_;
  ReplayMemory memory_;
};

}  // namespace

std::unique_ptr<Learner> MakeMcSgd(const McSgdConfig& config, const TrainingConfig& training) {
  config::CheckValid(config);
  config::CheckValid(training);
  return std::make_unique<McSgd>(config, training);
}

}  // namespace perennial::continual
