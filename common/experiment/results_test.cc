#include "common/experiment/results.h"

#include <cmath>
#include <cstdlib>
#include <fstream>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/base/file_io.h"
#include "common/report/csv.h"
#include "common/report/terminal_table.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace perennial::experiment {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::SizeIs;

FinishedUnit MakeUnit(const std::string& method, const std::string& replicate, double accuracy,
                      bool forgets = true) {
  FinishedUnit unit;
  unit.key = {method, "rotated", "seed", replicate};
  unit.plan.training_flops = 3e9;
  unit.cpu_seconds = 0.5;
  unit.results.measurements = {{"accuracy", "fraction", accuracy}};
  if (forgets) unit.results.measurements.push_back({"forgetting", "fraction", 0.25});
  unit.results.curves = {{"Accuracy", "task", "accuracy", {1, 2}, {accuracy, accuracy / 2}}};
  unit.results.matrices = {{"Matrix", "after", "on", {{accuracy, std::nullopt}, {0.5, 0.25}}}};
  return unit;
}

std::vector<FinishedUnit> Units() {
  return {MakeUnit("naive", "0", 0.5), MakeUnit("naive", "1", 0.7),
          MakeUnit("joint", "0", 0.8, false), MakeUnit("joint", "1", 0.9, false)};
}

// For results that make one table.
absl::StatusOr<report::Table> HeadlineTable(const std::vector<record::SummaryResult>& results,
                                            const std::vector<Headline>& headlines,
                                            const std::vector<record::FailedUnit>& failed = {}) {
  const auto tables = HeadlineTables(results, headlines, failed);
  if (!tables.ok()) return tables.status();
  EXPECT_THAT(*tables, SizeIs(1));
  return tables->at(0);
}

const std::vector<Headline> kHeadlines = {
    {"accuracy", "accuracy"}, {"forgetting", "forgetting"}, {"unknown", "nobody has it"}};

TEST(ResultsTest, SummariesKeepTheOrderAndEveryReplicate) {
  const auto results = Summarize(Units());
  ASSERT_EQ(results.size(), 3u);
  EXPECT_EQ(results[0].method, "naive");
  EXPECT_EQ(results[0].metric, "accuracy");
  EXPECT_EQ(results[0].over, "seed");
  EXPECT_THAT(results[0].values, ElementsAre(std::pair("0", 0.5), std::pair("1", 0.7)));
  EXPECT_EQ(results[1].metric, "forgetting");
  EXPECT_EQ(results[2].method, "joint");
}

TEST(ResultsTest, TheTableShowsMeansAndIntervalsAndDashesWhereNothingIsDefined) {
  const auto table = HeadlineTable(Summarize(Units()), kHeadlines);
  ASSERT_TRUE(table.ok());
  ASSERT_EQ(table->columns.size(), 3u) << "a metric that nobody has is left out";
  // Two values 0.5 and 0.7: 0.6 +- 12.706 * 0.1 (t quantile with one degree of freedom).
  EXPECT_THAT(table->rows[0], ElementsAre("naive", "0.600 [-0.671, 1.871]", HasSubstr("0.250")));
  EXPECT_EQ(table->rows[1][2], "–");
  EXPECT_THAT(table->caption, HasSubstr("2 seeds"));
}

TEST(ResultsTest, GroupsOfOtherMetricsHaveATableOfTheirOwn) {
  FinishedUnit study = MakeUnit("study", "0", 0.5);
  study.key.group = "two_tasks";
  study.results.measurements = {{"barrier", "nat", 0.25, "first"}, {"sweeps", "count", 3}};
  std::vector<FinishedUnit> units = Units();
  units.push_back(study);
  const std::vector<Headline> headlines = {{"accuracy", "accuracy"}, {"barrier", "barrier"}};
  const std::vector<record::FailedUnit> failed = {{"naive.rotated.seed.2", "nan"},
                                                  {"study.two_tasks.seed.1", "nan"},
                                                  {"study.elsewhere.seed.0", "nan"}};
  const auto tables = HeadlineTables(Summarize(units), headlines, failed);
  ASSERT_TRUE(tables.ok());
  ASSERT_THAT(*tables, SizeIs(2));
  EXPECT_THAT((*tables)[0].rows,
              ElementsAre(ElementsAre("naive (rotated)", "2 of 3", HasSubstr("0.600")),
                          ElementsAre("joint (rotated)", "2 of 2", HasSubstr("0.850")),
                          ElementsAre("study (elsewhere)", "0 of 1", "–")));
  // The unit has none of the metrics itself, but one of it failed.
  EXPECT_THAT((*tables)[1].rows, ElementsAre(ElementsAre("first", "1 of 1", "0.250"),
                                             ElementsAre("study", "1 of 2", "–")));
  EXPECT_THAT(HeadlineTables(Summarize(units), headlines)->at(1).rows, SizeIs(1));
}

