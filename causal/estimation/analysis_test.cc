#include "causal/estimation/analysis.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstdint>
#include <iterator>
#include <map>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "causal/data/ihdp.h"
#include "causal/data/kang_schafer.h"
#include "causal/data/nhefs.h"
#include "causal/estimation/estimate_units.h"
#include "causal/estimation/nhefs_oracle.inc"
#include "causal/estimators/baseline_effects.h"
#include "causal/estimators/metrics.h"
#include "causal/models/bootstrap.h"
#include "causal/nets/net_fit.h"
#include "common/random/stream.h"
#include "common/record/safetensors.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace perennial::causal {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr EffectMethod kAipw = EffectMethod::kAipw;

Analysis AnalysisOf(const Observations& observations, const AnalysisOptions& options,
                    int threads = 1) {
  const auto analysis = Analyze(observations, options, {.threads = threads});
  EXPECT_TRUE(analysis.ok()) << analysis.status().message();
  return analysis.ok() ? *analysis : Analysis();
}

// Linear outcomes; arm a has the effect a; x decides arms where confounding is not 0.
Observations Simulate(int64_t n, int arms, double confounding, uint64_t seed = 5) {
  random::Stream stream = random::Stream(seed).Split("simulate");
  Observations o = {.covariate_names = {"x", "z"}, .arms = arms};
  for (int64_t i = 0; i < n; ++i) {
    const double x = stream.Normal();
    const double z = stream.Normal();
    std::vector<double> odds;
    double sum = 0;
    for (int a = 0; a < arms; ++a) sum += odds.emplace_back(std::exp(confounding * a * x));
    double left = stream.Uniform() * sum;
    int32_t t = 0;
    while (t + 1 < arms && left >= odds[t]) left -= odds[t++];
    o.covariates.insert(o.covariates.end(), {x, z});
    o.treatment.push_back(t);
    o.outcome.push_back(2 * x + z + t + stream.Normal());
  }
  return o;
}

TEST(AnalysisTest, SmokersAgreeWithScikitLearnOnAverageOverSplits) {
  const auto smokers = LoadNhefs({});
  ASSERT_TRUE(smokers.ok()) << smokers.status().message();
  constexpr int kSeeds = 10;
  double ate = 0;
  double att = 0;
  double hajek = 0;
  double error = 0;
  for (uint64_t seed = 0; seed < kSeeds; ++seed) {
    const Analysis analysis =
        AnalysisOf(*smokers, {.model = EffectModelKind::kLinear, .repeats = 1, .seed = seed});
    EXPECT_NEAR(analysis.Of(1, Estimand::kAte, Baseline::kNaive).value, kNaive.mean, 1e-6);
    ate += analysis.Of(1, Estimand::kAte, kAipw).value / kSeeds;
    att += analysis.Of(1, Estimand::kAtt, kAipw).value / kSeeds;
    hajek += analysis.Of(1, Estimand::kAte, EffectMethod::kHajek).value / kSeeds;
    error += analysis.Of(1, Estimand::kAte, kAipw).standard_error / kSeeds;
  }
  // Four standard errors of a mean over ten splits less one over fifty.
  const auto tolerance = [](const NhefsReference& reference) {
    return 4 * reference.deviation * std::sqrt(1.0 / kSeeds + 1.0 / 50);
  };
  EXPECT_NEAR(ate, kAipwAte.mean, tolerance(kAipwAte));
  EXPECT_NEAR(att, kAipwAtt.mean, tolerance(kAipwAtt));
  EXPECT_NEAR(hajek, kHajekAte.mean, tolerance(kHajekAte));
  EXPECT_NEAR(error, kAipwAte.error, 0.05);
}

TEST(AnalysisTest, BoostingSeesTheGainOfWeightThatTheNaiveDifferenceHides) {
  const auto smokers = LoadNhefs({});
  ASSERT_TRUE(smokers.ok());
  const Analysis analysis = AnalysisOf(*smokers, {});
  const double naive = analysis.Of(1, Estimand::kAte, Baseline::kNaive).value;
  for (const EffectMethod method : {kAipw, EffectMethod::kTmle, EffectMethod::kHajek}) {
    const Estimate& estimate = analysis.Of(1, Estimand::kAte, method);
    EXPECT_GT(estimate.value, naive + 0.4) << EstimatorName(method);
    EXPECT_LT(estimate.value, 4.2) << EstimatorName(method);
    EXPECT_GT(estimate.low, 0);
  }
}

TEST(AnalysisTest, InfantsEffectsAreCoveredAndTheirDifferencesFound) {
  const auto ihdp = LoadIhdp("");
  ASSERT_TRUE(ihdp.ok()) << ihdp.status().message();
  int covered = 0;
  double ratio = 0;
  constexpr int kRealisations = 3;
  for (uint64_t r = 0; r < kRealisations; ++r) {
    const Observations sample =
        IhdpRealisation(*ihdp, {.surface = IhdpSurface::kHillB}, random::Stream(r));
    const Analysis analysis = AnalysisOf(sample, {.seed = r});
    const auto errors = EffectErrorsOf(sample, *sample.truth, analysis.predictions);
    ASSERT_TRUE(errors.ok());
    ratio += (*errors)[0].sqrt_pehe / (*errors)[0].effect_sd / kRealisations;
    double truth = 0;
    for (int64_t i = 0; i < sample.size(); ++i) {
      truth += (sample.truth->mean_outcome[1][i] - sample.truth->mean_outcome[0][i]) /
               static_cast<double>(sample.size());
    }
    const Estimate& ate = analysis.Of(1, Estimand::kAte, kAipw);
    covered += ate.low <= truth && truth <= ate.high ? 1 : 0;
  }
  EXPECT_GE(covered, 2);
  EXPECT_LT(ratio, 0.8);  // 1: as the best constant.
}

