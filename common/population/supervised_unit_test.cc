#include "common/population/supervised_unit.h"

#include <cmath>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "common/nn/evaluate.h"
#include "common/population/scheduler.h"
#include "common/testing/images.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace perennial::population {
namespace {

const data::LabeledImages& Images() {
  static const auto* const images = new data::LabeledImages(
      testing::ClassImages(200, 4, 5, 4, 0.3, random::Stream(1), random::Stream(2)));
  return *images;
}

SupervisedOptions Options(uint64_t seed = 0, int64_t steps = 60) {
  nn::NetworkSpec spec = {
      .inputs = 20,
      .blocks = {{.layers = {nn::Dense(16), nn::BatchNorm(nn::Activation::kRelu), nn::Dropout(0.1),
                             nn::Dense(4)}}}};
  return {.key = {"mlp", "images", "seed", std::to_string(seed)},
          .network = std::make_shared<const nn::Network>(*nn::Network::Create(spec)),
          .inputs = &Images(),
          .loss = SupervisedUnit::Classification(Images().labels),
          .optimizer = {.kind = optim::OptimizerKind::kAdam, .learning_rate = 0.01},
          .batch_size = 32,
          .steps = steps,
          .seed = seed};
}

std::vector<float> Parameters(const SupervisedUnit& unit) {
  return {unit.row().begin(), unit.row().end()};
}

TEST(SupervisedUnitTest, Learns) {
  SupervisedUnit unit(Options());
  EXPECT_TRUE(unit.row().empty());
  ASSERT_TRUE(unit.Advance(1).ok());
  const double first = unit.Results().measurements[0].value;
  ASSERT_TRUE(unit.Advance(1000).ok());
  EXPECT_TRUE(unit.finished());
  EXPECT_EQ(unit.progress(), 1);
  EXPECT_LT(unit.Results().measurements[0].value, 0.3 * first);
  const std::shared_ptr<const nn::Network> network = Options().network;
  nn::Workspace<float> workspace(*network, 50);
  EXPECT_GT(nn::Evaluate(*network, unit.row(), Images(), workspace).accuracy, 0.95);
  unit.Release();
  EXPECT_EQ(unit.Results().measurements.size(), 1u);
}

TEST(SupervisedUnitTest, PlansItsExamplesAndMemory) {
  const SupervisedUnit unit(Options(0, 2 * 7 + 3));
  // 200 examples are six batches of 32 and one of 8.
  EXPECT_EQ(unit.plan().training_flops, Options().network->training_flops(400 + 96));
  const double row = static_cast<double>(Options().network->layout().size()) * sizeof(float);
  EXPECT_GT(unit.plan().memory_bytes, 3 * row);
  EXPECT_LT(unit.plan().memory_bytes, 3 * row + 32 * 2000);
}

TEST(SupervisedUnitTest, SavedAndLoadedAtAnyStepItEndsInTheSameBits) {
  SupervisedUnit whole(Options());
  ASSERT_TRUE(whole.Advance(60).ok());
  std::string state = *SupervisedUnit(Options()).Save();
  for (int64_t step = 0; step < 60; ++step) {
    SupervisedUnit part(Options());
    ASSERT_TRUE(part.Load(state).ok());
    EXPECT_EQ(part.steps_done(), step);
    ASSERT_TRUE(part.Advance(1).ok());
    state = *part.Save();
  }
  EXPECT_EQ(state, *whole.Save());
}

TEST(SupervisedUnitTest, AManyUnitsPopulationIsTheSameOnAnyNumberOfThreads) {
  std::vector<std::vector<float>> expected;
  for (uint64_t seed = 0; seed < 6; ++seed) {
    SupervisedUnit unit(Options(seed, 20));
    ASSERT_TRUE(unit.Advance(20).ok());
    expected.push_back(Parameters(unit));
  }
  EXPECT_NE(expected[0], expected[1]);
  std::vector<std::unique_ptr<SupervisedUnit>> units;
  std::vector<Unit*> pointers;
  for (uint64_t seed = 0; seed < 6; ++seed) {
    units.push_back(std::make_unique<SupervisedUnit>(Options(seed, 20)));
    pointers.push_back(units.back().get());
  }
  std::vector<std::vector<float>> trained(units.size());
  ASSERT_TRUE(RunUnits(pointers, {.threads = 3,
                                  .after_chunk =
                                      [&](int64_t index, double) {
                                        trained[index] = Parameters(*units[index]);
                                        return absl::OkStatus();
                                      }})
                  .ok());
  EXPECT_EQ(trained, expected);
  for (const auto& unit : units) EXPECT_TRUE(unit->row().empty()) << "not released";
}

TEST(SupervisedUnitTest, ClippedGradientsBoundTheStep) {
  SupervisedOptions options = Options(0, 20);
  options.optimizer = {.learning_rate = 1, .clip_norm = 1e-3};
  SupervisedUnit unit(std::move(options));
  ASSERT_TRUE(unit.Advance(1).ok());
  const int64_t trained = Options().network->layout().trainable();
  for (int step = 0; step < 10; ++step) {
    const std::vector<float> before = Parameters(unit);
    ASSERT_TRUE(unit.Advance(1).ok());
    double squares = 0;
    for (int64_t i = 0; i < trained; ++i) squares += std::pow(unit.row()[i] - before[i], 2);
    EXPECT_LE(std::sqrt(squares), 1.01e-3);
    EXPECT_GT(squares, 0);
  }
}

// Without learning, and all examples in a batch, only the mask can change the loss.
TEST(SupervisedUnitTest, EveryStepDropsAnew) {
  SupervisedOptions options = Options(0, 20);
  nn::NetworkSpec spec = {.inputs = 20,
                          .blocks = {{.layers = {nn::Dense(16, nn::Activation::kTanh),
                                                 nn::Dropout(0.5), nn::Dense(4)}}}};
  options.network = std::make_shared<const nn::Network>(*nn::Network::Create(spec));
  options.optimizer = {.learning_rate = 0};
  options.batch_size = 200;
  SupervisedUnit unit(std::move(options));
  std::vector<double> losses;
  for (int step = 0; step < 5; ++step) {
    ASSERT_TRUE(unit.Advance(1).ok());
    losses.push_back(unit.Results().measurements[0].value);
  }
  for (int step = 1; step < 5; ++step) {
    EXPECT_GT(std::abs(losses[step] - losses[step - 1]), 1e-5) << step;
  }
}

TEST(SupervisedUnitTest, OneHotInputsAreInThePlan) {
  SupervisedOptions options = Options();
  nn::NetworkSpec spec = nn::MultilayerPerceptron(10000, {8}, 4);
  spec.one_hot = true;
  options.network = std::make_shared<const nn::Network>(*nn::Network::Create(spec));
  const std::vector<int32_t> active(200 * 3, 7);
  options.inputs = data::InputTable::OneHot(active, 3, 10000);
  options.optimizer = {};
  // The weights, and their gradient on its way.
  EXPECT_GT(SupervisedUnit(std::move(options)).plan().memory_bytes, 2 * 4.0 * 10000 * 8);
}

TEST(SupervisedUnitTest, ALossThatIsNotANumberEndsItWithItsStep) {
  SupervisedOptions options = Options();
  options.loss = [](std::span<const int32_t>, kernels::MatrixView<const float>,
                    kernels::MatrixView<float>) { return std::nan(""); };
  SupervisedUnit unit(std::move(options));
  EXPECT_THAT(std::string(unit.Advance(5).message()),
              ::testing::HasSubstr("the loss is nan in step 1"));
}

TEST(SupervisedUnitTest, RefusesAStateThatIsNotItsOwn) {
  SupervisedUnit unit(Options());
  ASSERT_TRUE(unit.Advance(3).ok());
  const std::string state = *unit.Save();
  EXPECT_FALSE(SupervisedUnit(Options(1)).Load(state).ok());
  EXPECT_FALSE(SupervisedUnit(Options(0, 2)).Load(state).ok());
  SupervisedOptions sgd = Options();
  sgd.optimizer = {};
  EXPECT_FALSE(SupervisedUnit(std::move(sgd)).Load(state).ok());
  random::Stream stream(5);
  for (int i = 0; i < 2000; ++i) {
    std::string mutated = state;
    for (uint64_t k = 0; k <= stream.Below(3); ++k) {
      mutated[stream.Below(mutated.size())] = static_cast<char>(stream.Below(256));
    }
    if (stream.Below(4) == 0) mutated.resize(stream.Below(mutated.size()));
    SupervisedUnit target(Options());
    if (target.Load(mutated).ok()) continue;
    EXPECT_EQ(target.steps_done(), 0);
  }
}

}  // namespace
}  // namespace perennial::population