TEST(ResultsTest, AGroupOfFourMethodsHasATableOfItsOwn) {
  std::vector<FinishedUnit> units;
  const auto add = [&](const std::string& group, int methods) {
    for (int i = 0; i < methods; ++i) {
      for (const char* seed : {"0", "1"}) {
        units.push_back(MakeUnit(absl::StrCat("m", i), seed, 0.1 * i));
        units.back().key.group = group;
      }
    }
  };
  add("small", 3);
  add("b", 4);
  add("tiny", 1);
  add("a", 5);
  const auto tables = HeadlineTables(Summarize(units), kHeadlines, {{"m7.a.seed.0", "nan"}});
  ASSERT_TRUE(tables.ok());
  ASSERT_THAT(*tables, SizeIs(3));
  EXPECT_THAT((*tables)[0].caption, testing::StartsWith("Mean and 95 %"));
  std::vector<std::string> names;
  for (const auto& row : (*tables)[0].rows) names.push_back(row[0]);
  EXPECT_THAT(names, ElementsAre("m0 (small)", "m1 (small)", "m2 (small)", "m0 (tiny)"));
  EXPECT_THAT((*tables)[1].caption, testing::StartsWith("b. Mean and 95 %"));
  EXPECT_THAT((*tables)[1].rows, SizeIs(4));
  EXPECT_EQ((*tables)[1].rows[3][0], "m3");
  EXPECT_THAT((*tables)[2].caption, testing::StartsWith("a. Mean and 95 %"));
  EXPECT_THAT((*tables)[2].rows, SizeIs(6)) << "and one that failed";
  // The only group needs no name.
  units.clear();
  add("b", 4);
  EXPECT_THAT(HeadlineTables(Summarize(units), kHeadlines)->at(0).caption,
              testing::StartsWith("Mean and 95 %"));
}

TEST(ResultsTest, OneReplicateHasNoInterval) {
  const auto table = HeadlineTable(Summarize({MakeUnit("naive", "0", 0.5)}), kHeadlines);
  EXPECT_EQ(table->rows[0][1], "0.500");
}

TEST(ResultsTest, CostsAddUpReplicatesAgainstTheFloor) {
  const auto costs = Costs(Units(), /*gemm_peak=*/1e10);
  ASSERT_EQ(costs.size(), 2u);
  EXPECT_DOUBLE_EQ(costs[0].training_flops, 6e9);
  EXPECT_DOUBLE_EQ(costs[0].cpu_seconds, 1);
  EXPECT_DOUBLE_EQ(costs[0].floor_seconds, 0.6);
  EXPECT_THAT(CostTable(costs).rows[0],
              ElementsAre("naive", "0.006", "–", "–", "1.00", "0.60", "60 %"));
}

TEST(ResultsTest, CostsKeepKindsOfOperationsAndGroupsApart) {
  FinishedUnit unit = MakeUnit("er", "0", 0.5);
  unit.plan.replay_flops = 2e9;
  unit.plan.evaluation_flops = 1e9;
  FinishedUnit other = unit;
  other.key.group = "permuted";
  const auto table = CostTable(Costs({unit, other}, /*gemm_peak=*/1e10));
  EXPECT_EQ(table.columns[1].name, "group");
  EXPECT_THAT(table.rows[0],
              ElementsAre("er", "rotated", "0.003", "0.002", "0.001", "0.50", "0.60", "120 %"));
  EXPECT_EQ(table.rows[1][1], "permuted");
  // One block on a terminal.
  const std::string text = report::TerminalTable(CostTable(Costs({unit}, 1e10)));
  EXPECT_EQ(text.find("method", text.find("method") + 1), std::string::npos) << text;
}