TEST(AnalysisTest, KangAndSchafersSelectionIsUndoneWhereModelsAreRight) {
  const auto sample = KangSchafer({.n = 1000, .transformed = false}, random::Stream(2));
  ASSERT_TRUE(sample.ok());
  const Analysis analysis = AnalysisOf(*sample, {.model = EffectModelKind::kLinear});
  EXPECT_LT(analysis.Of(1, Estimand::kAte, Baseline::kNaive).value, -12);
  const Estimate& ate = analysis.Of(1, Estimand::kAte, kAipw);
  EXPECT_NEAR(ate.value, 0, 4 * ate.standard_error);
  EXPECT_LT(ate.standard_error, 0.3);
}

TEST(AnalysisTest, EachArmIsContrastedWithControl) {
  const Analysis analysis = AnalysisOf(Simulate(1500, 3, 0.4), {.model = EffectModelKind::kLinear});
  for (const int arm : {1, 2}) {
    for (const Estimand estimand : {Estimand::kAte, Estimand::kAtt}) {
      const Estimate& estimate = analysis.Of(arm, estimand, kAipw);
      EXPECT_NEAR(estimate.value, arm, 4 * estimate.standard_error);
      EXPECT_LT(estimate.standard_error, 0.15);
    }
    EXPECT_GT(analysis.Of(arm, Estimand::kAte, Baseline::kNaive).value, arm + 0.4);
  }
}

TEST(AnalysisTest, CopiesInOneClusterTellNothingNew) {
  const Observations once = Simulate(300, 2, 0);
  Observations twice;
  {
    std::vector<int32_t> rows;
    for (int32_t i = 0; i < 2 * once.size(); ++i) rows.push_back(i / 2);
    twice = Select(once, rows);
    twice.cluster = rows;
  }
  const AnalysisOptions options = {.model = EffectModelKind::kLinear};
  const Analysis of_once = AnalysisOf(once, options);
  const Analysis of_twice = AnalysisOf(twice, options);
  const Estimate& a = of_once.Of(1, Estimand::kAte, Baseline::kNaive);
  const Estimate& b = of_twice.Of(1, Estimand::kAte, Baseline::kNaive);
  EXPECT_NEAR(b.value, a.value, 1e-12);
  EXPECT_NEAR(b.standard_error / a.standard_error, 1, 0.005);
  EXPECT_NEAR(of_twice.Of(1, Estimand::kAte, kAipw).standard_error /
                  of_once.Of(1, Estimand::kAte, kAipw).standard_error,
              1, 0.1);
}

TEST(AnalysisTest, ClustersOfAPairHaveTheErrorOfPairedDifferences) {
  constexpr int kPairs = 60;
  random::Stream stream(9);
  Observations o = {.covariate_names = {"x"}};
  std::vector<double> differences;
  double mean = 0;
  for (int32_t g = 0; g < kPairs; ++g) {
    const double shared = 5 * stream.Normal();
    double y[2];
    for (const int32_t t : {0, 1}) {
      y[t] = shared + t + stream.Normal();
      o.covariates.push_back(stream.Normal());
      o.treatment.push_back(t);
      o.outcome.push_back(y[t]);
      o.cluster.push_back(g);
    }
    differences.push_back(y[1] - y[0]);
    mean += differences.back() / kPairs;
  }
  double squares = 0;
  for (const double d : differences) squares += (d - mean) * (d - mean);
  const Analysis analysis = AnalysisOf(o, {.model = EffectModelKind::kLinear});
  const Estimate& naive = analysis.Of(1, Estimand::kAte, Baseline::kNaive);
  EXPECT_NEAR(naive.value, mean, 1e-12);
  EXPECT_NEAR(naive.standard_error, std::sqrt(squares / (kPairs - 1) / kPairs), 1e-12);
}

TEST(AnalysisTest, BaselinesStandBesideTheEstimates) {
  const Observations o = Simulate(900, 3, 0.7);
  const Analysis analysis = AnalysisOf(o, {.model = EffectModelKind::kLinear, .level = 0.9});
  for (const Estimand estimand : {Estimand::kAte, Estimand::kAtt}) {
    for (const Baseline baseline : {Baseline::kNaive, Baseline::kOls1, Baseline::kOls2}) {
      const auto effects = BaselineEffects(o, baseline, 0.9);
      ASSERT_TRUE(effects.ok());
      for (int arm = 1; arm < 3; ++arm) {
        const Estimate& estimate = analysis.Of(arm, estimand, baseline);
        EXPECT_EQ(estimate.value, effects->Of(estimand).at(arm - 1).value)
            << BaselineName(baseline);
        EXPECT_EQ(estimate.low, effects->Of(estimand).at(arm - 1).low);
        // Outcomes are linear, so all but the naive one are right.
        EXPECT_EQ(std::abs(estimate.value - arm) < 4 * estimate.standard_error,
                  baseline != Baseline::kNaive);
      }
    }
  }
  for (const EffectRow& row : analysis.effects) {
    EXPECT_EQ(row.error_known(), row.estimator != EffectEstimator(EffectMethod::kPlugIn));
  }
}

