#include "tools/claims/verdict.h"

#include <cmath>
#include <optional>
#include <string>
#include <vector>

#include "common/stats/normal.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace perennial::claims {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

struct OracleRow {
  Quantity quantity;
  Scale scale;
  std::vector<double> values, against;
  double margin, effect, low, high, p, p_equivalence, minimum_detectable;
};

const Direction kAll[] = {Direction::kHigher, Direction::kLower, Direction::kSame,
                          Direction::kDifferent};

// The verdict of a claim that is a family of its own, over differences against 0.
Verdict Alone(Direction direction, double smallest_effect, const std::vector<double>& differences) {
  auto finding = Measure({.direction = direction, .smallest_effect = smallest_effect}, differences,
                         std::vector<double>(differences.size(), 0));
  EXPECT_TRUE(finding.ok()) << finding.status().message();
  Finding* const family[] = {&*finding};
  EXPECT_TRUE(AdjustFamily(family).ok());
  return Judge(*finding);
}

// By direction, in the order of kAll.
std::vector<Verdict> Verdicts(double smallest_effect, const std::vector<double>& differences) {
  std::vector<Verdict> verdicts;
  for (const Direction direction : kAll) {
    verdicts.push_back(Alone(direction, smallest_effect, differences));
  }
  return verdicts;
}

TEST(MeasureTest, AgreesWithSciPy) {
  const OracleRow rows[] = {
#include "tools/claims/verdict_oracle.inc"
  };
  for (const OracleRow& row : rows) {
    const Finding finding =
        Measure({.smallest_effect = row.margin, .quantity = row.quantity, .scale = row.scale},
                row.values, row.against)
            .value();
    EXPECT_EQ(finding.n, static_cast<int>(row.values.size()));
    EXPECT_NEAR(finding.effect, row.effect, 1e-14);
    EXPECT_NEAR(finding.interval->low, row.low, 1e-12);
    EXPECT_NEAR(finding.interval->high, row.high, 1e-12);
    EXPECT_NEAR(*finding.p, row.p, 1e-9 * row.p);
    EXPECT_NEAR(*finding.p_equivalence, row.p_equivalence, 1e-9 * row.p_equivalence);
    EXPECT_NEAR(*finding.minimum_detectable, row.minimum_detectable, 1e-8 * row.minimum_detectable);
  }
}

TEST(MeasureTest, CountsReplicatesByTheirSign) {
  const Finding finding = Measure({.smallest_effect = 1}, {{1, 5, 3, 4}}, {{2, 1, 3, 1}}).value();
  EXPECT_EQ(finding.greater, 2);
  EXPECT_EQ(finding.ties, 1);
  EXPECT_THAT(finding.differences, ElementsAre(-1, 4, 0, 3));
}

TEST(MeasureTest, WhatIsDetectableIsThatOfTheNormalDistributionForManyReplicates) {
  constexpr int kReplicates = 2000;
  std::vector<double> values;
  for (int i = 0; i < kReplicates; ++i) values.push_back(i % 2 == 0 ? 3 : -3);
  const Finding finding =
      Measure({.smallest_effect = 0.1}, values, std::vector<double>(kReplicates, 0)).value();
  const double error = 3 / std::sqrt(kReplicates);
  EXPECT_NEAR(*finding.minimum_detectable,
              (stats::NormalQuantile(0.975) + stats::NormalQuantile(0.8)) * error, 5e-3 * error);
}

TEST(MeasureTest, SquaredBiasAndVarianceAreThoseWithoutBias) {
  const std::vector<double> a = {1, 2, 6, -1}, b = {0, 3, 0, 1};
  // Means 2 and 1, sums of squares about them 26 and 6.
  const auto effect = [&](Quantity quantity) {
    return Measure({.smallest_effect = 1, .quantity = quantity}, a, b).value().effect;
  };
  EXPECT_NEAR(effect(Quantity::kVariance), 26.0 / 3 - 6.0 / 3, 1e-12);
  EXPECT_NEAR(effect(Quantity::kSquaredBias), (4 - 26.0 / 12) - (1 - 6.0 / 12), 1e-12);
}

