#include "causal/studies/bias_variance.h"

#include <cmath>
#include <limits>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace perennial::causal {
namespace {

using ::testing::HasSubstr;

// Standard deviations of the parts of an error.
struct Design {
  double bias, sample, split, initialisation, interaction;
  double variance() const {
    return sample * sample + split * split + initialisation * initialisation +
           interaction * interaction;
  }
};

// [fits][points] of a replicate.
std::vector<std::vector<double>> Draw(const Design& design, int points, random::Stream stream) {
  std::vector<std::vector<double>> errors(4, std::vector<double>(points));
  for (int p = 0; p < points; ++p) {
    const double sample = design.sample * stream.Normal();
    double split[2], initialisation[2];
    for (double& s : split) s = design.split * stream.Normal();
    for (double& i : initialisation) i = design.initialisation * stream.Normal();
    for (int f = 0; f < 4; ++f) {
      errors[f][p] = design.bias + sample + split[f / 2] + initialisation[f % 2] +
                     design.interaction * stream.Normal();
    }
  }
  return errors;
}

std::vector<ReplicateErrors> Replicates(const Design& design, int n, int points,
                                        const random::Stream& stream) {
  std::vector<ReplicateErrors> replicates;
  for (int r = 0; r < n; ++r) {
    replicates.push_back(
        ReplicateErrorsOf(Draw(design, points, stream.Split(static_cast<uint64_t>(r)))));
  }
  return replicates;
}

TEST(BiasVarianceTest, TwoReplicatesHaveThePartsWorkedOutByHand) {
  // Errors 0, 2, 4, 10 and 1, 1, 1, 5: means 4 and 2; D_S = -6, -2; D_I = -4, -2; D_E = 2, 2.
  const std::vector<ReplicateErrors> replicates = {
      ReplicateErrorsOf(std::vector<std::vector<double>>{{0}, {2}, {4}, {10}}),
      ReplicateErrorsOf(std::vector<std::vector<double>>{{1}, {1}, {1}, {5}})};
  const absl::StatusOr<BiasVariance> parts = DecomposeErrors(replicates, 100, random::Stream(1));
  ASSERT_TRUE(parts.ok()) << parts.status();
  EXPECT_EQ(parts->replicates, 2);
  const double interaction = 4;
  const double split = ((36.0 + 4) / 2 - interaction) / 2;
  const double initialisation = ((16.0 + 4) / 2 - interaction) / 2;
  const double between = 2;
  const double sampling = between - split / 2 - initialisation / 2 - interaction / 4;
  EXPECT_DOUBLE_EQ(parts->parts->interaction.value, interaction);
  EXPECT_DOUBLE_EQ(parts->parts->split.value, split);
  EXPECT_DOUBLE_EQ(parts->parts->initialisation.value, initialisation);
  EXPECT_DOUBLE_EQ(parts->parts->sampling.value, sampling);
  EXPECT_DOUBLE_EQ(parts->bias_squared.value, 9 - between / 2);
  EXPECT_DOUBLE_EQ(parts->variance.value, sampling + split + initialisation + interaction);
  // The mean of the squared errors.
  EXPECT_DOUBLE_EQ(parts->mse.value, (0 + 4 + 16 + 100 + 1 + 1 + 1 + 25) / 8.0);
}

TEST(BiasVarianceTest, EstimatesAreThePartsThatTheErrorsWereMadeOf) {
  const Design design = {
      .bias = 0.5, .sample = 1, .split = 0.6, .initialisation = 0.8, .interaction = 0.4};
  constexpr int kReplicates = 4000;
  const absl::StatusOr<BiasVariance> parts = DecomposeErrors(
      Replicates(design, kReplicates, /*points=*/3, random::Stream(2)), 200, random::Stream(3));
  ASSERT_TRUE(parts.ok()) << parts.status();
  // Variances of normal numbers, 12000 of them, have an error of sqrt(2 / 12000) = 1.3 % of what
  // they are made of; four of these and the sums within.
  EXPECT_NEAR(parts->parts->sampling.value, 1, 0.12);
  EXPECT_NEAR(parts->parts->split.value, 0.36, 0.05);
  EXPECT_NEAR(parts->parts->initialisation.value, 0.64, 0.08);
  EXPECT_NEAR(parts->parts->interaction.value, 0.16, 0.01);
  EXPECT_NEAR(parts->variance.value, design.variance(), 0.15);
  EXPECT_NEAR(parts->bias_squared.value, 0.25, 4 * 2 * 0.5 * std::sqrt(1.54 / 12000));
  EXPECT_NEAR(parts->mse.value, parts->bias_squared.value + parts->variance.value, 1e-12);
}

// Twenty replicates each: what is left of a bias of the estimates would show in the mean.
TEST(BiasVarianceTest, EstimatesFromFewReplicatesAreUnbiased) {
  const Design design = {
      .bias = 0.3, .sample = 1, .split = 0.5, .initialisation = 0.7, .interaction = 0.3};
  constexpr int kTrials = 2000;
  double sums[6] = {};
  for (int t = 0; t < kTrials; ++t) {
    const auto parts = DecomposeErrors(
        Replicates(design, 20, 1, random::Stream(4).Split(static_cast<uint64_t>(t))), 1,
        random::Stream(5));
    ASSERT_TRUE(parts.ok());
    const double values[] = {parts->bias_squared.value,          parts->variance.value,
                             parts->parts->sampling.value,       parts->parts->split.value,
                             parts->parts->initialisation.value, parts->parts->interaction.value};
    for (int q = 0; q < 6; ++q) sums[q] += values[q] / kTrials;
  }
  EXPECT_NEAR(sums[0], 0.09, 0.02);  // Without s^2 / R it would be 0.15.
  EXPECT_NEAR(sums[1], design.variance(), 0.05);
  EXPECT_NEAR(sums[2], 1, 0.05);
  EXPECT_NEAR(sums[3], 0.25, 0.02);
  EXPECT_NEAR(sums[4], 0.49, 0.03);
  EXPECT_NEAR(sums[5], 0.09, 0.01);
}

// Also where there is no bias at all, which is what the correction of resamples is for.
TEST(BiasVarianceTest, IntervalsHoldTheTruthAboutAsOftenAsTheySay) {
  for (const double bias : {0.0, 0.3}) {
    const Design design = {
        .bias = bias, .sample = 1, .split = 0.5, .initialisation = 0.5, .interaction = 0.5};
    constexpr int kTrials = 300;
    int covered[3] = {};
    for (int t = 0; t < kTrials; ++t) {
      const auto parts = DecomposeErrors(
          Replicates(design, 100, 2, random::Stream(6).Split(static_cast<uint64_t>(t))), 200,
          random::Stream(7));
      ASSERT_TRUE(parts.ok());
      const auto holds = [](const PartEstimate& part, double truth) {
        return part.interval.low <= truth && truth <= part.interval.high ? 1 : 0;
      };
      covered[0] += holds(parts->bias_squared, bias * bias);
      covered[1] += holds(parts->variance, design.variance());
      covered[2] += holds(parts->parts->initialisation, 0.25);
    }
    // 95 %, less what the bootstrap of 100 lacks and four standard errors of 1.3 %.
    EXPECT_GE(covered[0], 0.86 * kTrials) << "bias " << bias;
    EXPECT_GE(covered[1], 0.86 * kTrials) << "bias " << bias;
    EXPECT_GE(covered[2], 0.86 * kTrials) << "bias " << bias;
  }
}

TEST(BiasVarianceTest, IntervalsLieAboutTheEstimates) {
  const Design design = {
      .bias = 0, .sample = 1, .split = 0.5, .initialisation = 0.5, .interaction = 0.5};
  // Many points: resamples of bias^2 hardly spread, so that their place is seen.
  const auto parts =
      DecomposeErrors(Replicates(design, 30, 500, random::Stream(8)), 400, random::Stream(9));
  ASSERT_TRUE(parts.ok());
  for (const PartEstimate& part :
       {parts->bias_squared, parts->variance, parts->mse, parts->parts->sampling}) {
    EXPECT_LT(part.interval.low, part.value);
    EXPECT_GT(part.interval.high, part.value);
  }
}

TEST(BiasVarianceTest, OneFitAReplicateTellsBiasAndVarianceAlone) {
  std::vector<ReplicateErrors> replicates;
  for (const double error : {1.0, 2.0, 6.0}) {
    replicates.push_back(ReplicateErrorsOf(std::vector<std::vector<double>>{{error}}));
  }
  const auto parts = DecomposeErrors(replicates, 10, random::Stream(1));
  ASSERT_TRUE(parts.ok());
  EXPECT_FALSE(parts->parts.has_value());
  EXPECT_DOUBLE_EQ(parts->variance.value, 7);
  EXPECT_DOUBLE_EQ(parts->bias_squared.value, 9 - 7 / 3.0);
}

TEST(BiasVarianceTest, SaysWhatIsWrong) {
  const auto message = [](const std::vector<ReplicateErrors>& replicates) {
    return std::string(DecomposeErrors(replicates, 10, random::Stream(1)).status().message());
  };
  EXPECT_THAT(message({{.mean = {1}}}), HasSubstr("at least 2 replicates, there are 1"));
  EXPECT_THAT(message({{.mean = {}}, {.mean = {}}}), HasSubstr("no points"));
  EXPECT_THAT(message({{.mean = {1}}, {.mean = {1, 2}}}), HasSubstr("replicate 1 has 2 points"));
  EXPECT_THAT(message({{.mean = {1}}, {.mean = {1}, .contrasts = SquaredContrasts{}}}),
              HasSubstr("others have none"));
  EXPECT_THAT(message({{.mean = {1}}, {.mean = {std::numeric_limits<double>::quiet_NaN()}}}),
              HasSubstr("replicate 1 has an error that is not a finite number"));
}

}  // namespace
}  // namespace perennial::causal