TEST(AnalysisTest, EffectsOfUnitsAreHeldAgainstOneEffectForAll) {
  const auto losses = [](const Observations& o, EffectModelKind model) {
    std::map<std::string, Estimate> by_name;
    const Analysis analysis = AnalysisOf(o, {.model = model});
    for (const EffectLossRow& row : analysis.diagnostics[0].effect_loss) {
      by_name.emplace(row.name, row.excess);
    }
    return by_name;
  };
  // The effect is 1 for all: to predict none is off by 1, to tell units apart brings nothing.
  const Observations alike = Simulate(1000, 2, 0.3);
  auto of = losses(alike, EffectModelKind::kLinear);
  EXPECT_NEAR(of.at("null").value, 1, 4 * of.at("null").standard_error);
  EXPECT_GT(of.at("model").high, 0);
  EXPECT_NEAR(of.at("ols_2").value, of.at("model").value, 0.02) << "as good a line";
  // It differs by 2 x, whose square is 4 on average.
  Observations apart = alike;
  for (int64_t i = 0; i < apart.size(); ++i) {
    apart.outcome[i] += apart.treatment[i] * 2 * apart.x()(i, 0);
  }
  of = losses(apart, EffectModelKind::kLinear);
  EXPECT_NEAR(of.at("model").value, -4, 4 * of.at("model").standard_error);
  EXPECT_NEAR(of.at("ols_2").value, -4, 4 * of.at("ols_2").standard_error);
  EXPECT_LT(of.at("model").high, -2);
  // It differs by |x|, which no line sees.
  Observations bent = alike;
  for (int64_t i = 0; i < bent.size(); ++i) {
    bent.outcome[i] += bent.treatment[i] * 3 * std::abs(bent.x()(i, 0));
  }
  of = losses(bent, EffectModelKind::kBoosting);
  EXPECT_LT(of.at("model").high, 0);
  EXPECT_GT(of.at("ols_2").high, of.at("model").high);
}

TEST(AnalysisTest, TheBootstrapSpreadsAsTheInfluenceFunctionSays) {
  const Analysis analysis =
      AnalysisOf(Simulate(400, 2, 0.5), {.model = EffectModelKind::kLinear, .bootstrap = 150}, 2);
  const Estimate& ate = analysis.Of(1, Estimand::kAte, kAipw);
  ASSERT_EQ(analysis.bootstrap.size(), 2u);
  const BootstrapRow& row = analysis.bootstrap[0];
  EXPECT_EQ(row.estimand, Estimand::kAte);
  EXPECT_NEAR(row.standard_error / ate.standard_error, 1, 0.3);
  EXPECT_NEAR((row.high - row.low) / (ate.high - ate.low), 1, 0.35);
  EXPECT_LT(row.low, ate.value);
  EXPECT_GT(row.high, ate.value);
  // A linear model of 400 units: errors of effects from about 0.1 in the middle on.
  ASSERT_EQ(analysis.effect_error.size(), 1u);
  std::vector<double> errors = analysis.effect_error[0];
  std::ranges::sort(errors);
  EXPECT_GT(errors.front(), 0.06);
  EXPECT_LT(errors[errors.size() / 2], 0.4);
}

// Draws with replacement gave five times that error, and more: boosting took copies of a unit for
// evidence.
TEST(AnalysisTest, TheBootstrapOfBoostingIsNotFarFromTheInfluenceFunction) {
  const Analysis analysis = AnalysisOf(Simulate(600, 2, 0.5), {.repeats = 1, .bootstrap = 25}, 2);
  const Estimate& ate = analysis.Of(1, Estimand::kAte, kAipw);
  EXPECT_GT(analysis.bootstrap[0].standard_error / ate.standard_error, 0.6);
  EXPECT_LT(analysis.bootstrap[0].standard_error / ate.standard_error, 2);
}

TEST(AnalysisTest, EstimatesAreMediansOverDrawsOfFolds) {
  const Observations o = Simulate(300, 2, 0.5);
  const AnalysisOptions once = {.model = EffectModelKind::kLinear, .repeats = 1};
  AnalysisOptions options = once;
  options.repeats = 3;
  const Analysis three = AnalysisOf(o, options, 2);
  const Analysis one = AnalysisOf(o, once);
  const std::vector<double>& draws = three.diagnostics[0].by_repeat;
  ASSERT_EQ(draws.size(), 3u);
  EXPECT_EQ(draws[0], one.Of(1, Estimand::kAte, kAipw).value);
  EXPECT_EQ(one.diagnostics[0].by_repeat, std::vector<double>{draws[0]});
  EXPECT_NE(draws[1], draws[0]);
  EXPECT_NE(draws[2], draws[1]);
  std::vector<double> sorted = draws;
  std::ranges::sort(sorted);
  const Estimate& median = three.Of(1, Estimand::kAte, kAipw);
  EXPECT_EQ(median.value, sorted[1]);
  // Diagnostics are of that draw.
  const auto of_draw =
      AverageEffects(SampleOf(o), three.out_of_fold, kAipw, {.estimand = Estimand::kAte});
  ASSERT_TRUE(of_draw.ok()) << of_draw.status();
  const Estimate& middle = (*of_draw)[0].estimate;
  EXPECT_EQ(middle.value, sorted[1]);
  // The variances of three draws are close, so that their median counts one distance at most.
  const double most = std::max(sorted[2] - sorted[1], sorted[1] - sorted[0]);
  EXPECT_GT(median.standard_error, 0.95 * middle.standard_error);
  EXPECT_LT(median.standard_error, 1.05 * std::hypot(middle.standard_error, most));
  EXPECT_NEAR((median.high - median.low) / median.standard_error,
              (middle.high - middle.low) / middle.standard_error, 1e-9);
  EXPECT_EQ(RepeatsOf({}, 10000), 5);
  EXPECT_EQ(RepeatsOf({}, 10001), 1);
  EXPECT_EQ(RepeatsOf({.repeats = 2}, 10001), 2);
}