TEST(MeasureTest, TheErrorOfARatioOfVariancesIsThatOfNormalTheory) {
  constexpr int kReplicates = 2001;
  // In orders that have nothing to do with each other: 700 and 1153 are prime to 2001.
  std::vector<double> wide, narrow;
  for (int64_t i = 0; i < kReplicates; ++i) {
    const auto at = [&](int64_t rank) {
      return stats::NormalQuantile((static_cast<double>(rank % kReplicates) + 0.5) / kReplicates);
    };
    wide.push_back(5 + 2 * at(700 * i));
    narrow.push_back(at(1153 * i * i * i + i));
  }
  const Finding finding =
      Measure({.smallest_effect = 0.1, .quantity = Quantity::kVariance, .scale = Scale::kLogRatio},
              wide, narrow)
          .value();
  const double error = std::sqrt(2.0 * 2 / kReplicates);
  const double half = (finding.interval->high - finding.interval->low) / 2;
  EXPECT_NEAR(half, stats::NormalQuantile(0.975) * error, 0.1 * error);
  EXPECT_NEAR(finding.effect, std::log(4), 2 * error);
}

TEST(MeasureTest, WithoutSpreadTheVarianceIsZero) {
  const Finding finding =
      Measure(
          {.direction = Direction::kLower, .smallest_effect = 1, .quantity = Quantity::kVariance},
          {{0.1, 0.1, 0.1, 0.1}}, {{1, 2, 6, -1}})
          .value();
  EXPECT_NEAR(finding.effect, -26.0 / 3, 1e-12);
}

TEST(MeasureTest, RefusesWhatCannotBeCompared) {
  const auto error = [](const Contrast& contrast, const std::vector<double>& a,
                        const std::vector<double>& b) {
    return std::string(Measure(contrast, a, b).status().message());
  };
  EXPECT_NE(error({.smallest_effect = 1}, {1}, {2}), "");
  EXPECT_NE(error({.smallest_effect = 1}, {1, 2}, {2}), "");
  EXPECT_THAT(error({.smallest_effect = 1, .scale = Scale::kLogRatio}, {1, 0, 2}, {1, 1, 1}),
              HasSubstr("value 1 is 0: a ratio needs values above 0"));
  EXPECT_THAT(error({.smallest_effect = 1, .quantity = Quantity::kVariance}, {1, 2}, {1, 1}),
              HasSubstr("needs three replicates, there are 2"));
  const Contrast ratio = {
      .smallest_effect = 1, .quantity = Quantity::kVariance, .scale = Scale::kLogRatio};
  EXPECT_THAT(error(ratio, {1, 2, 4}, {1, 1, 1}), HasSubstr("needs variances above 0"));
  // Nothing varies without the third.
  EXPECT_THAT(error(ratio, {1, 2, 4}, {1, 1, 2}), HasSubstr("needs variances above 0"));
  EXPECT_THAT(
      error({.smallest_effect = 1, .quantity = Quantity::kSquaredBias, .scale = Scale::kLogRatio},
            {1, 2, 4}, {1, 1, 2}),
      HasSubstr("no ratio of it"));
}

TEST(JudgeTest, ALargeDifferenceIsSeenInItsDirection) {
  const std::vector<double> up = {1.0, 1.1, 0.9, 1.05, 0.95};
  EXPECT_THAT(Verdicts(0.1, up), ElementsAre(Verdict::kSeen, Verdict::kContradicted,
                                             Verdict::kContradicted, Verdict::kSeen));
  const std::vector<double> down = {-1.0, -1.1, -0.9, -1.05, -0.95};
  EXPECT_THAT(Verdicts(0.1, down), ElementsAre(Verdict::kContradicted, Verdict::kSeen,
                                               Verdict::kContradicted, Verdict::kSeen));
}

TEST(JudgeTest, ASmallDifferenceIsEquivalentThoughSignificant) {
  const std::vector<double> small = {0.010, 0.011, 0.009, 0.0105, 0.0095};
  EXPECT_THAT(Verdicts(0.1, small), ElementsAre(Verdict::kEquivalent, Verdict::kEquivalent,
                                                Verdict::kSeen, Verdict::kEquivalent));
}

// Significant, its interval reaches beyond the margin, its mean does not.
TEST(JudgeTest, ADifferenceBelowTheSmallestOfInterestIsNotSeen) {
  const std::vector<double> values = {0.08, 0.10, 0.09, 0.12, 0.07};
  EXPECT_THAT(Verdicts(0.095, values), ElementsAre(Verdict::kInconclusive, Verdict::kInconclusive,
                                                   Verdict::kInconclusive, Verdict::kInconclusive));
}

