#include "common/stats/equivalence.h"

#include <cmath>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace perennial::stats {
namespace {

using ::testing::HasSubstr;

struct TostRow {
  std::vector<double> a, b;
  double low, high, alpha, p_low, p_high, p, interval_low, interval_high;
};
struct PowerRow {
  double n, effect, alpha, expected;
};
struct DetectableRow {
  double n, alpha, power, expected;
};
struct RequiredRow {
  double effect, alpha, power, expected;
};

TEST(TestEquivalence, AgreesWithStatsmodels) {
  const TostRow rows[] = {
#define PERENNIAL_TOST_ORACLE
#include "common/stats/equivalence_oracle.inc"
#undef PERENNIAL_TOST_ORACLE
  };
  for (const TostRow& row : rows) {
    const Equivalence e = TestEquivalence(row.a, row.b, row.low, row.high, row.alpha).value();
    const double scale = e.standard_deviation + std::abs(e.mean);
    EXPECT_NEAR(*e.p_low, row.p_low, 1e-10 * row.p_low);
    EXPECT_NEAR(*e.p_high, row.p_high, 1e-10 * row.p_high);
    EXPECT_EQ(*e.p, std::max(*e.p_low, *e.p_high));
    EXPECT_NEAR(e.interval.low, row.interval_low, 1e-12 * scale);
    EXPECT_NEAR(e.interval.high, row.interval_high, 1e-12 * scale);
    EXPECT_EQ(e.equivalent, row.p < row.alpha);
    // The same decision by the interval.
    EXPECT_EQ(e.equivalent, row.low < e.interval.low && e.interval.high < row.high);
  }
}

TEST(TestEquivalence, ExchangedSamplesExchangeTheMargins) {
  const std::vector<double> a = {0.61, 0.64, 0.60, 0.66};
  const std::vector<double> b = {0.60, 0.65, 0.59, 0.63};
  const Equivalence forth = *TestEquivalence(a, b, -0.02, 0.05);
  const Equivalence back = *TestEquivalence(b, a, -0.05, 0.02);
  EXPECT_EQ(*forth.p_low, *back.p_high);
  EXPECT_EQ(*forth.p_high, *back.p_low);
  EXPECT_EQ(forth.interval.low, -back.interval.high);
}

TEST(TestEquivalence, EqualDifferencesAreEquivalentIfBetweenTheMargins) {
  const std::vector<double> a = {0.5, 0.75, 0.25};
  const Equivalence e = *TestEquivalence(a, a, -0.01, 0.01);
  EXPECT_TRUE(e.equivalent);
  EXPECT_FALSE(e.p || e.p_low || e.p_high);
  EXPECT_EQ(e.interval.low, 0);
  EXPECT_FALSE(TestEquivalence(a, a, 0, 0.01)->equivalent);
  EXPECT_FALSE(TestEquivalence(a, a, 0.005, 0.01)->equivalent);
}

TEST(PairedTestPower, AgreesWithStatsmodels) {
  constexpr PowerRow kRows[] = {
#define PERENNIAL_POWER_ORACLE
#include "common/stats/equivalence_oracle.inc"
#undef PERENNIAL_POWER_ORACLE
  };
  for (const PowerRow& row : kRows) {
    EXPECT_NEAR(*PairedTestPower(static_cast<int64_t>(row.n), row.effect * 0.25, 0.25, row.alpha),
                row.expected, 1e-9 * row.expected)
        << row.n << " " << row.effect << " " << row.alpha;
  }
}

TEST(MinimumDetectableEffect, AgreesWithTheNoncentralTAtManyDigits) {
  constexpr DetectableRow kRows[] = {
#define PERENNIAL_DETECTABLE_ORACLE
#include "common/stats/equivalence_oracle.inc"
#undef PERENNIAL_DETECTABLE_ORACLE
  };
  for (const DetectableRow& row : kRows) {
    const int64_t n = static_cast<int64_t>(row.n);
    const double effect = *MinimumDetectableEffect(n, 0.25, row.alpha, row.power);
    EXPECT_NEAR(effect, 0.25 * row.expected, 1e-10 * effect) << row.n << " " << row.alpha;
    EXPECT_NEAR(*PairedTestPower(n, effect, 0.25, row.alpha), row.power, 1e-11);
  }
}

TEST(RequiredPairs, AgreesWithTheNoncentralTAtManyDigits) {
  constexpr RequiredRow kRows[] = {
#define PERENNIAL_REQUIRED_ORACLE
#include "common/stats/equivalence_oracle.inc"
#undef PERENNIAL_REQUIRED_ORACLE
  };
  for (const RequiredRow& row : kRows) {
    EXPECT_EQ(*RequiredPairs(-row.effect * 0.25, 0.25, row.alpha, row.power), row.expected)
        << row.effect << " " << row.alpha << " " << row.power;
  }
}

TEST(Power, LiesBetweenAlphaAndOneAndGrows) {
  EXPECT_NEAR(*PairedTestPower(12, 0, 1, 0.05), 0.05, 1e-12);
  double previous = 0.05;
  for (double effect = 0.05; effect < 20; effect *= 1.5) {
    const double power = *PairedTestPower(12, effect, 1);
    EXPECT_GT(power, previous * (1 - 1e-12));
    EXPECT_LE(power, 1);
    EXPECT_EQ(*PairedTestPower(12, -effect, 1), power);
    previous = power;
  }
  EXPECT_EQ(*PairedTestPower(12, 1e200, 1e-200), 1);
}

TEST(Power, MinimumDetectableEffectHasItsPowerAtTinyLevelsAndManyPairs) {
  for (const int64_t n : {2, 3, 20, 100000}) {
    for (const double alpha : {1e-8, 0.05, 0.4}) {
      const double effect = *MinimumDetectableEffect(n, 1, alpha, 0.9);
      EXPECT_NEAR(*PairedTestPower(n, effect, 1, alpha), 0.9, 1e-9) << n << " " << alpha;
    }
  }
}

TEST(Power, NoSpreadHidesNothing) {
  EXPECT_EQ(*MinimumDetectableEffect(5, 0), 0);
  EXPECT_EQ(*RequiredPairs(0.1, 0), 2);
}

TEST(RequiredPairs, IsTheFewest) {
  const int64_t n = *RequiredPairs(0.01, 0.4);
  EXPECT_GE(*PairedTestPower(n, 0.01, 0.4), 0.8);
  EXPECT_LT(*PairedTestPower(n - 1, 0.01, 0.4), 0.8);
  // (1.96 + 0.84)^2 (sd / effect)^2, and two more for t.
  EXPECT_NEAR(static_cast<double>(n), 7.8489 * 1600, 5);
}

TEST(Equivalence, BadInputIsRefused) {
  const std::vector<double> one = {1};
  const std::vector<double> two = {1, 2};
  const auto message = [](const absl::Status& status) {
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    return std::string(status.message());
  };
  EXPECT_THAT(message(TestEquivalence(one, one, -1, 1).status()), HasSubstr("at least 2"));
  EXPECT_THAT(message(TestEquivalence(two, one, -1, 1).status()), HasSubstr("pairs need"));
  EXPECT_THAT(message(TestEquivalence(two, two, 1, -1).status()), HasSubstr("ascending"));
  EXPECT_THAT(message(TestEquivalence(two, two, -1, NAN).status()), HasSubstr("margins"));
  EXPECT_THAT(message(TestEquivalence(two, two, -1, 1, 0.5).status()), HasSubstr("alpha is 0.5"));
  EXPECT_THAT(message(MinimumDetectableEffect(1, 1).status()), HasSubstr("pairs is 1"));
  EXPECT_THAT(message(MinimumDetectableEffect(9, -1).status()), HasSubstr("deviation is -1"));
  EXPECT_THAT(message(MinimumDetectableEffect(9, 1, 0.05, 0.04).status()), HasSubstr("power"));
  EXPECT_THAT(message(MinimumDetectableEffect(9, 1, 0, 0.8).status()), HasSubstr("alpha is 0"));
  EXPECT_THAT(message(PairedTestPower(9, NAN, 1).status()), HasSubstr("effect is nan"));
  EXPECT_THAT(message(PairedTestPower(9, 1, 0).status()), HasSubstr("deviation is 0"));
  EXPECT_THAT(message(RequiredPairs(0, 1).status()), HasSubstr("effect is 0"));
  EXPECT_THAT(message(RequiredPairs(1e-6, 1).status()), HasSubstr("more than 10000000 pairs"));
}

}  // namespace
}  // namespace perennial::stats