TEST(AnalysisTest, AnotherDrawOfFoldsMovesAMedianLess) {
  const Observations o = Simulate(150, 2, 1);
  double spread[2] = {};
  for (const int many : {0, 1}) {
    std::vector<double> values;
    for (uint64_t seed = 0; seed < 8; ++seed) {
      values.push_back(
          AnalysisOf(
              o, {.model = EffectModelKind::kLinear, .repeats = many == 1 ? 10 : 1, .seed = seed})
              .Of(1, Estimand::kAte, kAipw)
              .value);
    }
    const auto [least, most] = std::ranges::minmax(values);
    spread[many] = most - least;
  }
  EXPECT_LT(spread[1], 0.7 * spread[0]);
}

TEST(AnalysisTest, AnEValueIsInDeviationsWithinTheTwoArms) {
  Observations o = Simulate(600, 3, 0.3);
  // An effect of 30 deviations in arm 2, which is nothing to arm 1.
  for (int64_t i = 0; i < o.size(); ++i) o.outcome[i] += o.treatment[i] == 2 ? 70 : 0;
  const Analysis analysis = AnalysisOf(o, {.model = EffectModelKind::kLinear, .repeats = 1});
  for (const int arm : {1, 2}) {
    double n[2] = {}, sum[2] = {}, squares[2] = {};
    for (int64_t i = 0; i < o.size(); ++i) {
      if (o.treatment[i] != 0 && o.treatment[i] != arm) continue;
      const int side = o.treatment[i] == 0 ? 0 : 1;
      n[side] += 1;
      sum[side] += o.outcome[i];
      squares[side] += o.outcome[i] * o.outcome[i];
    }
    const double within =
        std::sqrt((squares[0] - sum[0] * sum[0] / n[0] + squares[1] - sum[1] * sum[1] / n[1]) /
                  (n[0] + n[1] - 2));
    const double ratio = std::exp(0.91 * analysis.Of(arm, Estimand::kAte, kAipw).value / within);
    const double expected = ratio + std::sqrt(ratio * (ratio - 1));
    EXPECT_NEAR(analysis.diagnostics[arm - 1].e_value.estimate / expected, 1, 1e-6);
    EXPECT_GT(ratio, arm == 2 ? 1e10 : 1.3);
  }
}

TEST(AnalysisTest, ACovariateThatIsConstantInTwoArmsAndDiffersIsWarnedOf) {
  Observations o = Simulate(600, 3, 0.3);
  // z: 5 in control, 6 in arm 1, as it was in arm 2.
  for (int64_t i = 0; i < o.size(); ++i) {
    if (o.treatment[i] < 2) o.covariates[2 * i + 1] = 5 + o.treatment[i];
  }
  const AnalysisOptions options = {.model = EffectModelKind::kLinear, .repeats = 1};
  const Analysis analysis = AnalysisOf(o, options);
  EXPECT_FALSE(analysis.diagnostics[0].after[1].standardized_difference.has_value());
  EXPECT_THAT(
      WarningsOf(analysis, o, {"none", "one", "two"}, options),
      Contains(HasSubstr("\"one\" and control by more than 0.1 standard deviations, most of "
                         "all \"z\" (6 against 5, without variation)")));
}

TEST(AnalysisTest, WhereLowerIsBetterAGainIsADecrease) {
  Observations o = Simulate(300, 2, 0.5);
  AnalysisOptions options = {.model = EffectModelKind::kLinear, .repeats = 1};
  const ArmDiagnostics higher = AnalysisOf(o, options).diagnostics[0];
  for (double& y : o.outcome) y = -y;
  options.lower_is_better = true;
  const ArmDiagnostics lower = AnalysisOf(o, options).diagnostics[0];
  EXPECT_NEAR(lower.policy.treated_share, higher.policy.treated_share, 1e-12);
  EXPECT_NEAR(lower.policy.over_none.value, higher.policy.over_none.value, 1e-9);
  EXPECT_NEAR(lower.rate.qini.value, higher.rate.qini.value, 1e-9);
  EXPECT_NEAR(lower.gain.back().gain.value, higher.gain.back().gain.value, 1e-9);
  EXPECT_NEAR(lower.bounds.low, -higher.bounds.high, 1e-9);
}

