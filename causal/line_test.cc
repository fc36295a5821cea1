#include "causal/line.h"

#include <cmath>
#include <cstdint>
#include <iterator>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "causal/causal.pb.h"
#include "causal/data/split.h"
#include "causal/effect_unit.h"
#include "causal/nets/net_fit.h"
#include "causal/registry.h"
#include "causal/sources.h"
#include "common/base/file_io.h"
#include "common/base/runfiles.h"
#include "common/config/resolve.h"
#include "common/config/textproto.h"
#include "common/experiment/configuration.h"
#include "common/population/unit.h"
#include "common/record/summary.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace perennial::causal {
namespace {

using ::testing::HasSubstr;

CausalConfig Parse(const std::string& text) {
  CausalConfig config;
  const absl::Status parsed = config::ParseTextproto(text, "test.textproto", &config);
  EXPECT_TRUE(parsed.ok()) << parsed.message();
  return config;
}

constexpr char kSmall[] = R"(
  data { ihdp { surface: HILL_A } }
  split { test_share: 0.1 }
  net { trunk: [8] head: [4] steps: 40 batch_size: 50 evaluate_every: 10 }
  methods { null_effect {} }
  methods { naive_difference {} }
  methods { ols_1 {} }
  methods { ols_2 { penalty: 0.001 } }
  methods { name: "ols_2_aipw" ols_2 {} average { estimator: AIPW folds: 3 } }
  methods { name: "tarnet" net {} average { estimator: TMLE folds: 2 } }
  methods { name: "x_linear" meta_learner { kind: X base: LINEAR } }
  methods { name: "balanced" net { alpha: 1 beta: 0.1 transductive: TEST_COVARIATES } }
  methods { name: "ols_2_formula" ols_2 {} intervals { bootstrap: 0 } }
  methods { name: "net_bootstrap" net {} average { folds: 2 } intervals { bootstrap: 3 } }
)";

std::vector<std::unique_ptr<population::Unit>> Units(const CausalConfig& config, uint64_t seed) {
  const CausalLine line;
  auto experiment = line.Prepare(config, "");
  EXPECT_TRUE(experiment.ok()) << experiment.status().message();
  auto units = (*experiment)->Units(seed);
  EXPECT_TRUE(units.ok()) << units.status().message();
  return *std::move(units);
}

double Metric(const population::Unit& unit, const std::string& name) {
  for (const population::Measurement& measurement : unit.Results().measurements) {
    if (measurement.metric == name) return measurement.value;
  }
  ADD_FAILURE() << unit.key().Id() << " has no " << name;
  return std::nan("");
}

// Of a network fitted as a unit's is: the mean of |m_1 - m_0| / sqrt((s_1^2 + s_0^2) / 2) over its
// features, of the units that it has seen.
double MeanDifferenceOfFeatures(const CausalConfig& config, int method, uint64_t seed) {
  const auto drawn = (*MakeSampleSource(config.data(), ""))->Realise(seed);
  const auto split = SplitUnits(drawn->units, config.split().test_share(), SplitStream(seed));
  const Observations& in = split->in;
  FitData data = {.observations = in, .stream = FitStream(seed)};
  data.observations.truth.reset();
  const auto net = NetFit::Create(
      NetOptionsOf(Override(config.net(), config.methods(method).net())), std::move(data));
  EXPECT_TRUE(net.ok()) << net.status();
  EXPECT_TRUE((*net)->Advance((*net)->steps()).ok());
  const std::vector<float> features = *(*net)->Features(in.x());
  const int64_t width = std::ssize(features) / in.size();
  double mean = 0;
  for (int64_t j = 0; j < width; ++j) {
    double n[2] = {}, sum[2] = {}, squares[2] = {};
    for (int64_t i = 0; i < in.size(); ++i) {
      const double value = features[i * width + j];
      n[in.treatment[i]] += 1;
      sum[in.treatment[i]] += value;
      squares[in.treatment[i]] += value * value;
    }
    double pooled = 0;
    for (const int t : {0, 1}) pooled += (squares[t] - sum[t] * sum[t] / n[t]) / (n[t] - 1) / 2;
    mean +=
        std::abs(sum[1] / n[1] - sum[0] / n[0]) / std::sqrt(pooled) / static_cast<double>(width);
  }
  return mean;
}

