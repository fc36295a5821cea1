#include "causal/estimators/average_effect.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "causal/data/logit.h"
#include "causal/data/observations.h"
#include "causal/estimators/logistic.h"
#include "causal/models/model.h"
#include "common/random/stream.h"
#include "common/stats/student_t.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace perennial::causal {
namespace {

using ::testing::HasSubstr;

constexpr EffectMethod kMethods[] = {EffectMethod::kPlugIn, EffectMethod::kHorvitzThompson,
                                     EffectMethod::kHajek, EffectMethod::kAipw,
                                     EffectMethod::kTmle};
constexpr Estimand kEstimands[] = {Estimand::kAte, Estimand::kAtt};

struct SampleRow {
  std::vector<int32_t> treatment;
  std::vector<double> outcome;
  std::vector<int32_t> cluster;
  std::vector<double> e, mu_0, mu_1;
  bool binary;
};
struct EffectRow {
  int sample;
  EffectMethod method;
  Estimand estimand;
  bool clustered;
  double value, standard_error;
};

// A design whose nuisances and averages are known: arms by a softmax of x, effects a (1 + x / 2).
// Shared by units of a cluster where clusters are more than one unit: x, arm, and half of the
// noise.
struct Simulation {
  Observations observations;
  Predictions truth;
};

Simulation Simulate(int64_t n, int arms, const random::Stream& stream, int64_t cluster_size = 1,
                    bool binary = false) {
  random::Stream draw = stream.Split("simulation");
  Simulation s;
  Observations& o = s.observations;
  o = {.covariate_names = {"x"}, .arms = arms, .binary_outcome = binary};
  s.truth.outcome.resize(arms);
  s.truth.propensity.resize(arms);
  double x = 0;
  double shared = 0;
  int32_t t = 0;
  std::vector<double> e(arms);
  for (int64_t i = 0; i < n; ++i) {
    if (i % cluster_size == 0) {
      x = draw.Normal();
      shared = draw.Normal();
      double total = 0;
      for (int a = 0; a < arms; ++a) total += e[a] = std::exp(0.8 * a * x);
      for (double& value : e) value /= total;
      double u = draw.Uniform();
      for (t = 0; t < arms - 1 && u >= e[t]; ++t) u -= e[t];
    }
    for (int a = 0; a < arms; ++a) {
      double mean = x + a * (1 + 0.5 * x);
      if (binary) mean = Sigmoid(mean);
      s.truth.outcome[a].push_back(mean);
      s.truth.propensity[a].push_back(e[a]);
    }
    o.covariates.push_back(x);
    o.treatment.push_back(t);
    if (cluster_size > 1) o.cluster.push_back(static_cast<int32_t>(i / cluster_size));
    const double mean = s.truth.outcome[t].back();
    const double noise = draw.Normal();
    o.outcome.push_back(binary              ? (draw.Uniform() < mean ? 1 : 0)
                        : cluster_size == 1 ? mean + noise
                                            : mean + shared + noise);
  }
  SetEffects(s.truth);
  return s;
}

// Of arm 1 of two: 1 + E[x | T = 1] / 2, by the trapezoidal rule, which is exact here.
double TrueAtt() {
  double weight = 0;
  double sum = 0;
  for (double x = -12; x <= 12; x += 0.01) {
    const double w = std::exp(-x * x / 2) * Sigmoid(0.8 * x);
    weight += w;
    sum += w * x;
  }
  return 1 + 0.5 * sum / weight;
}

AverageEffect Effect(const Simulation& s, EffectMethod method, const AverageEffectOptions& options,
                     int arm = 1) {
  const auto effects = AverageEffects(SampleOf(s.observations), s.truth, method, options);
  EXPECT_TRUE(effects.ok()) << effects.status();
  return (*effects)[arm - 1];
}

TEST(AverageEffects, AgreeWithStatsmodels) {
  const SampleRow samples[] = {
#define PERENNIAL_SAMPLE_ORACLE
#include "causal/estimators/average_effect_oracle.inc"
#undef PERENNIAL_SAMPLE_ORACLE
  };
  const EffectRow rows[] = {
#define PERENNIAL_EFFECT_ORACLE
#include "causal/estimators/average_effect_oracle.inc"
#undef PERENNIAL_EFFECT_ORACLE
  };
  for (const EffectRow& row : rows) {
    const SampleRow& s = samples[row.sample];
    Predictions predictions = {.outcome = {s.mu_0, s.mu_1}, .propensity = {s.e, s.e}};
    for (double& e : predictions.propensity[0]) e = 1 - e;
    SetEffects(predictions);
    Sample sample = {.treatment = s.treatment, .outcome = s.outcome, .binary_outcome = s.binary};
    if (row.clustered) sample.cluster = s.cluster;
    const auto effects =
        AverageEffects(sample, predictions, row.method, {.estimand = row.estimand});
    ASSERT_TRUE(effects.ok()) << effects.status();
    const Estimate& estimate = effects->front().estimate;
    const double tolerance = row.method == EffectMethod::kTmle ? 1e-8 : 1e-11;
    SCOPED_TRACE(::testing::Message() << "method " << static_cast<int>(row.method) << ", estimand "
                                      << static_cast<int>(row.estimand));
    EXPECT_NEAR(estimate.value, row.value, tolerance);
    EXPECT_NEAR(estimate.standard_error, row.standard_error, tolerance);
    std::set<int32_t> clusters(s.cluster.begin(), s.cluster.end());
    const double quantile =
        row.clustered ? stats::StudentTQuantile(0.975, static_cast<double>(clusters.size()) - 1)
                      : 1.959963984540054;
    EXPECT_NEAR(estimate.high, row.value + quantile * row.standard_error, 10 * tolerance);
    EXPECT_NEAR(estimate.low, row.value - quantile * row.standard_error, 10 * tolerance);
    EXPECT_EQ(effects->front().trimmed, 0);
  }
}

TEST(AverageEffects, AreThoseOfAnExampleByHand) {
  const std::vector<int32_t> treatment = {1, 0, 1, 0};
  const std::vector<double> outcome = {4, 2, 3, 1};
  const Sample sample = {.treatment = treatment, .outcome = outcome};
  const Predictions p = {.effect = {{1, 2, 3, 4}},
                         .outcome = {{1, 2, 2, 1}, {3, 3, 3, 3}},
                         .propensity = {{0.5, 0.75, 0.5, 0.5}, {0.5, 0.25, 0.5, 0.5}}};
  const auto value = [&](EffectMethod method, Estimand estimand) {
    return AverageEffects(sample, p, method, {.estimand = estimand})->front().estimate.value;
  };
  EXPECT_DOUBLE_EQ(value(EffectMethod::kPlugIn, Estimand::kAte), 2.5);
  EXPECT_DOUBLE_EQ(value(EffectMethod::kPlugIn, Estimand::kAtt), 2);
  EXPECT_DOUBLE_EQ(value(EffectMethod::kHorvitzThompson, Estimand::kAte),
                   (8 - 2 / 0.75 + 6 - 2) / 4);
  EXPECT_DOUBLE_EQ(value(EffectMethod::kHorvitzThompson, Estimand::kAtt),
                   (4 - 2 / 3.0 + 3 - 1) / 2);
  EXPECT_DOUBLE_EQ(value(EffectMethod::kHajek, Estimand::kAte),
                   3.5 - (2 / 0.75 + 2) / (1 / 0.75 + 2));
  EXPECT_DOUBLE_EQ(value(EffectMethod::kHajek, Estimand::kAtt),
                   3.5 - (2 / 3.0 + 1) / (1 / 3.0 + 1));
  EXPECT_DOUBLE_EQ(value(EffectMethod::kAipw, Estimand::kAte), ((2 + 2) + 1 + 1 + 2) / 4.0);
  EXPECT_DOUBLE_EQ(value(EffectMethod::kAipw, Estimand::kAtt), (3 + 1) / 2.0);
}

TEST(AverageEffects, WithoutAnOutcomeModelAipwIsHorvitzThompson) {
  for (const bool binary : {false, true}) {
    Simulation s = Simulate(200, 3, random::Stream(1), 1, binary);
    for (auto& mu : s.truth.outcome) std::ranges::fill(mu, 0);
    for (const Estimand estimand : kEstimands) {
      const AverageEffect aipw = Effect(s, EffectMethod::kAipw, {.estimand = estimand}, 2);
      const AverageEffect ipw =
          Effect(s, EffectMethod::kHorvitzThompson, {.estimand = estimand}, 2);
      EXPECT_NEAR(aipw.estimate.value, ipw.estimate.value, 1e-13);
      EXPECT_NEAR(aipw.estimate.standard_error, ipw.estimate.standard_error, 1e-13);
    }
  }
}

TEST(AverageEffects, WithConstantOutcomeModelsLinearTmleIsHajek) {
  Simulation s = Simulate(200, 2, random::Stream(2));
  std::ranges::fill(s.truth.outcome[0], 5);
  std::ranges::fill(s.truth.outcome[1], -3);
  for (const Estimand estimand : kEstimands) {
    const AverageEffect tmle =
        Effect(s, EffectMethod::kTmle, {.estimand = estimand, .fluctuation = Fluctuation::kLinear});
    const AverageEffect logistic = Effect(s, EffectMethod::kTmle, {.estimand = estimand});
    const AverageEffect hajek = Effect(s, EffectMethod::kHajek, {.estimand = estimand});
    EXPECT_NEAR(tmle.estimate.value, hajek.estimate.value, 1e-12);
    // One constant is all that the logistic one can fit, too.
    EXPECT_NEAR(logistic.estimate.value, hajek.estimate.value, 1e-12);
  }
}

TEST(AverageEffects, WithoutNoiseAndWithTheTruthCorrectionsVanish) {
  Simulation s = Simulate(100, 3, random::Stream(3));
  for (int64_t i = 0; i < 100; ++i) {
    s.observations.outcome[i] = s.truth.outcome[s.observations.treatment[i]][i];
  }
  for (const int arm : {1, 2}) {
    for (const Estimand estimand : kEstimands) {
      const double plug_in =
          Effect(s, EffectMethod::kPlugIn, {.estimand = estimand}, arm).estimate.value;
      EXPECT_NEAR(Effect(s, EffectMethod::kAipw, {.estimand = estimand}, arm).estimate.value,
                  plug_in, 1e-12);
      EXPECT_NEAR(Effect(s, EffectMethod::kTmle,
                         {.estimand = estimand, .fluctuation = Fluctuation::kLinear}, arm)
                      .estimate.value,
                  plug_in, 1e-12);
    }
  }
}

TEST(AverageEffects, OfMoreArmsFollowTheirDefinition) {
  const Simulation s = Simulate(150, 3, random::Stream(4));
  const Observations& o = s.observations;
  for (const int arm : {1, 2}) {
    double ate = 0;
    double att = 0;
    double treated = 0;
    for (int64_t i = 0; i < 150; ++i) {
      const double mu_a = s.truth.outcome[arm][i];
      const double mu_0 = s.truth.outcome[0][i];
      const double e_a = s.truth.propensity[arm][i];
      const double e_0 = s.truth.propensity[0][i];
      const double y = o.outcome[i];
      ate += mu_a - mu_0;
      if (o.treatment[i] == arm) {
        ate += (y - mu_a) / e_a;
        att += y - mu_0;
        ++treated;
      } else if (o.treatment[i] == 0) {
        ate -= (y - mu_0) / e_0;
        att -= e_a / e_0 * (y - mu_0);
      }
    }
    EXPECT_NEAR(Effect(s, EffectMethod::kAipw, {}, arm).estimate.value, ate / 150, 1e-12);
    EXPECT_NEAR(Effect(s, EffectMethod::kAipw, {.estimand = Estimand::kAtt}, arm).estimate.value,
                att / treated, 1e-12);
    const auto scores = AipwScores(SampleOf(o), s.truth, arm);
    double mean = 0;
    for (const double score : *scores) mean += score / 150;
    EXPECT_NEAR(mean, ate / 150, 1e-12);
  }
}

TEST(AverageEffects, OfTwoArmsSwapTheirSignWithTheArms) {
  const Simulation s = Simulate(150, 2, random::Stream(5));
  Simulation swapped = s;
  for (int32_t& t : swapped.observations.treatment) t = 1 - t;
  std::swap(swapped.truth.outcome[0], swapped.truth.outcome[1]);
  std::swap(swapped.truth.propensity[0], swapped.truth.propensity[1]);
  SetEffects(swapped.truth);
  for (const EffectMethod method : kMethods) {
    const Estimate a = Effect(s, method, {}).estimate;
    const Estimate b = Effect(swapped, method, {}).estimate;
    EXPECT_NEAR(a.value, -b.value, 1e-12);
    EXPECT_NEAR(a.standard_error, b.standard_error, 1e-12);
  }
}

TEST(AverageEffects, TmleOfBoundedOutcomesStaysInTheirRange) {
  // Outcome models far off, weights large: AIPW leaves the range of a difference of two
  // probabilities, TMLE does not.
  Simulation s = Simulate(40, 2, random::Stream(6), 1, true);
  for (int64_t i = 0; i < 40; ++i) {
    s.truth.outcome[0][i] = 0.9;
    s.truth.outcome[1][i] = 0.1;
    s.truth.propensity[1][i] = s.observations.treatment[i] == 1 ? 0.05 : 0.95;
    s.truth.propensity[0][i] = 1 - s.truth.propensity[1][i];
  }
  EXPECT_GT(std::abs(Effect(s, EffectMethod::kAipw, {}).estimate.value), 1);
  EXPECT_LE(std::abs(Effect(s, EffectMethod::kTmle, {}).estimate.value), 1);
}

TEST(AverageEffects, EachUnitItsOwnClusterChangesNoError) {
  Simulation s = Simulate(120, 2, random::Stream(7));
  for (const EffectMethod method : kMethods) {
    s.observations.cluster.clear();
    const double plain = Effect(s, method, {}).estimate.standard_error;
    for (int32_t i = 0; i < 120; ++i) s.observations.cluster.push_back(1000 - 3 * i);
    EXPECT_NEAR(Effect(s, method, {}).estimate.standard_error, plain, 1e-13);
  }
}

TEST(AverageEffects, ARepeatedSampleInClustersHasTheErrorOfTheSample) {
  const Simulation s = Simulate(60, 2, random::Stream(8));
  Simulation twice = s;
  Observations& o = twice.observations;
  for (auto* column :
       {&o.outcome, &o.covariates, &twice.truth.outcome[0], &twice.truth.outcome[1],
        &twice.truth.propensity[0], &twice.truth.propensity[1], &twice.truth.effect[0]}) {
    const std::vector<double> once = *column;
    column->insert(column->end(), once.begin(), once.end());
  }
  const std::vector<int32_t> once = o.treatment;
  o.treatment.insert(o.treatment.end(), once.begin(), once.end());
  for (int32_t i = 0; i < 120; ++i) o.cluster.push_back(i % 60);
  for (const EffectMethod method : kMethods) {
    for (const Estimand estimand : kEstimands) {
      const Estimate a = Effect(s, method, {.estimand = estimand}).estimate;
      const Estimate b = Effect(twice, method, {.estimand = estimand}).estimate;
      EXPECT_NEAR(a.value, b.value, 1e-12);
      EXPECT_NEAR(a.standard_error, b.standard_error, 1e-12);
    }
  }
}

TEST(AverageEffects, AreDoublyRobust) {
  Simulation s = Simulate(20000, 2, random::Stream(9));
  Simulation no_outcome = s;  // mu is a constant, which is wrong.
  for (auto& mu : no_outcome.truth.outcome) std::ranges::fill(mu, 0.5);
  Simulation no_propensity = s;  // e is a constant, which is wrong.
  for (auto& e : no_propensity.truth.propensity) std::ranges::fill(e, 0.5);
  Simulation neither = no_outcome;
  neither.truth.propensity = no_propensity.truth.propensity;
  for (const Estimand estimand : kEstimands) {
    const double truth = estimand == Estimand::kAte ? 1 : TrueAtt();
    for (const EffectMethod method : {EffectMethod::kAipw, EffectMethod::kTmle}) {
      for (const Fluctuation fluctuation : {Fluctuation::kLogistic, Fluctuation::kLinear}) {
        const AverageEffectOptions options = {.estimand = estimand, .fluctuation = fluctuation};
        for (Simulation* const one_right : {&s, &no_outcome, &no_propensity}) {
          const Estimate estimate = Effect(*one_right, method, options).estimate;
          EXPECT_NEAR(estimate.value, truth, 4 * estimate.standard_error);
          EXPECT_LT(estimate.standard_error, 0.05);
        }
        const Estimate off = Effect(neither, method, options).estimate;
        EXPECT_GT(std::abs(off.value - truth), 10 * off.standard_error);
      }
    }
  }
}

// The share of 1,000 samples whose interval holds the truth.
double Coverage(EffectMethod method, Estimand estimand, int64_t cluster_size, bool tell_clusters) {
  const double truth = estimand == Estimand::kAte ? 1 : TrueAtt();
  int covered = 0;
  for (int r = 0; r < 1000; ++r) {
    Simulation s = Simulate(200 * cluster_size, 2, random::Stream(10).Split(r), cluster_size);
    if (!tell_clusters) s.observations.cluster.clear();
    const Estimate e = Effect(s, method, {.estimand = estimand}).estimate;
    covered += e.low <= truth && truth <= e.high ? 1 : 0;
  }
  return covered / 1000.0;
}

// Four standard deviations of the share of 1,000 whose expectation is 0.95.
constexpr double kCoverageError = 4 * 0.0069;

TEST(AverageEffects, IntervalsOfAipwAndTmleCoverTheTruth) {
  for (const EffectMethod method : {EffectMethod::kAipw, EffectMethod::kTmle}) {
    for (const Estimand estimand : kEstimands) {
      EXPECT_NEAR(Coverage(method, estimand, 1, false), 0.95, kCoverageError);
    }
  }
}

TEST(AverageEffects, IntervalsOfClusteredUnitsCoverOnlyWhenTheyAreToldOf) {
  EXPECT_NEAR(Coverage(EffectMethod::kAipw, Estimand::kAte, 5, true), 0.95, kCoverageError);
  EXPECT_LT(Coverage(EffectMethod::kAipw, Estimand::kAte, 5, false), 0.85);
}

TEST(AverageEffects, TrimmingLeavesOutTheUnitsOutsideTheBand) {
  const Simulation s = Simulate(300, 2, random::Stream(11));
  const double low = 0.2;
  const double high = 0.7;
  std::vector<int32_t> kept;
  for (int32_t i = 0; i < 300; ++i) {
    const double e = s.truth.propensity[1][i];
    if (e >= low && e <= high) kept.push_back(i);
  }
  ASSERT_LT(kept.size(), 300u);
  Simulation inside;
  inside.observations = Select(s.observations, kept);
  for (const int arm : {0, 1}) {
    for (const auto& [from, to] : {std::pair(&s.truth.outcome, &inside.truth.outcome),
                                   std::pair(&s.truth.propensity, &inside.truth.propensity)}) {
      to->resize(2);
      for (const int32_t i : kept) (*to)[arm].push_back((*from)[arm][i]);
    }
  }
  SetEffects(inside.truth);
  for (const EffectMethod method : kMethods) {
    const AverageEffect trimmed =
        Effect(s, method, {.lowest_propensity = low, .highest_propensity = high});
    const AverageEffect selected = Effect(inside, method, {});
    EXPECT_EQ(trimmed.estimate.value, selected.estimate.value);
    EXPECT_EQ(trimmed.estimate.standard_error, selected.estimate.standard_error);
    EXPECT_EQ(trimmed.units, static_cast<int64_t>(kept.size()));
    EXPECT_EQ(trimmed.trimmed, 300 - static_cast<int64_t>(kept.size()));
  }
}

std::string Message(const Simulation& s, EffectMethod method, const AverageEffectOptions& options) {
  const auto effects = AverageEffects(SampleOf(s.observations), s.truth, method, options);
  EXPECT_EQ(effects.status().code(), absl::StatusCode::kInvalidArgument);
  return std::string(effects.status().message());
}

TEST(AverageEffects, NamePropensitiesOfZeroAndOneUnlessTheyAreTrimmed) {
  Simulation s = Simulate(50, 2, random::Stream(12));
  s.truth.propensity[0][6] = 0;
  s.truth.propensity[1][6] = 1;
  for (const EffectMethod method : {EffectMethod::kHorvitzThompson, EffectMethod::kHajek,
                                    EffectMethod::kAipw, EffectMethod::kTmle}) {
    for (const Estimand estimand : kEstimands) {
      EXPECT_THAT(Message(s, method, {.estimand = estimand}),
                  HasSubstr("propensity of unit 7 for arm 0 is 0"));
      EXPECT_EQ(Effect(s, method, {.estimand = estimand, .highest_propensity = 0.999}).trimmed, 1);
    }
  }
  std::swap(s.truth.propensity[0][6], s.truth.propensity[1][6]);
  EXPECT_THAT(Message(s, EffectMethod::kAipw, {}),
              HasSubstr("propensity of unit 7 for arm 1 is 0"));
  Simulation unlike = s;
  for (int64_t i = 0; i < 50; ++i) {
    unlike.truth.propensity[0][i] = 1;
    unlike.truth.propensity[1][i] = 0;
  }
  EXPECT_THAT(Message(unlike, EffectMethod::kHajek, {.estimand = Estimand::kAtt}),
              HasSubstr("arm 1 is 0 for all units of control"));
  s.truth.propensity[1][6] = 1.5;
  EXPECT_THAT(Message(s, EffectMethod::kAipw, {}), HasSubstr("is 1.5; it must lie in [0, 1]"));
}

TEST(AverageEffects, NameWhatIsMissingOrDoesNotFit) {
  const Simulation s = Simulate(50, 2, random::Stream(13));
  Simulation bad = s;
  bad.truth.outcome.clear();
  EXPECT_THAT(Message(bad, EffectMethod::kAipw, {}), HasSubstr("needs predicted outcomes"));
  bad = s;
  bad.truth.propensity.clear();
  EXPECT_THAT(Message(bad, EffectMethod::kTmle, {}), HasSubstr("needs predicted propensities"));
  EXPECT_TRUE(
      AverageEffects(SampleOf(bad.observations), bad.truth, EffectMethod::kPlugIn, {}).ok());
  bad = s;
  bad.truth.effect[0].pop_back();
  EXPECT_THAT(Message(bad, EffectMethod::kPlugIn, {}), HasSubstr("49 units for a sample of 50"));
  bad = s;
  bad.truth.outcome[1][3] = NAN;
  EXPECT_THAT(Message(bad, EffectMethod::kAipw, {}), HasSubstr("unit 4 is nan"));
  bad = s;
  bad.observations.outcome[3] = INFINITY;
  EXPECT_THAT(Message(bad, EffectMethod::kHajek, {}), HasSubstr("outcome of unit 4 is inf"));
  EXPECT_THAT(Message(s, EffectMethod::kAipw, {.level = 1}), HasSubstr("level"));
  EXPECT_THAT(
      Message(s, EffectMethod::kAipw, {.lowest_propensity = 0.5, .highest_propensity = 0.2}),
      HasSubstr("band of propensities is [0.5, 0.2]"));
  EXPECT_THAT(
      Message(s, EffectMethod::kAipw, {.lowest_propensity = 0.9999, .highest_propensity = 1}),
      HasSubstr("has no units whose propensities lie in"));
  bad = s;
  bad.observations.cluster.assign(50, 3);
  EXPECT_THAT(Message(bad, EffectMethod::kAipw, {}), HasSubstr("all units are of one cluster"));
}

TEST(InversePropensityWeights, AreThoseOfTheEstimators) {
  const Simulation s = Simulate(100, 3, random::Stream(14));
  const Observations& o = s.observations;
  for (const Estimand estimand : kEstimands) {
    const auto weights = InversePropensityWeights(o.treatment, s.truth.propensity, 2, estimand);
    ASSERT_TRUE(weights.ok()) << weights.status();
    double sums[2] = {0, 0};
    double totals[2] = {0, 0};
    for (int64_t i = 0; i < 100; ++i) {
      if (o.treatment[i] == 1) {
        EXPECT_EQ((*weights)[i], 0);
        continue;
      }
      const int group = o.treatment[i] == 2 ? 1 : 0;
      sums[group] += (*weights)[i] * o.outcome[i];
      totals[group] += (*weights)[i];
    }
    EXPECT_NEAR(sums[1] / totals[1] - sums[0] / totals[0],
                Effect(s, EffectMethod::kHajek, {.estimand = estimand}, 2).estimate.value, 1e-12);
  }
}

TEST(Folds, HoldEqualSharesOfEachArm) {
  std::vector<int32_t> treatment;
  for (int i = 0; i < 103; ++i) treatment.push_back(i % 7 == 0 ? 2 : i % 3 == 0 ? 1 : 0);
  for (const int folds : {2, 5, 10}) {
    const auto fold = Folds(treatment, folds, {}, random::Stream(1));
    ASSERT_TRUE(fold.ok()) << fold.status();
    std::map<int32_t, std::vector<int>> of_arm;
    std::vector<int> all(folds);
    for (size_t i = 0; i < treatment.size(); ++i) {
      auto& counts = of_arm[treatment[i]];
      counts.resize(folds);
      ++counts[(*fold)[i]];
      ++all[(*fold)[i]];
    }
    for (const auto& [arm, counts] : of_arm) {
      EXPECT_LE(*std::ranges::max_element(counts) - *std::ranges::min_element(counts), 1);
    }
    EXPECT_LE(*std::ranges::max_element(all) - *std::ranges::min_element(all), 1);
  }
}

TEST(Folds, AreAFunctionOfTheStream) {
  std::vector<int32_t> treatment;
  for (int i = 0; i < 50; ++i) treatment.push_back(i % 2);
  const auto a = Folds(treatment, 5, {}, random::Stream(1));
  EXPECT_EQ(*a, *Folds(treatment, 5, {}, random::Stream(1)));
  EXPECT_NE(*a, *Folds(treatment, 5, {}, random::Stream(2)));
}

TEST(Folds, KeepClustersTogetherAndAreBalanced) {
  random::Stream stream(3);
  std::vector<int32_t> treatment;
  std::vector<int32_t> cluster;
  for (int c = 0; c < 40; ++c) {
    const int64_t size = 1 + static_cast<int64_t>(stream.Below(9));
    for (int64_t i = 0; i < size; ++i) {
      cluster.push_back(100 - c);
      treatment.push_back(stream.Uniform() < 0.3 ? 1 : 0);
    }
  }
  const auto fold = Folds(treatment, 4, cluster, random::Stream(4));
  ASSERT_TRUE(fold.ok()) << fold.status();
  std::map<int32_t, int32_t> fold_of_cluster;
  std::vector<double> all(4);
  std::vector<double> treated(4);
  for (size_t i = 0; i < treatment.size(); ++i) {
    EXPECT_EQ(fold_of_cluster.emplace(cluster[i], (*fold)[i]).first->second, (*fold)[i]);
    all[(*fold)[i]] += 1;
    treated[(*fold)[i]] += treatment[i];
  }
  const double n = static_cast<double>(treatment.size());
  for (int f = 0; f < 4; ++f) {
    EXPECT_NEAR(all[f], n / 4, 0.08 * n);
    EXPECT_NEAR(treated[f] / all[f], 0.3, 0.12);
  }
}

TEST(Folds, OfClustersAreBalancedWithinEachArmBeforeAll) {
  // Control's clusters are of 9, 2 and 2 units, and cannot be halved; the arm's are of one.
  std::vector<int32_t> treatment(13, 0);
  std::vector<int32_t> cluster = {0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 2, 2};
  for (int32_t i = 0; i < 6; ++i) {
    treatment.push_back(1);
    cluster.push_back(3 + i);
  }
  const auto fold = Folds(treatment, 2, cluster, random::Stream(1));
  ASSERT_TRUE(fold.ok()) << fold.status();
  EXPECT_EQ((*fold)[9], (*fold)[11]);
  EXPECT_NE((*fold)[0], (*fold)[9]);
  EXPECT_EQ(std::count(fold->begin() + 13, fold->end(), 0), 3);
}

// By sizes alone the third cluster would join the second, and all units of arm 1 be in one fold.
TEST(Folds, LargeClustersDoNotLeaveAnArmOfTwoClustersInOneFold) {
  std::vector<int32_t> treatment;
  std::vector<int32_t> cluster;
  const auto add = [&](int32_t number, int32_t arm, int count) {
    treatment.insert(treatment.end(), count, arm);
    cluster.insert(cluster.end(), count, number);
  };
  add(0, 0, 200);
  add(1, 0, 120);
  add(1, 1, 1);
  add(2, 0, 20);
  add(2, 1, 99);
  for (const int folds : {2, 3}) {
    for (uint64_t seed = 0; seed < 5; ++seed) {
      const auto fold = Folds(treatment, folds, cluster, random::Stream(seed));
      ASSERT_TRUE(fold.ok()) << fold.status();
      EXPECT_NE((*fold)[320], fold->back());
      // Nor all of arm 0.
      EXPECT_FALSE((*fold)[0] == (*fold)[200] && (*fold)[0] == (*fold)[321]);
      for (size_t i = 1; i < treatment.size(); ++i) {
        ASSERT_TRUE(cluster[i] != cluster[i - 1] || (*fold)[i] == (*fold)[i - 1]);
      }
    }
  }
}

TEST(Folds, NameWhatCannotBeSpread) {
  const auto message = [](std::vector<int32_t> treatment, int folds,
                          std::vector<int32_t> cluster = {}) {
    return std::string(Folds(treatment, folds, cluster, random::Stream(1)).status().message());
  };
  EXPECT_THAT(message({0, 1, 0, 1}, 1), HasSubstr("1 folds"));
  EXPECT_THAT(message({0, 1, 0, 1}, 5), HasSubstr("4 units cannot be spread over 5 folds"));
  EXPECT_THAT(message({0, 1, 0, 1}, 3, {1, 1, 2, 2}), HasSubstr("2 clusters cannot be spread"));
  EXPECT_THAT(message({0, 0, 0, 1}, 2), HasSubstr("all 1 units of arm 1 are in one fold"));
  EXPECT_THAT(message({0, 0, 1, 1}, 2, {1, 2, 3, 3}), HasSubstr("clusters are kept together"));
  // Each two of three clusters share an arm, so that two folds part none of one of them.
  EXPECT_THAT(message({0, 1, 1, 2, 2, 0}, 2, {1, 1, 2, 2, 3, 3}),
              HasSubstr("clusters are kept together"));
  EXPECT_EQ(message({0, 1, 1, 2, 2, 0}, 3, {1, 1, 2, 2, 3, 3}), "");
  const std::vector<int32_t> lone = {0, 0, 0, 1};
  const std::vector<std::string> names = {"no", "yes"};
  EXPECT_THAT(std::string(Folds(lone, 2, {}, random::Stream(1), names).status().message()),
              HasSubstr("all 1 units of arm \"yes\" are in one fold"));
  EXPECT_EQ(ArmText(1, std::vector<std::string>{"", "a\nb"}), "arm \"a\\nb\"");
  EXPECT_EQ(ArmText(1, {}), "arm 1");
}

}  // namespace
}  // namespace perennial::causal