// Ten runs from -0.3 to 0.3 about a mean: its interval reaches 0.143 to either side (SciPy's t).
TEST(AnalysisTest, ARefutationFailsWhereItsIntervalIsMoreThanHalfAnErrorOff) {
  const Estimate estimate = {.value = 2, .standard_error = 0.4};
  const auto judged = [&](bool of_nothing, double mean) {
    RefutationRow row = {.arm = 1, .name = of_nothing ? "placebo" : "subset"};
    row.of_nothing = of_nothing;
    for (const double from : {-0.3, -0.2, -0.2, -0.1, 0.0, 0.0, 0.1, 0.2, 0.2, 0.3}) {
      row.runs.push_back({.value = mean + from});
    }
    EXPECT_TRUE(Judge(estimate, 0.95, row).ok());
    return row;
  };
  for (const double sign : {-1.0, 1.0}) {
    const RefutationRow within = judged(true, sign * 0.14);
    EXPECT_EQ(within.off, 0);
    EXPECT_TRUE(within.holds);
    EXPECT_THAT(within.verdict, HasSubstr("the interval holds it"));
    EXPECT_TRUE(judged(true, sign * (0.14307 + 0.19)).holds);
    const RefutationRow off = judged(true, sign * (0.14307 + 0.21));
    EXPECT_NEAR(off.off, 0.21 / 0.4, 1e-4);
    EXPECT_FALSE(off.holds);
    EXPECT_THAT(off.verdict, HasSubstr("an effect is found where there is none"));
    // Of what should leave the estimate as it is.
    EXPECT_TRUE(judged(false, 2 + sign * (0.14307 + 0.19)).holds);
    const RefutationRow moved = judged(false, 2 + sign * (0.14307 + 0.21));
    EXPECT_FALSE(moved.holds);
    EXPECT_THAT(moved.verdict, HasSubstr("hangs on what should not matter"));
  }
}

TEST(AnalysisTest, RefutationsHoldWhereTheModelIsRight) {
  const Analysis analysis =
      AnalysisOf(Simulate(400, 2, 0.5), {.model = EffectModelKind::kLinear, .refute = true});
  ASSERT_EQ(analysis.refutations.size(), 4u);
  const Estimate& ate = analysis.Of(1, Estimand::kAte, kAipw);
  for (const RefutationRow& row : analysis.refutations) {
    EXPECT_TRUE(row.holds) << row.name;
    ASSERT_EQ(row.runs.size(), 10u);
    const bool null = row.name == "placebo" || row.name == "dummy_outcome";
    EXPECT_EQ(row.of_nothing, null);
    EXPECT_NEAR(row.test.mean, null ? 0 : ate.value, null ? 0.35 : ate.standard_error) << row.name;
    const double right = null ? 0 : ate.value;
    const double away = std::max({row.test.low - right, right - row.test.high, 0.0});
    EXPECT_DOUBLE_EQ(row.off, away / ate.standard_error);
    EXPECT_LE(row.off, kMostOff);
    EXPECT_LT(row.test.low, row.test.high);
    EXPECT_THAT(row.verdict, HasSubstr(null ? "where there is nothing" : "the estimate stays"));
    // The runs differ.
    EXPECT_NE(row.runs[0].value, row.runs[1].value) << row.name;
  }
}

TEST(AnalysisTest, NumbersDoNotDependOnTheThreads) {
  const Observations o = Simulate(120, 2, 0.3);
  const AnalysisOptions options = {
      .model = EffectModelKind::kLinear, .bootstrap = 20, .refute = true};
  const Analysis one = AnalysisOf(o, options, 1);
  const Analysis three = AnalysisOf(o, options, 3);
  EXPECT_EQ(one.effect_error, three.effect_error);
  EXPECT_EQ(one.predictions.effect, three.predictions.effect);
  for (size_t k = 0; k < one.bootstrap.size(); ++k) {
    EXPECT_EQ(one.bootstrap[k].low, three.bootstrap[k].low);
    EXPECT_EQ(one.bootstrap[k].standard_error, three.bootstrap[k].standard_error);
  }
  for (size_t k = 0; k < one.refutations.size(); ++k) {
    EXPECT_EQ(one.refutations[k].test.mean, three.refutations[k].test.mean);
  }
}