TEST(CausalLineTest, ReadyConfigurationsAreValid) {
  const absl::Status valid = experiment::CheckReadyConfigs(CausalLine());
  EXPECT_TRUE(valid.ok()) << valid.message();
}

// Whoever compares estimators sees what each has to beat; smoke is for tests.
TEST(CausalLineTest, ReadyConfigurationsHoldTheBaselines) {
  const std::string folder = CausalLine().config_folder();
  const auto files = base::ListRunfiles(folder);
  ASSERT_TRUE(files.ok()) << files.status().message();
  int checked = 0;
  for (const std::string& file : *files) {
    if (file == "smoke.textproto") continue;
    const auto path = base::FindRunfile(folder + "/" + file);
    ASSERT_TRUE(path.ok()) << path.status().message();
    const CausalConfig config = Parse(*base::ReadFile(*path));
    if (config.methods().empty()) continue;
    std::set<MethodConfig::KindCase> kinds;
    for (const MethodConfig& method : config.methods()) kinds.insert(method.kind_case());
    for (const auto& [kind, name] :
         {std::pair(MethodConfig::kNullEffect, "null_effect"),
          std::pair(MethodConfig::kNaiveDifference, "naive_difference"),
          std::pair(MethodConfig::kOls1, "ols_1"), std::pair(MethodConfig::kOls2, "ols_2")}) {
      EXPECT_TRUE(kinds.contains(kind)) << file << " lacks " << name;
    }
    ++checked;
  }
  EXPECT_GE(checked, 13);
}

TEST(CausalLineTest, BaselinesMeetTheConstantEffectOfHillsSurfaceA) {
  CausalConfig config = Parse(kSmall);
  ASSERT_TRUE(CausalLine().FinishConfig(config).ok());
  const auto units = Units(config, 3);
  ASSERT_EQ(units.size(), 10);
  for (const auto& unit : units) ASSERT_TRUE(unit->Advance(1000).ok());
  // The effect is 4 for all; nothing is 4 away from it, and outcomes are linear.
  EXPECT_EQ(units[0]->key().Id(), "null_effect.ihdp_hill_a.realisation.3");
  EXPECT_NEAR(Metric(*units[0], "sqrt_pehe_in"), 4, 1e-9);
  EXPECT_NEAR(Metric(*units[0], "ate_bias"), -4, 1e-9);
  EXPECT_NEAR(Metric(*units[0], "att_error"), 4, 1e-9);
  // Least squares with its standard error: sd 1, 125 treated, whose covariates are not the others'.
  EXPECT_LT(Metric(*units[2], "ate_error"), 4 * 0.11);
  EXPECT_NEAR(Metric(*units[2], "sqrt_pehe_in"), Metric(*units[2], "sqrt_pehe_out"), 1e-9);
  EXPECT_LT(Metric(*units[3], "sqrt_pehe_in"), 1.2);
  EXPECT_NEAR(Metric(*units[3], "ate") - 4, Metric(*units[3], "ate_bias"), 1e-9);
}

TEST(CausalLineTest, CrossFittedAveragesHaveIntervalsThatHoldTheTruth) {
  CausalConfig config = Parse(kSmall);
  ASSERT_TRUE(CausalLine().FinishConfig(config).ok());
  int covered = 0;
  constexpr int kRealisations = 40;
  for (int seed = 0; seed < kRealisations; ++seed) {
    const auto units = Units(config, seed);
    ASSERT_EQ(units[4]->key().method, "ols_2_aipw");
    ASSERT_EQ(units[4]->plan().steps, 1 + 3);
    ASSERT_TRUE(units[4]->Advance(1000).ok());
    const double error = Metric(*units[4], "ate_error");
    const double width = Metric(*units[4], "ate_width");
    EXPECT_EQ(Metric(*units[4], "ate_covered"), error <= width / 2 ? 1 : 0);
    EXPECT_NEAR(Metric(*units[4], "ate") - 4, Metric(*units[4], "ate_bias"), 1e-9);
    EXPECT_NEAR(width, 2 * 1.96 * Metric(*units[4], "ate_standard_error"), 0.01 * width);
    covered += Metric(*units[4], "ate_covered") == 1 ? 1 : 0;
  }
  // 95 %, less four standard errors.
  EXPECT_GE(covered, 32);
}

