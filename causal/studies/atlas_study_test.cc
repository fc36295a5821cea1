#include "causal/studies/atlas_study.h"

#include <cmath>
#include <map>
#include <string>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "causal/line.h"
#include "causal/studies/atlas_unit.h"
#include "common/config/resolve.h"
#include "common/config/textproto.h"
#include "common/experiment/finished_unit.h"
#include "common/report/document.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace perennial::causal {
namespace {

using ::testing::DoubleNear;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

CausalConfig Parse(const std::string& text) {
  CausalConfig config;
  const absl::Status parsed = config::ParseTextproto(text, "test.textproto", &config);
  EXPECT_TRUE(parsed.ok()) << parsed.message();
  config::FillDefaults(&config);
  return config;
}

CausalConfig Finished(const std::string& text) {
  CausalConfig config = Parse(text);
  const absl::Status finished = CausalLine().FinishConfig(config);
  EXPECT_TRUE(finished.ok()) << finished.message();
  return config;
}

constexpr char kSmall[] = R"(
  data { honest { noise: 0 instruments: 1 confounders: 2 outcome_only: 1 effect_only: 1
                  nonlinearity: 0 overlap_floor: 0.05 } }
  net { trunk: [16] head: [8] steps: 200 learning_rate: 0.01 batch_size: 100
        control_outcomes { distance: MEAN } }
  atlas { alpha: [0] beta: [0, 30] kappa: [0, 2] n: [400] nested: false test_units: 20 }
)";

std::vector<experiment::FinishedUnit> RunAll(const AtlasStudy& study, int seeds) {
  std::vector<experiment::FinishedUnit> finished;
  for (int seed = 0; seed < seeds; ++seed) {
    auto units = study.Units(seed);
    EXPECT_TRUE(units.ok()) << units.status();
    for (const auto& unit : *units) {
      EXPECT_TRUE(unit->Advance(1000000).ok());
      finished.push_back({.key = unit->key(), .plan = unit->plan(), .results = unit->Results()});
    }
  }
  return finished;
}

double MeanBias(const std::vector<experiment::FinishedUnit>& units, const std::string& method,
                const std::string& group) {
  const auto errors = AtlasErrors(units, method, group, AtlasEstimand::kAtt);
  EXPECT_TRUE(errors.ok()) << errors.status();
  double sum = 0;
  for (const ReplicateErrors& error : *errors) sum += error.mean[0];
  return sum / static_cast<double>(errors->size());
}

// The difference of the arms' means, less the mean effect of the treated.
double NaiveError(const Observations& units) {
  double n[2] = {}, outcome[2] = {}, effect = 0;
  for (int64_t i = 0; i < units.size(); ++i) {
    const int arm = units.treatment[i];
    ++n[arm];
    outcome[arm] += units.outcome[i];
    if (arm == 1) effect += units.truth->mean_outcome[1][i] - units.truth->mean_outcome[0][i];
  }
  return outcome[1] / n[1] - outcome[0] / n[0] - effect / n[1];
}

TEST(AtlasStudyTest, StrongBalanceOfControlOutcomesLeadsToTheNaiveDifferenceUnderConfounding) {
  const CausalConfig config = Finished(kSmall);
  const auto study = AtlasStudy::Create(config);
  ASSERT_TRUE(study.ok()) << study.status();
  constexpr int kSeeds = 12;
  const std::vector<experiment::FinishedUnit> units = RunAll(*study, kSeeds);
  ASSERT_EQ(units.size(), 4 * kSeeds);

  HonestConfig knobs = {.instruments = 1,
                        .confounders = 2,
                        .outcome_only = 1,
                        .effect_only = 1,
                        .noise = 0,
                        .kappa = 2,
                        .overlap_floor = 0.05,
                        .nonlinearity = 0};
  const auto generator = HonestGenerator::Create(knobs, random::Stream(0).Split("surfaces"));
  ASSERT_TRUE(generator.ok()) << generator.status();
  double naive = 0;
  for (int seed = 0; seed < kSeeds; ++seed) {
    const auto sample = AtlasSample(*generator, 400, seed);
    ASSERT_TRUE(sample.ok());
    naive += NaiveError(*sample) / kSeeds;
  }
  // Confounding is there to be removed: by the network without balance, not with it.
  ASSERT_GT(naive, 0.5);
  EXPECT_LT(std::abs(MeanBias(units, "alpha_0_beta_0", "kappa_2_n_400")), 0.25 * naive);
  EXPECT_NEAR(MeanBias(units, "alpha_0_beta_30", "kappa_2_n_400"), naive, 0.25 * naive);
  // Where arms are drawn by lot there is nothing to lead to: no bias beyond noise, which is 0.12 a
  // replicate (sd 1.4 of outcomes less effects, 200 units an arm) and sqrt(12) times less here.
  EXPECT_LT(std::abs(MeanBias(units, "alpha_0_beta_0", "kappa_0_n_400")), 4 * 0.14 / 3.46);
  EXPECT_LT(std::abs(MeanBias(units, "alpha_0_beta_30", "kappa_0_n_400")), 4 * 0.14 / 3.46);
}

