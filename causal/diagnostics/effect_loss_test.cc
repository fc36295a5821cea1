#include "causal/diagnostics/effect_loss.h"

#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

#include "common/random/stream.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace perennial::causal {
namespace {

using ::testing::HasSubstr;

TEST(ExcessEffectLoss, IsTheDifferenceOfTheSquares) {
  const std::vector<double> scores = {1, 4, -2, 5};
  const std::vector<double> effect = {2, 3, 0, 0.5};
  // The means of the others are 7/3, 4/3, 10/3, 1.
  const double differences[] = {1 - 16 / 9.0, 1 - 64 / 9.0, 4 - 256 / 9.0, 20.25 - 16};
  double mean = 0;
  for (const double d : differences) mean += d / 4;
  double squares = 0;
  for (const double d : differences) squares += (d - mean) * (d - mean);
  const auto excess = ExcessEffectLoss(effect, scores, {}, 0.95);
  ASSERT_TRUE(excess.ok()) << excess.status();
  EXPECT_NEAR(excess->value, mean, 1e-13);
  EXPECT_NEAR(excess->standard_error, std::sqrt(squares / 3 / 4), 1e-13);
  // Two clusters of two: the sums of each.
  const double a = differences[0] + differences[2] - 2 * mean;
  const std::vector<int32_t> cluster = {7, 3, 7, 3};
  EXPECT_NEAR(ExcessEffectLoss(effect, scores, cluster, 0.95)->standard_error,
              std::sqrt(2 * 2 * a * a) / 4, 1e-13);
}

// tau = x; predicted k x: the mean squared error is (1 - k)^2, the best constant's 1.
TEST(ExcessEffectLoss, IsThePeheBesideAConstantsAsOftenAsItSays) {
  constexpr int kSamples = 2000;
  constexpr int kUnits = 400;
  for (const double k : {0.0, 0.5, 1.0, 2.5}) {
    const double truth = (1 - k) * (1 - k) - 1;
    int held = 0;
    double sum = 0;
    for (int sample = 0; sample < kSamples; ++sample) {
      random::Stream stream(sample);
      std::vector<double> effect;
      std::vector<double> scores;
      for (int i = 0; i < kUnits; ++i) {
        const double x = stream.Normal();
        effect.push_back(3 + k * x);
        // Noise of scores grows with 1 / e.
        scores.push_back(3 + x + (1 + std::abs(x)) * stream.Normal());
      }
      const auto excess = ExcessEffectLoss(effect, scores, {}, 0.95);
      ASSERT_TRUE(excess.ok());
      held += excess->low <= truth && truth <= excess->high ? 1 : 0;
      sum += excess->value / kSamples;
    }
    EXPECT_NEAR(sum, truth, 0.05) << k;
    if (k == 0) {
      // The constant itself: nothing but the error of the mean is left.
      EXPECT_LT(std::abs(sum), 0.02);
    } else {
      EXPECT_NEAR(held / 1.0 / kSamples, 0.95, 4 * std::sqrt(0.95 * 0.05 / kSamples) + 0.015) << k;
    }
  }
}

TEST(ExcessEffectLoss, OfNoEffectIsTheSquareOfTheAverage) {
  random::Stream stream(4);
  std::vector<double> scores;
  for (int i = 0; i < 20000; ++i) scores.push_back(2 + stream.Normal());
  const auto excess = ExcessEffectLoss(std::vector<double>(20000), scores, {}, 0.95);
  EXPECT_NEAR(excess->value, 4, 4 * excess->standard_error);
  EXPECT_NEAR(excess->standard_error, 4 / std::sqrt(20000.0), 0.002);
}

TEST(ExcessEffectLoss, NamesBadInput) {
  const std::vector<double> two = {1, 2};
  const std::vector<double> three = {1, 2, 3};
  EXPECT_FALSE(ExcessEffectLoss(two, three, {}, 0.95).ok());
  EXPECT_FALSE(ExcessEffectLoss(two, two, {}, 1.5).ok());
  EXPECT_FALSE(ExcessEffectLoss({}, {}, {}, 0.95).ok());
  const std::vector<int32_t> one = {1};
  EXPECT_THAT(std::string(ExcessEffectLoss(two, two, one, 0.95).status().message()),
              HasSubstr("clusters of 1 units for 2"));
  const std::vector<double> infinite = {1, HUGE_VAL};
  EXPECT_THAT(std::string(ExcessEffectLoss(infinite, two, {}, 0.95).status().message()),
              HasSubstr("finite"));
}

}  // namespace
}  // namespace perennial::causal
