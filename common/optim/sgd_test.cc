#include "common/optim/sgd.h"

#include <vector>

#include "common/random/stream.h"
#include "common/testing/eager.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace perennial::optim {
namespace {

TEST(SgdTest, MatchesLibTorchsOptimizer) {
  for (const SgdConfig& config :
       {SgdConfig{.learning_rate = 0.1}, SgdConfig{.learning_rate = 0.05, .momentum = 0.9},
        SgdConfig{.learning_rate = 0.2, .momentum = 0.8, .weight_decay = 0.03}}) {
    random::Stream stream(1);
    std::vector<double> start(37);
    for (double& value : start) value = stream.Normal();
    std::vector<std::vector<double>> gradients(5, std::vector<double>(start.size()));
    for (auto& gradient : gradients) {
      for (double& value : gradient) value = stream.Normal();
    }
    std::vector<double> ours = start;
    Sgd<double> sgd(config, static_cast<int64_t>(ours.size()));
    for (const auto& gradient : gradients) sgd.Step(gradient, ours);
    const std::vector<double> eager = testing::EagerSgd(start, gradients, config.learning_rate,
                                                        config.momentum, config.weight_decay);
    EXPECT_THAT(ours, ::testing::Pointwise(::testing::DoubleNear(1e-14), eager));
  }
}

// On f(w) = w^2 / 2 without momentum, w shrinks by 1 - learning rate each step.
TEST(SgdTest, ConvergesOnAParabolaAtTheKnownRate) {
  std::vector<float> w = {1, -2, 4};
  Sgd<float> sgd({.learning_rate = 0.5}, 3);
  for (int step = 0; step < 4; ++step) {
    const std::vector<float> gradient = w;
    sgd.Step(gradient, w);
  }
  EXPECT_THAT(w, ::testing::ElementsAre(0.0625f, -0.125f, 0.25f));
}

}  // namespace
}  // namespace perennial::optim