TEST(ResultsTest, WhatAReplicateTakesStandsBesideWhatItBrings) {
  std::vector<FinishedUnit> units = Units();
  for (FinishedUnit& unit : units) {
    unit.results.measurements.push_back({"passes", "count", unit.key.replicate == "0" ? 10.0 : 20});
  }
  const auto results = Summarize(units);
  const std::vector<Headline> counts = {{"passes", "passes"}, {"unknown", "nobody has it"}};
  const auto table = ReplicateCostTable(results, kHeadlines, counts, Costs(units, 1e10));
  ASSERT_TRUE(table.ok());
  ASSERT_THAT(table->columns, SizeIs(4));
  EXPECT_THAT(table->rows[0], ElementsAre("naive", "0.600", "15", "0.50"));
  EXPECT_THAT(table->rows[1], ElementsAre("joint", "0.850", "15", "0.50"));
  EXPECT_THAT(ReplicateCostTable(results, kHeadlines, {}, Costs(units, 1e10))->columns, SizeIs(1));
}

// A unit that compares things of its own.
TEST(ResultsTest, ResultsStandUnderTheMethodThatTheyName) {
  FinishedUnit unit = MakeUnit("study", "0", 0.5);
  unit.results.measurements.push_back({"accuracy", "fraction", 0.25, "first"});
  unit.results.measurements.push_back({"accuracy", "fraction", 0.75, "second"});
  population::Curve curve = unit.results.curves[0];
  curve.method = "first";
  unit.results.curves.push_back(curve);
  unit.results.matrices[0].names = {"here", "there"};
  const auto results = Summarize({unit});
  ASSERT_EQ(results.size(), 4u);
  EXPECT_EQ(results[2].method, "first");
  EXPECT_EQ(results[3].method, "second");
  EXPECT_THAT(results[3].values, ElementsAre(std::pair("0", 0.75)));
  const auto report = MakeReport({unit}, kHeadlines, {.title = "t"});
  ASSERT_TRUE(report.ok());
  ASSERT_THAT(report->plots, SizeIs(::testing::Ge(2u)));
  bool curves = false, matrix = false;
  for (const report::PlotNumbers& plot : report->plots) {
    curves |= plot.csv.find("study,1") != std::string::npos &&
              plot.csv.find("first,1") != std::string::npos;
    matrix |= plot.csv.find("there,here,0.5") != std::string::npos;
  }
  EXPECT_TRUE(curves && matrix);
}

TEST(ResultsTest, FailedUnitsAreCountedByMethod) {
  const std::vector<record::FailedUnit> failed = {{"naive.rotated.seed.2", "the loss is nan"},
                                                  {"ewc.rotated.seed.0", "the loss is nan"}};
  const auto table = HeadlineTable(Summarize(Units()), kHeadlines, failed);
  ASSERT_TRUE(table.ok());
  EXPECT_EQ(table->columns[1].name, "seeds");
  ASSERT_THAT(table->rows, SizeIs(3));
  EXPECT_EQ(table->rows[0][1], "2 of 3");
  EXPECT_EQ(table->rows[1][1], "2 of 2");
  EXPECT_THAT(table->rows[2], ElementsAre("ewc", "0 of 1", "–", "–"));
}

TEST(ResultsTest, TheCaptionSaysWhenMethodsHaveDifferentNumbersOfReplicates) {
  auto units = Units();
  units.pop_back();
  const auto table = HeadlineTable(Summarize(units), kHeadlines);
  EXPECT_THAT(table->caption, HasSubstr("1 to 2 seeds"));
}

