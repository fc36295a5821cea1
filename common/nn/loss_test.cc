#include "common/nn/loss.h"

#include <cmath>
#include <limits>
#include <vector>

#include "common/random/stream.h"
#include "common/testing/gradient_check.h"
#include "gtest/gtest.h"

namespace perennial::nn {
namespace {

TEST(SoftmaxCrossEntropyTest, HasTheClosedFormForTwoClasses) {
  // -log of the logistic function of the logits' difference.
  const std::vector<double> logits = {1.5, -0.5};
  const std::vector<int32_t> labels = {1};
  const std::vector<double> weights = {2};
  std::vector<double> gradient(2);
  const double loss = SoftmaxCrossEntropy<double>({logits.data(), 1, 2, 2}, labels, weights,
                                                  {gradient.data(), 1, 2, 2});
  const double p = 1 / (1 + std::exp(-2.0));  // Of class 0.
  EXPECT_NEAR(loss, 2 * -std::log(1 - p), 1e-14);
  EXPECT_NEAR(gradient[0], 2 * p, 1e-14);
  EXPECT_NEAR(gradient[1], -2 * p, 1e-14);
}

TEST(SoftmaxCrossEntropyTest, GradientMatchesFiniteDifferences) {
  random::Stream stream(1);
  std::vector<double> logits(4 * 7), weights(4);
  for (double& value : logits) value = 2 * stream.Normal();
  for (double& value : weights) value = stream.Uniform();
  const std::vector<int32_t> labels = {0, 6, 3, 3};
  std::vector<double> gradient(logits.size()), unused(logits.size());
  SoftmaxCrossEntropy<double>({logits.data(), 4, 7, 7}, labels, weights,
                              {gradient.data(), 4, 7, 7});
  const auto loss = [&](std::span<const double> point) {
    return SoftmaxCrossEntropy<double>({point.data(), 4, 7, 7}, labels, weights,
                                       {unused.data(), 4, 7, 7});
  };
  EXPECT_LT(testing::GradientError(loss, logits, gradient), 1e-9);
}

TEST(SoftmaxCrossEntropyTest, LargeLogitsDoNotOverflow) {
  const std::vector<float> logits = {1e30f, -1e30f, 0};
  const std::vector<int32_t> labels = {0};
  const std::vector<float> weights = {1};
  std::vector<float> gradient(3);
  EXPECT_EQ(SoftmaxCrossEntropy<float>({logits.data(), 1, 3, 3}, labels, weights,
                                       {gradient.data(), 1, 3, 3}),
            0);
  EXPECT_EQ(gradient, (std::vector<float>{0, 0, 0}));
}

TEST(SoftmaxCrossEntropyTest, NotANumberIsPassedOn) {
  for (const float bad :
       {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
    for (int at = 0; at < 3; ++at) {
      std::vector<float> logits = {1, 2, 3};
      logits[at] = bad;
      const std::vector<int32_t> labels = {1};
      const std::vector<float> weights = {1};
      std::vector<float> gradient(3);
      EXPECT_TRUE(std::isnan(SoftmaxCrossEntropy<float>({logits.data(), 1, 3, 3}, labels, weights,
                                                        {gradient.data(), 1, 3, 3})));
    }
  }
}

TEST(SoftmaxCrossEntropyTest, MinusInfinityExcludesAClass) {
  const float excluded = -std::numeric_limits<float>::infinity();
  const std::vector<float> logits = {1, excluded, 3};
  const std::vector<float> without = {1, 3};
  const std::vector<float> weights = {1};
  std::vector<float> gradient(3), expected(2);
  const double loss = SoftmaxCrossEntropy<float>({logits.data(), 1, 3, 3}, std::vector<int32_t>{2},
                                                 weights, {gradient.data(), 1, 3, 3});
  EXPECT_EQ(loss, SoftmaxCrossEntropy<float>({without.data(), 1, 2, 2}, std::vector<int32_t>{1},
                                             weights, {expected.data(), 1, 2, 2}));
  EXPECT_EQ(gradient, (std::vector<float>{expected[0], 0, expected[1]}));
  EXPECT_EQ(SoftmaxCrossEntropy<float>({logits.data(), 1, 3, 3}, std::vector<int32_t>{1}, weights,
                                       {gradient.data(), 1, 3, 3}),
            std::numeric_limits<double>::infinity());
}

}  // namespace
}  // namespace perennial::nn