TEST(AtlasStudyTest, CellsAreThoseOfTheGrid) {
  const CausalConfig config = Finished(R"(
    data { honest { surfaces: 3 } }
    net { trunk: [4] head: [4] steps: 7 }
    atlas { alpha: [0, 0.1] beta: [10] kappa: [0, 1.5] n: [30, 60] })");
  const auto study = AtlasStudy::Create(config);
  ASSERT_TRUE(study.ok()) << study.status();
  const auto units = study->Units(17);
  ASSERT_TRUE(units.ok()) << units.status();
  std::vector<std::string> ids;
  for (const auto& unit : *units) {
    ids.push_back(unit->key().Id());
    EXPECT_EQ(unit->plan().steps, 4 * 7);
  }
  EXPECT_THAT(ids, ElementsAre("alpha_0_beta_10.kappa_0_n_30.realisation.17",
                               "alpha_0_1_beta_10.kappa_0_n_30.realisation.17",
                               "alpha_0_beta_10.kappa_1_5_n_30.realisation.17",
                               "alpha_0_1_beta_10.kappa_1_5_n_30.realisation.17",
                               "alpha_0_beta_10.kappa_0_n_60.realisation.17",
                               "alpha_0_1_beta_10.kappa_0_n_60.realisation.17",
                               "alpha_0_beta_10.kappa_1_5_n_60.realisation.17",
                               "alpha_0_1_beta_10.kappa_1_5_n_60.realisation.17"));
}

TEST(AtlasStudyTest, ALineRunsMethodsThenCellsAndReportsThem) {
  const CausalLine line;
  const CausalConfig config = Finished(R"(
    data { honest { n: 60 } }
    net { trunk: [4] head: [4] steps: 5 }
    methods { ols_1 {} }
    atlas { alpha: [0] beta: [0] kappa: [1] n: [60] })");
  const auto experiment = line.Prepare(config, "");
  ASSERT_TRUE(experiment.ok()) << experiment.status();
  std::vector<experiment::FinishedUnit> finished;
  for (const uint64_t seed : {0, 1}) {
    const auto units = (*experiment)->Units(seed);
    ASSERT_TRUE(units.ok()) << units.status();
    ASSERT_EQ(units->size(), 2);
    EXPECT_EQ((*units)[0]->key().method, "ols_1");
    EXPECT_EQ((*units)[1]->key().method, "alpha_0_beta_0");
    for (const auto& unit : *units) {
      ASSERT_TRUE(unit->Advance(1000).ok());
      finished.push_back({.key = unit->key(), .plan = unit->plan(), .results = unit->Results()});
    }
  }
  report::Document document("title");
  ASSERT_TRUE(line.AddPlots(config, finished, document).ok());
  EXPECT_THAT(document.Render(""), HasSubstr("Bias and variance"));
}

// Split and initialisation have streams of their own, so each changes what a network is.
TEST(AtlasStudyTest, NetworksDependOnTheSplitAndOnTheInitialisation) {
  const CausalConfig config = Finished(R"(
    data { honest {} }
    net { trunk: [8] head: [4] steps: 60 evaluate_every: 10 }
    atlas { alpha: [0] beta: [0] kappa: [1] n: [100] })");
  const auto study = AtlasStudy::Create(config);
  ASSERT_TRUE(study.ok());
  for (const experiment::FinishedUnit& unit : RunAll(*study, 2)) {
    std::map<std::string, double> metrics;
    for (const auto& measurement : unit.results.measurements) {
      metrics[measurement.metric] = measurement.value;
    }
    EXPECT_GT(metrics.at("effect_split"), 1e-6);
    EXPECT_GT(metrics.at("effect_initialisation"), 1e-6);
    EXPECT_GT(metrics.at("ate_split"), 0);
    EXPECT_GT(metrics.at("att_initialisation"), 0);
  }
}

std::string Csv(const report::Document& document, const std::string& name) {
  for (const report::PlotNumbers& plot : document.plots()) {
    if (plot.name == name) return plot.csv;
  }
  ADD_FAILURE() << "no plot " << name;
  return "";
}

// The last numbers of the lines below the header; nothing is -1.
std::vector<double> LastColumn(const std::string& csv) {
  std::vector<double> values;
  const std::vector<std::string> lines = absl::StrSplit(csv, "\r\n", absl::SkipEmpty());
  for (size_t i = 1; i < lines.size(); ++i) {
    const std::vector<std::string> cells = absl::StrSplit(lines[i], ',');
    double value = -1;
    EXPECT_TRUE(cells.back().empty() || absl::SimpleAtod(cells.back(), &value)) << lines[i];
    values.push_back(value);
  }
  return values;
}