// Numbers by hand: two values 0.5 and 0.7 have the deviation 0.1 sqrt(2), and t at 0.975 with one
// degree of freedom is 12.7062047.
TEST(ResultsTest, TheTableOfResultsHoldsNumbersToComputeWith) {
  const auto table =
      ResultsTable(Summarize({MakeUnit("naive", "0", 0.5), MakeUnit("naive", "1", 0.7, false)}));
  ASSERT_TRUE(table.ok());
  const std::string csv = report::TableCsv(*table);
  EXPECT_THAT(csv, testing::StartsWith("group,method,metric,unit,over,n,mean,median,sd,ci95_low,"
                                       "ci95_high\r\nrotated,naive,accuracy,fraction,seed,2,0.6,"));
  EXPECT_NEAR(std::stod(table->rows[0][8]), 0.1 * std::sqrt(2), 1e-15);
  EXPECT_NEAR(std::stod(table->rows[0][9]), 0.6 - 1.27062047, 1e-8);
  EXPECT_NEAR(std::stod(table->rows[0][10]), 0.6 + 1.27062047, 1e-8);
  EXPECT_THAT(csv, HasSubstr("rotated,naive,forgetting,fraction,seed,1,0.25,0.25,,,\r\n"));
}

report::PlotNumbers PlotOf(const RunReport& report, const std::string& name) {
  for (const report::PlotNumbers& plot : report.plots) {
    if (plot.name == name) return plot;
  }
  return {};
}

TEST(ResultsTest, CurvesOfDifferentLengthsAreMeansOverThoseThatHaveAPoint) {
  FinishedUnit a = MakeUnit("naive", "0", 0.5);
  FinishedUnit b = MakeUnit("naive", "1", 0.5);
  a.results.curves = {{"Loss", "step", "loss", {10, 20, 30, 30}, {4, 2, 1, 7}}};
  b.results.curves = {{"Loss", "step", "loss", {5, 10, 20}, {9, 6, std::nan("")}}};
  const auto report = MakeReport({a, b}, kHeadlines, {.title = "t"});
  ASSERT_TRUE(report.ok()) << report.status();
  // 4 and 6: 5 +- 12.706.
  EXPECT_THAT(PlotOf(*report, "loss_rotated").csv,
              testing::MatchesRegex("series,x,y,low,high,n\r\n"
                                    "naive,5,9,,,1\r\n"
                                    "naive,10,5,-7\\.706[0-9]*,17\\.706[0-9]*,2\r\n"
                                    "naive,20,2,,,1\r\n"
                                    "naive,30,1,,,1\r\n"
                                    "naive,30,7,,,1\r\n"));
  EXPECT_THAT(report->html, HasSubstr("over those that have one"));
}

TEST(ResultsTest, EqualCurvesKeepTheirOrderEvenIfXFallsBack) {
  FinishedUnit a = MakeUnit("naive", "0", 0.5);
  a.results.curves = {{"Path", "x", "y", {3, 1, 3}, {1, 2, 4}}};
  const auto report = MakeReport({a}, kHeadlines, {.title = "t"});
  EXPECT_EQ(PlotOf(*report, "path_rotated").csv,
            "series,x,y,low,high,n\r\nnaive,3,1,,,1\r\nnaive,1,2,,,1\r\nnaive,3,4,,,1\r\n");
  EXPECT_THAT(report->html, Not(HasSubstr("over those that have one")));
}

TEST(ResultsTest, ATableOfHeadlinesThatNoMethodHasIsLeftOut) {
  FinishedUnit unit = MakeUnit("naive", "0", 0.5);
  const auto some = MakeReport({unit}, kHeadlines, {.title = "t"});
  unit.results.measurements = {{"other", "fraction", 0.5}};
  const std::string caption = HeadlineTables(Summarize({unit}), kHeadlines)->at(0).caption;
  const auto none = MakeReport({unit}, kHeadlines, {.title = "t"});
  ASSERT_TRUE(some.ok() && none.ok());
  EXPECT_THAT(some->html, HasSubstr(caption));
  EXPECT_THAT(none->html, Not(HasSubstr(caption)));
}

