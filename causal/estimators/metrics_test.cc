#include "causal/estimators/metrics.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "causal/data/observations.h"
#include "causal/models/model.h"
#include "common/random/stream.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace perennial::causal {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

Observations Simulated(int64_t n, int arms, uint64_t seed) {
  random::Stream stream(seed);
  Observations o = {.covariate_names = {"a", "b", "c"}, .arms = arms};
  Truth& truth = o.truth.emplace();
  truth.mean_outcome.resize(arms);
  for (int64_t i = 0; i < n; ++i) {
    for (int j = 0; j < 3; ++j) o.covariates.push_back(stream.Normal() * (j + 1));
    o.treatment.push_back(static_cast<int32_t>(stream.Below(arms)));
    for (int a = 0; a < arms; ++a) truth.mean_outcome[a].push_back(stream.Normal() + a);
    o.outcome.push_back(truth.mean_outcome[o.treatment.back()].back() + stream.Normal());
  }
  return o;
}

TEST(EffectErrors, AreThoseOfAnExampleByHand) {
  const Observations o = {.treatment = {0, 1, 1, 0}, .outcome = {0, 0, 0, 0}};
  const Truth truth = {.mean_outcome = {{0, 1, 2, 3}, {1, 3, 2, 7}}};  // effects 1, 2, 0, 4
  const Predictions predictions = {.effect = {{2, 2, -2, 7}}};         // off by 1, 0, -2, 3
  const auto errors = EffectErrorsOf(o, truth, predictions);
  ASSERT_TRUE(errors.ok()) << errors.status();
  ASSERT_EQ(errors->size(), 1u);
  const EffectErrors& e = errors->front();
  EXPECT_DOUBLE_EQ(e.sqrt_pehe, std::sqrt((1 + 0 + 4 + 9) / 4.0));
  EXPECT_DOUBLE_EQ(e.ate_bias, 0.5);
  EXPECT_DOUBLE_EQ(*e.att_bias, -1);
  EXPECT_DOUBLE_EQ(*e.att_error(), 1);
  EXPECT_DOUBLE_EQ(*e.atc_bias, 2);
  EXPECT_DOUBLE_EQ(*e.atc_error(), 2);
  EXPECT_DOUBLE_EQ(e.ate_error(), 0.5);
  EXPECT_DOUBLE_EQ(e.effect_sd,
                   std::sqrt((0.75 * 0.75 + 0.25 * 0.25 + 1.75 * 1.75 + 2.25 * 2.25) / 4));
}

TEST(EffectErrors, OfTheTruthAreZeroAndOfItsMeanTheDeviation) {
  const Observations o = Simulated(50, 3, 1);
  Predictions truth = {.outcome = o.truth->mean_outcome};
  SetEffects(truth);
  const auto none = EffectErrorsOf(o, *o.truth, truth);
  Predictions constant = truth;
  for (auto& effect : constant.effect) {
    double mean = 0;
    for (const double tau : effect) mean += tau / 50;
    std::ranges::fill(effect, mean);
  }
  const auto deviation = EffectErrorsOf(o, *o.truth, constant);
  ASSERT_EQ(none->size(), 2u);
  for (int a = 0; a < 2; ++a) {
    EXPECT_EQ((*none)[a].sqrt_pehe, 0);
    EXPECT_EQ(*(*none)[a].att_bias, 0);
    EXPECT_NEAR((*deviation)[a].sqrt_pehe, (*deviation)[a].effect_sd, 1e-14);
    EXPECT_NEAR((*deviation)[a].ate_bias, 0, 1e-14);
  }
}

TEST(EffectErrors, WithoutUnitsOfAnArmItsErrorIsAbsent) {
  const Observations o = {.treatment = {0, 0}, .outcome = {0, 0}};
  const Truth truth = {.mean_outcome = {{0, 0}, {1, 1}}};
  const auto errors = EffectErrorsOf(o, truth, {.effect = {{0, 0}}});
  EXPECT_FALSE(errors->front().att_bias.has_value());
  EXPECT_FALSE(errors->front().att_error().has_value());
  EXPECT_DOUBLE_EQ(*errors->front().atc_bias, -1);
}

TEST(EffectErrors, NameWhatDoesNotFit) {
  const Observations o = Simulated(5, 2, 1);
  EXPECT_THAT(std::string(EffectErrorsOf(o, *o.truth, {}).status().message()),
              HasSubstr("effects of 0 arms"));
  EXPECT_THAT(std::string(EffectErrorsOf(o, *o.truth, {.effect = {{1, 2}}}).status().message()),
              HasSubstr("2 values for 5 units"));
  EXPECT_THAT(
      std::string(EffectErrorsOf(o, *o.truth, {.effect = {{1, 2, NAN, 4, 5}}}).status().message()),
      HasSubstr("of unit 3 is nan"));
}

using Arms = std::vector<int32_t>;
using Values = std::vector<double>;

TEST(RandomisedPolicyValue, IsThatOfAnExampleByHand) {
  const auto value = RandomisedPolicyValue(Values{1, 2, -1, -1, 3, 5}, Arms{1, 0, 0, 1, 1, 0},
                                           Values{1, 0, 1, 1, 0, 0});
  ASSERT_TRUE(value.ok()) << value.status();
  // Treats units 0, 1, 4, 5 of 6; of these 0 and 4 were treated (1, 0), of the others 2 was not
  // (1).
  EXPECT_DOUBLE_EQ(value->value(), 4 / 6.0 * 0.5 + 2 / 6.0 * 1);
}

