#include "causal/data/kang_schafer.h"

#include <cmath>
#include <vector>

#include "causal/data/simulation_checks.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace perennial::causal {
namespace {

using ::testing::HasSubstr;

TEST(KangSchaferTransform, HasTheValuesWorkedOutByHand) {
  const std::array<double, 4> at_zero = KangSchaferTransform({0, 0, 0, 0});
  EXPECT_DOUBLE_EQ(at_zero[0], 1);
  EXPECT_DOUBLE_EQ(at_zero[1], 10);
  EXPECT_DOUBLE_EQ(at_zero[2], 0.216);
  EXPECT_DOUBLE_EQ(at_zero[3], 400);
  const std::array<double, 4> x = KangSchaferTransform({std::log(4), 3, 2, -1});
  EXPECT_DOUBLE_EQ(x[0], 2);
  EXPECT_DOUBLE_EQ(x[1], 10.6);
  EXPECT_NEAR(x[2], std::pow(2 * std::log(4) / 25 + 0.6, 3), 1e-15);
  EXPECT_DOUBLE_EQ(x[3], 484);
}

TEST(KangSchafer, SurfacesAreThoseOfZ) {
  const auto sample =
      KangSchafer({.n = 50, .effect = 3, .kappa = 1, .transformed = false}, random::Stream(1));
  ASSERT_TRUE(sample.ok()) << sample.status();
  EXPECT_EQ(sample->covariate_names[3], "z_4");
  for (int i = 0; i < 50; ++i) {
    const double* z = sample->x().row(i);
    const double mean = 210 + 27.4 * z[0] + 13.7 * z[1] + 13.7 * z[2] + 13.7 * z[3];
    EXPECT_NEAR(sample->truth->mean_outcome[0][i], mean, 1e-12);
    EXPECT_NEAR(sample->truth->mean_outcome[1][i], mean + 3, 1e-12);
    const double e = 1 / (1 + std::exp(z[0] - 0.5 * z[1] + 0.25 * z[2] + 0.1 * z[3]));
    EXPECT_NEAR(sample->truth->propensity[1][i], e, 1e-15);
    EXPECT_NEAR(sample->truth->propensity[0][i], 1 - e, 1e-15);
  }
}

TEST(KangSchafer, TheSwitchChangesWhatIsSeenAndNothingElse) {
  const auto hard = KangSchafer({.n = 100}, random::Stream(2));
  const auto easy = KangSchafer({.n = 100, .transformed = false}, random::Stream(2));
  ASSERT_TRUE(hard.ok() && easy.ok());
  EXPECT_EQ(hard->treatment, easy->treatment);
  EXPECT_EQ(hard->outcome, easy->outcome);
  for (int i = 0; i < 100; ++i) {
    const double* z = easy->x().row(i);
    const std::array<double, 4> x = KangSchaferTransform({z[0], z[1], z[2], z[3]});
    for (int c = 0; c < 4; ++c) EXPECT_EQ(hard->x()(i, c), x[c]);
  }
}

TEST(KangSchafer, TreatmentAndOutcomesAreDrawnFromTheTruth) {
  for (const bool transformed : {false, true}) {
    const auto sample = KangSchafer(
        {.n = 20000, .sigma = 3, .effect = 2, .transformed = transformed}, random::Stream(3));
    ASSERT_TRUE(sample.ok()) << sample.status();
    ExpectTruthGenerates(*sample);
    for (const double effect : EffectsOf(*sample)) EXPECT_NEAR(effect, 2, 1e-12);
  }
}

// The logit is N(0, s^2), s^2 = 1.3225, its covariance with the outcome c = -27.4 + 13.7 * 0.15. By
// Stein's lemma E[(Y - 210) expit(L)] = c E[expit'(L)], and half are treated.
TEST(KangSchafer, ArmsHaveTheMeansOfTheClosedForm) {
  const double covariance = -27.4 + 13.7 * (0.5 - 0.25 - 0.1);
  const double slope = NormalMean([](double z) {
    const double e = 1 / (1 + std::exp(-1.15 * z));
    return e * (1 - e);
  });
  const auto sample = KangSchafer({.n = 100000}, random::Stream(4));
  ASSERT_TRUE(sample.ok());
  std::vector<double> arms[2];
  for (int64_t i = 0; i < sample->size(); ++i) {
    arms[sample->treatment[i]].push_back(sample->outcome[i]);
  }
  ExpectMean(arms[1], 210 + 2 * covariance * slope);
  ExpectMean(arms[0], 210 - 2 * covariance * slope);
  // About -20, as the paper's readers know it.
  EXPECT_NEAR(4 * covariance * slope, -20, 0.5);
}

TEST(KangSchafer, TheNaiveBiasGrowsWithKappaFromNothing) {
  double before = 0;
  for (const double kappa : {0.0, 0.5, 1.0, 2.0}) {
    const auto sample = KangSchafer({.n = 20000, .kappa = kappa}, random::Stream(5));
    ASSERT_TRUE(sample.ok());
    const double bias = -NaiveBias(*sample);
    if (kappa == 0) {
      // The outcome's standard deviation is 36.2, in two arms of 10000.
      EXPECT_NEAR(bias, 0, 4 * 36.2 * std::sqrt(2.0 / 10000));
      for (const double e : sample->truth->propensity[1]) EXPECT_EQ(e, 0.5);
    } else {
      EXPECT_GT(bias, before + 3) << kappa;
    }
    before = bias;
  }
}

TEST(KangSchafer, EqualStreamsGiveEqualBitsAndFewerUnitsAreTheFirst) {
  const auto sample = KangSchafer({.n = 200}, random::Stream(6));
  ASSERT_TRUE(sample.ok());
  ExpectEqualBits(*sample, KangSchafer({.n = 200}, random::Stream(6)).value());
  EXPECT_NE(sample->outcome, KangSchafer({.n = 200}, random::Stream(7))->outcome);
  const auto fewer = KangSchafer({.n = 10}, random::Stream(6));
  ASSERT_TRUE(fewer.ok()) << fewer.status();
  ExpectEqualBits(*fewer, Select(*sample, std::vector<int32_t>{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}));
}

TEST(KangSchafer, RefusesConfigurationsOutOfRange) {
  const random::Stream stream(8);
  EXPECT_THAT(KangSchafer({.n = 0}, stream).status().message(), HasSubstr("n is 0"));
  EXPECT_THAT(KangSchafer({.sigma = -1}, stream).status().message(), HasSubstr("sigma is -1"));
  EXPECT_THAT(KangSchafer({.effect = INFINITY}, stream).status().message(),
              HasSubstr("effect is inf"));
  EXPECT_THAT(KangSchafer({.kappa = 11}, stream).status().message(), HasSubstr("kappa is 11"));
}

}  // namespace
}  // namespace perennial::causal
