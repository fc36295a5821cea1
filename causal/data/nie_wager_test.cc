#include "causal/data/nie_wager.h"

#include <cmath>
#include <numbers>
#include <vector>

#include "causal/data/simulation_checks.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace perennial::causal {
namespace {

using ::testing::HasSubstr;
using Setting = NieWagerSetting;
constexpr Setting kAll[] = {Setting::kA, Setting::kB, Setting::kC, Setting::kD};

NieWagerPoint At(Setting setting, std::vector<double> x) { return NieWagerAt(setting, 0, x); }

void ExpectPoint(const NieWagerPoint& at, double baseline, double effect, double propensity) {
  EXPECT_DOUBLE_EQ(at.baseline, baseline);
  EXPECT_DOUBLE_EQ(at.effect, effect);
  EXPECT_DOUBLE_EQ(at.propensity, propensity);
}

TEST(NieWager, SurfacesHaveTheValuesWorkedOutByHand) {
  const double root = std::sqrt(0.5);
  // sin(pi / 4); 2 * 0.5^2; the sixth covariate does nothing.
  ExpectPoint(At(Setting::kA, {0.5, 0.5, 1, 0.25, 0.5, 9}), root + 0.5 + 0.25 + 0.25, 0.5, root);
  // The sine is cut on both sides.
  ExpectPoint(At(Setting::kA, {1, 0.5, 0.5, 0, 0}), 1, 0.75, 0.9);
  ExpectPoint(At(Setting::kA, {0, 0.5, 0.5, 0, 1}), 0.5, 0.25, 0.1);
  // max(1, 2, 0) + max(-0.5, 0); max(1.5, -1, 0) + max(3, 0); max(-3, -1, 0) + 0.
  ExpectPoint(At(Setting::kB, {1, 0, 2, -1, 0.5}), 2, 1 + std::log(2), 0.5);
  ExpectPoint(At(Setting::kB, {0.5, 1, -1, 1, 2}), 4.5, 0.5 + std::log(1 + std::exp(1)), 0.5);
  ExpectPoint(At(Setting::kB, {-1, -2, -1, -1, -2}), 0, -1 + std::log(1 + std::exp(-2)), 0.5);
  ExpectPoint(At(Setting::kC, {1, -1, 0, 7, 7}), 2 * std::log(2), 1, 1 / (1 + std::exp(-1)));
  ExpectPoint(At(Setting::kC, {1, 1, 1, 7, 7}), 2 * std::log(1 + std::exp(3)), 1,
              1 / (1 + std::exp(2)));
  ExpectPoint(At(Setting::kD, {1, 0, 2, 1, -3}), 1.5, 3, 1 / (2 + std::exp(-1)));
  ExpectPoint(At(Setting::kD, {-1, 0, -2, 1, 3}), 2, -4, 1 / (2 + std::exp(1)));
}

TEST(NieWager, AdjIsTakenOffTheLogitInEverySetting) {
  const std::vector<double> x = {0.4, 0.6, -0.2, 0.1, 0.9};
  for (const Setting setting : kAll) {
    const NieWagerPoint plain = NieWagerAt(setting, 0, x);
    const NieWagerPoint moved = NieWagerAt(setting, 0.8, x);
    const auto logit = [](double e) { return std::log(e / (1 - e)); };
    EXPECT_NEAR(logit(plain.propensity) - logit(moved.propensity), 0.8, 1e-14);
    EXPECT_EQ(plain.baseline, moved.baseline);
    EXPECT_EQ(plain.effect, moved.effect);
  }
}

TEST(NieWager, TreatmentAndOutcomesAreDrawnFromTheTruth) {
  for (const Setting setting : kAll) {
    SCOPED_TRACE(static_cast<int>(setting));
    const auto sample =
        NieWager({.setting = setting, .n = 20000, .sigma = 2, .adj = 0.3}, random::Stream(1));
    ASSERT_TRUE(sample.ok()) << sample.status();
    ExpectTruthGenerates(*sample);
    std::vector<double> square;
    for (int64_t i = 0; i < sample->size(); ++i) {
      const double e = sample->outcome[i] - sample->truth->mean_outcome[sample->treatment[i]][i];
      square.push_back(e * e);
      const NieWagerPoint at = NieWagerAt(setting, 0.3, {sample->x().row(i), 6});
      EXPECT_DOUBLE_EQ(sample->truth->propensity[1][i], at.propensity);
      EXPECT_NEAR(sample->truth->mean_outcome[0][i], at.baseline - at.effect / 2, 1e-13);
      EXPECT_NEAR(sample->truth->mean_outcome[1][i], at.baseline + at.effect / 2, 1e-13);
    }
    ExpectMean(square, 4);
  }
}

TEST(NieWager, CovariatesHaveTheirDistributions) {
  for (const Setting setting : kAll) {
    const bool uniform = setting == Setting::kA;
    const auto sample = NieWager({.setting = setting, .n = 20000, .p = 7}, random::Stream(2));
    ASSERT_TRUE(sample.ok()) << sample.status();
    ASSERT_EQ(sample->features(), 7);
    for (int c = 0; c < 7; ++c) {
      std::vector<double> values = CovariateOf(*sample, c);
      ExpectMean(values, uniform ? 0.5 : 0);
      for (double& value : values) value *= value;
      ExpectMean(values, uniform ? 1.0 / 3 : 1);
    }
  }
}

TEST(NieWager, AverageEffectsHaveTheirClosedForms) {
  const double softplus = NormalMean([](double z) { return std::log1p(std::exp(z)); });
  const double expected[] = {0.5, softplus, 1,
                             (std::sqrt(3) - std::sqrt(2)) / std::sqrt(2 * std::numbers::pi)};
  for (const Setting setting : kAll) {
    const auto sample = NieWager({.setting = setting, .n = 40000}, random::Stream(3));
    ASSERT_TRUE(sample.ok()) << sample.status();
    ExpectMean(EffectsOf(*sample), expected[static_cast<int>(setting)]);
  }
}

TEST(NieWager, EqualStreamsGiveEqualBitsAndFewerUnitsAreTheFirst) {
  const NieWagerConfig config = {.setting = Setting::kD, .n = 300};
  const auto sample = NieWager(config, random::Stream(4));
  ASSERT_TRUE(sample.ok());
  ExpectEqualBits(*sample, NieWager(config, random::Stream(4)).value());
  EXPECT_NE(sample->outcome, NieWager(config, random::Stream(5))->outcome);
  const auto fewer = NieWager({.setting = Setting::kD, .n = 3}, random::Stream(4));
  ASSERT_TRUE(fewer.ok()) << fewer.status();
  ExpectEqualBits(*fewer, Select(*sample, std::vector<int32_t>{0, 1, 2}));
}

TEST(NieWager, AdjLeavesCovariatesAndNoiseAndTreatsFewer) {
  const auto plain = NieWager({.n = 500}, random::Stream(6));
  const auto moved = NieWager({.n = 500, .adj = 1.5}, random::Stream(6));
  ASSERT_TRUE(plain.ok() && moved.ok());
  EXPECT_EQ(plain->covariates, moved->covariates);
  int fewer = 0;
  for (int i = 0; i < 500; ++i) {
    EXPECT_LE(moved->treatment[i], plain->treatment[i]);
    fewer += plain->treatment[i] - moved->treatment[i];
    if (moved->treatment[i] == plain->treatment[i]) {
      EXPECT_EQ(moved->outcome[i], plain->outcome[i]);
    }
  }
  EXPECT_GT(fewer, 50);
}

TEST(NieWager, RefusesConfigurationsOutOfRange) {
  const random::Stream stream(7);
  EXPECT_THAT(NieWager({.n = 1}, stream).status().message(), HasSubstr("n is 1"));
  EXPECT_THAT(NieWager({.p = 4}, stream).status().message(), HasSubstr("p is 4, must be from 5"));
  EXPECT_THAT(NieWager({.sigma = -1}, stream).status().message(), HasSubstr("sigma is -1"));
  EXPECT_THAT(NieWager({.adj = NAN}, stream).status().message(), HasSubstr("adj is nan"));
  EXPECT_THAT(NieWager({.n = 10000000, .p = 10000}, stream).status().message(),
              HasSubstr("ask for fewer"));
}

}  // namespace
}  // namespace perennial::causal
