#include "causal/diagnostics/sensitivity.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "causal/estimators/average_effect.h"
#include "causal/models/model.h"
#include "common/random/stream.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace perennial::causal {
namespace {

using ::testing::HasSubstr;

TEST(EValue, IsThatOfItsFormula) {
  // 2 + sqrt(2), 1.5 + sqrt(0.75).
  const auto above = EValueOfRiskRatio(2, 1.5, 3);
  EXPECT_NEAR(above->estimate, 3.414213562373095, 1e-14);
  EXPECT_NEAR(above->limit, 2.3660254037844384, 1e-14);
  const auto below = EValueOfRiskRatio(0.5, 1 / 3.0, 1 / 1.5);
  EXPECT_NEAR(below->estimate, above->estimate, 1e-14);
  EXPECT_NEAR(below->limit, above->limit, 1e-13);
}

TEST(EValue, ExplainsTheRatioAwayExactly) {
  // Confounding by risk ratios a and b biases a ratio by at most a b / (a + b - 1) (Ding and
  // VanderWeele's bounding factor): of two E-values it is the ratio itself.
  for (const double ratio : {1.0, 1.2, 3.9, 10.0}) {
    const double e = EValueOfRiskRatio(ratio, ratio, ratio)->estimate;
    EXPECT_NEAR(e * e / (2 * e - 1), ratio, 1e-12);
  }
}

TEST(EValue, OfAnIntervalThatHoldsOneIsOne) {
  EXPECT_EQ(EValueOfRiskRatio(1.4, 0.9, 2)->limit, 1);
  EXPECT_EQ(EValueOfRiskRatio(0.7, 0.5, 1)->limit, 1);
  EXPECT_EQ(EValueOfRiskRatio(1, 1, 1)->estimate, 1);
}

TEST(EValue, OfADifferenceGoesByTheStandardisedOne) {
  const auto e = EValueOfDifference({.value = 1.5, .standard_error = 0, .low = 0.6, .high = 2.4},
                                    /*outcome_sd=*/3);
  EXPECT_NEAR(e->estimate, EValueOfRiskRatio(std::exp(0.455), 1, 9)->estimate, 1e-13);
  EXPECT_NEAR(e->limit, EValueOfRiskRatio(std::exp(0.182), 1, 9)->estimate, 1e-13);
  const auto negative = EValueOfDifference(
      {.value = -1.5, .standard_error = 0, .low = -2.4, .high = -0.6}, /*outcome_sd=*/3);
  EXPECT_NEAR(negative->estimate, e->estimate, 1e-13);
  EXPECT_NEAR(negative->limit, e->limit, 1e-13);
}

TEST(EValue, NamesBadInput) {
  EXPECT_FALSE(EValueOfRiskRatio(2, 0, 3).ok());
  EXPECT_FALSE(EValueOfRiskRatio(2, 2.5, 3).ok());
  EXPECT_FALSE(EValueOfRiskRatio(NAN, 1, 3).ok());
  EXPECT_THAT(std::string(EValueOfDifference({1, 1, 0, 2}, 0).status().message()),
              HasSubstr("standard deviation of the outcome is 0"));
}

struct Data {
  std::vector<int32_t> treatment;
  std::vector<double> outcome;
  std::vector<std::vector<double>> propensity;
  Sample sample() const { return {.treatment = treatment, .outcome = outcome, .arms = 3}; }
};

// Few units, so that all choices of weights can be tried; some outcomes are equal.
Data Simulated(int n, uint64_t seed) {
  random::Stream stream(seed);
  Data data;
  data.propensity.resize(3);
  for (int i = 0; i < n; ++i) {
    data.treatment.push_back(i % 5 == 4 ? 2 : i % 2);
    data.outcome.push_back(static_cast<double>(stream.Below(6)) + data.treatment.back());
    const double e = stream.Uniform(0.1, 0.8);
    data.propensity[0].push_back(0.9 - e);
    data.propensity[1].push_back(e);
    data.propensity[2].push_back(0.1);
  }
  return data;
}

// The range of the weighted mean over all corners of the box of weights, where a ratio of linear
// functions has its extremes.
Bounds RangeOverCorners(const std::vector<double>& y, const std::vector<double>& least,
                        const std::vector<double>& greatest) {
  Bounds range = {.low = std::numeric_limits<double>::infinity(),
                  .high = -std::numeric_limits<double>::infinity()};
  for (uint32_t corner = 0; corner < (1u << y.size()); ++corner) {
    double sum = 0;
    double total = 0;
    for (size_t i = 0; i < y.size(); ++i) {
      const double w = (corner >> i & 1) != 0 ? greatest[i] : least[i];
      sum += w * y[i];
      total += w;
    }
    range.low = std::min(range.low, sum / total);
    range.high = std::max(range.high, sum / total);
  }
  return range;
}

// Of `data`, and of what any outcome models leave of it.
TEST(SensitivityBounds, AreTheExtremesOverAllCorners) {
  const Data data = Simulated(18, 1);
  const auto mu = [](int arm, int i) { return 0.7 * arm + 0.3 * (i % 4) - 0.1 * arm * i; };
  Predictions predictions = {.outcome = {{}, {}, {}}, .propensity = data.propensity};
  double effect = 0;
  for (int i = 0; i < 18; ++i) {
    for (int arm = 0; arm < 3; ++arm) predictions.outcome[arm].push_back(mu(arm, i));
    effect += (mu(1, i) - mu(0, i)) / 18;
  }
  for (const double lambda : {1.0, 1.3, 4.0}) {
    for (const Estimand estimand : {Estimand::kAte, Estimand::kAtt}) {
      Bounds means[2];
      Bounds residuals[2];
      for (const int arm : {0, 1}) {
        std::vector<double> y;
        std::vector<double> left;
        std::vector<double> least;
        std::vector<double> greatest;
        for (int i = 0; i < 18; ++i) {
          if (data.treatment[i] != arm) continue;
          y.push_back(data.outcome[i]);
          left.push_back(y.back() - mu(estimand == Estimand::kAte ? arm : 0, i));
          const double e = data.propensity[arm][i];
          if (estimand == Estimand::kAte) {
            // Odds of the true propensity within [1 / lambda, lambda] of e / (1 - e).
            const auto weight = [&](double factor) {
              const double odds = e / (1 - e) * factor;
              return 1 / (odds / (1 + odds));
            };
            least.push_back(weight(lambda));
            greatest.push_back(weight(1 / lambda));
          } else {
            const double w = arm == 1 ? 1 : data.propensity[1][i] / e;
            least.push_back(arm == 1 ? w : w / lambda);
            greatest.push_back(arm == 1 ? w : w * lambda);
          }
        }
        means[arm] = RangeOverCorners(y, least, greatest);
        residuals[arm] = RangeOverCorners(left, least, greatest);
      }
      const auto bounds = HajekBounds(data.sample(), data.propensity, 1, estimand, lambda);
      ASSERT_TRUE(bounds.ok()) << bounds.status();
      EXPECT_NEAR(bounds->low, means[1].low - means[0].high, 1e-12);
      EXPECT_NEAR(bounds->high, means[1].high - means[0].low, 1e-12);
      const auto augmented = AipwBounds(data.sample(), predictions, 1, estimand, lambda);
      ASSERT_TRUE(augmented.ok()) << augmented.status();
      const double shift = estimand == Estimand::kAte ? effect : 0;
      EXPECT_NEAR(augmented->low, residuals[1].low - residuals[0].high + shift, 1e-12);
      EXPECT_NEAR(augmented->high, residuals[1].high - residuals[0].low + shift, 1e-12);
    }
  }
}

TEST(AipwBounds, WithoutConfoundingAreAipwWhereWeightsAddUp) {
  // Weights 2 of both arms add up to n, so that normalised ones are the same.
  Data data = Simulated(40, 5);
  Predictions predictions = {.outcome = {{}, {}}, .propensity = {{}, {}}};
  for (int i = 0; i < 40; ++i) {
    data.treatment[i] = i % 2;
    for (int arm = 0; arm < 2; ++arm) {
      predictions.outcome[arm].push_back(arm + std::sin(i));
      predictions.propensity[arm].push_back(0.5);
    }
  }
  const Sample sample = {.treatment = data.treatment, .outcome = data.outcome};
  for (const Estimand estimand : {Estimand::kAte, Estimand::kAtt}) {
    const auto aipw =
        AverageEffects(sample, predictions, EffectMethod::kAipw, {.estimand = estimand});
    ASSERT_TRUE(aipw.ok()) << aipw.status();
    const auto bounds = AipwBounds(sample, predictions, 1, estimand, 1);
    ASSERT_TRUE(bounds.ok()) << bounds.status();
    EXPECT_NEAR(bounds->low, (*aipw)[0].estimate.value, 1e-12);
    EXPECT_NEAR(bounds->high, (*aipw)[0].estimate.value, 1e-12);
    const double lambda = *AipwCriticalLambda(sample, predictions, 1, estimand);
    EXPECT_GT(lambda, 1);
    const Bounds at = *AipwBounds(sample, predictions, 1, estimand, lambda);
    EXPECT_NEAR(std::min(std::abs(at.low), std::abs(at.high)), 0, 1e-5);
  }
  predictions.outcome[0].pop_back();
  EXPECT_THAT(std::string(AipwBounds(sample, predictions, 1, Estimand::kAte, 1).status().message()),
              HasSubstr("40 outcomes and 39 predicted"));
}

TEST(HajekBounds, WithoutConfoundingAreTheEstimateAndGrowWithIt) {
  const Data data = Simulated(40, 2);
  for (const int arm : {1, 2}) {
    for (const Estimand estimand : {Estimand::kAte, Estimand::kAtt}) {
      const auto effect = AverageEffects(data.sample(), {.propensity = data.propensity},
                                         EffectMethod::kHajek, {.estimand = estimand});
      const double estimate = (*effect)[arm - 1].estimate.value;
      Bounds before = *HajekBounds(data.sample(), data.propensity, arm, estimand, 1);
      EXPECT_NEAR(before.low, estimate, 1e-12);
      EXPECT_NEAR(before.high, estimate, 1e-12);
      for (const double lambda : {1.2, 2.0, 10.0}) {
        const Bounds bounds = *HajekBounds(data.sample(), data.propensity, arm, estimand, lambda);
        EXPECT_LT(bounds.low, before.low);
        EXPECT_GT(bounds.high, before.high);
        before = bounds;
      }
    }
  }
}

TEST(HajekBounds, TheCriticalLambdaIsWhereTheyMeetZero) {
  const Data data = Simulated(40, 3);
  const auto lambda = HajekCriticalLambda(data.sample(), data.propensity, 1, Estimand::kAte);
  ASSERT_TRUE(lambda.ok()) << lambda.status();
  EXPECT_GT(*lambda, 1.01);
  const Bounds bounds = *HajekBounds(data.sample(), data.propensity, 1, Estimand::kAte, *lambda);
  EXPECT_NEAR(std::min(std::abs(bounds.low), std::abs(bounds.high)), 0, 1e-5);
  Data apart = data;
  for (int i = 0; i < 40; ++i) apart.outcome[i] = apart.treatment[i] == 0 ? 0 : 5 + i;
  EXPECT_EQ(*HajekCriticalLambda(apart.sample(), apart.propensity, 1, Estimand::kAte), 1000);
}

TEST(HajekBounds, NameBadInput) {
  Data data = Simulated(10, 4);
  EXPECT_THAT(
      std::string(
          HajekBounds(data.sample(), data.propensity, 1, Estimand::kAte, 0.5).status().message()),
      HasSubstr("lambda is 0.5"));
  data.propensity[0][0] = 0;
  EXPECT_THAT(
      std::string(
          HajekBounds(data.sample(), data.propensity, 1, Estimand::kAte, 2).status().message()),
      HasSubstr("propensity of unit 1 for arm 0 is 0"));
  data.treatment.assign(10, 0);
  data.propensity[0][0] = 0.5;
  EXPECT_THAT(
      std::string(
          HajekBounds(data.sample(), data.propensity, 1, Estimand::kAte, 2).status().message()),
      HasSubstr("arm 1 has no units"));
}

}  // namespace
}  // namespace perennial::causal