TEST(JudgeTest, NoiseIsInconclusive) {
  const std::vector<double> noise = {1.0, -1.2, 0.9, -0.4, 0.3};
  EXPECT_THAT(Verdicts(0.1, noise), ElementsAre(Verdict::kInconclusive, Verdict::kInconclusive,
                                                Verdict::kInconclusive, Verdict::kInconclusive));
}

TEST(JudgeTest, EqualDifferencesAreWhatTheyAre) {
  EXPECT_THAT(Verdicts(0.1, {0.5, 0.5, 0.5}), ElementsAre(Verdict::kSeen, Verdict::kContradicted,
                                                          Verdict::kContradicted, Verdict::kSeen));
  EXPECT_THAT(Verdicts(0.1, {-0.1, -0.1}), ElementsAre(Verdict::kContradicted, Verdict::kSeen,
                                                       Verdict::kContradicted, Verdict::kSeen));
  EXPECT_THAT(Verdicts(0.1, {0, 0, 0}), ElementsAre(Verdict::kEquivalent, Verdict::kEquivalent,
                                                    Verdict::kSeen, Verdict::kEquivalent));
  EXPECT_THAT(Verdicts(0.1, {0.09, 0.09}), ElementsAre(Verdict::kEquivalent, Verdict::kEquivalent,
                                                       Verdict::kSeen, Verdict::kEquivalent));
}

TEST(JudgeTest, SpreadIsComparedAroundMedians) {
  // The same median, and ten times the spread.
  const std::vector<double> wide = {-30, -10, 0, 12, 33, 28, -25};
  const std::vector<double> narrow = {3, 1, 0, -1.2, -3.3, 2.8, -2.5};
  auto finding =
      Measure(
          {.direction = Direction::kHigher, .smallest_effect = 1, .quantity = Quantity::kDeviation},
          wide, narrow)
          .value();
  Finding* const family[] = {&finding};
  ASSERT_TRUE(AdjustFamily(family).ok());
  EXPECT_EQ(Judge(finding), Verdict::kSeen);
  EXPECT_DOUBLE_EQ(finding.effect, 0.9 * (30 + 10 + 0 + 12 + 33 + 28 + 25) / 7);
}

TEST(AdjustFamilyTest, HolmIsByHand) {
  std::vector<Finding> findings(5);
  const std::optional<double> p[] = {0.03, 0.01, std::nullopt, 0.04, 0.015};
  std::vector<Finding*> family;
  for (int i = 0; i < 5; ++i) {
    findings[i].contrast.smallest_effect = 1;
    findings[i].p = p[i];
    findings[i].p_equivalence = i == 1 ? std::optional(0.02) : std::nullopt;
    family.push_back(&findings[i]);
  }
  ASSERT_TRUE(AdjustFamily(family).ok());
  // Sorted: 0.01 * 4, 0.015 * 3, 0.03 * 2, 0.04 * 1, never less than before.
  EXPECT_DOUBLE_EQ(*findings[1].p_holm, 0.04);
  EXPECT_DOUBLE_EQ(*findings[4].p_holm, 0.045);
  EXPECT_DOUBLE_EQ(*findings[0].p_holm, 0.06);
  EXPECT_DOUBLE_EQ(*findings[3].p_holm, 0.06);
  EXPECT_FALSE(findings[2].p_holm.has_value());
  // A family of its own.
  EXPECT_DOUBLE_EQ(*findings[1].p_equivalence_holm, 0.02);
  EXPECT_FALSE(findings[0].p_equivalence_holm.has_value());
}

TEST(AdjustFamilyTest, VerdictsRestOnAdjustedValues) {
  // p = 0.0475 alone.
  const std::vector<double> values = {0.4, 1.6, 0.3, 1.2, 0.6, -0.1};
  EXPECT_EQ(Alone(Direction::kHigher, 0.2, values), Verdict::kSeen);
  std::vector<Finding> findings;
  for (int i = 0; i < 3; ++i) {
    findings.push_back(Measure({.direction = Direction::kHigher, .smallest_effect = 0.2}, values,
                               std::vector<double>(values.size(), 0))
                           .value());
  }
  std::vector<Finding*> family = {&findings[0], &findings[1], &findings[2]};
  ASSERT_TRUE(AdjustFamily(family).ok());
  EXPECT_LT(*findings[0].p, kLevel);
  EXPECT_EQ(Judge(findings[0]), Verdict::kInconclusive);
}

}  // namespace
}  // namespace perennial::claims
