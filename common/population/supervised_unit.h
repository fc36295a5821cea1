// A unit that trains one network on examples of a table by mini-batches.
//
// The plainest unit, for baselines, tuning and populations of many networks: hyper-parameters,
// initial parameters and order of batches are each unit's own, the data is shared. A step gathers
// the batch, computes loss and gradient, and updates the parameters layer by layer
// (optim::UpdateSink).
//
//   auto network = std::make_shared<const nn::Network>(*nn::Network::Create(spec));
//   SupervisedUnit unit({.key = {"mlp", "catch", "seed", "3"}, .network = network,
//                        .inputs = data::InputTable::Floats(values, 50),
//                        .loss = SupervisedUnit::Classification(labels),
//                        .optimizer = {.kind = optim::OptimizerKind::kAdam, .learning_rate = 1e-3},
//                        .batch_size = 32, .steps = 1000, .seed = 3});
#ifndef PERENNIAL_COMMON_POPULATION_SUPERVISED_UNIT_H_
#define PERENNIAL_COMMON_POPULATION_SUPERVISED_UNIT_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/data/epoch_sampler.h"
#include "common/data/input_table.h"
#include "common/kernels/aligned.h"
#include "common/nn/network.h"
#include "common/nn/rows.h"
#include "common/optim/optimizer.h"
#include "common/optim/update_sink.h"
#include "common/population/unit.h"
#include "common/random/stream.h"

namespace perennial::population {

// The loss of a batch, examples `indices` of the table, from the network's outputs [B, outputs];
// its gradient goes to `gradient`, which may not be read. Called from one thread at a time for one
// unit, from several for different ones.
using BatchLoss =
    std::function<double(std::span<const int32_t> indices, kernels::MatrixView<const float> outputs,
                         kernels::MatrixView<float> gradient)>;

struct SupervisedOptions {
  UnitKey key;
  std::shared_ptr<const nn::Network> network;
  data::InputTable inputs;  // What it views must outlive the unit. At least one example.
  BatchLoss loss;
  optim::OptimizerConfig optimizer;
  int32_t batch_size = 1;
  int64_t steps = 0;
  uint64_t seed = 0;
  std::string loss_unit = "nat";  // Of the results.
};

// Results: train_loss, the mean loss of the last epoch that was begun.
class SupervisedUnit final : public Unit {
 public:
  // The options must fit each other and the optimizer be valid (CHECK).
  explicit SupervisedUnit(SupervisedOptions options);
  SupervisedUnit(const SupervisedUnit&) = delete;
  SupervisedUnit& operator=(const SupervisedUnit&) = delete;

  // Mean softmax cross-entropy of labels [size] in [0, outputs), which must outlive the unit.
  static BatchLoss Classification(std::span<const int32_t> labels);

  const UnitKey& key() const override { return options_.key; }
  const UnitPlan& plan() const override { return plan_; }
  int64_t steps_done() const override { return steps_done_; }
  double progress() const override;
  absl::Status Advance(int64_t steps) override;
  std::vector<Event> TakeEvents() override { return {}; }
  absl::StatusOr<std::string> Save() const override;
  absl::Status Load(absl::string_view state) override;
  UnitResults Results() const override;
  void Release() override { training_.reset(); }

  // The parameters; empty before the first step and after Release.
  nn::ConstRow<float> row() const;

 private:
  // What a unit at work needs.
  struct Training {
    explicit Training(const SupervisedOptions& options);

    nn::Rows<float> rows;
    optim::Optimizer<float> optimizer;
    optim::UpdateSink<float> update;
    nn::Workspace<float> workspace;
    data::EpochSampler sampler;
  };

  absl::Status Step();

  SupervisedOptions options_;
  UnitPlan plan_;
  std::optional<Training> training_;
  int64_t steps_done_ = 0;
  double loss_sum_ = 0;  // Over the steps of the epoch.
  int64_t loss_steps_ = 0;
};

}  // namespace perennial::population

#endif  // PERENNIAL_COMMON_POPULATION_SUPERVISED_UNIT_H_
