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
  // The means outside the folds are 1.5 and 2.5.
  const std::vector<int32_t> fold_of = {0, 0, 1, 1};
  const double differences[] = {1 - 0.25, 1 - 6.25, 4 - 20.25, 20.25 - 6.25};
  double mean = 0;
  for (const double d : differences) mean += d / 4;
  double squares = 0;
  for (const double d : differences) squares += (d - mean) * (d - mean);
  const auto excess = ExcessEffectLoss(effect, scores, fold_of, {}, 0.95);
  ASSERT_TRUE(excess.ok()) << excess.status();
  EXPECT_NEAR(excess->value, mean, 1e-13);
  EXPECT_NEAR(excess->standard_error, std::sqrt(squares / 3 / 4), 1e-13);
  // Two clusters of two: the sums of each.
  const double a = differences[0] + differences[2] - 2 * mean;
  const std::vector<int32_t> cluster = {7, 3, 7, 3};
  EXPECT_NEAR(ExcessEffectLoss(effect, scores, fold_of, cluster, 0.95)->standard_error,
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
      std::vector<int32_t> fold_of;
      for (int i = 0; i < kUnits; ++i) {
        fold_of.push_back(i % 5);
        const double x = stream.Normal();
        effect.push_back(3 + k * x);
        // Noise of scores grows with 1 / e.
        scores.push_back(3 + x + (1 + std::abs(x)) * stream.Normal());
      }
      const auto excess = ExcessEffectLoss(effect, scores, fold_of, {}, 0.95);
      ASSERT_TRUE(excess.ok());
      held += excess->low <= truth && truth <= excess->high ? 1 : 0;
      sum += excess->value / kSamples;
    }
    // The constant is the mean of 320 scores, whose variance is 1 + E (1 + |x|)^2.
    EXPECT_NEAR(sum, truth - (3 + 2 * std::sqrt(2 / M_PI)) / 320, 0.03) << k;
    if (k != 0) {
      EXPECT_NEAR(held / 1.0 / kSamples, 0.95, 4 * std::sqrt(0.95 * 0.05 / kSamples) + 0.015) << k;
    }
  }
}

TEST(ExcessEffectLoss, OfNoEffectIsTheSquareOfTheAverage) {
  random::Stream stream(4);
  std::vector<double> scores;
  std::vector<int32_t> fold_of;
  for (int i = 0; i < 20000; ++i) {
    scores.push_back(2 + stream.Normal());
    fold_of.push_back(i % 2);
  }
  const auto excess = ExcessEffectLoss(std::vector<double>(20000), scores, fold_of, {}, 0.95);
  EXPECT_NEAR(excess->value, 4, 4 * excess->standard_error);
  EXPECT_NEAR(excess->standard_error, 4 / std::sqrt(20000.0), 0.002);
}

// Clusters of ten with a noise in common, each in one fold: what predicts the mean of the other
// folds is one effect for all, and is not told apart from it.
TEST(ExcessEffectLoss, OneEffectForAllIsNotToldApartFromItselfInClusters) {
  for (uint64_t seed = 0; seed < 20; ++seed) {
    random::Stream stream(seed);
    std::vector<double> scores;
    std::vector<int32_t> fold_of;
    std::vector<int32_t> cluster;
    for (int g = 0; g < 10; ++g) {
      const double common = stream.Normal();
      for (int i = 0; i < 10; ++i) {
        scores.push_back(common + 0.3 * stream.Normal());
        fold_of.push_back(g % 5);
        cluster.push_back(g);
      }
    }
    std::vector<double> effect(100);
    for (int i = 0; i < 100; ++i) {
      for (int j = 0; j < 100; ++j) effect[i] += fold_of[j] == fold_of[i] ? 0 : scores[j] / 80;
    }
    const auto excess = ExcessEffectLoss(effect, scores, fold_of, cluster, 0.95);
    ASSERT_TRUE(excess.ok());
    EXPECT_NEAR(excess->value, 0, 1e-13);
    EXPECT_NEAR(excess->standard_error, 0, 1e-13);
  }
}

TEST(ExcessEffectLoss, NamesBadInput) {
  const std::vector<double> two = {1, 2};
  const std::vector<double> three = {1, 2, 3};
  const std::vector<int32_t> folds = {0, 1};
  EXPECT_FALSE(ExcessEffectLoss(two, three, folds, {}, 0.95).ok());
  EXPECT_FALSE(ExcessEffectLoss(two, two, folds, {}, 1.5).ok());
  EXPECT_FALSE(ExcessEffectLoss({}, {}, {}, {}, 0.95).ok());
  const std::vector<int32_t> one = {1};
  EXPECT_THAT(std::string(ExcessEffectLoss(two, two, one, {}, 0.95).status().message()),
              HasSubstr("folds of 1 units for 2"));
  EXPECT_THAT(std::string(ExcessEffectLoss(two, two, folds, one, 0.95).status().message()),
              HasSubstr("clusters of 1 units for 2"));
  for (const int32_t fold : {0, 3}) {
    EXPECT_THAT(
        std::string(
            ExcessEffectLoss(two, two, std::vector<int32_t>(2, fold), {}, 0.95).status().message()),
        HasSubstr("one fold"));
  }
  const std::vector<double> infinite = {1, HUGE_VAL};
  EXPECT_THAT(std::string(ExcessEffectLoss(infinite, two, folds, {}, 0.95).status().message()),
              HasSubstr("finite"));
}

}  // namespace
}  // namespace perennial::causal