TEST(CausalLineTest, BalanceOfRepresentationsIsMeasuredAndAlphaLowersIt) {
  CausalConfig config = Parse(R"(
    data { honest { n: 400 kappa: 2 } }
    net { trunk: [16, 16] head: [8] steps: 400 batch_size: 100 learning_rate: 0.003 evaluate_every: 50 }
    methods { name: "none" net { alpha: 0 } }
    methods { name: "balanced" net { alpha: 10 } }
    methods { name: "averages" net { alpha: 10 } average { folds: 2 } }
    methods { name: "t_net" net { shared: false } }
    methods { name: "ensemble" net { ensemble: 2 } }
    methods { ols_2 {} }
  )");
  ASSERT_TRUE(CausalLine().FinishConfig(config).ok());
  for (int seed = 0; seed < 3; ++seed) {
    const auto units = Units(config, seed);
    for (const auto& unit : units) ASSERT_TRUE(unit->Advance(10000).ok());
    const double without = Metric(*units[0], "representation_smd");
    const double with = Metric(*units[1], "representation_smd");
    EXPECT_GT(without, 0.1);
    EXPECT_LT(with, 0.7 * without);
    EXPECT_GT(with, 0);
    EXPECT_EQ(Metric(*units[2], "representation_smd"), with);
    EXPECT_NEAR(without, MeanDifferenceOfFeatures(config, 0, seed), 1e-9);
    EXPECT_NEAR(with, MeanDifferenceOfFeatures(config, 1, seed), 1e-9);
    for (size_t i = 3; i < units.size(); ++i) {
      for (const population::Measurement& measurement : units[i]->Results().measurements) {
        EXPECT_NE(measurement.metric, "representation_smd") << units[i]->key().method;
      }
    }
  }
}

TEST(CausalLineTest, IntervalsOfEffectsAreAsWideAsTheirReplicatesSay) {
  CausalConfig config = Parse(R"(
    data { ihdp { surface: HILL_A } }
    split { test_share: 0.1 }
    methods { null_effect {} intervals { bootstrap: 5 } }
    methods { naive_difference {} intervals { bootstrap: 20 } }
    methods { name: "narrow" naive_difference {} intervals { bootstrap: 20 level: 0.5 } }
  )");
  ASSERT_TRUE(CausalLine().FinishConfig(config).ok());
  int covered = 0;
  for (int seed = 0; seed < 20; ++seed) {
    const auto units = Units(config, seed);
    ASSERT_EQ(units[1]->plan().steps, 21);
    for (const auto& unit : units) ASSERT_TRUE(unit->Advance(1000).ok());
    // The effect is 4 for all.
    EXPECT_EQ(Metric(*units[0], "effect_width_out"), 0);
    EXPECT_EQ(Metric(*units[0], "effect_covered_in"), 0);
    const double width = Metric(*units[1], "effect_width_out");
    const double expected = Metric(*units[1], "ate_error") <= width / 2 ? 1 : 0;
    EXPECT_EQ(Metric(*units[1], "effect_covered_in"), expected);
    EXPECT_EQ(Metric(*units[1], "effect_covered_out"), expected);
    covered += static_cast<int>(expected);
    // Student's t with 19 degrees of freedom: 2.0930 and 0.6876.
    EXPECT_NEAR(width / Metric(*units[2], "effect_width_out"), 2.0930 / 0.6876, 1e-3);
  }
  // Selection puts the difference of means off, so not always; but not never.
  EXPECT_GT(covered, 0);
}

TEST(CausalLineTest, IntervalsOfEffectsHoldThemAsOftenAsTheySayWhereOutcomesAreLinear) {
  CausalConfig config = Parse(R"(
    data { honest { n: 400 noise: 0 nonlinearity: 0 heteroskedasticity: 0.5 } }
    split { test_share: 0.2 }
    methods { name: "formula" ols_2 {} intervals { bootstrap: 0 } }
    methods { name: "bootstrap" ols_2 {} intervals { bootstrap: 30 } }
  )");
  ASSERT_TRUE(CausalLine().FinishConfig(config).ok());
  constexpr int kSeeds = 60;
  const std::string metrics[] = {"effect_covered_in", "effect_covered_out"};
  double sum[2][2] = {};
  double squares[2][2] = {};
  for (int seed = 0; seed < kSeeds; ++seed) {
    const auto units = Units(config, seed);
    for (int method = 0; method < 2; ++method) {
      ASSERT_TRUE(units[method]->Advance(1000).ok());
      for (int m = 0; m < 2; ++m) {
        const double share = Metric(*units[method], metrics[m]);
        sum[method][m] += share / kSeeds;
        squares[method][m] += share * share / kSeeds;
      }
    }
  }
  for (int method = 0; method < 2; ++method) {
    for (int m = 0; m < 2; ++m) {
      // Units of a seed share a fit: the spread of seeds is the error of their mean.
      const double mean = sum[method][m];
      const double error = std::sqrt((squares[method][m] - mean * mean) / (kSeeds - 1));
      EXPECT_GT(mean, 0.95 - 4 * error) << metrics[m] << " " << config.methods(method).name();
      // Half of an arm has fewer units to spare for its covariates: a little too wide.
      EXPECT_LT(mean, method == 0 ? 0.95 + 4 * error : 0.985)
          << metrics[m] << " " << config.methods(method).name();
      EXPECT_LT(error, 0.01);
    }
  }
}

