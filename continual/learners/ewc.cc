#include "continual/learners/ewc.h"

#include <algorithm>
#include <cstdint>
#include <span>

#include "common/config/validate.h"
#include "continual/learners/naive.h"

namespace perennial::continual {
namespace {

class Ewc final : public Learner {
 public:
  Ewc(const EwcConfig& config, const TrainingConfig& training)
      : config_(config), training_(training) {}

  // w, sum of F_t, sum of F_t w_t, and F_t of the task at hand.
  int rows() const override { return 4; }

  std::vector<Phase> Phases(const TaskContext& task) override {
    Phase train = TrainPhase(training_, task.images(), task.task());
    if (task.task() > 0) {
      train.penalty = {.precision_row = kPrecision,
                       .pull_row = kPull,
                       .strength = config_.strength(),
                       .proximal = config_.step() == EwcConfig::PROXIMAL};
    }
    if (task.last()) return {train};  // Nobody asks for the last task's.
    const int32_t size = task.images().size();
    Phase fisher;
    fisher.name = "fisher";
    fisher.row = kSolution;
    fisher.optimizer = train.optimizer;  // For messages: it takes no step.
    fisher.terms = {{.images = task.images().Subset(task.random().Split("fisher").Sample(
                         size, std::min(size, config_.fisher_images()))),
                     .batch_size = config_.fisher_batch_size()}};
    fisher.fisher = {
        .kind = config_.fisher() == EwcConfig::EMPIRICAL ? FisherEstimate::Kind::kEmpirical
                : config_.fisher() == EwcConfig::SAMPLED ? FisherEstimate::Kind::kSampled
                                                         : FisherEstimate::Kind::kBatchMean,
        .row = kFisher};
    return {train, fisher};
  }

  void AfterTask(const TaskContext& task, nn::Rows<float>& rows) override {
    if (task.last()) return;
    const bool online = config_.form() == EwcConfig::ONLINE;
    const float kept = online ? static_cast<float>(config_.decay()) : 1.0f;
    const nn::Row<float> precision = rows.row(kPrecision);
    const nn::Row<float> pull = rows.row(kPull);
    for (int64_t i = 0; i < rows.size(); ++i) {
      const float fisher = rows.row(kFisher)[i];
      const float solution = rows.row(kSolution)[i];
      precision[i] = kept * precision[i] + fisher;
      pull[i] = online ? precision[i] * solution : pull[i] + fisher * solution;
    }
  }

 private:
  static constexpr int kSolution = 0;
  static constexpr int kPrecision = 1;
  static constexpr int kPull = 2;
  static constexpr int kFisher = 3;

  EwcConfig config_;
  TrainingConfig training_;
};

}  // namespace

std::unique_ptr<Learner> MakeEwc(const EwcConfig& config, const TrainingConfig& training) {
  config::CheckValid(config);
  config::CheckValid(training);
  return std::make_unique<Ewc>(config, training);
}

}  // namespace perennial::continual
