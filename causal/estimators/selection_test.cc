#include "causal/estimators/selection.h"

#include <cmath>

#include "common/random/stream.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace perennial::causal {
namespace {

using ::testing::HasSubstr;

TEST(SelectionTest, CriteriaAreThoseOfTheirFormulas) {
  // Two units, by hand. e = .5 and .25; mu_0 = 1, mu_1 = 3 of the nuisances.
  const Observations held_out = {
      .covariate_names = {"x"}, .covariates = {0, 1}, .treatment = {1, 0}, .outcome = {5, 2}};
  const Predictions nuisances = {
      .effect = {{2, 2}}, .outcome = {{1, 1}, {3, 3}}, .propensity = {{0.5, 0.75}, {0.5, 0.25}}};
  const Predictions model = {.effect = {{1, 3}}, .outcome = {{0, 1}, {1, 4}}};
  const double neighbours[] = {4, 3};
  const auto criteria = SelectionCriteriaOf(held_out, model, nuisances, neighbours);
  ASSERT_TRUE(criteria.ok()) << criteria.status().message();
  // Unit 1: mu_1 = 1 of 5; unit 2: mu_0 = 1 of 2.
  EXPECT_DOUBLE_EQ(*criteria->factual_loss, (16 + 1) / 2.0);
  EXPECT_DOUBLE_EQ(criteria->pehe_nn, std::sqrt((9 + 0) / 2.0));
  // Scores 2 + (5 - 3) / .5 = 6 and 2 - (2 - 1) / .75 = 2/3.
  EXPECT_DOUBLE_EQ(criteria->dr_loss, (std::pow(6 - 1, 2) + std::pow(2.0 / 3 - 3, 2)) / 2);
  // m = 2 and 1.5: 5 - 2 - .5 * 1 and 2 - 1.5 + .25 * 3.
  EXPECT_DOUBLE_EQ(criteria->r_loss, (std::pow(2.5, 2) + std::pow(1.25, 2)) / 2);
}

TEST(SelectionTest, TheLossesAreLeastAtTheTruthGivenTheTrueNuisances) {
  random::Stream stream(4);
  Observations held_out = {.covariate_names = {"x"}};
  Predictions nuisances = {.effect = {{}}, .outcome = {{}, {}}, .propensity = {{}, {}}};
  std::vector<double> tau;
  for (int i = 0; i < 20000; ++i) {
    const double x = stream.Normal();
    const double e = 1 / (1 + std::exp(-x));
    const int32_t t = stream.Uniform() < e ? 1 : 0;
    tau.push_back(1 + x);
    held_out.covariates.push_back(x);
    held_out.treatment.push_back(t);
    held_out.outcome.push_back(2 * x + t * tau.back() + stream.Normal());
    nuisances.outcome[0].push_back(2 * x);
    nuisances.outcome[1].push_back(2 * x + tau.back());
    nuisances.propensity[0].push_back(1 - e);
    nuisances.propensity[1].push_back(e);
    nuisances.effect[0].push_back(tau.back());
  }
  const auto losses = [&](double shift, double slope) {
    Predictions model = {.effect = {tau}};
    for (size_t i = 0; i < tau.size(); ++i) {
      model.effect[0][i] += shift + slope * held_out.covariates[i];
    }
    return *SelectionCriteriaOf(held_out, model, nuisances, tau);
  };
  const SelectionCriteria truth = losses(0, 0);
  EXPECT_FALSE(truth.factual_loss.has_value());
  EXPECT_EQ(truth.pehe_nn, 0);
  for (const auto& [shift, slope] :
       {std::pair(0.3, 0.0), std::pair(-0.3, 0.0), std::pair(0.0, 0.3), std::pair(0.0, -0.3)}) {
    EXPECT_GT(losses(shift, slope).dr_loss, truth.dr_loss);
    EXPECT_GT(losses(shift, slope).r_loss, truth.r_loss);
  }
}

TEST(SelectionTest, SaysWhatDoesNotFit) {
  const Observations held_out = {
      .covariate_names = {"x"}, .covariates = {0, 1}, .treatment = {1, 0}, .outcome = {5, 2}};
  Predictions nuisances = {
      .effect = {{2, 2}}, .outcome = {{1, 1}, {3, 3}}, .propensity = {{0, 0.75}, {1, 0.25}}};
  const double neighbours[] = {4, 3};
  const Predictions model = {.effect = {{1, 3}}};
  EXPECT_FALSE(SelectionCriteriaOf(held_out, {.effect = {{1}}}, nuisances, neighbours).ok());
  EXPECT_FALSE(SelectionCriteriaOf(held_out, model, {.effect = {{2, 2}}}, neighbours).ok());
  Observations three = held_out;
  three.arms = 3;
  EXPECT_THAT(SelectionCriteriaOf(three, model, nuisances, neighbours).status().message(),
              HasSubstr("two arms"));
}

}  // namespace
}  // namespace perennial::causal
