#include "common/optim/optimizer.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>
#include <string>
#include <vector>

#include "common/random/stream.h"
#include "common/testing/eager_optim.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace perennial::optim {
namespace {

using ::testing::DoubleNear;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Pointwise;

constexpr int64_t kSize = 101;

std::vector<OptimizerConfig> Configs() {
  return {
      {.learning_rate = 0.1},
      {.learning_rate = 0.1, .weight_decay = 0.05},
      {.learning_rate = 0.05, .momentum = 0.9},
      {.learning_rate = 0.05, .momentum = 0.8, .weight_decay = 0.03},
      {.learning_rate = 0.05, .momentum = 0.9, .nesterov = true},
      {.learning_rate = 0.05, .momentum = 0.8, .nesterov = true, .weight_decay = 0.03},
      {.kind = OptimizerKind::kAdam, .learning_rate = 0.01},
      {.kind = OptimizerKind::kAdam,
       .learning_rate = 0.02,
       .weight_decay = 0.1,
       .beta1 = 0.8,
       .beta2 = 0.9,
       .epsilon = 1e-3},
      {.kind = OptimizerKind::kAdamW, .learning_rate = 0.01, .weight_decay = 0.2},
      {.kind = OptimizerKind::kRmsprop, .learning_rate = 0.01},
      {.kind = OptimizerKind::kRmsprop,
       .learning_rate = 0.01,
       .momentum = 0.7,
       .weight_decay = 0.1,
       .smoothing = 0.9,
       .epsilon = 1e-4},
  };
}

template <typename T>
std::vector<T> Normals(random::Stream& stream) {
  std::vector<T> values(kSize);
  for (T& value : values) value = static_cast<T>(stream.Normal());
  return values;
}

template <typename T>
std::vector<std::vector<T>> Gradients(random::Stream& stream, int steps) {
  std::vector<std::vector<T>> gradients;
  for (int i = 0; i < steps; ++i) gradients.push_back(Normals<T>(stream));
  return gradients;
}

// `rates` is what the schedule must come to, computed without it.
void ExpectLibTorchsPath(const OptimizerConfig& config, const std::vector<double>& rates) {
  random::Stream stream(1);
  const std::vector<double> start = Normals<double>(stream);
  const auto gradients = Gradients<double>(stream, static_cast<int>(rates.size()));
  const auto path = testing::EagerOptimize(config, rates, start, gradients);
  std::vector<double> row = start;
  Optimizer<double> optimizer(config, kSize);
  for (size_t i = 0; i < rates.size(); ++i) {
    optimizer.Step(gradients[i], row);
    ASSERT_THAT(row, Pointwise(DoubleNear(1e-12), path[i])) << "step " << i;
  }
  EXPECT_EQ(optimizer.steps(), static_cast<int64_t>(rates.size()));
}

TEST(OptimizerTest, FollowsLibTorchsOptimizers) {
  for (const OptimizerConfig& config : Configs()) {
    ExpectLibTorchsPath(config, std::vector<double>(25, config.learning_rate));
  }
}

TEST(OptimizerTest, FollowsLibTorchsOptimizersUnderSchedules) {
  for (OptimizerConfig config : Configs()) {
    config.schedule = {.kind = ScheduleKind::kStep, .gamma = 0.5, .period = 6};
    ExpectLibTorchsPath(config, testing::EagerStepRates(config.learning_rate, 6, 0.5, 25));

    config.schedule = {.kind = ScheduleKind::kCosine, .total_steps = 20, .warmup_steps = 5};
    std::vector<double> rates;
    for (int i = 0; i < 25; ++i) {
      const double cosine = (1 + std::cos(std::numbers::pi * std::min(i - 5, 15) / 15)) / 2;
      rates.push_back(config.learning_rate * (i < 5 ? (i + 1) / 5.0 : cosine));
    }
    ExpectLibTorchsPath(config, rates);
  }
}

TEST(OptimizerTest, ClipsLikeLibTorch) {
  for (OptimizerConfig config : Configs()) {
    // A normal gradient of 101 numbers has a norm of about 10: clipped always, sometimes, never.
    for (const double clip_norm : {0.3, 10.0, 1000.0}) {
      config.clip_norm = clip_norm;
      ExpectLibTorchsPath(config, std::vector<double>(25, config.learning_rate));
    }
  }
}

TEST(OptimizerTest, AnInfiniteGradientIsNotHiddenByClipping) {
  std::vector<double> row = {1, 2};
  Optimizer<double> optimizer({.clip_norm = 1}, 2);
  optimizer.Step(std::vector<double>{1, std::numeric_limits<double>::infinity()}, row);
  EXPECT_EQ(row[0], 1);             // LibTorch's: the infinite norm scales everything to 0 ...
  EXPECT_TRUE(std::isnan(row[1]));  // ... and 0 times infinity is not a number.
}

// On f(w) = w^2 / 2 without momentum, w shrinks by 1 - learning rate each step.
TEST(OptimizerTest, SgdConvergesOnAParabolaAtTheKnownRate) {
  std::vector<float> w = {1, -2, 4};
  Optimizer<float> sgd({.learning_rate = 0.5}, 3);
  for (int step = 0; step < 4; ++step) {
    const std::vector<float> gradient = w;
    sgd.Step(gradient, w);
  }
  EXPECT_THAT(w, ElementsAre(0.0625f, -0.125f, 0.25f));
}

template <typename T>
class Optimizers : public ::testing::Test {};
using Scalars = ::testing::Types<float, double>;
TYPED_TEST_SUITE(Optimizers, Scalars);

TYPED_TEST(Optimizers, UpdatesInSlicesHaveTheBitsOfOneStep) {
  using T = TypeParam;
  for (const OptimizerConfig& config : Configs()) {
    random::Stream stream(2);
    std::vector<T> whole = Normals<T>(stream);
    std::vector<T> sliced = whole;
    Optimizer<T> one(config, kSize), other(config, kSize);
    for (const std::vector<T>& gradient : Gradients<T>(stream, 10)) {
      one.Step(gradient, whole);
      // Cut anywhere, and visit the slices from the last to the first.
      std::vector<int64_t> cuts = {0, kSize};
      for (int i = 0; i < 6; ++i) cuts.push_back(static_cast<int64_t>(stream.Below(kSize)));
      std::ranges::sort(cuts);
      other.BeginStep();
      for (size_t i = cuts.size() - 1; i > 0; --i) {
        const int64_t offset = cuts[i - 1], size = cuts[i] - offset;
        other.Update(offset, nn::ConstRow<T>(gradient).subspan(offset, size),
                     nn::Row<T>(sliced).subspan(offset, size));
      }
      ASSERT_EQ(whole, sliced);
      ASSERT_TRUE(std::ranges::equal(one.state().all(), other.state().all()));
    }
  }
}

TYPED_TEST(Optimizers, ContinueFromASavedStateBitForBit) {
  using T = TypeParam;
  for (OptimizerConfig config : Configs()) {
    config.schedule = {.kind = ScheduleKind::kCosine, .total_steps = 20, .warmup_steps = 3};
    random::Stream stream(3);
    std::vector<T> row = Normals<T>(stream);
    const auto gradients = Gradients<T>(stream, 20);
    Optimizer<T> optimizer(config, kSize);
    for (int i = 0; i < 8; ++i) optimizer.Step(gradients[i], row);

    const std::vector<T> saved(optimizer.state().all().begin(), optimizer.state().all().end());
    EXPECT_EQ(optimizer.state().count(), Optimizer<T>::StateRows(config));
    EXPECT_EQ(optimizer.state().size(), kSize);
    std::vector<T> continued = row;
    Optimizer<T> restored(config, kSize);
    restored.set_steps(optimizer.steps());
    std::ranges::copy(saved, restored.state().all().begin());

    for (int i = 8; i < 20; ++i) {
      optimizer.Step(gradients[i], row);
      restored.Step(gradients[i], continued);
    }
    EXPECT_EQ(row, continued);
  }
}

TYPED_TEST(Optimizers, FloatFollowsDouble) {
  using T = TypeParam;
  for (const OptimizerConfig& config : Configs()) {
    random::Stream stream(5);
    std::vector<double> exact = Normals<double>(stream);
    std::vector<T> row(exact.begin(), exact.end());
    Optimizer<double> reference(config, kSize);
    Optimizer<T> optimizer(config, kSize);
    for (const auto& gradient : Gradients<double>(stream, 20)) {
      reference.Step(gradient, exact);
      optimizer.Step(std::vector<T>(gradient.begin(), gradient.end()), row);
    }
    for (int64_t i = 0; i < kSize; ++i) EXPECT_NEAR(row[i], exact[i], 2e-5);
  }
}

TEST(OptimizerTest, ValidateNamesTheFieldItsValueAndItsRange) {
  const auto message = [](const OptimizerConfig& config) {
    return std::string(Validate(config).message());
  };
  const double nan = std::numeric_limits<double>::quiet_NaN();
  for (const OptimizerConfig& config : Configs()) EXPECT_TRUE(Validate(config).ok());
  EXPECT_EQ(message({.learning_rate = -1}),
            "learning_rate is -1; it must be finite and at least 0");
  EXPECT_THAT(message({.learning_rate = nan}), HasSubstr("learning_rate is nan"));
  EXPECT_EQ(message({.momentum = 1}), "momentum is 1; it must be in [0, 1)");
  EXPECT_THAT(message({.nesterov = true}), HasSubstr("nesterov"));
  EXPECT_THAT(message({.kind = OptimizerKind::kRmsprop, .momentum = 0.5, .nesterov = true}),
              HasSubstr("nesterov"));
  EXPECT_THAT(message({.weight_decay = -0.1}), HasSubstr("weight_decay is -0.1"));
  EXPECT_THAT(message({.clip_norm = std::numeric_limits<double>::infinity()}),
              HasSubstr("clip_norm is inf"));
  EXPECT_THAT(message({.kind = OptimizerKind::kAdam, .beta1 = 1}), HasSubstr("beta1 is 1"));
  EXPECT_THAT(message({.kind = OptimizerKind::kAdamW, .beta2 = -1}), HasSubstr("beta2 is -1"));
  EXPECT_THAT(message({.kind = OptimizerKind::kRmsprop, .smoothing = 2}),
              HasSubstr("smoothing is 2"));
  EXPECT_THAT(message({.kind = OptimizerKind::kAdam, .epsilon = 0}), HasSubstr("epsilon is 0"));
  EXPECT_THAT(message({.schedule = {.warmup_steps = -2}}), HasSubstr("schedule.warmup_steps"));
}

TEST(OptimizerDeathTest, ClippingNeedsTheWholeGradient) {
  Optimizer<float> optimizer({.clip_norm = 1}, 3);
  EXPECT_DEATH(optimizer.BeginStep(), "call Step");
}

}  // namespace
}  // namespace perennial::optim