// Three replicates with errors that are written down.
std::vector<experiment::FinishedUnit> WrittenDown(int replicates) {
  std::vector<experiment::FinishedUnit> units;
  for (int r = 0; r < replicates; ++r) {
    for (const double beta : {0.0, 1.0}) {
      experiment::FinishedUnit unit = {.key = {AtlasGrid::CellName(0, beta),
                                               AtlasGrid::GroupName(2, 50), "realisation",
                                               absl::StrCat(r)}};
      const double error = 1 + beta + (r == 0 ? 3 : 0);
      unit.results.measurements = {{"ate_bias", "outcome", error}, {"att_bias", "outcome", -error}};
      unit.results.curves.push_back(
          {.name = "error of effects", .x = {0, 1}, .y = {error, -error}});
      units.push_back(std::move(unit));
    }
  }
  return units;
}

TEST(AtlasReportTest, ShowsBiasVarianceAndTheirSumForEachCell) {
  const AtlasGrid grid = {.alpha = {0}, .beta = {0, 1}, .kappa = {2}, .n = {50}};
  report::Document document("title");
  ASSERT_TRUE(AddAtlas(grid, WrittenDown(3), document).ok());
  // Errors 4, 1, 1 and 5, 2, 2: variance 3, squared means 4 and 9, less a third of the variance.
  const auto near = [](double first, double second) {
    return ElementsAre(DoubleNear(first, 1e-12), DoubleNear(second, 1e-12));
  };
  EXPECT_THAT(LastColumn(Csv(document, "ate_squared_bias_kappa_2_n_50")), near(3, 8));
  EXPECT_THAT(LastColumn(Csv(document, "att_variance_kappa_2_n_50")), near(3, 3));
  EXPECT_THAT(LastColumn(Csv(document, "effects_pehe_mse_kappa_2_n_50")), near(6, 11));
  // One weight but 0: no decades, so 0 stands at 0. The number of replicates comes last.
  const std::string curves = Csv(document, "ate_mse_kappa_2_n_50_against_beta");
  EXPECT_THAT(curves, HasSubstr("series,x,y,low,high,n"));
  EXPECT_THAT(curves, HasSubstr("alpha 0,0,6,"));
  EXPECT_THAT(curves, HasSubstr("alpha 0,1,11,"));
  EXPECT_THAT(LastColumn(curves), ElementsAre(3, 3));
  const std::string html = document.Render("");
  EXPECT_THAT(html, HasSubstr("Bias and variance"));
  EXPECT_THAT(html, HasSubstr("ATE: estimate and 95 % interval over replicates"));
}

TEST(AtlasReportTest, ACellOfOneReplicateIsLeftOut) {
  const AtlasGrid grid = {.alpha = {0}, .beta = {0, 1}, .kappa = {2}, .n = {50}};
  report::Document document("title");
  ASSERT_TRUE(AddAtlas(grid, WrittenDown(1), document).ok());
  EXPECT_TRUE(document.plots().empty());
  // One cell has three, the other one.
  std::vector<experiment::FinishedUnit> units = WrittenDown(3);
  std::erase_if(units, [](const experiment::FinishedUnit& unit) {
    return unit.key.method == "alpha_0_beta_1" && unit.key.replicate != "0";
  });
  ASSERT_TRUE(AddAtlas(grid, units, document).ok());
  EXPECT_THAT(LastColumn(Csv(document, "ate_squared_bias_kappa_2_n_50")),
              ElementsAre(DoubleNear(3, 1e-12), -1));
}

TEST(AtlasStudyTest, SaysWhatIsWrong) {
  const auto message = [](const std::string& text) {
    CausalConfig config = Parse(text);
    return std::string(CausalLine().FinishConfig(config).message());
  };
  constexpr char kAtlas[] = " atlas { alpha: [0] beta: [0] kappa: [0] n: [50] }";
  EXPECT_THAT(message(absl::StrCat("data { ihdp {} }", kAtlas)), HasSubstr("choose data.honest"));
  EXPECT_THAT(message(absl::StrCat("data { honest { arms: 3 } }", kAtlas)),
              HasSubstr("data.honest.arms = 3"));
  EXPECT_THAT(
      message(absl::StrCat("data { honest {} } net { transductive: TEST_TREATMENT }", kAtlas)),
      HasSubstr("net.transductive"));
  EXPECT_THAT(message("data { honest {} } atlas { alpha: [0.1234561, 0.1234562] beta: [0] "
                      "kappa: [0] n: [50] }"),
              HasSubstr("two cells are called alpha_0_123456_beta_0"));
  EXPECT_THAT(message("data { honest {} } atlas { alpha: [0] beta: [0] "
                      "kappa: [0.1234561, 0.1234562] n: [50] }"),
              HasSubstr("two groups are called kappa_0_123456_n_50"));
  EXPECT_THAT(message("data { honest {} }"), HasSubstr("methods: must name at least one"));
}

}  // namespace
}  // namespace perennial::causal