TEST(ResultsTest, TheScaleOfAMatrixIsZeroToOneForSharesOnly) {
  FinishedUnit unit = MakeUnit("naive", "0", 0.5);
  const auto shares = MakeReport({unit}, kHeadlines, {.title = "t"});
  EXPECT_THAT(shares->html, HasSubstr("\"min\":0,\"max\":1,\"values\":[[0.5,null],[0.5,0.25]]"));
  // A replicate that stopped early has a smaller matrix.
  unit.results.matrices[0].values = {{3.0, std::nullopt}, {-1.0, 0.5}};
  FinishedUnit early = unit;
  early.key.replicate = "1";
  early.results.matrices[0].values = {{5.0}};
  const auto others = MakeReport({unit, early}, kHeadlines, {.title = "t"});
  EXPECT_THAT(others->html, HasSubstr("\"min\":null,\"max\":null,\"values\":[[4,null],[-1,0.5]]"));
  EXPECT_EQ(PlotOf(*others, "naive_matrix_rotated").csv,
            "row,column,value\r\n1,1,4\r\n1,2,\r\n2,1,-1\r\n2,2,0.5\r\n");
}

// A map of barriers where there are none, say; but zeros of one replicate count in the mean.
TEST(ResultsTest, AMatrixOfNothingButZerosIsLeftOut) {
  FinishedUnit zeros = MakeUnit("naive", "0", 0.5);
  zeros.results.matrices = {{"Barriers", "from", "to", {{0.0, std::nullopt}, {0.0, 0.0}}},
                            {"Nothing", "from", "to", {{std::nullopt}}},
                            {"Rises", "from", "to", {{0.0, 0.25}}}};
  const auto some = MakeReport({zeros}, kHeadlines, {.title = "t"});
  EXPECT_THAT(some->html, AllOf(Not(HasSubstr("Barriers")), Not(HasSubstr("Nothing")),
                                HasSubstr("naive: Rises (rotated)")));
  FinishedUnit more = zeros;
  more.key.replicate = "1";
  more.results.matrices[0].values[1][0] = 3.0;
  const auto both = MakeReport({zeros, more}, kHeadlines, {.title = "t"});
  EXPECT_EQ(PlotOf(*both, "naive_barriers_rotated").csv,
            "row,column,value\r\n1,1,0\r\n1,2,\r\n2,1,1.5\r\n2,2,0\r\n");
  zeros.results.matrices.resize(2);
  EXPECT_THAT(MakeReport({zeros}, kHeadlines, {.title = "t"})->html,
              Not(HasSubstr("<h2>Matrices")));
}

TEST(ResultsTest, TheReportHoldsTablesCurvesMatricesAndTheConfiguration) {
  const auto report = MakeReport(Units(), kHeadlines,
                                 {.title = "A title",
                                  .subtitle = "a subtitle",
                                  .config_text = "hidden: 256",
                                  .environment = {{"cpu", "a <processor>"}},
                                  .gemm_peak = 1e11});
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_THAT(report->html,
              AllOf(HasSubstr("A title"), HasSubstr("0.600 [-0.671, 1.871]"),
                    HasSubstr("naive: Matrix (rotated)"), HasSubstr("Accuracy (rotated)"),
                    HasSubstr("hidden: 256"), HasSubstr("a &lt;processor&gt;")));
  EXPECT_THAT(report->html, Not(HasSubstr("Failed units")));
  EXPECT_THAT(PlotOf(*report, "accuracy").csv,
              testing::StartsWith("series,group,value,low,high\r\nnaive,rotated,0.6,-0.67062047"));
}

TEST(ResultsTest, BarsOfErrorsDoNotReachBelowZero) {
  const std::vector<Headline> headlines = {
      {.metric = "accuracy", .label = "error", .heavy_tailed = true}};
  const auto report = MakeReport(Units(), headlines, {.title = "t"});
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_THAT(PlotOf(*report, "error").csv,
              testing::StartsWith("series,group,value,low,high\r\nnaive,rotated,0.6,0,1.8706"));
  EXPECT_THAT(report->html, HasSubstr("error (intervals cut at 0)"));
  // 0.85 +- 12.706 * 0.05 stays above.
  const std::vector<FinishedUnit> joint = {MakeUnit("joint", "0", 0.8),
                                           MakeUnit("joint", "1", 0.9)};
  const auto above = MakeReport(joint, headlines, {.title = "t"});
  ASSERT_TRUE(above.ok()) << above.status();
  EXPECT_THAT(PlotOf(*above, "error").csv, HasSubstr("joint,rotated,0.85"));
  EXPECT_THAT(above->html, Not(HasSubstr("cut at 0")));
}