TEST(CausalLineTest, IntervalsNeedAFormulaOrReplicates) {
  for (const std::string method :
       {"ols_1 {} intervals { bootstrap: 0 }", "ols_2 {} intervals { bootstrap: 1 }"}) {
    CausalConfig config = Parse("data { ihdp {} } methods { " + method + " }");
    ASSERT_TRUE(CausalLine().FinishConfig(config).ok());
    auto experiment = CausalLine().Prepare(config, "");
    ASSERT_TRUE(experiment.ok());
    EXPECT_THAT(std::string((*experiment)->Units(0).status().message()),
                HasSubstr("intervals.bootstrap is"));
  }
}

TEST(CausalLineTest, CriteriaOfSelectionComeFromUnitsThatAreNotFittedTo) {
  CausalConfig config = Parse(kSmall);
  config.mutable_split()->set_selection_share(0.3);
  ASSERT_TRUE(CausalLine().FinishConfig(config).ok());
  const auto units = Units(config, 3);
  for (const auto& unit : units) ASSERT_TRUE(unit->Advance(1000).ok());
  // The effect is 4 for all: what says so is nearer than what says there is none, by each
  // criterion.
  const population::Unit& null_effect = *units[0];
  const population::Unit& ols_1 = *units[2];
  ASSERT_EQ(ols_1.key().method, "ols_1");
  for (const std::string name :
       {"selection_factual_loss", "selection_pehe_nn", "selection_dr_loss", "selection_r_loss"}) {
    EXPECT_LT(Metric(ols_1, name), Metric(null_effect, name)) << name;
  }
  // 70 % are fitted to, and no others: the difference of their arms is another one.
  config.mutable_split()->set_selection_share(0);
  const auto all = Units(config, 3);
  ASSERT_TRUE(all[1]->Advance(1).ok());
  EXPECT_NE(Metric(*all[1], "ate"), Metric(*units[1], "ate"));
}

TEST(CausalLineTest, MethodsOfARealisationSeeTheSameUnits) {
  CausalConfig config = Parse(kSmall);
  ASSERT_TRUE(CausalLine().FinishConfig(config).ok());
  const auto units = Units(config, 3);
  const auto again = Units(config, 3);
  const auto other = Units(config, 4);
  for (const auto* list : {&units, &again, &other}) {
    for (const auto& unit : *list) ASSERT_TRUE(unit->Advance(1000).ok());
  }
  EXPECT_EQ(Metric(*units[0], "effect_sd"), Metric(*units[5], "effect_sd"));
  EXPECT_EQ(Metric(*units[5], "sqrt_pehe_out"), Metric(*again[5], "sqrt_pehe_out"));
  EXPECT_NE(Metric(*units[5], "sqrt_pehe_out"), Metric(*other[5], "sqrt_pehe_out"));
}