TEST(AnalysisTest, KeptPartsAreNotDoneAgainAndDamagedOnesAre) {
  const Observations o = Simulate(120, 2, 0.3);
  for (const EffectModelKind kind : {EffectModelKind::kLinear, EffectModelKind::kNet}) {
    const bool net = kind == EffectModelKind::kNet;
    const AnalysisOptions options = {
        .model = kind, .folds = net ? 2 : 5, .bootstrap = net ? 0 : 20, .refute = !net};
    std::map<std::string, std::string> kept;
    AnalysisRun run = {.threads = 2};
    run.find = [&](const std::string& name) {
      return kept.contains(name) ? kept[name] : std::string();
    };
    run.keep = [&](const std::string& name, const std::string& bytes) {
      EXPECT_TRUE(kept.emplace(name, bytes).second) << name;
      return absl::OkStatus();
    };
    const auto first = Analyze(o, options, run);
    ASSERT_TRUE(first.ok()) << first.status();
    EXPECT_EQ(kept.size(), net ? 11u : 25u + 1 + 20 + 40);
    const auto same = [&](const Analysis& other) {
      EXPECT_EQ(first->out_of_fold.effect, other.out_of_fold.effect);
      EXPECT_EQ(first->out_of_fold.propensity, other.out_of_fold.propensity);
      EXPECT_EQ(first->predictions.effect, other.predictions.effect);
      EXPECT_EQ(first->effect_error, other.effect_error);
      const std::vector<Balance>& balance = first->diagnostics[0].representation_after;
      const std::vector<Balance>& again = other.diagnostics[0].representation_after;
      EXPECT_EQ(balance.size(), net ? 64u : 0u);
      ASSERT_EQ(again.size(), balance.size());
      for (size_t k = 0; k < balance.size(); ++k) {
        EXPECT_EQ(again[k].standardized_difference, balance[k].standardized_difference);
        EXPECT_EQ(again[k].kolmogorov_smirnov, balance[k].kolmogorov_smirnov);
      }
      for (size_t k = 0; k < first->bootstrap.size(); ++k) {
        EXPECT_EQ(first->bootstrap[k].low, other.bootstrap[k].low);
        EXPECT_EQ(first->bootstrap[k].high, other.bootstrap[k].high);
      }
      for (size_t k = 0; k < first->refutations.size(); ++k) {
        EXPECT_EQ(first->refutations[k].verdict, other.refutations[k].verdict);
        EXPECT_EQ(first->refutations[k].test.p_value, other.refutations[k].test.p_value);
      }
    };
    // Nothing is left to do: keep would be told.
    const auto second = Analyze(o, options, run);
    ASSERT_TRUE(second.ok()) << second.status();
    same(*second);
    // Three of them are lost, damaged, or of another part.
    std::map<std::string, std::string> others;
    for (const char* name : {"fold.estimate.part.0", "model.estimate.part.0",
                             "replicate.estimate.part.7", "subset.estimate.part.3"}) {
      if (!kept.contains(name)) continue;
      others[name] = kept[name];
      kept.erase(name);
    }
    run.find = [&](const std::string& name) {
      if (name == "model.estimate.part.0") return others[name].substr(0, others[name].size() / 2);
      if (name == "subset.estimate.part.3") return kept["subset.estimate.part.4"];
      return kept.contains(name) ? kept[name] : std::string();
    };
    const auto third = Analyze(o, options, run);
    ASSERT_TRUE(third.ok()) << third.status();
    same(*third);
    for (const auto& [name, bytes] : others) EXPECT_EQ(kept[name], bytes) << name;
  }
}

// By the definitions in covariate_balance.h, from what the network in the model file says.
TEST(AnalysisTest, TheBalanceOfARepresentationIsThatOfTheNetworksFeatures) {
  const Observations o = Simulate(120, 3, 0.5);
  const Analysis analysis =
      AnalysisOf(o, {.model = EffectModelKind::kNet, .folds = 2, .repeats = 1}, 2);
  record::SafetensorsWriter writer;
  ASSERT_TRUE(analysis.model->Save("m.", writer).ok());
  const auto file = record::SafetensorsFile::Parse(*writer.Finish());
  ASSERT_TRUE(file.ok());
  const auto bytes = file->Read<uint8_t>("m.net");
  ASSERT_TRUE(bytes.ok());
  const auto net = NetFit::Restore(std::string(bytes->begin(), bytes->end()));
  ASSERT_TRUE(net.ok()) << net.status();
  const auto features = (*net)->Features(o.x());
  ASSERT_TRUE(features.ok());
  const int64_t width = std::ssize(*features) / o.size();
  const auto& e = analysis.out_of_fold.propensity;
  for (const int arm : {1, 2}) {
    const ArmDiagnostics& of_arm = analysis.diagnostics[arm - 1];
    for (const bool weighted : {false, true}) {
      const std::vector<Balance>& balances =
          weighted ? of_arm.representation_after : of_arm.representation_before;
      ASSERT_EQ(std::ssize(balances), width);
      for (int64_t j = 0; j < width; ++j) {
        std::vector<std::pair<double, double>> sides[2];  // Value and weight.
        double n[2] = {}, sum[2] = {}, squares[2] = {}, total[2] = {}, weighted_sum[2] = {};
        for (int64_t i = 0; i < o.size(); ++i) {
          if (o.treatment[i] != 0 && o.treatment[i] != arm) continue;
          const int side = o.treatment[i] == arm ? 1 : 0;
          const double value = (*features)[i * width + j];
          const double w = weighted ? 1 / e[o.treatment[i]][i] : 1;
          sides[side].emplace_back(value, w);
          n[side] += 1;
          sum[side] += value;
          squares[side] += value * value;
          total[side] += w;
          weighted_sum[side] += w * value;
        }
        double pooled = 0;
        for (const int side : {0, 1}) {
          pooled += (squares[side] - sum[side] * sum[side] / n[side]) / (n[side] - 1) / 2;
        }
        const double difference = weighted_sum[1] / total[1] - weighted_sum[0] / total[0];
        EXPECT_NEAR(*balances[j].standardized_difference, difference / std::sqrt(pooled), 1e-9);
        double variance[2] = {};
        for (const int side : {0, 1}) {
          double of_weights = 0;
          for (const auto& [value, w] : sides[side]) {
            const double off = value - weighted_sum[side] / total[side];
            variance[side] += w * off * off;
            of_weights += w * w;
          }
          variance[side] /= total[side] - of_weights / total[side];
        }
        EXPECT_NEAR(*balances[j].variance_ratio / (variance[1] / variance[0]), 1, 1e-9);
        double greatest = 0;
        for (int64_t i = 0; i < o.size(); ++i) {
          if (o.treatment[i] != 0 && o.treatment[i] != arm) continue;
          const double at = (*features)[i * width + j];
          double below[2] = {};
          for (const int side : {0, 1}) {
            for (const auto& [value, w] : sides[side]) below[side] += value <= at ? w : 0;
          }
          greatest = std::max(greatest, std::abs(below[1] / total[1] - below[0] / total[0]));
        }
        EXPECT_NEAR(balances[j].kolmogorov_smirnov, greatest, 1e-9);
      }
    }
  }
  EXPECT_TRUE(AnalysisOf(o, {.model = EffectModelKind::kLinear, .folds = 2, .repeats = 1})
                  .diagnostics[0]
                  .representation_before.empty());
}

