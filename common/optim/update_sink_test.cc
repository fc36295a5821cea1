#include "common/optim/update_sink.h"

#include <cmath>
#include <string>
#include <tuple>
#include <vector>

#include "common/testing/networks.h"
#include "gtest/gtest.h"

namespace perennial::optim {
namespace {

using testing::NetworkCase;

const std::vector<std::pair<std::string, OptimizerConfig>>& Configs() {
  static const auto* const configs = new std::vector<std::pair<std::string, OptimizerConfig>>{
      {"Sgd", {.learning_rate = 0.1}},
      {"Momentum", {.learning_rate = 0.1, .momentum = 0.8, .weight_decay = 0.03}},
      {"Nesterov", {.learning_rate = 0.1, .momentum = 0.8, .nesterov = true}},
      {"Adam", {.kind = OptimizerKind::kAdam, .learning_rate = 0.01}},
      {"AdamW", {.kind = OptimizerKind::kAdamW, .learning_rate = 0.01, .weight_decay = 0.1}},
      {"Clipped", {.learning_rate = 0.1, .momentum = 0.8, .clip_norm = 0.5}},
      {"Rmsprop", {.kind = OptimizerKind::kRmsprop, .learning_rate = 0.01, .momentum = 0.5}}};
  return *configs;
}

class UpdateSinkTest : public ::testing::TestWithParam<std::tuple<const NetworkCase*, int>> {};

TEST_P(UpdateSinkTest, IsAGradientAndThenAStep) {
  const NetworkCase& network_case = *std::get<0>(GetParam());
  const OptimizerConfig& config = Configs()[std::get<1>(GetParam())].second;
  const nn::Network network = network_case.network();
  const int64_t trained = network.layout().trainable();
  nn::Rows<double> rows(3, network.layout().size());
  network.Initialize<double>(random::Stream(1), rows.row(0));
  rows.CopyRow(0, 1);
  Optimizer<double> separate(config, trained), fused(config, trained);
  UpdateSink<double> update(fused, rows.row(1));
  nn::GradientSink<double> gradient(rows.row(2), nn::GradientSink<double>::Mode::kOverwrite);
  nn::Workspace<double> workspace(network, 9);
  const auto cotangents = testing::Cotangents(network_case);
  for (int step = 0; step < 4; ++step) {
    const auto backward = [&](int64_t row, nn::WeightGradientSink<double>& sink) {
      network.Forward<double>(rows.row(row), network_case.batch(), workspace,
                              {.mode = nn::Mode::kTrain,
                               .dropout = random::Stream(step),
                               .rows = network_case.ranges()});
      testing::WriteCotangents(cotangents, workspace);
      network.Backward<double>(rows.row(row), workspace, sink);
    };
    backward(0, gradient);
    separate.Step(rows.row(2).first(trained), rows.row(0).first(trained));
    update.BeginStep();
    backward(1, update);
    update.EndStep();
  }
  EXPECT_EQ(fused.steps(), 4);
  for (int64_t i = 0; i < rows.size(); ++i) {
    ASSERT_NEAR(rows.row(1)[i], rows.row(0)[i], 1e-9 * (1 + std::abs(rows.row(0)[i]))) << i;
  }
  for (int64_t i = 0; i < std::ssize(fused.state().all()); ++i) {
    const double expected = separate.state().all()[i];
    ASSERT_NEAR(fused.state().all()[i], expected, 1e-9 * (1 + std::abs(expected))) << i;
  }
}

INSTANTIATE_TEST_SUITE_P(Cases, UpdateSinkTest,
                         ::testing::Combine(::testing::ValuesIn(testing::NetworkCases()),
                                            ::testing::Range(0, 7)),
                         [](const auto& instance) {
                           return std::get<0>(instance.param)->name() +
                                  Configs()[std::get<1>(instance.param)].first;
                         });

}  // namespace
}  // namespace perennial::optim
