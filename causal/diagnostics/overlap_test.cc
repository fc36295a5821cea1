#include "causal/diagnostics/overlap.h"

#include <cmath>
#include <string>
#include <vector>

#include "causal/data/logit.h"
#include "causal/estimators/logistic.h"
#include "common/random/stream.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace perennial::causal {
namespace {

using ::testing::HasSubstr;

struct CalibrationRow {
  std::vector<double> p;
  std::vector<uint8_t> y;
  std::vector<int64_t> units;
  std::vector<double> predicted, observed;
  double expected_calibration_error, intercept, slope;
};

TEST(Overlap, IsThatOfAnExampleByHand) {
  const std::vector<int32_t> treatment = {1, 1, 1, 0, 0};
  const std::vector<double> e1 = {0.5, 0.25, 1, 0.04, 0.95};
  std::vector<double> e0;
  for (const double e : e1) e0.push_back(1 - e);
  const auto overlap = OverlapOf(treatment, std::vector<std::vector<double>>{e0, e1});
  ASSERT_TRUE(overlap.ok()) << overlap.status();
  const ArmOverlap& arm = (*overlap)[1];
  EXPECT_EQ(arm.inside.units, 3);
  EXPECT_EQ(arm.outside.units, 2);
  EXPECT_EQ(arm.inside.lowest, 0.25);
  EXPECT_EQ(arm.inside.highest, 1);
  EXPECT_EQ(arm.inside.median, 0.5);
  EXPECT_DOUBLE_EQ(arm.inside.lower_quartile, 0.375);
  EXPECT_DOUBLE_EQ(arm.inside.upper_quartile, 0.75);
  EXPECT_DOUBLE_EQ(arm.inside.mean, 1.75 / 3);
  EXPECT_DOUBLE_EQ(arm.outside_05_95, 2.0 / 5);
  EXPECT_DOUBLE_EQ(arm.outside_1_9, 3.0 / 5);
  // Weights 2, 4, 1.
  EXPECT_DOUBLE_EQ(*arm.effective_sample_size, 49.0 / 21);
  EXPECT_DOUBLE_EQ(*arm.largest_weight_share, 4.0 / 7);
  EXPECT_EQ(arm.inside.histogram[10], 1);
  EXPECT_EQ(arm.inside.histogram[5], 1);
  EXPECT_EQ(arm.inside.histogram[19], 1);
  EXPECT_EQ(arm.outside.histogram[0], 1);
  EXPECT_EQ(arm.outside.histogram[19], 1);
  // The two arms see the same units outside the bands.
  EXPECT_DOUBLE_EQ((*overlap)[0].outside_05_95, arm.outside_05_95);
}

TEST(Overlap, EqualWeightsAreWorthAllUnits) {
  const std::vector<int32_t> treatment = {0, 1, 2, 1, 2, 2};
  const std::vector<std::vector<double>> e(3, std::vector<double>(6, 0.2));
  const auto overlap = OverlapOf(treatment, e);
  EXPECT_DOUBLE_EQ(*(*overlap)[2].effective_sample_size, 3);
  EXPECT_DOUBLE_EQ(*(*overlap)[2].largest_weight_share, 1.0 / 3);
}

TEST(Overlap, APropensityOfZeroHasNoWeight) {
  const auto overlap =
      OverlapOf(std::vector<int32_t>{0, 1}, std::vector<std::vector<double>>{{0.5, 0.5}, {0.5, 0}});
  ASSERT_TRUE(overlap.ok()) << overlap.status();
  EXPECT_FALSE((*overlap)[1].effective_sample_size.has_value());
  EXPECT_FALSE((*overlap)[1].largest_weight_share.has_value());
  EXPECT_TRUE((*overlap)[0].effective_sample_size.has_value());
}

TEST(Overlap, NamesBadInput) {
  const auto message = [](std::vector<int32_t> treatment, std::vector<std::vector<double>> e) {
    return std::string(OverlapOf(treatment, e).status().message());
  };
  EXPECT_THAT(message({0, 2}, {{0.5, 0.5}, {0.5, 0.5}}), HasSubstr("the arm of unit 2 is 2"));
  EXPECT_THAT(message({0, 1}, {{0.5, 0.5}, {0.5}}), HasSubstr("1 propensities of arm 1"));
  EXPECT_THAT(message({0, 1}, {{0.5, 1.5}, {0.5, 0.5}}), HasSubstr("unit 2 for arm 0 is 1.5"));
  EXPECT_THAT(message({0, 0}, {{0.5, 0.5}, {0.5, 0.5}}), HasSubstr("arm 1 has no units"));
}

TEST(Calibration, AgreesWithScikitLearnAndStatsmodels) {
  const CalibrationRow rows[] = {
#define PERENNIAL_CALIBRATION_ORACLE
#include "causal/diagnostics/diagnostics_oracle.inc"
#undef PERENNIAL_CALIBRATION_ORACLE
  };
  for (const CalibrationRow& row : rows) {
    const auto calibration = CalibrationOf(row.p, row.y);
    ASSERT_TRUE(calibration.ok()) << calibration.status();
    ASSERT_EQ(calibration->bins.size(), row.units.size());
    for (size_t k = 0; k < row.units.size(); ++k) {
      EXPECT_EQ(calibration->bins[k].units, row.units[k]);
      EXPECT_NEAR(calibration->bins[k].predicted, row.predicted[k], 1e-13);
      EXPECT_NEAR(calibration->bins[k].observed, row.observed[k], 1e-13);
    }
    EXPECT_NEAR(calibration->expected_calibration_error, row.expected_calibration_error, 1e-13);
    EXPECT_NEAR(*calibration->intercept, row.intercept, 1e-7);
    EXPECT_NEAR(*calibration->slope, row.slope, 1e-7);
  }
}

TEST(Calibration, OfTheTruthHasSlopeOneAndOfExtremesASlopeBelow) {
  random::Stream stream(1);
  std::vector<double> truth;
  std::vector<double> extreme;
  std::vector<uint8_t> y;
  for (int i = 0; i < 20000; ++i) {
    const double logit = stream.Normal();
    truth.push_back(Sigmoid(logit));
    extreme.push_back(Sigmoid(2 * logit));
    y.push_back(stream.Uniform() < truth.back() ? 1 : 0);
  }
  const auto good = CalibrationOf(truth, y);
  const auto bad = CalibrationOf(extreme, y);
  EXPECT_NEAR(*good->slope, 1, 0.1);
  EXPECT_NEAR(*good->intercept, 0, 0.1);
  EXPECT_LT(good->expected_calibration_error, 0.02);
  EXPECT_NEAR(*bad->slope, *good->slope / 2, 1e-6);
  EXPECT_GT(bad->expected_calibration_error, 0.05);
}

TEST(Calibration, WithoutVariationHasNoSlope) {
  const auto constant =
      CalibrationOf(std::vector<double>(4, 0.3), std::vector<uint8_t>{0, 1, 0, 0});
  EXPECT_FALSE(constant->slope.has_value());
  EXPECT_NEAR(constant->expected_calibration_error, 0.05, 1e-15);
  const auto ones = CalibrationOf(std::vector<double>{0.2, 1}, std::vector<uint8_t>{1, 1}, 1);
  EXPECT_FALSE(ones->intercept.has_value());
  ASSERT_EQ(ones->bins.size(), 1u);
  EXPECT_DOUBLE_EQ(ones->expected_calibration_error, 0.4);
}

TEST(Calibration, NamesBadInput) {
  EXPECT_THAT(std::string(CalibrationOf({}, {}).status().message()),
              HasSubstr("0 probabilities of 0 units"));
  EXPECT_THAT(std::string(CalibrationOf(std::vector<double>{0.5, 2}, std::vector<uint8_t>{0, 1})
                              .status()
                              .message()),
              HasSubstr("unit 2 has the probability 2"));
}

}  // namespace
}  // namespace perennial::causal