TEST(RandomisedPolicyValue, OfTreatingAllOrNoneIsTheMeanOfAnArm) {
  const Arms treatment = {1, 1, 0};
  const Values outcome = {4, 2, 7};
  EXPECT_DOUBLE_EQ(**RandomisedPolicyValue(Values{1, 1, 1}, treatment, outcome), 3);
  // An effect of 0 is no reason to treat.
  EXPECT_DOUBLE_EQ(**RandomisedPolicyValue(Values{0, 0, 0}, treatment, outcome), 7);
}

// E[Y] under the policy: x > 0 is treated and gains x, so the value is E[max(x, 0)] = 1 / sqrt(2
// pi).
TEST(RandomisedPolicyValue, MeetsTheExpectedOutcomeUnderThePolicy) {
  random::Stream stream(5);
  constexpr int kUnits = 40000;
  Values effect;
  Values outcome;
  Arms treatment;
  for (int i = 0; i < kUnits; ++i) {
    effect.push_back(stream.Normal());
    treatment.push_back(stream.Uniform() < 0.3 ? 1 : 0);
    outcome.push_back(treatment.back() * effect.back() + 0.5 * stream.Normal());
  }
  EXPECT_NEAR(**RandomisedPolicyValue(effect, treatment, outcome), 0.39894, 4 * 0.006);
}

TEST(RandomisedPolicyValue, IsNotThereWhereNobodyGotWhatThePolicyGives) {
  const Values y = {1, 0};
  const auto of = [&](Values effect, Arms treatment) {
    return RandomisedPolicyValue(effect, treatment, y);
  };
  EXPECT_FALSE(of({1, 1}, {1, 1})->has_value());
  EXPECT_FALSE(of({-1, 1}, {1, 0})->has_value());
  EXPECT_TRUE(of({1, 1}, {1, 0})->has_value());
  EXPECT_THAT(std::string(of({1, 1}, {1, 2}).status().message()),
              HasSubstr("the arm of unit 2 is 2"));
  EXPECT_THAT(std::string(of({1}, {1, 0}).status().message()), HasSubstr("1 values for 2 units"));
}

// Straight from the definition, with a scan of all pairs.
double SlowSqrtPeheNn(const Observations& o, int arm, bool both,
                      const std::vector<double>& effect) {
  const int64_t n = o.size();
  const int64_t p = o.features();
  std::vector<double> scale(p);
  for (int64_t j = 0; j < p; ++j) {
    double mean = 0;
    for (int64_t i = 0; i < n; ++i) mean += o.x()(i, j) / static_cast<double>(n);
    for (int64_t i = 0; i < n; ++i) {
      scale[j] += std::pow(o.x()(i, j) - mean, 2) / static_cast<double>(n);
    }
  }
  double sum = 0;
  double count = 0;
  for (int64_t i = 0; i < n; ++i) {
    const bool treated = o.treatment[i] == arm;
    if (!treated && !(both && o.treatment[i] == 0)) continue;
    double least = std::numeric_limits<double>::infinity();
    double nearest = 0;
    for (int64_t k = 0; k < n; ++k) {
      if (o.treatment[k] != (treated ? 0 : arm)) continue;
      double distance = 0;
      for (int64_t j = 0; j < p; ++j) {
        distance += std::pow(o.x()(i, j) - o.x()(k, j), 2) / scale[j];
      }
      if (distance < least) {
        least = distance;
        nearest = o.outcome[k];
      }
    }
    const double proxy = treated ? o.outcome[i] - nearest : nearest - o.outcome[i];
    sum += std::pow(effect[i] - proxy, 2);
    ++count;
  }
  return std::sqrt(sum / count);
}

TEST(SqrtPeheNn, AgreesWithAScanOfAllPairs) {
  const Observations o = Simulated(80, 3, 2);
  random::Stream stream(3);
  std::vector<double> effect(80);
  for (double& tau : effect) tau = stream.Normal();
  for (const int arm : {1, 2}) {
    for (const bool both : {false, true}) {
      const auto neighbours =
          NeighbourEffectsOf(o, arm, both ? NeighbourSide::kBoth : NeighbourSide::kTreated);
      ASSERT_TRUE(neighbours.ok()) << neighbours.status();
      EXPECT_NEAR(SqrtPeheNn(*neighbours, effect), SlowSqrtPeheNn(o, arm, both, effect), 1e-12);
    }
  }
}

TEST(NeighbourEffects, AverageOverEquallyNearUnits) {
  const Observations o = {.covariate_names = {"x"},
                          .covariates = {0, 0, 0, 5},
                          .treatment = {1, 0, 0, 0},
                          .outcome = {10, 1, 3, 100}};
  const auto neighbours = NeighbourEffectsOf(o, 1, NeighbourSide::kBoth);
  EXPECT_THAT(neighbours->units, ElementsAre(0, 1, 2, 3));
  EXPECT_THAT(neighbours->effect, ElementsAre(8, 9, 7, -90));
}

TEST(NeighbourEffects, NeedBothArms) {
  const Observations o = {
      .covariate_names = {"x"}, .covariates = {0, 1}, .treatment = {0, 0}, .outcome = {1, 1}};
  EXPECT_THAT(std::string(NeighbourEffectsOf(o, 1, NeighbourSide::kTreated).status().message()),
              HasSubstr("arm 1 has no units"));
}

}  // namespace
}  // namespace perennial::causal