TEST(AnalysisTest, AStopEndsItAndWhatCannotBeKeptDoesToo) {
  const Observations o = Simulate(120, 2, 0.3);
  const AnalysisOptions options = {.model = EffectModelKind::kLinear, .bootstrap = 20};
  std::atomic<bool> stop = false;
  int kept = 0;
  AnalysisRun run = {.stop = &stop};
  run.keep = [&](const std::string&, const std::string&) {
    stop = ++kept == 9;
    return absl::OkStatus();
  };
  EXPECT_TRUE(absl::IsCancelled(Analyze(o, options, run).status()));
  EXPECT_EQ(kept, 9);
  run.stop = nullptr;
  run.keep = [&](const std::string&, const std::string&) {
    return absl::ResourceExhaustedError("cannot write parts/x: No space left on device");
  };
  EXPECT_EQ(Analyze(o, options, run).status().message(),
            "cannot write parts/x: No space left on device");
}

TEST(AnalysisTest, ProgressRisesToOneAndNamesWhatIsDone) {
  const Observations o = Simulate(120, 2, 0.3);
  AnalysisRun run = {.threads = 2};
  std::vector<std::string> lines;
  double last = 0;
  run.progress = [&](const AnalysisProgress& progress) {
    EXPECT_GE(progress.fraction, last);
    last = progress.fraction;
    if (progress.worth_a_line) lines.push_back(progress.text);
  };
  ASSERT_TRUE(
      Analyze(o, {.model = EffectModelKind::kLinear, .bootstrap = 100, .refute = true}, run).ok());
  EXPECT_NEAR(last, 1, 1e-9);
  EXPECT_THAT(lines, Contains("cross-fitting: 25 of 25 folds"));
  EXPECT_THAT(lines, Contains("bootstrap: 30 of 100 replicates"));
  EXPECT_THAT(lines, Contains("refutations: 40 of 40 runs"));
  EXPECT_LT(lines.size(), 40u);
}

TEST(AnalysisTest, WhatDoesNotFitIntoMemoryIsRefusedBeforeItBegins) {
  const Observations o = Simulate(1000, 2, 0);
  AnalysisRun run = {.memory_bytes = 100000};
  run.progress = [](const AnalysisProgress&) { ADD_FAILURE() << "it has begun"; };
  const auto message = [&](const AnalysisOptions& options) {
    return std::string(Analyze(o, options, run).status().message());
  };
  EXPECT_THAT(message({.model = EffectModelKind::kBoosting}),
              ::testing::AllOf(HasSubstr("1000 rows of 2 covariates need 0.000"),
                               HasSubstr("GB of memory beyond the table itself, and 0.0001 GB are "
                                         "free; give fewer rows or covariates, or --model linear ("
                                         "0.000")));
  EXPECT_THAT(message({.model = EffectModelKind::kLinear, .bootstrap = 20}),
              HasSubstr("leave out --bootstrap and --refute"));
  // With room for one part at a time, one is what there is.
  const double bytes = EstimateBytes(EffectModelKind::kLinear, 1000, 2, 2, 5, 1, false);
  EXPECT_TRUE(Analyze(o, {.model = EffectModelKind::kLinear},
                      {.threads = 8, .memory_bytes = static_cast<int64_t>(bytes)})
                  .ok());
}

TEST(AnalysisTest, WarningsNameWhatIsWrongAndNothingElse) {
  const std::vector<std::string> arms = {"no", "yes"};
  AnalysisOptions options = {.model = EffectModelKind::kLinear};
  const Observations fair = Simulate(1000, 2, 0);
  EXPECT_THAT(WarningsOf(AnalysisOf(fair, options), fair, arms, options), IsEmpty());
  const Observations selected = Simulate(1000, 2, 3);
  EXPECT_THAT(WarningsOf(AnalysisOf(selected, options), selected, arms, options),
              Contains(HasSubstr("propensity below 0.05 for arm \"yes\"")));
  Observations clustered = Simulate(60, 2, 0);
  for (int32_t i = 0; i < 60; ++i) clustered.cluster.push_back(i % 10);
  const auto warnings = WarningsOf(AnalysisOf(clustered, options), clustered, arms, options);
  EXPECT_THAT(warnings, Contains(HasSubstr("only 10 clusters")));
  EXPECT_THAT(warnings, Contains(HasSubstr("Arm \"no\" has only")));
}