TEST(ResultsTest, SectionsWithoutContentAreLeftOut) {
  FinishedUnit unit = MakeUnit("naive", "0", 0.5);
  unit.results.curves.clear();
  unit.results.matrices.clear();
  const auto report =
      MakeReport({unit}, {{"accuracy", "accuracy"}, {"forgetting", "forgetting"}}, {.title = "t"});
  EXPECT_THAT(report->html, AllOf(Not(HasSubstr("interval by Student")),
                                  Not(HasSubstr(">Matrices<")), Not(HasSubstr("Everything else"))));
}

TEST(ResultsTest, CurvesStandUnderTheirNameOrWhatTheyRunOver) {
  FinishedUnit unit = MakeUnit("naive", "0", 0.5);
  const auto with = [&](std::vector<population::Curve> curves) {
    unit.results.curves = std::move(curves);
    return MakeReport({unit}, kHeadlines, {.title = "t"})->html;
  };
  const population::Curve loss = {"loss on all", "alpha: 0 a start", "nat", {0, 1}, {1, 2}};
  population::Curve accuracy = {"accuracy", "alpha: 0 a start", "", {0, 1}, {1, 2}};
  EXPECT_THAT(with({loss}), HasSubstr("<h2>Loss on all</h2>"));
  EXPECT_THAT(with({loss, accuracy}), HasSubstr("<h2>Curves over alpha</h2>"));
  accuracy.x_label = "step";
  EXPECT_THAT(with({loss, accuracy}), HasSubstr("<h2>Curves</h2>"));
}

TEST(ResultsTest, FailedUnitsStandFirstAndALineAddsItsOwn) {
  const ReportContext context = {
      .title = "t",
      .failed = {{"naive.rotated.seed.2", "step 3: the loss is nan"}},
      .findings = {{"Finding", {.columns = {{"found"}}, .rows = {{"this & that"}}}}},
      .add_plots = [](report::Document& document) {
        document.AddSection("Own section");
        document.AddLinePlot({.title = "Own plot", .series = {{"a", {1}, {2}}}});
        return absl::OkStatus();
      }};
  const auto report = MakeReport(Units(), kHeadlines, context);
  ASSERT_TRUE(report.ok()) << report.status();
  const size_t failed = report->html.find("<h2>Failed units");
  EXPECT_LT(failed, report->html.find("<h2>Finding"));
  EXPECT_LT(report->html.find("<h2>Finding"), report->html.find("this &amp; that"));
  EXPECT_LT(report->html.find("this &amp; that"), report->html.find("<h2>Results"));
  EXPECT_LT(report->html.find("<h2>Matrices"), report->html.find("<h2>Own section"));
  EXPECT_LT(report->html.find("<h2>Own section"), report->html.find("<h2>Cost"));
  EXPECT_THAT(report->html, HasSubstr("step 3: the loss is nan"));
  EXPECT_EQ(PlotOf(*report, "own_plot").csv, "series,x,y,low,high,n\r\na,1,2,,,\r\n");

  ReportContext refusing = context;
  refusing.add_plots = [](report::Document&) { return absl::InternalError("no plot"); };
  EXPECT_EQ(MakeReport(Units(), kHeadlines, refusing).status().message(), "no plot");
}

std::vector<FinishedUnit> Many(int methods, int replicates) {
  std::vector<FinishedUnit> units;
  for (int m = 0; m < methods; ++m) {
    for (int r = 0; r < replicates; ++r) {
      FinishedUnit unit =
          MakeUnit(absl::StrCat("method_", m), absl::StrCat(r), 0.5 + 1.0 / (m + r + 3));
      population::Curve& curve = unit.results.curves[0];
      population::Matrix& matrix = unit.results.matrices[0];
      curve = {"Accuracy", "task", "accuracy", {}, {}};
      matrix.values.assign(20, std::vector<std::optional<double>>(20));
      for (int i = 0; i < 20; ++i) {
        for (int j = 0; j < 20; ++j) matrix.values[i][j] = std::abs(std::sin(i + 20 * j + m + r));
        if (i >= 10) continue;
        curve.x.push_back(i);
        curve.y.push_back(std::abs(std::cos(i + m + r)));
      }
      units.push_back(std::move(unit));
    }
  }
  return units;
}