TEST(CausalLineTest, MoreDataAreGroupsOfTheirOwnAndChangeNothingOfTheFirst) {
  const char kMore[] = "more_data { ihdp { surface: HILL_B } } more_data { honest { n: 200 } }";
  CausalConfig config = Parse(R"(data { ihdp { surface: HILL_A } } split { test_share: 0.1 }
                                 methods { ols_1 {} } methods { ols_2 {} })");
  const auto alone = Units(config, 3);
  config.MergeFrom(Parse(kMore));
  const auto units = Units(config, 3);
  ASSERT_EQ(units.size(), 6);
  std::set<std::string> groups;
  for (size_t i = 0; i < units.size(); ++i) {
    EXPECT_EQ(units[i]->key().method, i % 2 == 0 ? "ols_1" : "ols_2");
    groups.insert(units[i]->key().group);
    ASSERT_TRUE(units[i]->Advance(1).ok());
  }
  EXPECT_EQ(groups.size(), 3);
  for (size_t i = 0; i < alone.size(); ++i) {
    EXPECT_EQ(alone[i]->key().Id(), units[i]->key().Id());
    ASSERT_TRUE(alone[i]->Advance(1).ok());
    EXPECT_EQ(Metric(*alone[i], "sqrt_pehe_out"), Metric(*units[i], "sqrt_pehe_out"));
  }
  EXPECT_NE(Metric(*units[0], "sqrt_pehe_out"), Metric(*units[2], "sqrt_pehe_out"));

  config.add_more_data()->mutable_ihdp()->set_surface(IhdpData::HILL_A);
  const CausalLine line;
  EXPECT_THAT(line.Prepare(config, "").status().message(),
              AllOf(HasSubstr("more_data[2]"), HasSubstr("ihdp_hill_a")));
}

TEST(CausalLineTest, UnitsGoOnFromTheirStateBitForBit) {
  CausalConfig config = Parse(kSmall);
  ASSERT_TRUE(CausalLine().FinishConfig(config).ok());
  const auto whole = Units(config, 3);
  for (const int64_t stop : {0, 17, 40, 130, 170}) {
    const auto stopped = Units(config, 3);
    const auto resumed = Units(config, 3);
    for (size_t i = 0; i < whole.size(); ++i) {
      ASSERT_TRUE(whole[i]->Advance(1000).ok());
      ASSERT_TRUE(stopped[i]->Advance(stop).ok());
      const auto state = stopped[i]->Save();
      ASSERT_TRUE(state.ok()) << state.status().message();
      stopped[i]->Release();
      ASSERT_TRUE(resumed[i]->Load(*state).ok());
      EXPECT_EQ(resumed[i]->steps_done(), stopped[i]->steps_done());
      ASSERT_TRUE(resumed[i]->Advance(1000).ok());
      const auto expected = whole[i]->Results().measurements;
      const auto results = resumed[i]->Results().measurements;
      ASSERT_EQ(results.size(), expected.size());
      for (size_t m = 0; m < results.size(); ++m) {
        EXPECT_EQ(results[m].metric, expected[m].metric);
        EXPECT_EQ(results[m].value, expected[m].value) << results[m].metric;
      }
      // A state of another unit is refused.
      EXPECT_FALSE(resumed[i]->Load(*whole[(i + 1) % whole.size()]->Save()).ok());
    }
  }
}

TEST(CausalLineTest, AMethodsNetStandsOnTopOfTheConfigurations) {
  CausalConfig config = Parse(R"(
    data { ihdp {} }
    net { trunk: [8, 8] steps: 40 representation { distance: SINKHORN } }
    methods { name: "own" net { trunk: [5] alpha: 2 representation { iterations: 3 cost: EUCLIDEAN } } })");
  ASSERT_TRUE(CausalLine().FinishConfig(config).ok());
  const NetOptions options = NetOptionsOf(Override(config.net(), config.methods(0).net()));
  EXPECT_THAT(options.network.trunk, ::testing::ElementsAre(5));
  EXPECT_THAT(options.network.head, ::testing::ElementsAre(32, 32));
  EXPECT_EQ(options.steps, 40);
  EXPECT_EQ(options.objective.alpha, 2);
  EXPECT_EQ(options.objective.balance.kind, DiscrepancyKind::kSinkhorn);
  EXPECT_EQ(options.objective.balance.iterations, 3);
  EXPECT_EQ(options.objective.balance.cost, TransportCost::kEuclidean);
  EXPECT_EQ(NetOptionsOf(config.net()).objective.balance.cost, TransportCost::kSquaredEuclidean);
  // Defaults are part of the configuration, so of the fingerprint.
  EXPECT_TRUE(config.net().has_learning_rate());
  EXPECT_TRUE(config.net().representation().has_debiased());
}

