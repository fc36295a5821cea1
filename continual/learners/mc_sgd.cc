#include "continual/learners/mc_sgd.h"

#include "common/config/validate.h"
#include "continual/learners/memory_learner.h"
#include "continual/learners/naive.h"

namespace perennial::continual {
namespace {

class McSgd final : public MemoryLearner {
 public:
  McSgd(const McSgdConfig& config, const TrainingConfig& training)
      : MemoryLearner(config.memory()), config_(config), training_(training) {}

  // w^, and w- of this task and of the one before.
  int rows() const override { return 3; }

  std::vector<Phase> Phases(const TaskContext& task) override {
    const int now = Connected(task.task());
    Phase train = TrainPhase(training_, task.images(), task.task());
    train.row = kSequential;
    if (task.task() == 0) {
      return {train, {.name = "connect", .row = now, .start = {{.row = kSequential}}, .epochs = 0}};
    }
    const int before = Connected(task.task() - 1);

    // The memory of the loss includes the current task's share.
    ReplayMemory with_current = memory();
    Remember(task, with_current);
    const std::vector<int32_t> subset =
        ChooseBalanced(task.images(), config_.current_subset(), task.random().Split("subset"));
    const auto line_from = [this](int row) {
      return LineFrom{.row = row,
                      .points = config_.points(),
                      .stochastic = config_.stochastic(),
                      .chain_rule = config_.gradient() == McSgdConfig::EXACT};
    };
    if (config_.chain() == McSgdConfig::CONNECTED) train.start = {{.row = before}};

    Phase connect;
    connect.name = "connect";
    connect.row = now;
    connect.start = {{.row = before, .weight = 1 - config_.start()},
                     {.row = kSequential, .weight = config_.start()}};
    connect.terms = {
        {.images = with_current.images(),
         .batch_size = config_.batch_size(),
         .line = line_from(before),
         .replay = true},
        {.images = std::make_shared<const data::LabeledImages>(task.images().Select(subset)),
         .batch_size = config_.batch_size(),
         .line = line_from(kSequential)}};
    connect.optimizer = {.learning_rate = config_.learning_rate(), .momentum = config_.momentum()};
    connect.epochs = config_.epochs();
    connect.dropout = false;  // Lines join networks as they predict.
    return {train, connect};
  }

  std::optional<int> PredictingRow(int task, int /*tasks*/) const override {
    return Connected(task);
  }

 private:
  static constexpr int kSequential = 0;
  // The connected solutions of successive tasks take turns in two rows.
  static int Connected(int task) { return 1 + task % 2; }

  McSgdConfig config_;
  TrainingConfig training_;
};

}  // namespace

std::unique_ptr<Learner> MakeMcSgd(const McSgdConfig& config, const TrainingConfig& training) {
  config::CheckValid(config);
  config::CheckValid(training);
  return std::make_unique<McSgd>(config, training);
}

}  // namespace perennial::continual
