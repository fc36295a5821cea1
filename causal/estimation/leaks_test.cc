#include "causal/estimation/leaks.h"

#include <cmath>
#include <cstdint>
#include <vector>

#include "common/random/stream.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace perennial::causal {
namespace {

using Kind = OutcomeLink::Kind;

constexpr int kUnits = 400;

double Rounded(double value, int digits) {
  const double scale = std::pow(10, digits);
  return std::round(value * scale) / scale;
}

// Outcomes of three decimals, deviation 5, mean 25; the effect is 8.
Observations Trial(int64_t n = kUnits, int arms = 2) {
  random::Stream stream = random::Stream(3).Split("trial");
  Observations o = {.arms = arms};
  for (int64_t i = 0; i < n; ++i) {
    const auto arm = static_cast<int32_t>(arms * stream.Uniform());
    o.treatment.push_back(arm);
    o.outcome.push_back(Rounded(25 + 5 * stream.Normal() + (arm == 1 ? 8 : 0), 3));
  }
  return o;
}

template <typename Function>
std::vector<double> Of(const Observations& o, const Function& function) {
  std::vector<double> values;
  for (int64_t i = 0; i < o.size(); ++i) values.push_back(function(o.outcome[i], o.treatment[i]));
  return values;
}

TEST(LeaksTest, TheOutcomeInOtherUnitsIsACopyWithItsLine) {
  const Observations o = Trial();
  struct Case {
    double slope;
    double intercept;
    int digits;  // Of the covariate.
  };
  for (const Case& c : std::vector<Case>{{2, 3, 9},
                                         {-1, 0, 9},
                                         {1e-3, 0, 9},
                                         {2.54, 0, 1},
                                         {1.8, 32, 1},
                                         {100, 0, 0},
                                         {-0.4, 7, 2}}) {
    const auto x =
        Of(o, [&](double y, int) { return Rounded(c.slope * y + c.intercept, c.digits); });
    const OutcomeLink link = LinkToOutcome(x, o);
    ASSERT_EQ(link.kind, Kind::kCopy) << c.slope;
    // y = (x - intercept) / slope.
    EXPECT_NEAR(link.slope * c.slope, 1, 1e-3) << c.slope;
    EXPECT_NEAR(link.intercept, -c.intercept / c.slope, 0.05) << c.slope;
  }
}

TEST(LeaksTest, ARoundedOutcomeIsACopyOnlyWhereRoundingExplainsAllDifferences) {
  const Observations o = Trial();
  const auto rounded = Of(o, [](double y, int) { return Rounded(y, 1); });
  EXPECT_EQ(LinkToOutcome(rounded, o).kind, Kind::kCopy);
  // One row differs by more.
  std::vector<double> changed = rounded;
  changed[7] += 0.3;
  EXPECT_EQ(LinkToOutcome(changed, o).kind, Kind::kNear);
  // Whole numbers are too coarse to be sure.
  const auto whole = Of(o, [](double y, int) { return Rounded(y, 0); });
  const OutcomeLink link = LinkToOutcome(whole, o);
  EXPECT_EQ(link.kind, Kind::kNear);
  // Rounding adds a variance of 1/12.
  EXPECT_NEAR(link.correlation, 1 / std::sqrt(1 + 1.0 / 12 / 25), 5e-4);
}

// Large numbers of high correlation are no copy: a population before and after.
TEST(LeaksTest, AVariableThatHardlyChangesIsNoCopy) {
  random::Stream stream = random::Stream(5).Split("towns");
  Observations o;
  std::vector<double> before;
  for (int i = 0; i < kUnits; ++i) {
    before.push_back(std::round(1e5 * std::exp(stream.Normal())));
    o.treatment.push_back(i % 2);
    o.outcome.push_back(std::round(before[i] * (1.01 + 0.004 * stream.Normal())));
  }
  EXPECT_EQ(LinkToOutcome(before, o).kind, Kind::kNear);
}

TEST(LeaksTest, CorrelationsCountWithinArms) {
  const Observations o = Trial();
  // The outcome before the effect: exact in each arm, .78 over all.
  const auto without = Of(o, [](double y, int arm) { return y - 8 * arm; });
  const OutcomeLink link = LinkToOutcome(without, o);
  EXPECT_EQ(link.kind, Kind::kNear);
  EXPECT_NEAR(link.correlation, 1, 1e-9);
  // The arms alone: a high correlation over all, none within.
  Observations apart = o;
  for (int i = 0; i < kUnits; ++i) apart.outcome[i] += 1000 * o.treatment[i];
  random::Stream stream = random::Stream(5).Split("noise");
  const auto arm = Of(o, [&](double, int a) { return a + 0.01 * stream.Normal(); });
  EXPECT_EQ(LinkToOutcome(arm, apart).kind, Kind::kNone);
}

TEST(LeaksTest, ALogarithmOfTheOutcomeIsMonotone) {
  const Observations o = Trial();
  const auto power = Of(o, [](double y, int) { return std::exp(-y / 3); });
  const OutcomeLink link = LinkToOutcome(power, o);
  EXPECT_EQ(link.kind, Kind::kMonotone);
  EXPECT_NEAR(link.correlation, -1, 1e-12);
}

TEST(LeaksTest, StrongPredictorsAndFewUnitsAreNoLink) {
  const Observations o = Trial();
  random::Stream stream = random::Stream(5).Split("predictor");
  // r_w = 1 / sqrt(1 + 1 / 25) = .98
  const auto strong = Of(o, [&](double y, int) { return y + stream.Normal(); });
  EXPECT_EQ(LinkToOutcome(strong, o).kind, Kind::kNone);
  const Observations few = Trial(19);
  EXPECT_EQ(LinkToOutcome(Of(few, [](double y, int) { return 2 * y; }), few).kind, Kind::kNone);
}

TEST(LeaksTest, BinaryOutcomesAreCopiedAsTheyAreOrReversed) {
  Observations o = Trial();
  o.binary_outcome = true;
  for (double& y : o.outcome) y = y > 27 ? 1 : 0;
  const OutcomeLink reversed = LinkToOutcome(Of(o, [](double y, int) { return 1 - y; }), o);
  EXPECT_EQ(reversed.kind, Kind::kCopy);
  EXPECT_NEAR(reversed.slope, -1, 1e-9);
  EXPECT_NEAR(reversed.intercept, 1, 1e-9);
  // One of 400 differs: no rounding of 0 and 1 explains that.
  auto nearly = o.outcome;
  nearly[0] = 1 - nearly[0];
  EXPECT_EQ(LinkToOutcome(nearly, o).kind, Kind::kNear);
}

TEST(LeaksTest, AThresholdThatTellsTheArmIsFound) {
  const Observations o = Trial();
  random::Stream stream = random::Stream(5).Split("dose");
  auto dose =
      Of(o, [&](double, int arm) { return arm == 1 ? 5 + stream.Uniform() : stream.Uniform(); });
  const auto split = SplitOfArms(dose, o);
  ASSERT_TRUE(split);
  EXPECT_EQ(split->arm, 1);
  EXPECT_EQ(split->told, kUnits);
  EXPECT_EQ(split->units, kUnits);
  EXPECT_TRUE(split->above);
  EXPECT_GT(split->threshold, 0.9);
  EXPECT_LT(split->threshold, 1);
  for (double& value : dose) value = -value;
  ASSERT_TRUE(SplitOfArms(dose, o));
  EXPECT_FALSE(SplitOfArms(dose, o)->above);
  EXPECT_LT(SplitOfArms(dose, o)->threshold, -5);
}

TEST(LeaksTest, OneInAHundredOfEitherArmMayBeSortedWrongly) {
  Observations o;
  for (int i = 0; i < 1000; ++i) {
    o.treatment.push_back(i < 100 ? 1 : 0);
    o.outcome.push_back(i);
  }
  const auto told = [&](int wrong_treated, int wrong_control) {
    std::vector<double> x;
    for (int i = 0; i < 1000; ++i) x.push_back(i < 100 ? 1 : 0);
    for (int i = 0; i < wrong_treated; ++i) x[i] = 0;
    for (int i = 0; i < wrong_control; ++i) x[100 + i] = 1;
    const auto split = SplitOfArms(x, o);
    EXPECT_TRUE(!split || split->told == 1000 - wrong_treated - wrong_control);
    return split.has_value();
  };
  EXPECT_TRUE(told(1, 9));
  EXPECT_FALSE(told(1, 10));
  EXPECT_TRUE(told(2, 0));
  EXPECT_FALSE(told(3, 0));
  EXPECT_TRUE(told(0, 18));
  EXPECT_FALSE(told(0, 19));  // Few of all units, but a fifth of those with a 1.
}

TEST(LeaksTest, AThresholdIsSoughtForEachArmAgainstControl) {
  const Observations o = Trial(600, 3);
  random::Stream stream = random::Stream(5).Split("dose");
  // Tells arm 2 from the two others.
  const auto dose = Of(o, [&](double, int arm) { return (arm == 2 ? 3 : 0) + stream.Uniform(); });
  const auto split = SplitOfArms(dose, o);
  ASSERT_TRUE(split);
  EXPECT_EQ(split->arm, 2);
  EXPECT_LT(split->units, 600);
  // Tells arm 1 from arm 2, and neither from control.
  const auto of_treated = Of(o, [&](double, int arm) {
    const double u = stream.Uniform();
    return arm == 0 ? 2 * u : arm == 1 ? u : 1 + u;
  });
  EXPECT_FALSE(SplitOfArms(of_treated, o));
}

TEST(LeaksTest, ConfoundersAndFewUnitsAreNoSplit) {
  Observations o = Trial();
  random::Stream stream = random::Stream(5).Split("confounder");
  std::vector<double> x;
  for (int i = 0; i < kUnits; ++i) {
    x.push_back(stream.Normal());
    o.treatment[i] = stream.Uniform() < 1 / (1 + std::exp(-4 * x[i])) ? 1 : 0;
  }
  EXPECT_FALSE(SplitOfArms(x, o));
  const Observations few = Trial(19);
  EXPECT_FALSE(SplitOfArms(Of(few, [](double, int arm) { return arm; }), few));
}

TEST(LeaksTest, OfManyUnitsASplitIsFoundAndCounted) {
  Observations o;
  std::vector<double> x;
  std::vector<double> unlike;
  for (int i = 0; i < 100000; ++i) {
    o.treatment.push_back(i / 3 % 2);
    o.outcome.push_back(i % 7);
    x.push_back(o.treatment[i] + (i % 1000 == 1 ? 5 : 0));
    unlike.push_back(i % 11);
  }
  const auto split = SplitOfArms(x, o);
  ASSERT_TRUE(split);
  EXPECT_EQ(split->units, 100000);
  int64_t right = 0;
  for (int i = 0; i < 100000; ++i) right += (x[i] > 0) == (o.treatment[i] == 1) ? 1 : 0;
  EXPECT_EQ(split->told, right);
  EXPECT_FALSE(SplitOfArms(unlike, o));
}

TEST(LeaksTest, CategoriesThatAreOfOneArmEachTellIt) {
  const Observations o = Trial();
  std::vector<int32_t> clinic;
  // Clinics 0 to 9 treat, 10 to 19 do not.
  for (int i = 0; i < kUnits; ++i) clinic.push_back(i % 10 + (o.treatment[i] == 1 ? 0 : 10));
  auto split = SplitByCategory(clinic, 20, o);
  ASSERT_TRUE(split);
  EXPECT_EQ(split->told, kUnits);
  clinic[0] = (clinic[0] + 10) % 20;
  split = SplitByCategory(clinic, 20, o);
  ASSERT_TRUE(split);
  EXPECT_EQ(split->told, kUnits - 1);
  for (int i = 0; i < 20; ++i) clinic[i] = i;
  EXPECT_FALSE(SplitByCategory(clinic, 20, o));
  // Every unit its own category: that says nothing.
  std::vector<int32_t> own(kUnits);
  for (int i = 0; i < kUnits; ++i) own[i] = i / 4;
  Observations pure = o;
  for (int i = 0; i < kUnits; ++i) pure.treatment[i] = i / 4 % 2;
  EXPECT_FALSE(SplitByCategory(own, kUnits / 4, pure));
}

}  // namespace
}  // namespace perennial::causal