TEST(CausalLineTest, TransportWithSlackIsReadAndIsNothingWhereItIsNotGiven) {
  CausalConfig config = Parse(R"(
    data { ihdp {} }
    net { steps: 40 }
    methods { name: "half" net { alpha: 1 representation { distance: SLACK_SINKHORN } } }
    methods { name: "corrected" net { alpha: 1 representation {
      distance: SLACK_SINKHORN cost: EUCLIDEAN treated_mass: 0.2 regularization: 0.5 } } })");
  ASSERT_TRUE(CausalLine().FinishConfig(config).ok());
  const auto balance = [&](int method) {
    return NetOptionsOf(Override(config.net(), config.methods(method).net())).objective.balance;
  };
  EXPECT_EQ(balance(0).kind, DiscrepancyKind::kSlackSinkhorn);
  EXPECT_EQ(balance(0).cost, TransportCost::kSquaredEuclidean);
  EXPECT_EQ(balance(0).mass_x, 0.5);
  EXPECT_EQ(balance(0).epsilon, 0.1);
  EXPECT_TRUE(balance(0).relative_epsilon);
  EXPECT_EQ(balance(0).iterations, 10);
  EXPECT_EQ(balance(1).cost, TransportCost::kEuclidean);
  EXPECT_EQ(balance(1).mass_x, 0.2);
  EXPECT_EQ(balance(1).epsilon, 0.5);
  const std::string text = config::CanonicalText(config);
  EXPECT_EQ(config::CanonicalText(Parse(text)), text);
  EXPECT_THAT(text, HasSubstr("treated_mass: 0.2"));
  // Nothing is added to configurations that do not ask for it, nor to their fingerprints.
  EXPECT_FALSE(config.net().representation().has_treated_mass());
}

TEST(CausalLineTest, TransportWithSlackBalancesARepresentationFromStartToEnd) {
  CausalConfig config = Parse(R"(
    data { honest { n: 400 kappa: 2 } }
    net { trunk: [16, 16] head: [8] steps: 400 batch_size: 100 learning_rate: 0.003 evaluate_every: 50 }
    methods { name: "none" net {} }
    methods { name: "slack" net { alpha: 3 representation { distance: SLACK_SINKHORN cost: EUCLIDEAN } } })");
  ASSERT_TRUE(CausalLine().FinishConfig(config).ok());
  for (int seed = 0; seed < 3; ++seed) {
    const auto units = Units(config, seed);
    for (const auto& unit : units) ASSERT_TRUE(unit->Advance(10000).ok());
    const double without = Metric(*units[0], "representation_smd");
    EXPECT_GT(without, 0.1);
    EXPECT_LT(Metric(*units[1], "representation_smd"), 0.7 * without);
  }
}

TEST(CausalLineTest, ARunSaysWhatNetworksSawAndEstimatesWithoutTruth) {
  CausalConfig config = Parse(kSmall);
  ASSERT_TRUE(CausalLine().FinishConfig(config).ok());
  const record::SummaryResult estimate = {.method = "ols_1",
                                          .group = "nhefs",
                                          .metric = "ate",
                                          .unit = "outcome",
                                          .over = "realisation",
                                          .values = {{"0", 3}}};
  const auto findings = CausalLine().Findings(config, {estimate});
  ASSERT_TRUE(findings.ok()) << findings.status();
  ASSERT_EQ(findings->size(), 2u);
  EXPECT_THAT((*findings)[0].table.rows, ::testing::Contains(::testing::Contains("3.000")));
  EXPECT_THAT((*findings)[1].table.rows,
              ::testing::ElementsAre(
                  ::testing::ElementsAre("balanced", "training units; covariates of test units")));
}

TEST(CausalLineTest, SaysWhatIsWrongWithMethods) {
  CausalConfig none = Parse("data { ihdp {} }");
  EXPECT_THAT(CausalLine().FinishConfig(none).message(), HasSubstr("must name at least one"));
  CausalConfig twice = Parse("data { ihdp {} } methods { ols_1 {} } methods { ols_1 {} }");
  EXPECT_THAT(CausalLine().FinishConfig(twice).message(), HasSubstr("stands twice"));
  CausalConfig name = Parse("data { ihdp {} } methods { name: \"Best Net\" net {} }");
  EXPECT_THAT(CausalLine().FinishConfig(name).message(), HasSubstr("lower_snake_case"));
  CausalConfig shared =
      Parse("data { ihdp {} } methods { name: \"t_net\" net { shared: false alpha: 1 } }");
  ASSERT_TRUE(CausalLine().FinishConfig(shared).ok());
  auto experiment = CausalLine().Prepare(shared, "");
  ASSERT_TRUE(experiment.ok());
  EXPECT_THAT((*experiment)->Units(0).status().message(), HasSubstr("no shared features"));
}

}  // namespace
}  // namespace perennial::causal