TEST(ResultsTest, TheReportOfAThousandUnitsIsSmall) {
  for (const auto& [methods, replicates] : {std::pair(1, 1000), std::pair(50, 20)}) {
    const auto report = MakeReport(Many(methods, replicates), kHeadlines, {.title = "t"});
    ASSERT_TRUE(report.ok()) << report.status();
    EXPECT_LT(report->html.size(), size_t{6000000});
    EXPECT_THAT(report->plots, SizeIs(3 + methods));
    EXPECT_THAT(report->html, Not(HasSubstr("left out here")));
  }
  // All numbers are kept where not all plots can be.
  const auto report = MakeReport(Many(1000, 1), kHeadlines, {.title = "t"});
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_LT(report->html.size(), size_t{6000000});
  EXPECT_THAT(report->plots, SizeIs(1003));
  EXPECT_THAT(report->html, HasSubstr("left out here"));
  const auto larger = MakeReport(Many(3000, 1), kHeadlines, {.title = "t"});
  ASSERT_TRUE(larger.ok()) << larger.status();
  EXPECT_LT(larger->html.size(), size_t{6000000});
  EXPECT_THAT(larger->html,
              HasSubstr("The first 300 of 3000 rows; all results stand in tables.csv"));
}

TEST(ResultsTest, PlotsAreWrittenAndThoseOfAnEarlierReportRemoved) {
  std::string folder = ::testing::TempDir() + "/results_XXXXXX";
  ASSERT_NE(mkdtemp(folder.data()), nullptr);
  ASSERT_TRUE(WritePlots({{"a", "1"}, {"b", "2"}}, folder).ok());
  // What a killed process left.
  std::ofstream(folder + "/plots/.a.csv.perennial-tmp.1.2") << "half";
  ASSERT_TRUE(WritePlots({{"b", "3"}}, folder).ok());
  EXPECT_THAT(base::ListFolder(folder + "/plots").value(), ElementsAre("b.csv"));
  EXPECT_EQ(base::ReadFile(folder + "/plots/b.csv").value(), "3");
  EXPECT_FALSE(WritePlots({{"b", "3"}}, "/proc").ok());
}

TEST(ResultsTest, AHeavyTailedMetricHasMedianAndWins) {
  // b is smaller than a twice of three, and ties with c once of two.
  const std::vector<FinishedUnit> units = {MakeUnit("a", "0", 1),   MakeUnit("a", "1", 2),
                                           MakeUnit("a", "2", 9),   MakeUnit("b", "0", 0.5),
                                           MakeUnit("b", "1", 3),   MakeUnit("b", "2", 1),
                                           MakeUnit("c", "0", 0.5), MakeUnit("c", "1", 4)};
  const auto table = HeadlineTable(
      Summarize(units),
      {{.metric = "accuracy", .label = "error", .heavy_tailed = true, .wins = "wins %"}});
  ASSERT_TRUE(table.ok());
  EXPECT_EQ(table->caption, "Mean (median) over 2 to 3 seeds");
  ASSERT_EQ(table->columns.size(), 3);
  EXPECT_EQ(table->columns[2].name, "wins %");
  EXPECT_THAT(table->rows, ElementsAre(ElementsAre("a", "4.000 (2.000)", "40"),
                                       ElementsAre("b", "1.500 (1.000)", "70"),
                                       ElementsAre("c", "2.250 (2.250)", "38")));
}

TEST(ResultsTest, TheHeadlineTableFitsAnEightyColumnTerminal) {
  auto units = Units();
  for (FinishedUnit& unit : units) {
    unit.results.measurements.push_back({"learning_accuracy", "fraction", 0.7});
  }
  const auto table = HeadlineTable(Summarize(units), {{"accuracy", "average accuracy"},
                                                      {"forgetting", "forgetting"},
                                                      {"learning_accuracy", "learning accuracy"}});
  const std::string text = report::TerminalTable(*table);
  EXPECT_EQ(text.find("method", text.find("method") + 1), std::string::npos) << text;
}

}  // namespace
}  // namespace perennial::experiment