TEST(AnalysisTest, WarningsSayWhereIntervalsAreNotToBeTrusted) {
  const std::vector<std::string> arms = {"no", "yes"};
  const AnalysisOptions linear = {.model = EffectModelKind::kLinear, .repeats = 1};
  // The sign of x decides the arm, but for one unit in fifty.
  Observations apart = Simulate(400, 2, 0);
  for (int32_t i = 0; i < 400; ++i) {
    apart.treatment[i] = (apart.covariates[2 * i] > 0) != (i % 50 == 0) ? 1 : 0;
  }
  EXPECT_THAT(WarningsOf(AnalysisOf(apart, linear), apart, arms, linear),
              ::testing::AllOf(
                  Contains(HasSubstr("below 0.01 for an arm, which is taken as 0.01")),
                  Contains(HasSubstr("for arm \"yes\": hardly any unit like them was in it, so "
                                     "that effects for them rest on the model alone. The effect "
                                     "on the treated")),
                  Contains(HasSubstr("in control even the ATT is such a guess"))));
  Observations rare = Simulate(400, 2, 0);
  rare.binary_outcome = true;
  for (int32_t i = 0; i < 400; ++i) rare.outcome[i] = i < 24 ? 1 : 0;
  const int64_t ones = std::count(rare.treatment.begin(), rare.treatment.begin() + 24, 1);
  ASSERT_GE(ones, 10);
  rare.outcome[399] = 0;
  for (int32_t i = 0, left = 3; i < 24; ++i) {
    if (rare.treatment[i] == 0 && --left < 0) rare.outcome[i] = 0;
  }
  EXPECT_THAT(WarningsOf(AnalysisOf(rare, linear), rare, arms, linear),
              ::testing::ElementsAre(HasSubstr("Arm \"no\" has the rarer outcome only 3 times")));
  const Observations few = Simulate(150, 2, 0);
  const AnalysisOptions boosting = {.repeats = 1};
  EXPECT_THAT(WarningsOf(AnalysisOf(few, boosting), few, arms, boosting),
              Contains(HasSubstr("Compare --model linear")));
}

// By lot, propensities follow chance: their slope is near 0, and weights are nearly equal.
TEST(AnalysisTest, ATrialByLotHasNoWarnings) {
  const AnalysisOptions options = {.model = EffectModelKind::kLinear, .repeats = 1};
  for (uint64_t seed = 0; seed < 20; ++seed) {
    const Observations trial = Simulate(300, 2, 0, 100 + seed);
    EXPECT_THAT(WarningsOf(AnalysisOf(trial, options), trial, {"no", "yes"}, options), IsEmpty())
        << seed;
  }
}

TEST(AnalysisTest, EffectsFurtherOffThanOneForAllAreAWarning) {
  const Observations fair = Simulate(400, 2, 0.2);
  const AnalysisOptions options = {.model = EffectModelKind::kLinear};
  Analysis analysis = AnalysisOf(fair, options);
  Estimate& excess = analysis.diagnostics[0].effect_loss.back().excess;
  // Outcomes have a standard deviation of 2.5: a quarter of it, squared, is 0.4.
  for (const auto& [value, low, warns] :
       {std::tuple(0.5, 0.2, true), std::tuple(0.5, -0.1, false), std::tuple(0.3, 0.2, false)}) {
    excess = {value, (value - low) / 2, low, 2 * value - low};
    EXPECT_EQ(WarningsOf(analysis, fair, {"no", "yes"}, options).size(), warns ? 1u : 0u) << value;
  }
  excess = {0.5, 0.15, 0.2, 0.8};
  EXPECT_THAT(WarningsOf(analysis, fair, {"no", "yes"}, options)[0],
              HasSubstr("of arm \"yes\", are further from the truth than one effect for all"));
}

TEST(AnalysisTest, ARefutationThatFailsIsAWarningWithItsVerdict) {
  const AnalysisOptions options = {.model = EffectModelKind::kLinear, .refute = true};
  const Observations fair = Simulate(600, 2, 0);
  Analysis analysis = AnalysisOf(fair, options);
  EXPECT_THAT(WarningsOf(analysis, fair, {"no", "yes"}, options), IsEmpty());
  analysis.refutations[0].holds = false;
  EXPECT_THAT(WarningsOf(analysis, fair, {"no", "yes"}, options),
              ::testing::ElementsAre("The refutation placebo of arm \"yes\" fails. " +
                                     analysis.refutations[0].verdict));
}

std::string ErrorOf(const Observations& observations, const AnalysisOptions& options) {
  return std::string(Analyze(observations, options, {}).status().message());
}

TEST(AnalysisTest, WhatCannotBeAnalyzedIsNamed) {
  const Observations o = Simulate(40, 2, 0);
  EXPECT_THAT(ErrorOf(o, {.folds = 41}), HasSubstr("there are 40 rows for 41 folds"));
  EXPECT_THAT(ErrorOf(o, {.folds = 1}), HasSubstr("folds is 1, must be 2 to 100"));
  EXPECT_THAT(ErrorOf(o, {.bootstrap = 5}), HasSubstr("bootstrap is 5"));
  EXPECT_THAT(ErrorOf(o, {.repeats = 101}), HasSubstr("repeats is 101"));
  EXPECT_THAT(ErrorOf(o, {.estimator = EffectMethod::kPlugIn}), HasSubstr("aipw, tmle or hajek"));
  Observations lone = o;
  std::ranges::fill(lone.treatment, 0);
  lone.treatment[7] = 1;
  EXPECT_THAT(ErrorOf(lone, {}), HasSubstr("arm"));
}

}  // namespace
}  // namespace perennial::causal
