#include "causal/estimators/baselines.h"

#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include "causal/data/observations.h"
#include "causal/estimators/ridge.h"
#include "causal/models/model.h"
#include "common/random/stream.h"
#include "common/record/safetensors.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace perennial::causal {
namespace {

using ::testing::HasSubstr;

// Outcomes are affine in x in each arm; the same slopes in all where `parallel`.
Observations Affine(int64_t n, int arms, bool parallel, double noise) {
  random::Stream stream(11);
  Observations o = {.covariate_names = {"a", "b"}, .arms = arms};
  for (int64_t i = 0; i < n; ++i) {
    const double a = stream.Normal();
    const double b = stream.Normal();
    o.covariates.insert(o.covariates.end(), {a, b});
    const int32_t t = static_cast<int32_t>(i < arms ? i : stream.Below(arms));
    o.treatment.push_back(t);
    const double slope = parallel ? 1 : 1 + t;
    o.outcome.push_back(2 + 3 * t + slope * a - b + noise * stream.Normal());
  }
  return o;
}

std::unique_ptr<ModelFit> Start(const ModelFactory& factory, const Observations& o) {
  auto fit = factory({.observations = o, .stream = random::Stream(0)});
  EXPECT_TRUE(fit.ok()) << fit.status();
  return *std::move(fit);
}

Predictions Fitted(const ModelFactory& factory, const Observations& o) {
  const auto fit = Start(factory, o);
  EXPECT_EQ(fit->steps(), 1);
  EXPECT_EQ(fit->steps_done(), 0);
  EXPECT_TRUE(fit->Advance(100).ok());
  EXPECT_EQ(fit->steps_done(), 1);
  auto predictions = fit->Predict(o.x());
  EXPECT_TRUE(predictions.ok()) << predictions.status();
  return *std::move(predictions);
}

TEST(Baselines, NullHasNoEffectAndTheMeanOutcome) {
  const Observations o = Affine(30, 3, false, 1);
  const Predictions p = Fitted(NullEffect(), o);
  double mean = 0;
  for (const double y : o.outcome) mean += y / 30;
  ASSERT_EQ(p.effect.size(), 2u);
  EXPECT_EQ(p.effect[0], std::vector<double>(30));
  EXPECT_EQ(p.effect[1], std::vector<double>(30));
  EXPECT_NEAR(p.outcome[2][5], mean, 1e-13);
}

TEST(Baselines, NaiveDifferenceIsThatOfTheArmsMeans) {
  const Observations o = {.covariate_names = {"a"},
                          .covariates = {1, 2, 3, 4, 5},
                          .treatment = {0, 1, 0, 1, 2},
                          .outcome = {1, 5, 2, 8, 9},
                          .arms = 3};
  const Predictions p = Fitted(NaiveDifference(), o);
  for (int i = 0; i < 5; ++i) {
    EXPECT_DOUBLE_EQ(p.effect[0][i], 5);
    EXPECT_DOUBLE_EQ(p.effect[1][i], 7.5);
    EXPECT_DOUBLE_EQ(p.outcome[0][i], 1.5);
  }
}

TEST(Baselines, Ols1RecoversParallelArmsExactly) {
  const Observations o = Affine(30, 3, true, 0);
  const Predictions p = Fitted(Ols1(), o);
  for (int i = 0; i < 30; ++i) {
    EXPECT_NEAR(p.effect[0][i], 3, 1e-11);
    EXPECT_NEAR(p.effect[1][i], 6, 1e-11);
    EXPECT_NEAR(p.outcome[o.treatment[i]][i], o.outcome[i], 1e-11);
  }
}

TEST(Baselines, Ols1IsTheCoefficientOfTheIndicator) {
  const Observations o = Affine(40, 2, false, 1);
  std::vector<double> design;
  for (int i = 0; i < 40; ++i) {
    design.insert(design.end(), {o.x()(i, 0), o.x()(i, 1), o.treatment[i] * 1.0});
  }
  const auto fit = FitRidge({design.data(), 40, 3, 3}, o.outcome, {}, {});
  const Predictions p = Fitted(Ols1(), o);
  for (int i = 0; i < 40; ++i) {
    EXPECT_NEAR(p.effect[0][i], fit->coefficients[2], 1e-12);
    EXPECT_NEAR(p.outcome[o.treatment[i]][i], fit->Predict(&design[3 * i]), 1e-12);
  }
}

TEST(Baselines, Ols2RecoversEachArmExactly) {
  const Observations o = Affine(30, 3, false, 0);
  const Predictions p = Fitted(Ols2({.penalty = 0}), o);
  for (int i = 0; i < 30; ++i) {
    EXPECT_NEAR(p.effect[0][i], 3 + o.x()(i, 0), 1e-11);
    EXPECT_NEAR(p.effect[1][i], 6 + 2 * o.x()(i, 0), 1e-11);
  }
}

TEST(Baselines, Ols2ShrinksByItsPenaltyAndPicksOne) {
  const Observations o = Affine(30, 2, false, 1);
  const auto difference = [&](const RidgeOptions& a, const RidgeOptions& b) {
    const Predictions first = Fitted(Ols2(a), o);
    const Predictions second = Fitted(Ols2(b), o);
    double sum = 0;
    for (int i = 0; i < 30; ++i) sum += std::abs(first.effect[0][i] - second.effect[0][i]) / 30;
    return sum;
  };
  EXPECT_GT(difference({.penalty = 0}, {.penalty = 1}), 0.1);
  EXPECT_GT(difference({.penalty = 1}, {.cross_validation = true}), 0.1);
  EXPECT_LT(difference({.penalty = 0}, {.cross_validation = true}), 0.1);
  // Without bound only the arms' means are left.
  const Predictions naive = Fitted(NaiveDifference(), o);
  EXPECT_NEAR(Fitted(Ols2({.penalty = 1e12}), o).effect[0][3], naive.effect[0][3], 1e-10);
}

TEST(Baselines, ARestoredFitPredictsTheSameBits) {
  const Observations o = Affine(30, 2, false, 1);
  for (const ModelFactory& factory : {NullEffect(), NaiveDifference(), Ols1(), Ols2()}) {
    for (const int64_t steps : {0, 1}) {
      const auto fit = Start(factory, o);
      ASSERT_TRUE(fit->Advance(steps).ok());
      record::SafetensorsWriter writer;
      ASSERT_TRUE(fit->Save("model.", writer).ok());
      const auto file = record::SafetensorsFile::Parse(*writer.Finish());
      const auto restored = Start(factory, o);
      ASSERT_TRUE(restored->Load("model.", *file).ok());
      EXPECT_EQ(restored->steps_done(), steps);
      ASSERT_TRUE(fit->Advance(1).ok());
      ASSERT_TRUE(restored->Advance(1).ok());
      EXPECT_EQ(fit->Predict(o.x())->outcome, restored->Predict(o.x())->outcome);
    }
  }
}

TEST(Baselines, NameBadInput) {
  Observations o = Affine(10, 2, true, 1);
  const auto fit = Start(Ols2(), o);
  ASSERT_TRUE(fit->Advance(1).ok());
  EXPECT_THAT(std::string(fit->Predict({o.covariates.data(), 6, 3, 3}).status().message()),
              HasSubstr("3 covariates, the model was fitted to 2"));
  record::SafetensorsWriter writer;
  const auto file = record::SafetensorsFile::Parse(*writer.Finish());
  EXPECT_FALSE(fit->Load("model.", *file).ok());
  o.outcome[3] = NAN;
  EXPECT_FALSE(Ols2()({.observations = o, .stream = random::Stream(0)}).ok());
}

// Outcomes are linear, and noisier the farther a is from 0.
Observations Uneven(uint64_t seed) {
  random::Stream stream(seed);
  Observations o = {.covariate_names = {"a", "b"}};
  for (int i = 0; i < 160; ++i) {
    const double a = stream.Normal();
    const double b = stream.Normal();
    const int32_t t = i % 2;
    o.covariates.insert(o.covariates.end(), {a, b});
    o.treatment.push_back(t);
    o.outcome.push_back(a + b + t * (1 - 2 * b) + (0.3 + std::abs(a)) * stream.Normal());
  }
  return o;
}

TEST(Baselines, IntervalsOfOls2HoldTheEffectAsOftenAsTheySay) {
  constexpr int kSamples = 4000;
  const std::vector<double> points = {0, 0, 1.5, 0.5};
  const double truth[] = {1, 0};
  int covered[2] = {};
  for (int seed = 0; seed < kSamples; ++seed) {
    const auto fit = Start(Ols2({}, /*standard_errors=*/true), Uneven(seed));
    ASSERT_TRUE(fit->Advance(1).ok());
    const auto p = fit->Predict({points.data(), 2, 2, 2});
    ASSERT_TRUE(p.ok());
    for (int i = 0; i < 2; ++i) {
      covered[i] += std::abs(p->effect[0][i] - truth[i]) <= 1.96 * p->effect_error[0][i] ? 1 : 0;
    }
  }
  // Four standard errors, and what 80 units an arm are off by.
  const double tolerance = 4 * std::sqrt(0.95 * 0.05 / kSamples) + 0.01;
  for (int i = 0; i < 2; ++i) EXPECT_NEAR(covered[i] / 1.0 / kSamples, 0.95, tolerance) << i;
}

TEST(Baselines, ErrorsOfOls2AddUpOverArms) {
  const Observations o = Affine(60, 3, false, 1);
  const Predictions p = Fitted(Ols2({.penalty = 0.1}, true), o);
  ASSERT_EQ(p.effect_error.size(), 2u);
  std::vector<double> variance;
  for (int32_t arm = 0; arm < 3; ++arm) {
    std::vector<int32_t> rows;
    for (int32_t i = 0; i < 60; ++i) {
      if (o.treatment[i] == arm) rows.push_back(i);
    }
    const Observations own = Select(o, rows);
    const auto fit = FitRidge(own.x(), own.outcome, {}, {.penalty = 0.1});
    variance.push_back(RobustCovariance(own.x(), own.outcome, *fit).Variance(o.x().row(5)));
  }
  for (int a = 0; a < 2; ++a) {
    EXPECT_DOUBLE_EQ(p.effect_error[a][5], std::sqrt(variance[0] + variance[a + 1]));
  }
  EXPECT_TRUE(Fitted(Ols2({}), o).effect_error.empty());
}

}  // namespace
}  // namespace perennial::causal
